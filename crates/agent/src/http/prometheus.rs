//! What Prometheus reads: the agent's own numbers, and where those of the services are.
//!
//! Sources: the text format and HTTP service discovery, as Prometheus' documentation describes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::catalogue::{Counters, HostState, MonitoringPoint, State, View};
use crate::counts::{Announce, Checks, Counts, Dns, Exchange};
use crate::dns::numbers::Code;
use crate::door::Door;

/// The content type of the text format.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the door is called behind which requests wait.
pub const WAITING: &str = "http-waiting";

/// One target for each path where metrics are read. Those that are not well are among them, since a monitor is to see
/// that; those whose host has left are not.
pub fn targets(view: &View) -> Value {
    let mut groups = Vec::new();
    for instance in view.instances().filter(|instance| instance.host.state != HostState::Left) {
        let container = instance.container;
        let Some(port) = container.port else { continue };
        for point in &container.monitor {
            let MonitoringPoint::Metrics(path) = point else { continue };
            // Commas around each, as Prometheus does with Consul's tags: `.*,blog,.*` finds one whole.
            let capabilities: String = container.capabilities.iter().fold(",".to_owned(), |all, word| all + word + ",");
            groups.push(json!({
                "targets": [SocketAddr::new(container.address, port).to_string()],
                "labels": {
                    "__metrics_path__": path,
                    "service": &*container.service,
                    "container": &**instance.name,
                    "host": &*instance.host.name,
                    "capability": if container.capabilities.is_empty() { String::new() } else { capabilities },
                },
            }));
        }
    }
    Value::from(groups)
}

/// The agent's numbers: what is known now, and what was counted since its start. `doors` are told by what is behind them.
pub fn metrics(view: &View, counts: &Counts, doors: &BTreeMap<&str, &Door>) -> String {
    let mut text = Text::default();
    known(view, doors, &mut text);
    catalogue(&counts.catalogue(), &mut text);
    exchange(&counts.exchange, &mut text);
    refused_connections(doors, &mut text);
    dns(&counts.dns, &mut text);
    announce(&counts.announce, &mut text);
    checks(&counts.checks, &mut text);
    text.0
}

fn known(view: &View, doors: &BTreeMap<&str, &Door>, text: &mut Text) {
    let count_hosts = |state| view.hosts.values().filter(|host| host.state == state).count() as u64;
    let hosts = [("alive", HostState::Alive), ("failed", HostState::Failed), ("left", HostState::Left)];
    let mut containers: BTreeMap<State, u64> = BTreeMap::new();
    for instance in view.instances() {
        *containers.entry(instance.state()).or_default() += 1;
    }
    let states = STATES.map(|(word, state)| (word, containers.get(&state).copied().unwrap_or_default()));
    let waiting = doors.get(WAITING).map_or(0, |door| door.taken_seats());
    text.gauge("pontoon_catalogue_index", "The number of the view that is answered from.", view.index);
    text.gauge("pontoon_catalogue_services", "The services that are known.", view.service_names().count() as u64);
    text.family("pontoon_catalogue_hosts", "The hosts that are known, by state.", "gauge");
    text.lines("pontoon_catalogue_hosts", "state", hosts.map(|(word, state)| (word, count_hosts(state))));
    text.family("pontoon_catalogue_containers", "The containers that are known, by state.", "gauge");
    text.lines("pontoon_catalogue_containers", "state", states);
    text.gauge("pontoon_http_waiting", "Requests and streams that wait for a change.", waiting as u64);
}

