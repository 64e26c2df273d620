//! What lies on a host, seen through its ssh.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use pontoon_core::key::Key;
use pontoon_core::observed::{Container, HostFailure, HostView, Inside, Profile, Server};
use pontoon_core::render;
use pontoon_core::spec::model::Engine;

use super::super::cloud_init::{self, Progress};
use super::super::host_keys::Told;
use super::super::{Site, SiteError};
use crate::lxd;

impl Site {
    pub(super) async fn look_inside(&self, server: &Server, engine: Engine) -> Result<HostView, SiteError> {
        let host = server.key.name.as_str();
        if !self.hosts.knows_key_of(host) {
            match self.told_host_key(host, &server.id).await? {
                Told::Key(_) => {}
                Told::NotYet(_) => return Ok(HostView::Preparing),
                Told::Never(words) => return Ok(HostView::NoConsole(words)),
            }
        }
        let (_, answer) = self.hosts.try_run(host, cloud_init::QUESTION, &[]).await?;
        match cloud_init::read(&answer) {
            Progress::Working(_) => return Ok(HostView::Preparing),
            Progress::Failed(errors) => return self.failed(host, engine, errors).await.map(HostView::Failed),
            Progress::Clean => {}
        }
        let client = self.hosts.engine(host, engine).await?;
        let engine =
            async { try_join!(client.profiles(), client.images(), client.instances()).map_err(SiteError::from) };
        let ((profiles, images, instances), dhcp_hosts, agent) =
            try_join!(engine, self.dhcp_hosts(host), self.agent_on(host))?;
        Ok(HostView::Ready(Inside { agent, ..self.inside(profiles, images, instances, dhcp_hosts) }))
    }

    /// A host whose cloud-init failed, which it may have done in a later boot than its first: with containers on it.
    async fn failed(&self, host: &str, engine: Engine, errors: String) -> Result<HostFailure, SiteError> {
        let (_, log) = self.hosts.try_run(host, cloud_init::LOG, &[]).await?;
        let instances = async { Ok::<_, SiteError>(self.hosts.engine(host, engine).await?.instances().await?) };
        let containers = instances.await.ok().map(|instances| {
            let inside = self.inside(Vec::new(), Vec::new(), instances, BTreeMap::new());
            inside.containers.into_keys().collect()
        });
        Ok(HostFailure { errors, log, containers })
    }

    async fn dhcp_hosts(&self, host: &str) -> Result<BTreeMap<String, String>, SiteError> {
        // An empty directory makes grep fail, which is an answer as well.
        let command = format!("grep -rs '' {}", render::DHCP_HOSTS_DIRECTORY);
        let (_, text) = self.hosts.try_run(host, &command, &[]).await?;
        let prefix = format!("{}/", render::DHCP_HOSTS_DIRECTORY);
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for line in text.lines() {
            if let Some((name, content)) = line.strip_prefix(&prefix).and_then(|rest| rest.split_once(':')) {
                let file = files.entry(name.to_owned()).or_default();
                file.push_str(content);
                file.push('\n');
            }
        }
        Ok(files)
    }

    fn inside(
        &self,
        profiles: Vec<lxd::Profile>,
        images: Vec<lxd::Image>,
        instances: Vec<lxd::Instance>,
        dhcp_hosts: BTreeMap<String, String>,
    ) -> Inside {
        let profiles = profiles.into_iter().map(|profile| {
            let content = Profile { config: profile.content.config, devices: profile.content.devices };
            (profile.name, content)
        });
        let names = |image: lxd::Image| {
            let aliases = image.aliases.into_iter().map(|alias| alias.name);
            aliases.chain([image.fingerprint]).collect::<Vec<_>>()
        };
        let mut inside = Inside {
            profiles: profiles.collect(),
            images: images.into_iter().flat_map(names).collect::<BTreeSet<_>>(),
            dhcp_hosts,
            ..Inside::default()
        };
        for instance in instances {
            let key = instance.config.get(render::KEY_CONFIG).and_then(|text| text.parse::<Key>().ok());
            match key.filter(|key| key.stack == self.stack) {
                Some(key) => {
                    let running = instance.status == "Running";
                    let whole = running || is_whole(&instance.config);
                    inside.containers.insert(instance.name, Container { key, whole, running, config: instance.config });
                }
                None => {
                    inside.foreign.insert(instance.name);
                }
            }
        }
        inside
    }
}

/// Whether the creation of a stopped instance came to its end. LXD and Incus note as the last thing of a creation that
/// templates are to be applied at the first start, and at each start and stop how the instance was.
fn is_whole(config: &BTreeMap<String, String>) -> bool {
    ["volatile.apply_template", "volatile.last_state.power"].iter().any(|key| config.contains_key(*key))
}
