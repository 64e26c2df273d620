//! One running embedded cloud: the world, its machines, and the task that keeps them in step.

use crate::api::control::Published;
use crate::config::Config;
use crate::guest::{Boot, Guest};
use crate::net::connect::ServerNetwork;
use crate::net::publish::Publisher;
use crate::net::{self, Wire};
use crate::persist::{self, Saved};
use crate::server;
use crate::world::World;
use crate::world::compute::ServerStatus;
use crate::world::faults::{Fault, Request};
use crate::world::seed::REGION;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// The keeper looks at least this often: for what machines did by themselves.
const BEAT: Duration = Duration::from_millis(200);
/// Between two rounds of health checks.
const CHECK: Duration = Duration::from_millis(100);

/// Why a cloud could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("the embedded cloud cannot listen on `{address}`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The state file is there and cannot be used.
    #[error("the state file `{}` cannot be read", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bind { .. } => Some("take port 0 for any free one".to_owned()),
            Self::State { path, .. } => Some(format!("move `{}` away to begin with a new world", path.display())),
        }
    }
}

/// A running embedded cloud. Dropping it stops it without a last save; [`Cloud::stop`] saves.
pub struct Cloud {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Cloud {
    /// Starts a cloud: reads its state file or makes the seed world, and listens.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let now = Timestamp::now();
        let saved = match &config.state_file {
            Some(path) => persist::read(path).map_err(|source| Error::State { path: path.clone(), source })?,
            None => None,
        };
        let Saved { mut world, guests } =
            saved.unwrap_or_else(|| Saved { world: World::seed(&config, now), guests: BTreeMap::new() });
        world.settle(&config);
        world.now = now;
        let bound = |source| Error::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let shared = Arc::new(Shared {
            endpoint: format!("http://{address}"),
            state_file: config.state_file.clone(),
            world: Mutex::new(world),
            guests: Mutex::default(),
            saved_guests: Mutex::new(guests),
            published: Mutex::default(),
            publisher: tokio::sync::Mutex::default(),
            turns: Mutex::default(),
            dirty: AtomicBool::new(true),
            wake: Notify::new(),
            stopping: watch::channel(false).0,
        });
        shared.follow().await;
        let tasks = vec![
            tokio::spawn(server::serve(Arc::clone(&shared), listener)),
            tokio::spawn(keep(Arc::clone(&shared))),
            tokio::spawn(check(Arc::clone(&shared))),
        ];
        Ok(Self { shared, tasks })
    }

    /// The root of all services: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// A complete clouds.yaml with this cloud under `name`.
    pub fn clouds_yaml(&self, name: &str) -> String {
        format!(
            "# A simulated cloud: nothing in it is real, and it is gone with its process.\n\
             clouds:\n  {name}:\n    auth:\n      auth_url: {}/identity/v3\n      username: demo\n      password: secret\n      \
             project_name: demo\n      user_domain_name: Default\n      project_domain_name: Default\n    \
             region_name: {REGION}\n    interface: public\n    identity_api_version: 3\n",
            self.shared.endpoint
        )
    }

    /// The world, for tests.
    pub fn world(&self) -> WorldHandle<'_> {
        WorldHandle { shared: &self.shared }
    }

    /// Waits until somebody asks the cloud to stop by `POST /simulated/stop`.
    pub async fn stop_requested(&self) {
        let mut stopping = self.shared.stopping.subscribe();
        // The sender lives as long as `self`.
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// Stops everything and saves the world.
    pub async fn stop(mut self) {
        self.shared.stopping.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            // A task that panicked has nothing left to stop.
            let _ = task.await;
        }
        self.shared.save_if(Changed::Perhaps);
        // The rest is what dropping does.
    }
}

impl std::ops::Drop for Cloud {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
        if let Ok(mut publisher) = self.shared.publisher.try_lock() {
            publisher.close();
        }
        for guest in lock(&self.shared.guests).clone().values() {
            guest.shutdown();
        }
    }
}

