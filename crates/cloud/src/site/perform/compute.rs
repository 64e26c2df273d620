//! Servers: booting one, and waiting until it is a container host.

use std::collections::BTreeMap;

use base64::Engine as _;
use pontoon_core::key::{Key, stack_tag};
use pontoon_core::plan::Action;
use pontoon_core::spec::model::Engine;

use super::super::observe::{
    CLOUD_INIT_LOG, CLOUD_INIT_STATUS, CloudInit, METADATA_HOST_KEY, METADATA_KEY, METADATA_USER_DATA, Progress,
};
use super::super::patience::until;
use super::super::{Site, SiteError, Waiting, chain};
use crate::openstack::compute::{self, NewServer, NewServerGroup, ServerNetwork};
use crate::ssh::console;

impl Site {
    pub(super) async fn create_server_group(&self, key: &Key, name: &str) -> Result<(), SiteError> {
        let group = NewServerGroup { name: name.to_owned(), policy: "soft-anti-affinity".to_owned() };
        let group = self.openstack.create_server_group(&group).await?;
        self.book.set(key, &group.id, None);
        Ok(())
    }

    pub(super) async fn create_server(&self, key: &Key, action: &Action) -> Result<(), SiteError> {
        let Action::CreateServer {
            name,
            image_id,
            flavor_id,
            key_name,
            port,
            user_data,
            user_data_hash,
            group,
            availability_zone,
        } = action
        else {
            return Ok(());
        };
        self.hosts.forget(name);
        let server = NewServer {
            name: name.clone(),
            flavor: flavor_id.clone(),
            image: image_id.clone(),
            key_name: Some(key_name.clone()),
            networks: vec![ServerNetwork { port: self.book.id(port)? }],
            user_data: Some(base64::engine::general_purpose::STANDARD.encode(user_data)),
            metadata: BTreeMap::from([
                (METADATA_KEY.to_owned(), key.to_string()),
                (METADATA_USER_DATA.to_owned(), user_data_hash.clone()),
            ]),
            tags: vec![stack_tag(&key.stack)],
            availability_zone: availability_zone.clone(),
            config_drive: None,
            group: group.as_ref().map(|group| self.book.id(group)).transpose()?,
        };
        let server = self.openstack.create_server(&server).await?;
        self.book.set(key, &server.id, None);
        Ok(())
    }

    pub(super) async fn start_server(&self, id: &str) -> Result<(), SiteError> {
        self.openstack.act_on_server(id, compute::Action::Start).await?;
        Ok(())
    }

    pub(super) async fn delete_server(&self, key: &Key, id: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        super::gone(self.openstack.delete_server(id).await)?;
        self.hosts.forget(&key.name);
        let look = async |state: &mut String| match self.openstack.server(id).await {
            Err(error) if error.is_not_found() => Ok(Some(())),
            Ok(server) if server.status == "DELETED" => Ok(Some(())),
            // Set aside for some days, with its ports.
            Ok(server) if server.status == "SOFT_DELETED" => {
                super::gone(self.openstack.act_on_server(id, compute::Action::ForceDelete).await)?;
                "Nova calls it SOFT_DELETED".clone_into(state);
                Ok(None)
            }
            // One that failed before is shown so until it is gone; the task tells that Nova is at it.
            Ok(server) if server.status == "ERROR" && server.task_state.is_none() => Err(SiteError::Broken {
                what: format!("deleting host `{}`", key.name),
                reason: server.fault.map_or_else(|| "Nova does not say why".to_owned(), |fault| fault.message),
            }),
            Ok(server) => {
                *state = format!("Nova calls it {}", server.status);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        };
        until(&format!("host `{}` to be gone", key.name), self.patience.step, look, waiting).await
    }

    /// Waits for Nova, then for the host key on the console, then for cloud-init, then for the engine. Each is asked
    /// for only when the one before has answered.
    pub(super) async fn await_host(
        &self,
        key: &Key,
        host: &str,
        engine: Engine,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let id = self.book.id(key)?;
        self.await_active(&id, host, waiting).await?;
        self.await_host_key(&id, host, waiting).await?;
        self.await_cloud_init(&id, host, waiting).await?;
        let look = async |state: &mut String| match self.engine_answers(host, engine).await {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                // The login's groups are those of the moment it logged in; the engine may have been installed since.
                self.hosts.disconnect(host);
                *state = chain(&error);
                Ok(None)
            }
        };
        until(&format!("{engine} on `{host}` to answer"), self.patience.step, look, waiting).await
    }

