//! Makes floating IPs real: whatever a floating IP leads to listens on the loopback address of the same number.

use super::{From, connect};
use crate::cloud::Shared;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Weak};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SSH: u16 = 22;
/// Added to a port that this process must not bind.
const UNPRIVILEGED: u16 = 8000;

/// The listening sockets of all published addresses.
#[derive(Default)]
pub(crate) struct Publisher {
    open: BTreeMap<SocketAddrV4, (SocketAddr, JoinHandle<()>)>,
}

impl Publisher {
    /// Opens and closes sockets until they are those that the world asks for; answers where each listens.
    pub(crate) async fn follow(&mut self, shared: &Arc<Shared>) -> BTreeMap<SocketAddrV4, SocketAddr> {
        let wanted = wanted(&shared.world());
        self.open.retain(|address, (_, task)| {
            let keep = wanted.contains(address);
            if !keep {
                task.abort();
            }
            keep
        });
        for address in wanted {
            if self.open.contains_key(&address) {
                continue;
            }
            match bind(address).await {
                Ok((listener, real)) => {
                    let task = tokio::spawn(accept(Arc::downgrade(shared), listener, address));
                    self.open.insert(address, (real, task));
                }
                Err(error) => tracing::warn!(%address, %error, "nothing can listen for a floating IP"),
            }
        }
        self.open.iter().map(|(address, (real, _))| (*address, *real)).collect()
    }

    /// Closes everything.
    pub(crate) fn close(&mut self) {
        for (_, task) in std::mem::take(&mut self.open).into_values() {
            task.abort();
        }
    }
}

/// The floating addresses and ports behind which there is a balancer's listener or a server's ssh.
fn wanted(world: &World) -> BTreeSet<SocketAddrV4> {
    let mut wanted = BTreeSet::new();
    for floating in world.floatingips.values() {
        let Some(port) = &floating.port_id else { continue };
        let address = floating.floating_ip_address;
        if world.server_of_port(port).is_some() {
            wanted.insert(SocketAddrV4::new(address, SSH));
        }
        let balancers = world.loadbalancers.values().filter(|balancer| balancer.vip_port_id == *port);
        for balancer in balancers {
            let listeners = world.listeners.values().filter(|listener| listener.loadbalancer_id == balancer.meta.id);
            wanted.extend(listeners.map(|listener| SocketAddrV4::new(address, listener.protocol_port)));
        }
    }
    wanted
}

/// The address itself where this process may have it, else a port beside it, else any port of 127.0.0.1.
async fn bind(address: SocketAddrV4) -> std::io::Result<(TcpListener, SocketAddr)> {
    let beside = SocketAddrV4::new(*address.ip(), address.port().saturating_add(UNPRIVILEGED));
    let anywhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let mut last = None;
    for candidate in [address, beside, anywhere] {
        match TcpListener::bind(candidate).await {
            Ok(listener) => {
                let real = listener.local_addr()?;
                return Ok((listener, real));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("no candidate")))
}

async fn accept(shared: Weak<Shared>, listener: TcpListener, published: SocketAddrV4) {
    loop {
        let Ok((mut client, peer)) = listener.accept().await else {
            // Out of descriptors: the next moment may be better.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let Some(shared) = shared.upgrade() else { return };
        let peer = match peer.ip() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::LOCALHOST,
        };
        match connect::connect(&shared, &From::Internet(peer), published) {
            Ok(mut inner) => {
                tokio::spawn(async move {
                    // An end on either side is the end of the connection.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut inner).await;
                });
            }
            Err(drop) => tracing::debug!(%published, %peer, %drop, "a connection was dropped"),
        }
    }
}
