//! The stack of these tests: twelve services, four on each of three hosts, and an agent on each host.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pontoon_cloud::site::AgentSource;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OnceCell};

use crate::asking::{Agent, until};
use crate::lab::{Described, Lab, Service, Stack, lab, machine};

/// The stack is called as the one that the machines' user-data was rendered for, whose names their dnsmasq passes on.
pub(crate) const STACK: &str = "lab";
pub(crate) const HOSTS: [&str; 3] = ["lxd0", "lxd1", "lxd2"];
pub(crate) const SERVICES: [&str; 12] =
    ["web", "blog", "shop", "search", "mail", "cache", "queue", "index", "login", "stats", "docs", "jobs"];

/// The stack, up.
pub(crate) struct Town {
    pub(crate) lab: Lab,
    pub(crate) stack: Stack,
}

/// Runs a test on the stack, in its turn and when all is well.
pub(crate) fn in_town(test: impl AsyncFnOnce(&Town)) {
    /// Connections of the stack live on it, and are there for all tests.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static TOWN: OnceCell<Town> = OnceCell::const_new();
    static TURN: Mutex<()> = Mutex::const_new(());

    let Some(lab) = lab() else { return };
    RUNTIME.block_on(async {
        let _turn = TURN.lock().await;
        let town = TOWN.get_or_init(async || Town::new(lab).await).await;
        town.is_well().await;
        test(town).await;
    });
}

impl Town {
    async fn new(lab: Lab) -> Self {
        stop_others();
        let stack = Stack::of(&lab, described(&program())).await;
        stack.up().await;
        Self { lab, stack }
    }

    /// The same stack, whose hosts are to have another agent.
    pub(crate) async fn with_agent(&self, program: &Path) -> Stack {
        Stack::of(&self.lab, described(program)).await
    }

    pub(crate) fn agent(&self, host: &str) -> Agent {
        Agent::at(self.lab.fact(host, "address").parse().unwrap())
    }

    pub(crate) fn agents(&self) -> [Agent; 3] {
        HOSTS.map(|host| self.agent(host))
    }

    /// Waits until each agent says that each service serves.
    pub(crate) async fn is_well(&self) {
        for agent in self.agents() {
            until("all services to serve", async || all_serve(&agent.containers().await?)).await;
        }
    }
}

/// Stops what other tests have left on the hosts: there are only so many handles for watching files, for all containers of
/// the real machine together, and each one takes five.
fn stop_others() {
    let ours = SERVICES.map(|service| format!("-e ^{}$", container(service))).join(" ");
    let others = format!("lxc list --format csv --columns n status=running | grep -v {ours}");
    for host in HOSTS {
        machine("run", host, &["sh", "-c", &format!("for other in $({others}); do lxc stop --force $other; done")]);
    }
}

/// Nothing where not all serve. The words of an error say who does not.
pub(crate) fn all_serve(containers: &BTreeMap<String, Value>) -> Result<(), String> {
    let serves = |name: &&str| containers.get(&container(name)).is_some_and(|one| one["serves"] == true);
    let missing: Vec<String> = SERVICES
        .iter()
        .filter(|name| !serves(name))
        .map(|name| {
            let known = containers.get(&container(name));
            format!(
                "{name}: {}",
                known.map_or_else(|| "not known".to_owned(), |one| format!("{} ({})", one["state"], one["output"]))
            )
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
}

/// The program that the hosts get, which is built by whoever runs this.
pub(crate) fn program() -> PathBuf {
    let path = std::env::var_os("PONTOON_LAB_AGENT")
        .expect("PONTOON_LAB_AGENT names the program that hosts get as their agent");
    path.into()
}

pub(crate) fn container(service: &str) -> String {
    format!("{service}-0")
}

pub(crate) fn host_of(service: &str) -> &'static str {
    HOSTS[place(service) % HOSTS.len()]
}

pub(crate) fn address_of(service: &str) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 0, 120 + u8::try_from(place(service)).unwrap())
}

fn place(service: &str) -> usize {
    SERVICES.iter().position(|name| *name == service).unwrap()
}

/// What a service announces beside its page, as the file says it.
pub(crate) fn monitor(service: &str) -> &'static str {
    match service {
        "stats" => "{metrics: /metrics}",
        "queue" => "{tcp: 8080}",
        "jobs" => "{unit: page.service}",
        "docs" => "{exec: [test, -e, /srv/index.html]}",
        "login" => "{cloud-init: true}",
        _ => "{http: /index.html}",
    }
}

fn described(program: &Path) -> Described {
    let service = |name: &&str| Service {
        name: (*name).to_owned(),
        host: host_of(name),
        address: address_of(name).to_string(),
        lines: format!(
            "    port: 8080\n    announce: {{capabilities: [town, has-{name}], monitor: [{{http: /}}, {}],\
             check: {{interval: 1, timeout: 5, rise: 2, fall: 2}}}}\n",
            monitor(name)
        ),
        user_data: page(name),
    };
    Described {
        name: STACK.to_owned(),
        machines: HOSTS.to_vec(),
        hosts: HOSTS.to_vec(),
        services: SERVICES.iter().map(service).collect(),
        agent: AgentSource::read(program, "0.1.0").unwrap(),
        ..Described::default()
    }
}

/// User-data of a container that serves a page with its name, after each of its starts.
fn page(name: &str) -> String {
    format!(
        "#cloud-config\nwrite_files:\n- {{path: /srv/index.html, content: 'the page of {name}'}}\n\
         - path: /etc/systemd/system/page.service\n  content: |\n    [Service]\n    \
         ExecStart=/usr/bin/python3 -m http.server --directory /srv 8080\n    [Install]\n    WantedBy=multi-user.target\n\
         runcmd:\n- [systemctl, enable, --now, page.service]\n"
    )
}
