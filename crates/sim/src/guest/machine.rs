//! The machine itself: its state behind one lock, its clock, and how its shell sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;

use super::cloud_config::Declared;
use super::cloud_init::{self, Report};
use super::dhcp::Dnsmasq;
use super::engine::nics::{Wire, interfaces};
use super::engine::{Engine, exec::Sockets, lifecycle};
use super::files::{File, Files};
use super::service::{self, Service};
use super::shell::{CloudInit, Surroundings};
use super::{Boot, BoxStream, CONNECTION_BUFFER, Network, Nic, Origin};

/// The network card of a machine, as current kernels name a virtio card.
const CARD: &str = "ens3";
/// The process id of dnsmasq, as its pid file gives it.
const DNSMASQ_PROCESS: &str = "612";
/// Events that a slow listener may fall behind.
const EVENT_BACKLOG: usize = 1024;

/// A machine.
pub(crate) struct Machine {
    pub(crate) boot: Boot,
    pub(crate) declared: Declared,
    pub(crate) host_key: PrivateKey,
    pub(crate) network: Arc<dyn Network>,
    /// From when on ssh answers.
    up_at: Instant,
    /// From when on its cloud-init is done.
    ready_at: Instant,
    state: Mutex<State>,
    sockets: Mutex<BTreeMap<String, Sockets>>,
    /// The engine's events, as its websocket sends them.
    pub(crate) events: broadcast::Sender<Value>,
    /// Woken when an operation or a cloud-init is over.
    pub(crate) changed: Notify,
    off: watch::Sender<bool>,
}

struct State {
    engine: Option<Engine>,
    ground: Ground,
}

/// What the engine stands on.
pub(crate) struct Ground {
    pub(crate) files: Files,
    pub(crate) dnsmasq: Option<Dnsmasq>,
    /// Units that somebody started, of those that were put there later, and each one's program as SHA-256 of what it was then.
    pub(crate) units: BTreeMap<String, String>,
    /// Bridges that hold the machine's card.
    pub(crate) bridges: BTreeSet<String>,
    /// The name of the machine's card.
    pub(crate) card: String,
    /// Whether it forwards packets.
    pub(crate) forwards: bool,
    /// Length of the subnet's prefix.
    pub(crate) prefix: u8,
    /// In bytes.
    pub(crate) mtu: u32,
}

/// What is kept of a machine. The rest comes from its user-data again.
#[derive(Serialize, Deserialize)]
struct Saved {
    host_key: String,
    files: Files,
    dnsmasq: Option<Dnsmasq>,
    engine: Option<Engine>,
    #[serde(default)]
    units: BTreeSet<String>,
}

impl Machine {
    /// Powers a new machine on.
    pub(crate) fn boot(boot: Boot, network: Arc<dyn Network>) -> Machine {
        let declared = declared(&boot);
        let host_key = declared
            .host_key
            .as_deref()
            .and_then(|text| PrivateKey::from_openssh(text).ok())
            .unwrap_or_else(|| PrivateKey::from(Ed25519Keypair::from_seed(&rand::random())));
        // What the script did not come to is not there.
        let engine = Engine::declared(&declared).filter(|_| !boot.first_boot_fails);
        let ground = Ground::first(&boot, &declared);
        let now = Instant::now();
        let up_at = now.checked_add(boot.delays.boot).unwrap_or(now);
        let ready_at = up_at.checked_add(boot.delays.cloud_init).unwrap_or(up_at);
        Machine::assemble(boot, declared, host_key, network, State { engine, ground }, [up_at, ready_at])
    }

