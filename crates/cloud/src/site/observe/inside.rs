//! What lies on a host, seen through its ssh.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use pontoon_core::key::Key;
use pontoon_core::observed::{Container, HostView, Inside, Profile, Server};
use pontoon_core::render;
use pontoon_core::spec::model::Engine;
use serde::Deserialize;

use super::super::{Site, SiteError};
use crate::lxd;
use crate::ssh::console;

/// `cloud-init status --format=json`, as far as every version since 22.4 prints it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct CloudInit {
    pub(in super::super) status: String,
    pub(in super::super) detail: String,
    pub(in super::super) errors: Vec<String>,
}

/// What cloud-init's answer means.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Progress {
    /// Still at work, in its own word.
    Working(String),
    /// Ended clean; warnings that it calls recoverable do not count against it.
    Clean,
    /// Ended with errors.
    Failed(String),
}

impl CloudInit {
    /// Reads the answer; one that is no JSON is cloud-init not being there yet.
    pub(in super::super) fn read(text: &str) -> Progress {
        let Ok(answer) = serde_json::from_str::<Self>(text) else {
            return Progress::Working("not started".to_owned());
        };
        match answer.status.as_str() {
            "error" | "degraded" if !answer.errors.is_empty() => Progress::Failed(answer.errors.join("; ")),
            "error" => Progress::Failed(answer.detail),
            // No data source or switched off: there is nothing that it could have applied.
            "disabled" => Progress::Failed("cloud-init is disabled in this image".to_owned()),
            "done" | "degraded" => Progress::Clean,
            other => Progress::Working(other.to_owned()),
        }
    }
}

pub(in super::super) const CLOUD_INIT_STATUS: &str = "cloud-init status --format=json";

/// The end of the log that says why.
pub(in super::super) const CLOUD_INIT_LOG: &str = "sudo tail -n 15 /var/log/cloud-init-output.log";

impl Site {
    pub(super) async fn look_inside(&self, server: &Server, engine: Engine) -> Result<HostView, SiteError> {
        let host = server.key.name.as_str();
        if !self.learn_host_key(host, &server.id).await? {
            return Ok(HostView::Preparing);
        }
        let (_, text) = self.hosts.try_run(host, CLOUD_INIT_STATUS, &[]).await?;
        match CloudInit::read(&text) {
            Progress::Working(_) => return Ok(HostView::Preparing),
            Progress::Failed(reason) => {
                let (_, log) = self.hosts.try_run(host, CLOUD_INIT_LOG, &[]).await?;
                return Ok(HostView::Failed(format!("{reason}\n{}", log.trim_end())));
            }
            Progress::Clean => {}
        }
        let client = self.hosts.engine(host, engine).await?;
        let engine =
            async { try_join!(client.profiles(), client.images(), client.instances()).map_err(SiteError::from) };
        let ((profiles, images, instances), dhcp_hosts) = try_join!(engine, self.dhcp_hosts(host))?;
        Ok(HostView::Ready(self.inside(profiles, images, instances, dhcp_hosts)))
    }

    /// Makes the host's ssh key known: from the server's metadata (where the observation put it), else from the console
    /// log. `false`: the console does not show it yet.
    pub(in super::super) async fn learn_host_key(&self, host: &str, server_id: &str) -> Result<bool, SiteError> {
        if self.hosts.knows_key_of(host) {
            return Ok(true);
        }
        let log = self.openstack.console_output(server_id, None).await?;
        let found = console::host_keys(&log);
        let Some(check) = found.check() else { return Ok(false) };
        self.hosts.set_host_key(host, check);
        Ok(true)
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
                    inside.containers.insert(instance.name, Container { key, running, config: instance.config });
                }
                None => {
                    inside.foreign.insert(instance.name);
                }
            }
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_init_is_clean_only_when_it_says_done() {
        for (text, meaning) in [
            (r#"{"status":"done","errors":[]}"#, Progress::Clean),
            (r#"{"status":"running"}"#, Progress::Working("running".to_owned())),
            (r#"{"status":"error","errors":["scripts_user"]}"#, Progress::Failed("scripts_user".to_owned())),
            (r#"{"status":"error","detail":"DataSourceNoCloud"}"#, Progress::Failed("DataSourceNoCloud".to_owned())),
            ("bash: cloud-init: command not found", Progress::Working("not started".to_owned())),
        ] {
            assert_eq!(CloudInit::read(text), meaning, "{text}");
        }
    }
}