/// What tests may see and do, beside the API.
pub struct WorldHandle<'a> {
    shared: &'a Arc<Shared>,
}

impl WorldHandle<'_> {
    /// Every object as JSON.
    pub fn snapshot(&self) -> serde_json::Value {
        serde_json::to_value(&*self.shared.world()).unwrap_or_default()
    }

    /// Lets a fault come.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.world().settings.faults.faults.push(fault);
    }

    /// Forgets the faults that have not come yet.
    pub fn clear_faults(&self) {
        self.shared.world().settings.faults.faults.clear();
    }

    /// The newest requests, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.world().settings.faults.log.iter().cloned().collect()
    }

    /// How many requests there were.
    pub fn request_count(&self) -> u64 {
        self.shared.world().settings.faults.requests
    }

    /// How many commands machines were told by ssh.
    pub fn command_count(&self) -> u64 {
        self.shared.world().settings.faults.commands
    }

    /// Whether all faults have come.
    pub fn faults_are_used_up(&self) -> bool {
        self.shared.world().settings.faults.faults.is_empty()
    }

    /// Changes the world by hand, as an operator of the cloud could.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let answer = change(&mut self.shared.world());
        self.shared.touched();
        answer
    }

    /// The machine of a server, while it runs.
    pub fn guest(&self, server: &str) -> Option<Guest> {
        self.shared.guest(server)
    }

    /// Opens a connection as somebody in the world would.
    pub fn connect(&self, from: &net::From, to: std::net::SocketAddrV4) -> Result<crate::guest::BoxStream, net::Drop> {
        net::connect::connect(self.shared, from, to)
    }
}

/// What the server, the keeper and the data plane share. Locks are held for moments and never two at a time.
pub struct Shared {
    pub(crate) endpoint: String,
    state_file: Option<PathBuf>,
    world: Mutex<World>,
    guests: Mutex<BTreeMap<String, Guest>>,
    /// Machines of a former start that have not been brought back yet.
    saved_guests: Mutex<BTreeMap<String, serde_json::Value>>,
    published: Mutex<Published>,
    publisher: tokio::sync::Mutex<Publisher>,
    turns: Mutex<BTreeMap<String, usize>>,
    dirty: AtomicBool,
    wake: Notify,
    pub(crate) stopping: watch::Sender<bool>,
}