    /// A machine as it was saved, already booted.
    pub(crate) fn restore(boot: Boot, saved: Value, network: Arc<dyn Network>) -> Machine {
        let read = serde_json::from_value::<Saved>(saved).map_err(|error| error.to_string());
        let read = read.and_then(|saved| {
            let key = PrivateKey::from_openssh(&saved.host_key).map_err(|error| error.to_string())?;
            Ok((saved, key))
        });
        let (saved, host_key) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(%error, machine = boot.name, "what was saved of a machine cannot be read, it boots anew");
                return Machine::boot(boot, network);
            }
        };
        let declared = declared(&boot);
        let mut ground = Ground::first(&boot, &declared);
        ground.files = saved.files;
        ground.dnsmasq = saved.dnsmasq;
        let started = saved.units.into_iter().filter_map(|unit| Some((unit.clone(), program(&ground.files, &unit)?)));
        ground.units = started.collect();
        let now = Instant::now();
        Machine::assemble(boot, declared, host_key, network, State { engine: saved.engine, ground }, [now, now])
    }

    fn assemble(
        boot: Boot,
        declared: Declared,
        host_key: PrivateKey,
        network: Arc<dyn Network>,
        state: State,
        [up_at, ready_at]: [Instant; 2],
    ) -> Machine {
        Machine {
            boot,
            declared,
            host_key,
            network,
            up_at,
            ready_at,
            state: Mutex::new(state),
            sockets: Mutex::default(),
            events: broadcast::channel(EVENT_BACKLOG).0,
            changed: Notify::new(),
            off: watch::channel(false).0,
        }
    }

    /// The program that a unit runs with, as SHA-256 of what it was when the unit was started.
    pub(crate) fn runs(&self, unit: &str) -> Option<String> {
        self.lock().ground.units.get(unit).cloned()
    }

    /// Ends the cloud-init of containers that were saved in the middle of it.
    pub(crate) fn resume(&self) {
        let unfinished: Vec<(String, u64)> = self
            .engine(|engine, _| {
                let running =
                    engine.instances.iter().filter(|(_, instance)| instance.running && instance.report.is_none());
                running.map(|(name, instance)| (name.clone(), instance.boots)).collect()
            })
            .unwrap_or_default();
        for (name, boot) in unfinished {
            lifecycle::finish_cloud_init(self, &name, boot);
        }
    }

    /// See [`super::Guest::save`].
    pub(crate) fn save(&self) -> Value {
        let host_key = self.host_key.to_openssh(LineEnding::LF).map(|text| text.to_string()).unwrap_or_default();
        let state = self.lock();
        json!({ "host_key": host_key, "files": state.ground.files, "dnsmasq": state.ground.dnsmasq, "engine": state.engine,
            "units": state.ground.units.keys().collect::<Vec<_>>() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the engine, if there is one. The network must not be asked inside.
    pub(crate) fn engine<T>(&self, look: impl FnOnce(&mut Engine, &mut Ground) -> T) -> Option<T> {
        let mut state = self.lock();
        let State { engine, ground } = &mut *state;
        engine.as_mut().map(|engine| look(engine, ground))
    }

    /// Lends the files of a container, or `gone` if it is no more.
    pub(crate) fn lend<T>(&self, container: &str, gone: &mut Files, look: impl FnOnce(&mut Files) -> T) -> T {
        let mut state = self.lock();
        let found = state.engine.as_mut().and_then(|engine| engine.instances.get_mut(container));
        look(found.map_or(gone, |instance| &mut instance.files))
    }

    /// The websockets that commands wait for, by operation.
    pub(crate) fn sockets(&self) -> MutexGuard<'_, BTreeMap<String, Sockets>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event of the engine; nobody needs to listen.
    pub(crate) fn tell(&self, kind: &str, metadata: &Value) {
        let event = json!({ "type": kind, "timestamp": jiff::Timestamp::now().to_string(), "metadata": metadata,
            "location": "none", "project": "default" });
        let _ = self.events.send(event);
    }

    /// Waits until `holds`, which is asked again after every change.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds() {
                return;
            }
            changed.await;
        }
    }

    /// Whether ssh answers.
    pub(crate) fn is_up(&self) -> bool {
        !*self.off.borrow() && Instant::now() >= self.up_at
    }

    /// Whether its cloud-init is done.
    pub(crate) fn is_ready(&self) -> bool {
        Instant::now() >= self.ready_at
    }

    /// Waits for the end of its cloud-init.
    pub(crate) async fn ready(&self) {
        tokio::time::sleep_until(self.ready_at).await;
    }

    /// See [`super::Guest::shutdown`].
    pub(crate) fn shutdown(&self) {
        self.off.send_replace(true);
    }

    /// Waits for the end of the machine.
    pub(crate) async fn until_off(&self) {
        let mut off = self.off.subscribe();
        // The sender lives as long as the machine.
        let _ = off.wait_for(|off| *off).await;
    }

    /// The host name.
    pub(crate) fn hostname(&self) -> String {
        self.declared.hostname.clone().unwrap_or_else(|| self.boot.name.clone())
    }

    fn report(&self) -> Report {
        cloud_init::judge(&self.declared, Ok(()), &Ok(()))
    }

    /// See [`super::Guest::console`].
    pub(crate) fn console(&self) -> String {
        let name = self.hostname();
        let mut text =
            "[    0.000000] Linux version 6.8.0-simulated (this machine is simulated: nothing runs in it)\n".to_owned();
        if Instant::now() < self.up_at {
            return text;
        }
        text.extend([format!("[    2.100000] systemd[1]: Hostname set to <{name}>.\n")]);
        text.push_str("[    4.200000] cloud-init[512]: Cloud-init v. 24.4 running 'modules:config'\n");
        if !self.is_ready() {
            return text;
        }
        for error in self.report().errors {
            text.extend([format!("[    9.000000] cloud-init[640]: {error}\n")]);
        }
        let key = self.host_key.public_key().to_openssh().unwrap_or_default();
        text.extend([format!(
            "-----BEGIN SSH HOST KEY KEYS-----\n{} root@{name}\n-----END SSH HOST KEY KEYS-----\n\
             [    9.900000] cloud-init[640]: Cloud-init v. 24.4 finished. Datasource DataSourceOpenStackLocal [net,ver=2].  Up 9.90 seconds\n\
             \n{name} login: ",
            key.trim()
        )]);
        text
    }

    /// See [`super::Guest::nics`].
    pub(crate) fn nics(&self) -> Vec<Nic> {
        if *self.off.borrow() {
            return Vec::new();
        }
        let all = self.engine(|engine, ground| {
            let names: Vec<String> = engine.instances.keys().cloned().collect();
            let mut all = Vec::new();
            for container in names {
                for interface in interfaces(engine, ground, &container) {
                    let mac = match interface.wire {
                        Wire::Bridged => interface.mac,
                        Wire::Routed => self.boot.mac.clone(),
                        Wire::Nowhere => continue,
                    };
                    all.push(Nic { container: container.clone(), mac, address: interface.address.ok() });
                }
            }
            all
        });
        all.unwrap_or_default()
    }

    /// What listens on a port of a running container whose cloud-init is over.
    pub(crate) fn service(&self, container: &str, port: u16) -> Option<Service> {
        if *self.off.borrow() {
            return None;
        }
        let found = self.engine(|engine, _| {
            let instance =
                engine.instances.get(container).filter(|instance| instance.running && instance.report.is_some())?;
            instance.services.iter().find(|service| service.port == port).cloned()
        });
        found.flatten()
    }

    /// See [`super::Guest::open`].
    pub(crate) fn open(machine: &Arc<Machine>, container: &str, port: u16) -> Option<BoxStream> {
        let service = machine.service(container, port)?;
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (client, server) = tokio::io::duplex(CONNECTION_BUFFER);
        let (machine, container) = (Arc::clone(machine), container.to_owned());
        runtime.spawn(async move {
            service::serve(server, |path| {
                let mut gone = Files::default();
                machine.lend(&container, &mut gone, |files| {
                    service::answer(files, &service, &container, &machine.boot.name, path)
                })
            })
            .await;
        });
        Some(Box::new(client))
    }

    /// Opens a connection from the machine: to one of its own containers over the bridge, or through its card.
    ///
    /// # Errors
    /// As [`Network::connect`].
    pub(crate) fn connect(machine: &Arc<Machine>, to: SocketAddrV4) -> Result<BoxStream, String> {
        if to.ip().is_loopback() || *to.ip() == machine.boot.address {
            return Err("connection refused".to_owned());
        }
        if let Some(nic) = machine.nics().into_iter().find(|nic| nic.address == Some(*to.ip())) {
            return Machine::open(machine, &nic.container, to.port()).ok_or_else(|| "connection refused".to_owned());
        }
        machine.network.connect(&Origin::Machine, to)
    }

    /// Whether an address answers a ping. What is on the subnet counts as there if a connection is at least refused.
    ///
    /// # Errors
    /// What is in the way.
    pub(crate) fn ping(&self, from: &Origin, address: Ipv4Addr) -> Result<(), String> {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.boot.prefix.min(32))).unwrap_or(0);
        let on_subnet = u32::from(address) & mask == u32::from(self.boot.address) & mask;
        let near = address.is_loopback() || address == self.boot.address || Some(address) == self.boot.gateway;
        if near || self.nics().iter().any(|nic| nic.address == Some(address)) {
            return Ok(());
        }
        if !on_subnet {
            return self.network.reaches_outside(from);
        }
        match self.network.connect(from, SocketAddrV4::new(address, 22)) {
            Err(reason) if !reason.contains("refused") => Err(reason),
            _ => Ok(()),
        }
    }
}

