//! What lies on a host: profiles, images, what dnsmasq knows, containers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use pontoon_core::address::Mac;
use pontoon_core::key::Key;
use pontoon_core::observed::Profile;
use pontoon_core::plan::{self, PROVEN, Write};
use pontoon_core::render::{self, InstanceConfig};
use pontoon_core::spec::model::ContainerImage;

use super::super::cloud_init::{self, Progress};
use super::super::patience::until;
use super::super::{Site, SiteError, Waiting, chain};
use crate::lxd::{
    self, ExecRequest, ImageAlias, InstancePatch, InstanceSource, LxdError, NewInstance, NewProfile, ProfileContent,
    Simplestreams, StateAction,
};

/// How long a command in a container may take that only asks for a state. On a small host, in the middle of the first
/// boot, the start of cloud-init's Python alone took half a minute.
const ASK_LIMIT: Duration = Duration::from_mins(2);

/// Whether a device is the way by which a container speaks for itself.
fn speaks(device: &BTreeMap<String, String>) -> bool {
    device.get("path").is_some_and(|path| path == render::ANNOUNCE_IN_CONTAINER)
}

impl Site {
    pub(super) async fn put_profile(
        &self,
        host: &str,
        (name, description): (&str, &str),
        profile: &Profile,
        write: Write,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let engine = self.hosts.any_engine(host).await?;
        let content = ProfileContent {
            description: description.to_owned(),
            config: profile.config.clone(),
            devices: profile.devices.clone(),
        };
        match write {
            Write::Whole => Ok(engine.create_profile(&NewProfile { name: name.to_owned(), content }).await?),
            // The engine passes the change on to every instance that uses the profile, and saves it even if one is busy.
            Write::Part => {
                self.when_free(name, async || engine.replace_profile(name, &content, None).await, waiting).await
            }
        }
    }

    pub(super) async fn delete_profile(&self, host: &str, name: &str) -> Result<(), SiteError> {
        gone(self.hosts.any_engine(host).await?.delete_profile(name).await)
    }

    pub(super) async fn import_image(
        &self,
        key: &Key,
        host: &str,
        image: &ContainerImage,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let engine = self.hosts.any_engine(host).await?;
        let fingerprint = match image {
            ContainerImage::Simplestreams { server, alias } => {
                waiting(format!("`{host}` to fetch {alias} from {server}"));
                let source = Simplestreams { server: server.clone(), alias: alias.clone() };
                let fingerprint = engine.import_image(&source, self.patience.step).await?;
                let alias =
                    ImageAlias { name: plan::image_name(image), description: format!("for the stack {}", key.stack) };
                match engine.create_image_alias(&alias, &fingerprint).await {
                    Err(error) if !error.is_already_there() => return Err(error.into()),
                    _ => fingerprint,
                }
            }
            ContainerImage::File { path, fingerprint } => {
                waiting(format!("`{path}` to be uploaded to `{host}`"));
                let uploaded = engine.upload_image_file(&self.directory.join(path), |_| {}, self.patience.step).await;
                match uploaded {
                    Err(error) if error.is_already_there() => fingerprint.clone(),
                    other => other?,
                }
            }
        };
        self.book.set(key, &fingerprint, None);
        Ok(())
    }

    /// Written under a name that dnsmasq passes over, then renamed: it reads a file as soon as it appears.
    pub(super) async fn put_dhcp_host(&self, host: &str, name: &str, line: &str) -> Result<(), SiteError> {
        let directory = render::DHCP_HOSTS_DIRECTORY;
        let command =
            format!("sudo tee {directory}/.{name} >/dev/null && sudo mv {directory}/.{name} {directory}/{name}");
        self.hosts.run(host, &command, format!("{}\n", line.trim_end()).as_bytes()).await?;
        Ok(())
    }

    /// dnsmasq forgets a line only when it is told to read all of them again, and a lease only when it is given back or
    /// ends: until then nobody else would be given the address.
    pub(super) async fn remove_dhcp_host(&self, host: &str, name: &str) -> Result<(), SiteError> {
        let file = format!("{}/{name}", render::DHCP_HOSTS_DIRECTORY);
        let (_, line) = self.hosts.try_run(host, &format!("cat {file}"), &[]).await?;
        // Before the file goes: once it is gone, no later plan knows whose lease it was.
        if let Some((mac, address)) = card_and_address(&line) {
            let command = format!("sudo dhcp_release {} {address} {mac}", render::BRIDGE);
            let (status, complaint) = self.hosts.try_run(host, &command, &[]).await?;
            if !status.success() {
                tracing::warn!("{address} stays leased on host `{host}` until its lease ends: {}", complaint.trim());
            }
        }
        self.hosts.run(host, &format!("sudo rm -f {file} && sudo systemctl reload dnsmasq"), &[]).await?;
        Ok(())
    }

    pub(super) async fn create_container(
        &self,
        host: &str,
        name: &str,
        image: &ContainerImage,
        config: &InstanceConfig,
    ) -> Result<(), SiteError> {
        let engine = self.hosts.any_engine(host).await?;
        let fingerprint = match image {
            ContainerImage::File { fingerprint, .. } => fingerprint.clone(),
            ContainerImage::Simplestreams { .. } => engine.image_by_alias(&plan::image_name(image)).await?.fingerprint,
        };
        if config.devices.values().any(speaks) {
            self.make_announce_directory(host, name).await?;
        }
        let instance = NewInstance {
            name: name.to_owned(),
            source: InstanceSource { fingerprint },
            profiles: config.profiles.clone(),
            config: config.config_on(self.hosts.own_address(host)?),
            devices: config.devices.clone(),
        };
        engine.create_instance(&instance, self.patience.step).await?;
        Ok(())
    }

