//! The embedded cloud in the background: started when a stack asks for it, found by the next run, ended by
//! `pontoon cloud stop`.
//!
//! Everything of it lies in one directory (`$XDG_STATE_HOME/pontoon/embedded`): its world, the ssh key that its servers
//! take, a `clouds.yaml` for any OpenStack client, the log. A lock on a file there makes sure that two runs at the same
//! moment start one cloud.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use ipnet::Ipv4Net;
use pontoon_cloud::site::Outside;
use pontoon_cloud::ssh::{BoxIo, KeyPair, SshError, dial_tcp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::cli::Speed;
use crate::exit::Failure;

/// The name that stands for the embedded cloud in a file and on the command line.
pub(crate) const NAME: &str = "embedded";

/// How long the background process is given to answer.
const START_LIMIT: Duration = Duration::from_secs(20);
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// How long somebody else may still save the world that is wanted.
const CLAIM_LIMIT: Duration = Duration::from_secs(5);

/// Where the embedded cloud keeps what it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The user's. `PONTOON_EMBEDDED` names another directory, for several clouds side by side.
    pub(crate) fn of_user() -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let state = || variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
        let path = variable("PONTOON_EMBEDDED").or_else(|| state().map(|state| state.join("pontoon/embedded")));
        let path = path.ok_or_else(|| {
            Failure::new("there is no directory to keep the embedded cloud in")
                .hint("set HOME or XDG_STATE_HOME".to_owned())
        })?;
        Self::at(&path)
    }

    /// The one at `path`. A directory that is there already may hold other things, and keeps its mode.
    fn at(path: &Path) -> Result<Self, Failure> {
        let refused = |error: &std::io::Error| {
            Failure::new(format!("cannot make the directory `{}`, where the embedded cloud is kept", path.display()))
                .caused_by(error)
                .hint("PONTOON_EMBEDDED or XDG_STATE_HOME names another place".to_owned())
        };
        // The process in the background works in another directory.
        let path = std::path::absolute(path).map_err(|error| refused(&error))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| refused(&error))?;
        Ok(Self(path))
    }

    /// The loopback network that this cloud's floating IPs come from. It follows from the directory, so that clouds side by
    /// side (of two users, of tests) seldom publish at the same address.
    fn external(&self) -> Ipv4Net {
        let digest = Sha256::digest(self.0.as_os_str().as_encoded_bytes());
        let octet = 64 + digest[0] % 128;
        Ipv4Net::new_assert(Ipv4Addr::new(127, octet, 0, 0), 16)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn clouds_yaml(&self) -> PathBuf {
        self.0.join("clouds.yaml")
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.0.join("id_ed25519")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn world(&self) -> PathBuf {
        self.0.join("world.json")
    }

    fn endpoint_file(&self) -> PathBuf {
        self.0.join("endpoint")
    }

    /// The public key that the servers of this cloud take; made at the first start.
    fn public_key(&self) -> Result<String, Failure> {
        let (private, public) = (self.identity(), self.identity().with_extension("pub"));
        if let (true, Ok(line)) = (private.exists(), fs::read_to_string(&public)) {
            return Ok(line.trim().to_owned());
        }
        let pair = KeyPair::generate("embedded cloud of pontoon")
            .map_err(|error| Failure::new("cannot make an ssh key").caused_by(&error))?;
        self.write(&private, &pair.private)?;
        self.write(&public, &pair.public)?;
        Ok(pair.public)
    }

    /// Writes a file that only its owner can read, whole or not at all.
    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let aside = path.with_extension("new");
        let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
        written.and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::rename(&aside, path)).map_err(
            |error| {
                Failure::new(format!("cannot write `{}` in `{}`", path.display(), self.0.display())).caused_by(&error)
            },
        )
    }
}

/// An embedded cloud that answers.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// Its base URL.
    pub(crate) endpoint: String,
    /// Its process.
    pub(crate) pid: u32,
}

#[derive(Deserialize)]
struct SelfDescription {
    simulated: bool,
    pid: u32,
}