/// What a machine's user-data declares, with the fault that it was given.
fn declared(boot: &Boot) -> Declared {
    let mut declared = Declared::read(boot.user_data.as_deref(), boot.key.as_deref());
    if boot.first_boot_fails {
        declared.commands.insert(0, "exit 1".to_owned());
    }
    declared
}

impl Ground {
    fn first(boot: &Boot, declared: &Declared) -> Ground {
        let mut files = Files::installed();
        for user in declared.users.keys() {
            files.make_directory(&format!("/home/{user}"));
        }
        for file in &declared.files {
            if file.append {
                files.append(&file.path, &file.content);
            } else {
                files.write(&file.path, file.content.clone(), Some(file.mode));
            }
        }
        let log = cloud_init::judge(declared, Ok(()), &Ok(())).log;
        files.write("/var/log/cloud-init-output.log", log.into_bytes(), None);
        cloud_init::begin(&mut files);
        let dnsmasq = Dnsmasq::start(&files);
        if let Some(dnsmasq) = &dnsmasq {
            // It does not start without them, so whatever starts it makes them.
            for directory in dnsmasq.hosts_directories() {
                files.make_directory(directory);
            }
            files.write("/run/dnsmasq/dnsmasq.pid", format!("{DNSMASQ_PROCESS}\n").into_bytes(), None);
        }
        let bridges = bridges(&files);
        Ground {
            files,
            dnsmasq,
            units: BTreeMap::new(),
            bridges,
            card: CARD.to_owned(),
            forwards: forwards(declared),
            prefix: boot.prefix,
            mtu: boot.mtu,
        }
    }
}

