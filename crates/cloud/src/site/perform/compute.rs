//! Servers: booting one, and waiting until it is a container host.

use std::collections::BTreeMap;

use pontoon_core::key::{Key, stack_tag};
use pontoon_core::plan::{Action, HostKeySource};
use pontoon_core::spec::model::Engine;

use super::super::cloud_init::{self, Progress};
use super::super::host_keys;
use super::super::observe::{METADATA_KEY, METADATA_USER_DATA};
use super::super::patience::until;
use super::super::{Site, SiteError, Waiting, chain};
use crate::openstack::compute::{self, NewServer, NewServerGroup, ServerNetwork};

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
            host_key,
            group,
            availability_zone,
        } = action
        else {
            return Ok(());
        };
        self.hosts.forget(name);
        let mut server = NewServer {
            name: name.clone(),
            flavor: flavor_id.clone(),
            image: image_id.clone(),
            key_name: Some(key_name.clone()),
            networks: vec![ServerNetwork { port: self.book.id(port)? }],
            user_data: Some(compute::encoded(user_data)),
            metadata: BTreeMap::from([
                (METADATA_KEY.to_owned(), key.to_string()),
                (METADATA_USER_DATA.to_owned(), user_data_hash.clone()),
            ]),
            tags: vec![stack_tag(&key.stack)],
            availability_zone: availability_zone.clone(),
            config_drive: None,
            group: group.as_ref().map(|group| self.book.id(group)).transpose()?,
        };
        let injected = match host_key {
            HostKeySource::Console => None,
            HostKeySource::Injected => Some(host_keys::inject(name, &mut server, user_data)?),
        };
        let server = self.openstack.create_server(&server).await?;
        self.book.set(key, &server.id, None);
        if let Some(check) = injected {
            self.hosts.set_host_key(name, check);
        }
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

    /// Waits for Nova, then for the host key, where it was not handed in, then for cloud-init, then for the engine. Each is asked
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

    /// Whether Nova calls a server ACTIVE; how it calls it otherwise goes to `state`.
    pub(in super::super) async fn is_active(
        &self,
        id: &str,
        host: &str,
        state: &mut String,
    ) -> Result<bool, SiteError> {
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

    async fn await_cloud_init(&self, id: &str, host: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let look = async |state: &mut String| match self.hosts.try_run(host, cloud_init::QUESTION, &[]).await {
            Ok((_, answer)) => match cloud_init::read(&answer) {
                Progress::Clean => Ok(Some(())),
                Progress::Working(word) => {
                    *state = format!("it is {word}");
                    Ok(None)
                }
                Progress::Failed(reason) => {
                    let (_, log) = self.hosts.try_run(host, cloud_init::LOG, &[]).await?;
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