/// The one that runs, if one does.
pub(crate) async fn running(home: &Home) -> Option<Running> {
    let noted = fs::read_to_string(home.endpoint_file()).ok()?;
    let (endpoint, pid) = noted.trim().split_once(' ')?;
    let reply = client().get(format!("{endpoint}/simulated")).send().await.ok()?;
    let description: SelfDescription = reply.json().await.ok()?;
    // A port that its owner left behind may be another one's by now, even another embedded cloud's.
    let is_it = description.simulated && pid.parse() == Ok(description.pid);
    is_it.then(|| Running { endpoint: endpoint.to_owned(), pid: description.pid })
}

/// The one that runs, or a new one in the background.
pub(crate) async fn ensure(home: &Home) -> Result<Running, Failure> {
    if let Some(running) = running(home).await {
        return Ok(running);
    }
    let lock = lock(home).await?;
    // Somebody may have started it while the lock was waited for.
    if let Some(running) = running(home).await {
        return Ok(running);
    }
    let program =
        std::env::current_exe().map_err(|error| Failure::new("cannot find this very program").caused_by(&error))?;
    let log = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(home.log())
        .map_err(|error| Failure::new(format!("cannot write `{}`", home.log().display())).caused_by(&error))?;
    let errors = log.try_clone().map_err(|error| Failure::new("cannot open the log twice").caused_by(&error))?;
    // A process group of its own: Ctrl-C in this terminal is not meant for it.
    let mut child = Command::new(program)
        .args(["cloud", "serve"])
        .env("PONTOON_EMBEDDED", home.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::new("cannot start the embedded cloud").caused_by(&error))?;
    let begun = Instant::now();
    let started = loop {
        if let Some(running) = running(home).await.filter(|running| running.pid == child.id()) {
            break Ok(running);
        }
        let ended = child.try_wait().ok().flatten();
        if ended.is_some() || begun.elapsed() >= START_LIMIT {
            // One that cannot be found must not go on by itself. It may have ended this very moment.
            let _ = child.kill();
            let log = fs::read_to_string(home.log()).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            let reason = last.into_iter().rev().collect::<Vec<_>>().join("\n");
            break Err(Failure::new("the embedded cloud did not start").because(reason).hint(format!(
                "its log is `{}`; `pontoon cloud serve` runs it in the foreground",
                home.log().display()
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    drop(lock);
    started
}

async fn lock(home: &Home) -> Result<File, Failure> {
    let path = home.path().join("lock");
    let fail = |error: &dyn std::error::Error| cannot_lock(&path, error);
    let file = lock_file(&path)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locked.await.map_err(|error| fail(&error))?.map_err(|error| fail(&error))
}

fn lock_file(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| cannot_lock(path, &error))
}

fn cannot_lock(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("cannot lock `{}`", path.display())).caused_by(error)
}

/// Makes the world of `home` ours alone. Who serves it holds it until the world is saved, which is a moment longer than
/// it answers.
async fn claim(home: &Home) -> Result<File, Failure> {
    let path = home.path().join("serving");
    let file = lock_file(&path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(cannot_lock(&path, &error)),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= CLAIM_LIMIT => {
                return Err(Failure::new(format!("another process serves the world in `{}`", home.path().display()))
                    .hint(
                        "`pontoon cloud stop` ends it; PONTOON_EMBEDDED=DIR keeps another one beside it".to_owned(),
                    ));
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Ends the one that runs; its world is kept. `None`: there was none.
pub(crate) async fn stop(home: &Home) -> Result<Option<Running>, Failure> {
    let Some(running) = running(home).await else { return Ok(None) };
    let asked = client().post(format!("{}/simulated/stop", running.endpoint)).send().await;
    asked.map_err(|error| {
        Failure::new(format!("the embedded cloud at {} does not end", running.endpoint)).caused_by(&error)
    })?;
    let begun = Instant::now();
    while self::running(home).await.is_some() {
        if begun.elapsed() >= START_LIMIT {
            return Err(Failure::new(format!("the embedded cloud (process {}) does not end", running.pid)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Some(running))
}

/// Forgets the world of a cloud that does not run.
pub(crate) async fn clear(home: &Home) -> Result<(), Failure> {
    let _ours = claim(home).await?;
    for path in [home.world(), home.endpoint_file(), home.clouds_yaml()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::new(format!("cannot remove `{}`", path.display())).caused_by(&error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A cloud that is served by this process.
pub(crate) struct Served {
    pub(crate) cloud: pontoon_sim::Cloud,
    /// Let go of when the cloud has saved its world.
    claim: File,
}

impl Served {
    /// Stops it and saves its world.
    pub(crate) async fn stop(self) {
        self.cloud.stop().await;
        drop(self.claim);
    }
}

/// Runs the cloud in this process and says where it is. It keeps its world in `home`.
pub(crate) async fn serve(home: &Home, port: Option<u16>, speed: Speed) -> Result<Served, Failure> {
    let claim = claim(home).await?;
    let config = pontoon_sim::Config {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0))),
        state_file: Some(home.world()),
        delays: match speed {
            Speed::Real => pontoon_sim::Delays::real(),
            Speed::Brief => pontoon_sim::Delays::brief(),
            Speed::Instant => pontoon_sim::Delays::zero(),
        },
        public_key: Some(home.public_key()?),
        external: home.external(),
        ..pontoon_sim::Config::default()
    };
    let cloud = pontoon_sim::Cloud::start(config).await.map_err(|error| Failure::of(&error).hint(error.hint()))?;
    home.write(&home.clouds_yaml(), &cloud.clouds_yaml(NAME))?;
    // Last: who finds this file finds everything else.
    home.write(&home.endpoint_file(), &format!("{} {}", cloud.endpoint(), std::process::id()))?;
    Ok(Served { cloud, claim })
}

fn client() -> reqwest::Client {
    // Without a proxy and without TLS there is nothing that could fail to be built.
    reqwest::Client::builder().no_proxy().timeout(ASK_LIMIT).build().unwrap_or_default()
}

/// The way to floating IPs of the embedded cloud. Its addresses are loopback addresses, and where the cloud could not
/// have a port (80 belongs to root) it listens on another and says on which.
pub(crate) struct Published {
    endpoint: String,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Place {
    address: Ipv4Addr,
    port: u16,
}

impl Published {
    pub(crate) fn new(running: &Running) -> Self {
        Self { endpoint: running.endpoint.clone(), client: client() }
    }

    async fn place(&self, address: Ipv4Addr, port: u16) -> Option<Place> {
        let url = format!("{}/simulated/published?address={address}&port={port}", self.endpoint);
        self.client.get(url).send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }
}

impl Outside for Published {
    fn dial(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, Result<BoxIo, SshError>> {
        Box::pin(async move {
            let place = self.place(address, port).await.unwrap_or(Place { address, port });
            dial_tcp(&place.address.to_string(), place.port, ASK_LIMIT).await
        })
    }

    fn authority(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let place = self.place(address, port).await.unwrap_or(Place { address, port });
            crate::connect::authority(place.address, place.port)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn another_cloud_at_a_port_that_was_ours_is_not_taken_for_ours() {
        // TLS has one provider in this process; that there is one already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let (ours, other) = (directory.path().join("ours"), directory.path().join("other"));
        let (ours, other) = (Home::at(&ours).unwrap(), Home::at(&other).unwrap());
        let served = serve(&other, None, Speed::Instant).await.unwrap();
        assert_eq!(running(&other).await.unwrap().endpoint, served.cloud.endpoint());
        let stale = format!("{} {}", served.cloud.endpoint(), std::process::id() + 1);
        fs::write(ours.endpoint_file(), stale).unwrap();
        assert!(running(&ours).await.is_none());
        served.stop().await;
    }

    #[tokio::test]
    async fn a_world_is_served_once_and_forgotten_only_when_it_is_saved() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path()).unwrap();
        let served = serve(&home, None, Speed::Instant).await.unwrap();
        let refused = serve(&home, None, Speed::Instant).await.err().unwrap();
        assert!(refused.json()["message"].as_str().unwrap().starts_with("another process serves the world in `"));
        let (cleared, ()) = tokio::join!(clear(&home), served.stop());
        cleared.unwrap();
        assert!(!home.world().exists());
    }

    #[test]
    fn a_directory_that_was_there_keeps_its_mode_and_a_new_one_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Home::at(directory.path()).unwrap();
        assert_eq!(mode(directory.path()), 0o755);
        let new = directory.path().join("state/embedded");
        Home::at(&new).unwrap();
        assert_eq!(mode(&new), 0o700);
    }
}