/// A unit that somebody has put on the machine: it is active from when it is started, if the program that it names is
/// there. Nothing runs. Says whether it is active; nothing where there is no such unit.
///
/// # Errors
/// systemd's words.
fn steer(files: &Files, units: &mut BTreeMap<String, String>, verb: &str, unit: &str) -> Result<Option<bool>, String> {
    if files.get(&file_of(unit)).is_none() {
        // One that is gone can still be stopped.
        return Ok(units.contains_key(unit).then(|| verb != "stop" || units.remove(unit).is_none()));
    }
    match verb {
        // One that runs already is not started again.
        "start" if units.contains_key(unit) => {}
        "start" | "restart" | "reload-or-restart" => {
            let Some(program) = program(files, unit) else {
                units.remove(unit);
                return Err(format!(
                    "Job for {unit}.service failed because the control process exited with error code."
                ));
            };
            units.insert(unit.to_owned(), program);
        }
        "stop" => {
            units.remove(unit);
        }
        "reload" if !units.contains_key(unit) => {
            return Err(format!("{unit}.service is not active, cannot reload."));
        }
        _ => {}
    }
    Ok(Some(units.contains_key(unit)))
}

fn file_of(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.service")
}

/// The program that a unit would start, as SHA-256 of its content; nothing where there is none that could run.
fn program(files: &Files, unit: &str) -> Option<String> {
    let text = files.text(&file_of(unit))?;
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    let program = command.trim_start_matches(['-', '+', '!', '@', ':']).split_whitespace().next()?;
    files.get(program).filter(|file| file.mode & 0o111 != 0).map(File::sha256)
}

/// Bridges that a written file declares, wherever it waits to be put into place: netplan's `bridges`, networkd's `Kind=bridge`, ifupdown's `bridge_ports`.
fn bridges(files: &Files) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, file) in files.all() {
        let text = String::from_utf8_lossy(&file.content);
        let after = |key: &str| text.lines().find_map(|line| Some(line.trim().strip_prefix(key)?.trim().to_owned()));
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if matches!(extension, "yaml" | "yml") {
            let config = super::cloud_config::yaml(&text).unwrap_or_default();
            let bridges = config.pointer("/network/bridges").and_then(Value::as_object);
            found.extend(bridges.into_iter().flatten().map(|(name, _)| name.clone()));
        } else if extension == "netdev" && text.lines().any(|line| line.trim() == "Kind=bridge") {
            found.extend(after("Name="));
        } else if text.contains("bridge_ports") {
            let blocks: Vec<&str> = text.split("iface ").filter(|block| block.contains("bridge_ports")).collect();
            found.extend(blocks.iter().filter_map(|block| block.split_whitespace().next()).map(str::to_owned));
        }
    }
    found
}

/// Whether anything in the user-data switches IPv4 forwarding on.
fn forwards(declared: &Declared) -> bool {
    let texts = declared.files.iter().map(|file| String::from_utf8_lossy(&file.content).into_owned());
    texts.chain(declared.commands.iter().cloned()).any(|text| {
        let text: String = text.split([' ', '\t']).collect();
        ["ip_forward=1", ".forwarding=1", "IPForward=yes", "IPForward=ipv4", "IPv4Forwarding=yes"]
            .iter()
            .any(|key| text.contains(key))
    })
}

