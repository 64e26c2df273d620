//! A visitor: who asks a balancer through its floating IP, as any stranger does.

use std::net::Ipv4Addr;
use std::time::Duration;

use pontoon_cloud::site::{Site, chain};
use pontoon_core::key::{Key, Kind};
use pontoon_core::path::Answer;
use pontoon_core::spec::model::{Balancer, FloatingIp, Protocol};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Asks over a connection of its own each time, and follows nothing.
pub(crate) struct Visitor<'a> {
    site: &'a Site,
    client: reqwest::Client,
}

/// Where a balancer is published.
pub(crate) struct Published {
    address: Ipv4Addr,
    /// What a browser is pointed at.
    pub(crate) url: String,
}

impl<'a> Visitor<'a> {
    /// A visitor of the balancers of a stack at its place.
    pub(crate) fn new(site: &'a Site) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { site, client })
    }

    /// Where a balancer is published, as far as the last look has seen; nowhere where it has no floating IP.
    pub(crate) async fn finds(&self, name: &str, balancer: &Balancer) -> Option<Published> {
        let address = match balancer.floating_ip {
            FloatingIp::No => return None,
            FloatingIp::Given(address) => address,
            FloatingIp::Any => {
                let key = Key::new(self.site.stack(), Kind::FloatingIp, format!("vip-{name}"));
                self.site.known(&key)?.address?
            }
        };
        let authority = self.site.hosts.outside().authority(address, balancer.listen).await;
        let scheme = if balancer.protocol == Protocol::Http { "http" } else { "tcp" };
        Some(Published { address, url: format!("{scheme}://{authority}/") })
    }

    /// What it gets there.
    pub(crate) async fn asks(&self, at: &Published, balancer: &Balancer) -> Answer {
        if balancer.protocol == Protocol::Tcp {
            let dialled = self.site.hosts.outside().dial(at.address, balancer.listen).await;
            return dialled.map_or_else(|error| Answer::Silence(chain(&error)), |_| Answer::Open);
        }
        let path = balancer.monitor_path.as_deref().unwrap_or("/");
        match self.client.get(format!("{}{path}", at.url.trim_end_matches('/'))).send().await {
            Ok(reply) => Answer::Http(reply.status().as_u16()),
            Err(error) => Answer::Silence(chain(&error)),
        }
    }
}