fn catalogue(counted: &Counters, text: &mut Text) {
    let Counters { views, versions, known, applied, gaps, refused, unasked, hurried, strangers, .. } = *counted;
    let Counters { left_out, asks, answers, unanswered, .. } = *counted;
    text.counter("pontoon_catalogue_views_total", "Views that were made.", views);
    text.counter("pontoon_catalogue_versions_total", "Versions of this host's part that were announced.", versions);
    let name = "pontoon_catalogue_announcements_total";
    text.family(name, "What was heard of other hosts' parts; after a gap the owner is asked.", "counter");
    text.lines(name, "result", [("known", known), ("applied", applied), ("gap", gaps)]);
    let name = "pontoon_catalogue_refused_total";
    text.family(name, "Messages of other hosts that were not taken.", "counter");
    let reasons = [("unfit", refused), ("unasked", unasked), ("hurried", hurried), ("stranger", strangers)];
    text.lines(name, "reason", reasons);
    let help = "Times that a container of this host was left out, because it breaks a limit.";
    text.counter("pontoon_catalogue_left_out_total", help, left_out);
    text.counter("pontoon_catalogue_asks_total", "Times that a host was asked for its part.", asks);
    let name = "pontoon_catalogue_asks_answered_total";
    text.counter(name, "Those of them after which the part was known.", answers);
    text.counter("pontoon_catalogue_asks_unanswered_total", "Those of them that nobody answered in time.", unanswered);
}

fn exchange(counted: &Exchange, text: &mut Text) {
    let name = "pontoon_exchange_questions_total";
    text.family(name, "Questions of this host's to others, by how they ended.", "counter");
    text.lines(name, "result", [("answered", counted.answered.get()), ("failed", counted.failed.get())]);
    let name = "pontoon_exchange_served_total";
    text.family(name, "Questions of other hosts, by how they ended.", "counter");
    text.lines(name, "result", [("answered", counted.served.get()), ("refused", counted.unserved.get())]);
    let name = "pontoon_exchange_bytes_total";
    text.family(name, "Bytes of sealed messages.", "counter");
    text.lines(name, "direction", [("sent", counted.sent_bytes.get()), ("received", counted.received_bytes.get())]);
}

fn refused_connections(doors: &BTreeMap<&str, &Door>, text: &mut Text) {
    let name = "pontoon_connections_refused_total";
    let help = "Connections, and requests that would have waited, that were refused: from outside of the networks, or \
        because all seats were taken.";
    text.family(name, help, "counter");
    for (behind, door) in doors {
        for (reason, count) in [("outside", &door.outside), ("full", &door.full)] {
            text.line(name, &format!("{{door=\"{behind}\",reason=\"{reason}\"}}"), count.get());
        }
    }
}

fn dns(counted: &Dns, text: &mut Text) {
    let codes = [
        ("NOERROR", Code::NoError),
        ("FORMERR", Code::FormErr),
        ("NXDOMAIN", Code::NxDomain),
        ("NOTIMP", Code::NotImp),
        ("REFUSED", Code::Refused),
        ("BADVERS", Code::BadVers),
    ];
    let name = "pontoon_dns_answers_total";
    text.family(name, "Answers to questions for names, by their code.", "counter");
    text.lines(name, "code", codes.map(|(word, code)| (word, counted.answers(code).get())));
    let name = "pontoon_dns_dropped_total";
    text.family(name, "Messages that were not answered: from outside of the networks, or no question.", "counter");
    text.lines(name, "reason", [("outside", counted.outside.get()), ("no-question", counted.no_question.get())]);
}

fn announce(counted: &Announce, text: &mut Text) {
    text.counter("pontoon_announce_taken_total", "What containers said and was taken.", counted.taken.get());
    let name = "pontoon_announce_refused_total";
    text.family(name, "What containers said and was refused, by reason.", "counter");
    text.lines(name, "reason", counted.refused());
}

fn checks(counted: &Checks, text: &mut Text) {
    let name = "pontoon_checks_total";
    text.family(name, "Looks at monitoring points of this host's containers, by what they saw.", "counter");
    text.lines(name, "result", STATES.map(|(word, state)| (word, counted.ended(state).get())));
    text.line(name, "{result=\"late\"}", counted.late.get());
}

const STATES: [(&str, State); 4] = [
    ("passing", State::Passing),
    ("warning", State::Warning),
    ("unknown", State::Unknown),
    ("critical", State::Critical),
];

/// A page of the text format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "gauge");
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "counter");
        self.line(name, "", value);
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A line for each value of one label.
    fn lines<'a>(&mut self, name: &str, label: &str, values: impl IntoIterator<Item = (&'a str, u64)>) {
        for (value, count) in values {
            self.line(name, &format!("{{{label}=\"{value}\"}}"), count);
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}