/// A panic elsewhere does not make the data unusable: every change is whole when the lock is let go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(crate) fn guest(&self, server: &str) -> Option<Guest> {
        lock(&self.guests).get(server).cloned()
    }

    pub(crate) fn published(&self) -> Published {
        lock(&self.published).clone()
    }

    /// What the machines put on the wire now. Must not be called with the world locked.
    pub(crate) fn wire(&self) -> Wire {
        let guests = lock(&self.guests).clone();
        guests.into_iter().map(|(server, guest)| (server, guest.nics())).collect()
    }

    /// Whose turn it is at a listener.
    pub(crate) fn turn(&self, listener: &str) -> usize {
        let mut turns = lock(&self.turns);
        let turn = turns.entry(listener.to_owned()).or_default();
        *turn = turn.wrapping_add(1);
        turn.wrapping_sub(1)
    }

    /// Something has changed: it is to be saved, and the keeper is to look.
    pub(crate) fn touched(&self) {
        self.dirty.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Lets machines and sockets follow the world.
    pub(crate) async fn follow(self: &Arc<Self>) {
        self.tend_guests();
        let mut publisher = self.publisher.lock().await;
        let published = publisher.follow(self).await;
        *lock(&self.published) = published;
    }

    /// Boots the machines of servers that have become ACTIVE, and stops those whose server is gone.
    fn tend_guests(self: &Arc<Self>) {
        let booted: BTreeSet<String> = lock(&self.guests).keys().cloned().collect();
        let (boots, alive): (Vec<_>, BTreeSet<String>) = {
            let world = self.world();
            let running = world.servers.values().filter(|server| server.status != ServerStatus::Build);
            let running = running.filter(|server| !booted.contains(&server.meta.id));
            let boots = running.filter_map(|server| Some((server.meta.id.clone(), boot(&world, server)?))).collect();
            (boots, world.servers.keys().cloned().collect())
        };
        let mut guests = lock(&self.guests);
        let gone: Vec<Guest> = guests.extract_if(.., |id, _| !alive.contains(id)).map(|(_, guest)| guest).collect();
        for (id, boot) in boots {
            if guests.contains_key(&id) {
                continue;
            }
            let network = Arc::new(ServerNetwork { shared: Arc::downgrade(self), server: id.clone() });
            let guest = match lock(&self.saved_guests).remove(&id) {
                Some(saved) => Guest::restore(boot, saved, network),
                None => Guest::boot(boot, network),
            };
            guests.insert(id, guest);
        }
        drop(guests);
        for guest in gone {
            guest.shutdown();
        }
    }

    /// Writes the state file, if there is one and there is something new to write.
    fn save_if(&self, changed: Changed) {
        let Some(path) = &self.state_file else { return };
        if !self.dirty.swap(false, Ordering::Relaxed) && changed == Changed::No {
            return;
        }
        let guests = lock(&self.guests).clone();
        let mut states = lock(&self.saved_guests).clone();
        states.extend(guests.into_iter().map(|(id, guest)| (id, guest.save())));
        let saved = Saved { world: self.world().clone(), guests: states };
        if let Err(error) = persist::write(path, &saved) {
            tracing::warn!(%error, path = %path.display(), "the state file cannot be written");
        }
    }
}

/// Whether machines may have changed what is to be saved, unseen by the API.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Perhaps,
    No,
}

/// What a server's machine boots with, once it has an address.
fn boot(world: &World, server: &crate::world::compute::Server) -> Option<Boot> {
    let port = server.first_port(world)?;
    let fixed = port.fixed_ips.first()?;
    let subnet = world.subnets.get(&fixed.subnet_id)?;
    let mtu = world.networks.get(&port.network_id).map_or(1500, |network| network.mtu);
    Some(Boot {
        name: server.meta.name.clone(),
        user_data: server.user_data.as_deref().and_then(crate::text::from_base64),
        key: server.public_key.clone(),
        mac: port.mac_address.clone(),
        address: fixed.ip_address,
        prefix: subnet.cidr.prefix_len(),
        gateway: subnet.gateway_ip,
        mtu,
        first_boot_fails: server.first_boot_fails,
        delays: world.settings.delays().guest(),
    })
}

/// Moves states whose time has come, lets machines and sockets follow, and saves, until the cloud stops.
async fn keep(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    let mut beats: u32 = 0;
    loop {
        let (moved, next) = {
            let mut world = shared.world();
            (world.advance(Timestamp::now()), world.next_change())
        };
        if moved {
            shared.dirty.store(true, Ordering::Relaxed);
        }
        shared.follow().await;
        beats = beats.wrapping_add(1);
        // A machine's own changes are looked for about once a second.
        shared.save_if(if beats.is_multiple_of(5) { Changed::Perhaps } else { Changed::No });
        let until = next.map_or(BEAT, |at| {
            Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO).min(BEAT)
        });
        tokio::select! {
            () = tokio::time::sleep(until.max(Duration::from_millis(1))) => {}
            () = shared.wake.notified() => {}
            // The sender lives in `shared`.
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Checks the members of monitored pools, until the cloud stops.
async fn check(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    loop {
        if net::health::look(&shared).await {
            shared.dirty.store(true, Ordering::Relaxed);
        }
        tokio::select! {
            () = tokio::time::sleep(CHECK) => {}
            // The sender lives in `shared`.
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