    pub(super) async fn configure_container(
        &self,
        host: &str,
        name: &str,
        config: &BTreeMap<String, String>,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let patch = InstancePatch { config: config.clone(), ..InstancePatch::default() };
        let engine = self.hosts.any_engine(host).await?;
        self.when_free(name, async || engine.patch_instance(name, &patch, None).await, waiting).await
    }

    pub(super) async fn start_container(&self, host: &str, name: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let engine = self.hosts.any_engine(host).await?;
        let start = async || engine.set_instance_state(name, StateAction::Start, self.patience.step).await;
        self.when_free(name, start, waiting).await
    }

    pub(super) async fn delete_container(&self, host: &str, name: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let engine = self.hosts.any_engine(host).await?;
        let delete = async || match engine.set_instance_state(name, StateAction::ForceStop, self.patience.step).await {
            Err(error) if error.is_busy() => Err(error),
            // Stopped already, or gone: the deletion tells.
            Ok(()) | Err(LxdError::Refused { .. } | LxdError::Failed { .. }) => {
                engine.delete_instance(name, self.patience.step).await
            }
            Err(error) => Err(error),
        };
        match self.when_free(name, delete, waiting).await {
            Err(SiteError::Engine(error)) => gone(Err(error))?,
            other => other?,
        }
        self.remove_announce_directory(host, name).await
    }

    /// Does `work` as soon as the engine has nothing else to do with the instances that it is about.
    async fn when_free(
        &self,
        name: &str,
        mut work: impl AsyncFnMut() -> Result<(), LxdError>,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let look = async |state: &mut String| match work().await {
            Ok(()) => Ok(Some(())),
            Err(error) if error.is_busy() => {
                *state = chain(&error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        };
        until(&format!("`{name}` to be free for a change"), self.patience.step, look, waiting).await
    }

    /// Waits for cloud-init in the container, then for its address to answer a neighbour, and notes that it did.
    pub(super) async fn await_container(
        &self,
        host: &str,
        name: &str,
        (address, port): (Ipv4Addr, Option<u16>),
        generation: &str,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let look = async |state: &mut String| {
            let asked = async {
                // Asked for each time: a connection that broke meanwhile is replaced so.
                let engine = self.hosts.any_engine(host).await?;
                let answer = ask(&engine, name, &["sh", "-c", cloud_init::QUESTION]).await?;
                Ok((engine, cloud_init::read(&answer)))
            };
            match asked.await {
                Ok((_, Progress::Clean)) => Ok(Some(())),
                Ok((_, Progress::Working(word))) => {
                    *state = format!("it is {word}");
                    Ok(None)
                }
                Ok((engine, Progress::Failed(reason))) => {
                    let log = ask(&engine, name, &["tail", "-n", "15", "/var/log/cloud-init-output.log"]).await?;
                    let place = format!("container `{name}` on host `{host}`");
                    Err(SiteError::CloudInit { place, reason: format!("{reason}\n{}", log.trim_end()) })
                }
                // Too early, the container having no init yet that could answer, or too busy to answer in time.
                Err(SiteError::Engine(
                    error @ (LxdError::Refused { .. } | LxdError::Failed { .. } | LxdError::TimedOut { .. }),
                )) => {
                    *state = chain(&error);
                    Ok(None)
                }
                // The way to the host broke; what was asked changes nothing.
                Err(error) if error.is_unknown() => {
                    *state = chain(&error);
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        };
        until(&format!("cloud-init of `{name}`"), self.patience.step, look, waiting).await?;

        let look = async |state: &mut String| match self.answers(host, address, port).await {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                *state = chain(&error);
                Ok(None)
            }
        };
        let place = port.map_or_else(|| address.to_string(), |port| format!("{address}:{port}"));
        let limit = self.patience.answer.min(self.patience.step);
        match until(&format!("`{name}` to answer at {place}"), limit, look, waiting).await {
            Err(SiteError::Deadline { last, .. }) => {
                return Err(SiteError::Silent { name: name.to_owned(), place, limit, last });
            }
            other => other?,
        }
        let proven = BTreeMap::from([(PROVEN.to_owned(), generation.to_owned())]);
        self.configure_container(host, name, &proven, waiting).await
    }

    /// Whether a container's address answers its host.
    pub(super) async fn answers(&self, host: &str, address: Ipv4Addr, port: Option<u16>) -> Result<(), SiteError> {
        match port {
            Some(port) => self.hosts.connect_from(host, address, port).await.map(drop),
            None => self.hosts.run(host, &format!("ping -c1 -W1 {address}"), &[]).await.map(drop),
        }
    }
}

/// What a line of dnsmasq's says: which card has which address.
fn card_and_address(line: &str) -> Option<(Mac, Ipv4Addr)> {
    let mut fields = line.trim().split(',');
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// What a command in a container prints, whatever its exit code: cloud-init's says less than its words.
async fn ask(engine: &lxd::Client, name: &str, command: &[&str]) -> Result<String, LxdError> {
    let request =
        ExecRequest { command: command.iter().map(|word| (*word).to_owned()).collect(), ..ExecRequest::default() };
    let output = engine.exec(name, &request, ASK_LIMIT).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What is gone already is deleted.
fn gone(deleted: Result<(), LxdError>) -> Result<(), SiteError> {
    match deleted {
        Err(error) if error.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}