    async fn engine_answers(&self, host: &str, engine: Engine) -> Result<(), SiteError> {
        self.hosts.engine(host, engine).await?.server().await?;
        Ok(())
    }

    async fn await_active(&self, id: &str, host: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let look = async |state: &mut String| self.is_active(id, host, state).await.map(|active| active.then_some(()));
        until(&format!("host `{host}` to boot"), self.patience.step, look, waiting).await
    }

    async fn is_active(&self, id: &str, host: &str, state: &mut String) -> Result<bool, SiteError> {
        let server = super::there(self.openstack.server(id).await, || format!("host `{host}`"))?;
        match server.status.as_str() {
            "ACTIVE" => Ok(true),
            "ERROR" => Err(SiteError::Broken {
                what: format!("booting host `{host}`"),
                reason: server.fault.map_or_else(|| "Nova does not say why".to_owned(), |fault| fault.message),
            }),
            other => {
                let task = server.task_state.map(|task| format!(" ({task})")).unwrap_or_default();
                *state = format!("Nova calls it {other}{task}");
                Ok(false)
            }
        }
    }

    /// Reads the host key off the console and notes it in the server's metadata: a console shows the last lines only,
    /// and one day the key is no longer among them.
    async fn await_host_key(&self, id: &str, host: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        if self.hosts.knows_key_of(host) {
            return Ok(());
        }
        let look = async |state: &mut String| {
            let log = match self.openstack.console_output(id, None).await {
                // Not running: on its way to it, or gone meanwhile.
                Err(error) if error.is_not_found() || error.is_conflict() => {
                    if self.is_active(id, host, state).await? {
                        "Nova has no console of it yet".clone_into(state);
                    }
                    return Ok(None);
                }
                log => log?,
            };
            let found = console::host_keys(&log);
            let Some(check) = found.check() else {
                "the console does not show it yet".clone_into(state);
                return Ok(None);
            };
            self.hosts.set_host_key(host, check);
            Ok(Some(found.keys.into_iter().next()))
        };
        let first = until(&format!("the ssh host key of `{host}`"), self.patience.step, look, waiting).await?;
        if let Some(line) = first.and_then(|key| key.to_openssh().ok()).filter(|line| line.len() <= METADATA_LIMIT) {
            let metadata = BTreeMap::from([(METADATA_HOST_KEY.to_owned(), line)]);
            self.openstack.set_server_metadata(id, &metadata).await?;
        }
        Ok(())
    }

    async fn await_cloud_init(&self, id: &str, host: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let look = async |state: &mut String| match self.hosts.try_run(host, CLOUD_INIT_STATUS, &[]).await {
            Ok((_, text)) => match CloudInit::read(&text) {
                Progress::Clean => Ok(Some(())),
                Progress::Working(word) => {
                    *state = format!("it is {word}");
                    Ok(None)
                }
                Progress::Failed(reason) => {
                    let (_, log) = self.hosts.try_run(host, CLOUD_INIT_LOG, &[]).await?;
                    let reason = format!("{reason}\n{}", log.trim_end());
                    Err(SiteError::CloudInit { place: format!("host `{host}`"), reason })
                }
            },
            // The bridge takes the NIC over while cloud-init runs, and sshd starts late: a connection may come and go.
            Err(SiteError::Ssh(error)) if error.is_transient() => {
                self.hosts.disconnect(host);
                // Nobody answers for a host that was deleted or has failed meanwhile, however long one waits.
                if self.is_active(id, host, state).await? {
                    *state = chain(&error);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        };
        until(&format!("cloud-init of `{host}`"), self.patience.step, look, waiting).await
    }
}

/// Characters that a value of a server's metadata may have.
const METADATA_LIMIT: usize = 255;
