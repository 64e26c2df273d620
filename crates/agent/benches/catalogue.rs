//! Catalogues of many hosts in virtual time: how long until all agree, and what it costs a host in bytes.
//!
//! Times are virtual and follow from the seed; only the last column, how long the simulation took, is of this machine.
//! What gossip itself repeats is not counted: each message counts once for each host that gets it.
//!
//! `cargo bench -p pontoon-agent --bench catalogue -- HOSTS SERVICES`, where nothing is said 1,000 and 100.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may end at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pontoon_agent::catalogue::simulation::{Carriage, Simulation};
use pontoon_agent::catalogue::{Container, Health, Input, Name, Pace, State};

const SECOND: Duration = Duration::from_secs(1);

fn main() {
    // `cargo test --benches` only wants to know that it can be built.
    let arguments: Vec<String> = std::env::args().collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let hosts: usize = numbers.next().unwrap_or(1000);
    let services = numbers.next().and_then(|number| u16::try_from(number).ok()).unwrap_or(100);

    let began = Instant::now();
    // Views are made for those who ask; here nobody does.
    let pace = Pace { view_wait: Duration::from_hours(24), ..Pace::default() };
    let mut simulation = Simulation::new(1, Carriage { loss: 0.01, ..Carriage::default() }, pace);
    simulation.settled(hosts, |index| containers(index, services, State::Passing));
    simulation.run_for(11 * SECOND);
    println!("{hosts} hosts of {services} services each, 1 % of messages lost; made in {:.1?}", began.elapsed());
    println!("{:<44} {:>10} {:>14} {:>9}", "", "agreed in", "bytes a host", "took");

    measure("one container falls ill", &mut simulation, |simulation| {
        let mut own = containers(3, services, State::Passing);
        ill(&mut own, 1);
        simulation.input(3, Input::Own(own));
    });
    measure("half the containers of a host fall ill", &mut simulation, |simulation| {
        let mut own = containers(4, services, State::Passing);
        ill(&mut own, usize::from(services) / 2);
        simulation.input(4, Input::Own(own));
    });
    measure("a container falls ill on each of 20 hosts", &mut simulation, |simulation| {
        for index in 10..30.min(hosts) {
            let mut own = containers(index, services, State::Passing);
            ill(&mut own, 1);
            simulation.input(index, Input::Own(own));
        }
    });
    measure("an agent restarts and knows nothing", &mut simulation, |simulation| {
        simulation.stop(5);
        simulation.start(5, 2);
        simulation.input(5, Input::Own(containers(5, services, State::Passing)));
        simulation.run_for(3 * SECOND);
    });
    simulation.cut(|index| u8::from(index % 2 == 0));
    simulation.run_for(30 * SECOND);
    for index in 30..50.min(hosts) {
        let mut own = containers(index, services, State::Passing);
        ill(&mut own, 2);
        simulation.input(index, Input::Own(own));
    }
    simulation.run_for(30 * SECOND);
    measure("two halves meet; 20 hosts had changed", &mut simulation, |simulation| simulation.cut(|_| 0));
}

fn measure(what: &str, simulation: &mut Simulation, act: impl FnOnce(&mut Simulation)) {
    let (began, bytes, now) = (Instant::now(), simulation.received(), simulation.now());
    let hosts = simulation.size() as u64;
    act(simulation);
    let agreed = simulation.until(120 * SECOND, Simulation::agree).is_some();
    let time = simulation.now().since(now);
    let time = if agreed { format!("{:.2} s", time.as_secs_f64()) } else { "not".to_owned() };
    let bytes = (simulation.received() - bytes) / hosts;
    println!("{what:<44} {time:>10} {bytes:>14} {:>9}", format!("{:.1} s", began.elapsed().as_secs_f64()));
    simulation.run_for(15 * SECOND);
}

fn containers(host: usize, services: u16, state: State) -> BTreeMap<Name, Container> {
    let container = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let host = u8::try_from(host % 256).unwrap_or(0);
        let container = Container {
            service: format!("service-{number}").into(),
            address: Ipv4Addr::new(10, host, high, low).into(),
            port: Some(8080),
            capabilities: BTreeSet::from(["http".into()]),
            monitor: Vec::new(),
            says: BTreeMap::new(),
            health: Health { state, output: "200 OK".to_owned() },
        };
        (format!("service-{number}-{host}").into(), container)
    };
    (0..services).map(container).collect()
}

fn ill(own: &mut BTreeMap<Name, Container>, number: usize) {
    for container in own.values_mut().take(number) {
        container.health = Health { state: State::Critical, output: "connection refused".to_owned() };
    }
}
