//! What benchmarks of running servers share: a stack to know of, and what a process has used.

#![allow(dead_code, reason = "each benchmark needs a part of it")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use pontoon_agent::catalogue::{Container, Health, HostState, HostView, Part, State};

/// Linux counts in hundredths.
const TICKS_EACH_SECOND: f64 = 100.0;

/// A stack in which all is well: each service has so many copies, each on another host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pub(crate) hosts: u32,
    pub(crate) services: u32,
    pub(crate) copies: u32,
}

impl Stack {
    pub(crate) fn host_name(host: u32) -> String {
        format!("lxd{host}")
    }

    pub(crate) fn host_address(host: u32) -> IpAddr {
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 2).to_bits() + host).into()
    }

    pub(crate) fn container_name(service: u32, copy: u32) -> String {
        format!("service-{service}-{copy}")
    }

    pub(crate) fn container_address(self, service: u32, copy: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + service * self.copies + copy)
    }

    /// All hosts. None is near, so that each copy is as good as the other.
    pub(crate) fn views(self) -> Vec<Arc<HostView>> {
        (0..self.hosts).map(|host| Arc::new(self.host(host))).collect()
    }

    pub(crate) fn host(self, host: u32) -> HostView {
        let copies = (0..self.services).flat_map(|service| (0..self.copies).map(move |copy| (service, copy)));
        let here = copies.filter(|(service, copy)| (service * self.copies + copy) % self.hosts == host);
        let containers = here.map(|(service, copy)| {
            let name = Self::container_name(service, copy);
            (name.as_str().into(), Arc::new(self.container(service, copy)))
        });
        HostView {
            name: Self::host_name(host).as_str().into(),
            address: Self::host_address(host),
            state: HostState::Alive,
            round_trip: Some(Duration::from_millis(20)),
            part: Arc::new(Part { containers: containers.collect(), ..Part::default() }),
            stale_since: None,
        }
    }

    pub(crate) fn container(self, service: u32, copy: u32) -> Container {
        Container {
            service: format!("service-{service}").as_str().into(),
            address: self.container_address(service, copy).into(),
            port: Some(8080),
            capabilities: BTreeSet::from(["http".into()]),
            monitor: Vec::new(),
            says: [].into(),
            health: Health { state: State::Passing, output: "200 OK".to_owned() },
        }
    }
}

/// A program that runs until it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Fails where it has ended by itself.
    pub(crate) fn is_there(&mut self, name: &str) {
        assert!(self.0.try_wait().unwrap().is_none(), "{name} has ended");
    }

    /// What it has computed, in user mode and for it in the kernel.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // The name in brackets may have spaces.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_EACH_SECOND
    }

    /// What it holds, in MiB, by a field of the kernel's summary.
    pub(crate) fn memory(&self, field: &str) -> f64 {
        let summary = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0.id())).unwrap();
        let line = summary.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this thread has computed, as a machine that is busy with other things does not change it.
pub(crate) fn thread_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
