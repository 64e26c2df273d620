//! How an agent starts: files and sockets first, then the containers, then the others.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pontoon_ring::driver::{self, KeyringError};
use pontoon_ring::rpc;
use pontoon_ring::serf;
use pontoon_ring::serf::snapshot::AfterLeave;
use pontoon_ring::wire::Layers;
use pontoon_ring::wire::keyring::Keyring;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::address::AddressError;
use super::engine::Engine;
use super::epoch::EpochError;
use super::exchange::{Asked, Exchange};
use super::own::Ours;
use super::settings::{Settings, SettingsError, local_address};
use super::{Daemon, Pace, RingPace, epoch, link, own};
use crate::announce;
use crate::catalogue::{self, View};
use crate::counts::Counts;
use crate::dns::{self, Zone, ZoneError};
use crate::door::Door;
use crate::http;
use crate::picture;
use crate::sockets as kept;

/// Questions of other hosts that wait for the catalogue.
const ASKED_MAX: usize = 64;
/// Connections at once, and those of them from one address.
const EXCHANGES: (usize, usize) = (64, 4);
const DNS_CONNECTIONS: (usize, usize) = (128, 16);
const HTTP_CONNECTIONS: (usize, usize) = (1024, 256);
/// Those that may wait for a change by HTTP. Clients of Consul wait once for each service.
const HTTP_WAITERS: (usize, usize) = (768, 192);