impl Surroundings for Machine {
    fn files<T>(&self, look: impl FnOnce(&mut Files) -> T) -> T {
        let mut state = self.lock();
        let files = &mut state.ground.files;
        // Time is read: the end of cloud-init is noted when somebody looks.
        if self.is_ready() && !cloud_init::has_ended(files) {
            cloud_init::end(files, &self.report());
        }
        look(files)
    }

    fn changed(&self, path: &str) {
        let mut state = self.lock();
        let Ground { files, dnsmasq, .. } = &mut state.ground;
        if let Some(dnsmasq) = dnsmasq {
            dnsmasq.file_changed(files, path);
        }
    }

    fn hostname(&self) -> String {
        Machine::hostname(self)
    }

    fn cloud_init(&self) -> CloudInit {
        if self.is_ready() { CloudInit::Finished(self.report()) } else { CloudInit::Running }
    }

    fn systemctl(&self, verb: &str, unit: &str) -> (String, u8) {
        let mut state = self.lock();
        let State { engine, ground } = &mut *state;
        let Ground { files, dnsmasq, units, .. } = ground;
        if verb == "is-system-running" {
            return ("running\n".to_owned(), 0);
        }
        let active = match (unit, &mut *dnsmasq) {
            ("dnsmasq", Some(dnsmasq)) => {
                match verb {
                    "reload" | "kill" => dnsmasq.reload(files),
                    "start" | "restart" | "reload-or-restart" | "try-restart" => dnsmasq.restart(files),
                    "stop" => dnsmasq.running = false,
                    _ => {}
                }
                Some(dnsmasq.running)
            }
            ("lxd" | "snap.lxd.daemon" | "incus", _) => engine.as_ref().map(|_| true),
            ("ssh" | "sshd" | "systemd-networkd" | "systemd-resolved", _) => Some(true),
            _ => match steer(files, units, verb, unit) {
                Ok(active) => active,
                Err(reason) => return (reason, 1),
            },
        };
        match (verb, active) {
            ("is-active" | "status", Some(true)) => ("active\n".to_owned(), 0),
            ("is-active" | "status", _) => ("inactive\n".to_owned(), 3),
            ("daemon-reload", _) | (_, Some(_)) => (String::new(), 0),
            (verb, None) => (format!("Failed to {verb} {unit}.service: Unit {unit}.service not found."), 5),
        }
    }

    fn signal(&self, signal: &str, process: &str) -> bool {
        let mut state = self.lock();
        let Ground { files, dnsmasq: Some(dnsmasq), .. } = &mut state.ground else { return false };
        if process != DNSMASQ_PROCESS || !dnsmasq.running {
            return false;
        }
        match signal {
            "HUP" | "1" => dnsmasq.reload(files),
            "TERM" | "15" | "KILL" | "9" | "INT" | "2" => dnsmasq.running = false,
            _ => {}
        }
        true
    }

    fn ping(&self, address: Ipv4Addr) -> Result<(), String> {
        Machine::ping(self, &Origin::Machine, address)
    }

    fn release_lease(&self, address: Ipv4Addr, mac: &str) {
        if let Some(dnsmasq) = &mut self.lock().ground.dnsmasq {
            dnsmasq.release(address, mac);
        }
    }

    fn links(&self) -> Value {
        let Boot { mac, address, prefix, mtu, .. } = &self.boot;
        let bridge = self.lock().ground.bridges.first().cloned();
        let addresses =
            json!([{ "family": "inet", "local": address.to_string(), "prefixlen": prefix, "scope": "global" }]);
        let link = |name: &str, addresses: &Value| json!({ "ifname": name, "address": mac, "mtu": mtu, "operstate": "UP", "link_type": "ether", "addr_info": addresses });
        let loopback = json!({ "ifname": "lo", "mtu": 65536, "operstate": "UNKNOWN", "link_type": "loopback",
            "addr_info": [{ "family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host" }] });
        match bridge {
            None => json!([loopback, link(CARD, &addresses)]),
            Some(bridge) => {
                let mut card = link(CARD, &json!([]));
                card["master"] = json!(bridge);
                card["promiscuity"] = json!(1);
                json!([loopback, card, link(&bridge, &addresses)])
            }
        }
    }

    fn is_socket(&self, path: &str) -> bool {
        self.is_ready() && self.lock().engine.as_ref().is_some_and(|engine| engine.socket == path)
    }

    fn may_sudo(&self, user: &str) -> bool {
        self.declared.users.get(user).is_some_and(|user| user.sudo)
    }
}