/// Why an agent did not start. Nothing of it is left behind.
#[derive(Debug, Error)]
pub enum StartError {
    /// A file is not there, or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It does not know its own address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The directory of its own cannot be used.
    #[error("cannot make the directory `{}`", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Its start has no number.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// There are no keys.
    #[error("without the keys of its ring, an agent joins nobody")]
    Keyring(#[from] KeyringError),
    /// The stack's name is no zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// It cannot listen for DNS.
    #[error(transparent)]
    Dns(#[from] dns::BindError),
    /// It cannot listen for HTTP.
    #[error(transparent)]
    Http(#[from] http::BindError),
    /// It cannot listen for other hosts, or for clients of the ring.
    #[error("cannot listen for {what} on `{address}`")]
    Listen {
        /// For whom.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The member of the ring does not start.
    #[error("cannot be a member of the ring")]
    Ring(#[from] driver::StartError),
    /// It ended at once.
    #[error("the member of the ring has ended")]
    Ended(#[from] driver::Error),
    /// The system has no chance to give.
    #[error("the system's source of randomness fails")]
    Randomness,
}

impl StartError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Address(error) => error.hint(),
            Self::Epoch(error) => error.hint(),
            Self::Dns(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::Keyring(KeyringError::Read { source, path }) if source.kind() == io::ErrorKind::NotFound => {
                Some(format!(
                    "`pontoon up` puts the stack's key there; or copy `{}` from another host of the stack",
                    path.display()
                ))
            }
            Self::Keyring(_) => {
                Some("it is a JSON list of keys in base64, of which the first one encrypts: `[\"…\"]`".to_owned())
            }
            Self::Listen { source, address, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some(format!("`ss -lnp sport = :{}` shows who has it", address.port()))
            }
            _ => None,
        }
    }
}

/// Sockets, all bound before anything is begun.
struct Sockets {
    exchange: TcpListener,
    rpc: TcpListener,
    dns: dns::Server,
    http: http::Server,
}

/// Starts the agent of a host. It has joined nobody yet, and answers nobody: [`Daemon::join`] does.
/// At `kept` it takes the sockets for questions, an earlier run's where there are some.
pub async fn start<E: Engine>(
    settings: Settings,
    engine: E,
    pace: Pace,
    kept: &mut kept::Sockets,
) -> Result<Daemon, StartError> {
    let address = settings.address()?;
    let seeds = settings.seeds().await?;
    let zone = Zone::new(&format!("{}.internal", settings.stack), settings.host(), settings.networks.clone())?;
    let pictures = watch::Sender::new(Arc::default());
    if let Err(error) = picture::renew(&settings.picture, &pictures) {
        // It is for those who look at the stack; nothing of what the agent does depends on it.
        tracing::warn!(error = &error as &dyn std::error::Error, "the stack is shown without its picture");
    }
    directory(&settings.state).await?;
    let keyring_file = settings.state.join("keyring");
    let keys = driver::read_keyring(&keyring_file).await?;
    let epoch = epoch::next(settings.state.join("epoch")).await?;
    let local = local_address(address);
    let both = |port| {
        let all = [address, local].map(|ip| SocketAddr::new(ip, port));
        if address == local { vec![all[0]] } else { all.to_vec() }
    };
    let sockets = Sockets {
        exchange: listen("other hosts", SocketAddr::new(address, settings.exchange_port)).await?,
        rpc: listen("clients of the ring", SocketAddr::new(local, settings.rpc_port)).await?,
        dns: dns::Server::bind(&both(settings.dns_port), kept)?,
        http: http::Server::bind(&both(settings.http_port), kept)?,
    };

    let counts = Arc::<Counts>::default();
    let told_by = Instant::now() + pace.looks;
    let mut tasks = JoinSet::new();
    let engine = Arc::new(engine);
    let (seen, watched) = watch::channel(None);
    tasks.spawn(super::watch::watch(Arc::clone(&engine), pace.clone(), seen));
    let voices = announce::Server::open(announce::Settings {
        host: settings.host(),
        directory: settings.announce.clone(),
        state_file: settings.state.join("said"),
        counts: Arc::clone(&counts),
    })
    .await;
    let listening = voices.clone();
    tasks.spawn(async move { listening.run().await });
    let (ours, mut ours_now) = watch::channel(Ours::default());
    let ways = own::Ways { engine, seen: watched, voices: voices.clone(), ours, counts: Arc::clone(&counts) };
    let own_pace = pace.clone();
    tasks.spawn(async move { own::run(ways, &own_pace, random()).await });
    if timeout(pace.gather, ours_now.wait_for(|ours| ours.looked)).await.is_err() {
        // Who stays away for longer has failed, as far as the others can see.
        tracing::info!(waited = ?pace.gather, "not all containers are looked at yet; the others are told later");
    }
    let gathered = ours_now.borrow_and_update().clone();

    let config = catalogue::Config { name: settings.host(), address, epoch, seed: seed()?, pace: pace.catalogue };
    let beginning = link::Beginning::new(config, gathered);
    let beginning_at = beginning.began();
    let ring = driver::start(member(&settings, address, pace.ring, beginning.tags(), keys)).await?;
    let (views_sender, views) = watch::channel(Arc::new(View::default()));
    let (known_sender, known) = watch::channel(link::Known::default());
    let (asked_sender, asked) = mpsc::channel::<Asked>(ASKED_MAX);
    let exchange = Exchange { name: settings.host(), ring: ring.clone(), counts: Arc::clone(&counts) };
    tasks.spawn(beginning.run(link::Ways {
        notices: ring.subscribe().await?,
        ring: ring.clone(),
        exchange: exchange.clone(),
        exchange_port: settings.exchange_port,
        ours: ours_now,
        asked,
        views: views_sender,
        known: known_sender,
        pictures: pictures.subscribe(),
        survey: pace.survey,
        counts: Arc::clone(&counts),
        told_by,
    }));

    let networks = settings.networks.clone();
    let mut and_local = networks.clone();
    and_local.push(local.into());
    let door = |networks: &Vec<_>, (seats, seats_each)| Door::new(networks.clone(), seats, seats_each);
    let exchange_door = door(&networks, EXCHANGES);
    let dns_door = door(&and_local, DNS_CONNECTIONS);
    tasks.spawn(exchange.serve(sockets.exchange, Arc::clone(&exchange_door), asked_sender));
    let opened = watch::Sender::new(false);
    let dns = sockets.dns.run(zone, Arc::clone(&dns_door), views.clone(), Arc::clone(&counts), random());
    tasks.spawn(once_open(opened.subscribe(), dns));
    let http_addresses = sockets.http.addresses();
    let end = CancellationToken::new();
    let http = http::Settings {
        datacenter: settings.stack.clone(),
        here: settings.host(),
        door: door(&and_local, HTTP_CONNECTIONS),
        waiters: door(&and_local, HTTP_WAITERS),
        run: epoch,
        began: beginning_at,
        pictures: pictures.subscribe(),
        counts,
        other_doors: [("exchange", exchange_door), ("dns", dns_door)].into(),
        end: end.clone(),
    };
    let mut answering = JoinSet::new();
    answering.spawn(once_open(opened.subscribe(), sockets.http.run(http, views.clone())));
    let rpc = rpc::server::Config {
        member: ring.clone(),
        auth_key: None,
        log: rpc::server::Log::default(),
        runtime: runtime(&settings),
    };
    tasks.spawn(async move {
        if let Err(error) = rpc::server::serve(sockets.rpc, rpc).await {
            tracing::error!(%error, "clients of the ring are answered no longer");
        }
    });
    tracing::info!(stack = settings.stack, host = settings.host, %address, epoch, "started");
    Ok(Daemon {
        ring,
        seeds,
        pace,
        address,
        http: http_addresses,
        voices,
        picture_file: settings.picture,
        pictures,
        views,
        known,
        opened,
        answering,
        end,
        tasks,
    })
}

/// Whoever asks earlier waits at the socket.
async fn once_open(mut opened: watch::Receiver<bool>, serve: impl Future<Output = ()>) {
    if opened.wait_for(|opened| *opened).await.is_ok() {
        serve.await;
    }
}

fn member(settings: &Settings, address: IpAddr, pace: RingPace, tags: serf::Tags, keys: Keyring) -> driver::Config {
    let address = SocketAddr::new(address, settings.ring_port);
    let mut config = driver::Config::new(serf::Config::new(pace.config(&settings.host, address)));
    config.serf.tags = tags;
    config.layers = Layers { keyring: Some(keys), ..Layers::default() };
    config.keyring_file = Some(settings.state.join("keyring"));
    config.snapshot = Some(settings.state.join("snapshot"));
    // It leaves at every stop, and belongs to its ring at every start.
    config.after_leave = AfterLeave::Rejoin;
    config
}

/// The agent's own directory, for nobody else to read.
async fn directory(path: &Path) -> Result<(), StartError> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).await.map_err(|source| StartError::State { path: path.to_owned(), source })
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { what, address, source })
}

/// What `info` of a client of the ring shows of the program.
fn runtime(settings: &Settings) -> Vec<(String, String)> {
    [("version", concat!("pontoon ", env!("CARGO_PKG_VERSION"))), ("stack", &settings.stack)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut seed).map_err(|_| StartError::Randomness)?;
    Ok(seed)
}

fn random() -> u64 {
    rand::random()
}
