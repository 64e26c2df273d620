//! A stack on the machines of the LXD lab.
//!
//! The machines, their consoles, sshd, dnsmasq and LXD are real, made by Pontoon's own user-data. Only the tenancy is
//! made up: a few lists that say that the machines are this stack's servers. So [`Stack::up`] is what `pontoon up` does
//! to hosts: look, plan, perform what the plan has for them.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tenancy;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use pontoon_cloud::lxd::{self, ExecRequest};
use pontoon_cloud::site::{AgentSource, Outside, Patience, Site, SiteError, chain};
use pontoon_cloud::ssh::{BoxIo, Identity, SshError, dial_tcp};
use pontoon_core::observed::Observed;
use pontoon_core::plan::{Action, Plan, Step};
use pontoon_core::run::{Outcome, Run};
use pontoon_core::spec::{self, Files, SourceText, Sources, model};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Generous: the machine may be busy, and nothing waits this long when all is well.
pub const LIMIT: Duration = Duration::from_mins(3);

/// So many steps are performed at once.
const AT_ONCE: usize = 6;

/// What a container serves that runs [`serve`].
pub const PAGE: &str = "served by a container";

/// User-data of a container that serves [`PAGE`] on port 8080.
pub fn serve() -> String {
    format!(
        "#cloud-config\nwrite_files:\n- {{path: /srv/index.html, content: '{PAGE}'}}\nruncmd:\n\
         - [systemd-run, --unit=page, python3, -m, http.server, --directory, /srv, '8080']\n"
    )
}

/// Where the lab is; `None`, with a loud line, where there is none. `cargo xtask test lxd` brings one up.
pub fn lab() -> Option<Lab> {
    let state = std::env::var_os("PONTOON_LAB_LXD_STATE");
    let image = std::env::var_os("PONTOON_LAB_LXD_IMAGE");
    let Some((state, image)) = state.zip(image) else {
        eprintln!("SKIPPED: there are no real LXD hosts here; `cargo xtask test lxd` runs this on some of its own");
        return None;
    };
    Some(Lab { state: state.into(), image: image.into() })
}

/// A lab that is up, and on whose network this process is.
#[derive(Clone)]
pub struct Lab {
    state: PathBuf,
    /// A unified image of a Debian with cloud-init.
    pub image: PathBuf,
}

impl Lab {
    pub fn fact(&self, machine: &str, name: &str) -> String {
        std::fs::read_to_string(self.state.join("machines").join(machine).join(name)).unwrap().trim().to_owned()
    }

    fn console(&self, machine: &str) -> String {
        let path = self.state.join("machines").join(machine).join("console");
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    }
}

/// Does something to a machine: a verb of `lab/lxd/machine.sh` and its arguments.
pub fn machine(verb: &str, name: &str, arguments: &[&str]) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/lxd/machine.sh");
    let output = Command::new(program).arg(verb).arg(name).args(arguments).output().unwrap();
    assert!(output.status.success(), "{verb} {name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A stack on hosts of the lab.
pub struct Stack {
    pub lab: Lab,
    pub site: Site,
    model: model::Stack,
    /// The hosts that it does something to.
    hosts: Vec<&'static str>,
}

/// What a test says about a stack that is one container on one host.
#[derive(Default)]
pub struct Wanted<'a> {
    /// Its name, which sets it apart from the stacks of other tests.
    pub name: &'a str,
    /// The host that it runs on.
    pub host: &'static str,
    /// The address of its only container, which is called as the stack's only service, and that as the stack.
    pub address: &'a str,
    /// Lines of `network` beside the usual ones, such as `attach: pair-ip`.
    pub network: &'a str,
    /// Lines of the service beside the usual ones.
    pub service: &'a str,
    pub user_data: &'a str,
    /// What containers are made from, where it is not the lab's image.
    pub image: Option<&'a str>,
}

/// What a test says about a stack of any size.
#[derive(Default)]
pub struct Described {
    pub name: String,
    /// The machines that are servers of it, the first ones of the lab.
    pub machines: Vec<&'static str>,
    /// Those of them that it does something to.
    pub hosts: Vec<&'static str>,
    /// Lines of `network` beside the usual ones.
    pub network: String,
    pub services: Vec<Service>,
    /// What containers are made from, where it is not the lab's image.
    pub image: Option<String>,
    /// What the hosts get as their agent.
    pub agent: AgentSource,
}

/// A service of one container, which is called as the service with `-0` behind.
#[derive(Clone, Default)]
pub struct Service {
    pub name: String,
    pub host: &'static str,
    pub address: String,
    /// Lines beside the usual ones.
    pub lines: String,
    pub user_data: String,
}

impl Wanted<'_> {
    fn described(&self) -> Described {
        let service = Service {
            name: self.name.to_owned(),
            host: self.host,
            address: self.address.to_owned(),
            lines: self.service.to_owned(),
            user_data: self.user_data.to_owned(),
        };
        Described {
            name: self.name.to_owned(),
            // Those on the first one do not see what becomes of the second.
            machines: if self.host == "lxd0" { vec!["lxd0"] } else { vec!["lxd0", "lxd1"] },
            hosts: vec![self.host],
            network: self.network.to_owned(),
            services: vec![service],
            image: self.image.map(str::to_owned),
            agent: AgentSource::Unasked,
        }
    }
}

impl Stack {
    pub async fn new(lab: &Lab, wanted: &Wanted<'_>) -> Self {
        Self::of(lab, wanted.described()).await
    }

    pub async fn of(lab: &Lab, described: Described) -> Self {
        let fake = tenancy::of(lab, &described).await;
        let image = described.image.unwrap_or_else(|| format!("file:{}", lab.image.display()));
        let services = described.services.iter().map(|Service { name, address, lines, user_data, .. }| {
            let user_data = serde_json::to_string(user_data).unwrap();
            format!("  {name}:\n    image: {image}\n    address: {address}\n    user_data: {user_data}\n{lines}")
        });
        let text = format!(
            "stack: {}\nnetwork:\n  name: lan\n  subnet: 192.168.0.0/24\n  containers: 192.168.0.100-192.168.0.199\n{}\
             hosts:\n  lxd: {{count: {}, image: Debian 12, flavor: any, key: lab, floating_ip: false}}\nservices:\n{}",
            described.name,
            described.network,
            described.machines.len(),
            services.collect::<String>(),
        );
        let sources = Sources {
            main: SourceText::new("pontoon.yaml", text),
            overlay: None,
            sets: Vec::new(),
            cloud: Some("lab".to_owned()),
        };
        let loaded = spec::load(&sources, &Beside).unwrap_or_else(|errors| panic!("{errors:?}"));
        let identity = Identity::from_file(&lab.state.join("id_ed25519")).unwrap();
        let patience = Patience {
            step: LIMIT,
            answer: Duration::from_mins(1),
            look: Duration::from_secs(10),
            ..Patience::default()
        };
        let (name, outside) = (&described.name, Arc::new(OnTheNetwork));
        let mut site = Site::new(name, fake.client(), vec![identity], outside, patience, PathBuf::from("/"));
        site.agent = described.agent;
        Self { lab: lab.clone(), site, model: loaded.stack, hosts: described.hosts }
    }

    pub async fn observe(&self) -> Observed {
        self.site.observe(&self.model).await.unwrap()
    }

    /// What a plan has for the stack's hosts.
    pub async fn plan(&self) -> Vec<Step> {
        self.plan_for_hosts().await.steps
    }

    async fn plan_for_hosts(&self) -> Plan {
        let plan = Plan::up(&self.model, &self.observe().await);
        assert_eq!(plan.blocked, []);
        let mut numbers = std::collections::BTreeMap::new();
        let mut steps = Vec::new();
        for (number, mut step) in plan.steps.into_iter().enumerate().filter(|(_, step)| self.is_ours(&step.action)) {
            step.after = step.after.iter().filter_map(|before| numbers.get(before).copied()).collect();
            numbers.insert(number, steps.len());
            steps.push(step);
        }
        Plan { steps, ..Plan::default() }
    }

    /// Performs what a plan has for the hosts, some of it at once, and answers what the first step that failed said.
    pub async fn try_up(&self) -> Result<(), SiteError> {
        let plan = self.plan_for_hosts().await;
        let mut run = Run::new(&plan);
        let mut running = FuturesUnordered::new();
        let mut failed = None;
        loop {
            while let Some(number) = run.start(AT_ONCE) {
                let step = &plan.steps[number];
                running.push(async move { (number, self.perform(step).await) });
            }
            let Some((number, result)) = running.next().await else { break };
            match result {
                Ok(()) => run.finish(number, Outcome::Done),
                Err(error) => {
                    run.finish(number, Outcome::Failed(String::new()));
                    failed = failed.or(Some(error));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Brings the stack up, and shows that a second look finds nothing to do. A step of which nobody knows what came of it is
    /// looked at again, as `pontoon up` does.
    pub async fn up(&self) {
        let mut looks = 0;
        while let Err(error) = self.try_up().await {
            looks += 1;
            assert!(error.is_unknown() && looks < 3, "{}", chain(&error));
            eprintln!("{}: another look: {}", self.site.stack(), chain(&error));
        }
        let left: Vec<String> = self.plan().await.iter().map(|step| step.reason.clone()).collect();
        assert_eq!(left, Vec::<String>::new());
    }

    pub async fn perform(&self, step: &Step) -> Result<(), SiteError> {
        let begun = Instant::now();
        let result = self.site.perform(step, &|_| {}).await;
        let (stack, label) = (self.site.stack(), step.keys[0].label());
        eprintln!("{stack}: {:?} {label}: {:.1} s", step.verb, begun.elapsed().as_secs_f32());
        result
    }

    /// The engine of the stack's first host.
    pub async fn engine(&self) -> lxd::Client {
        self.engine_of(self.hosts[0]).await
    }

    pub async fn engine_of(&self, host: &str) -> lxd::Client {
        self.site.hosts.any_engine(host).await.unwrap()
    }

    /// What a command in the only container of a stack prints; it has to succeed.
    pub async fn run(&self, command: &[&str]) -> String {
        self.run_in(self.hosts[0], &self.container(), command).await
    }

    /// What a command in a container prints; it has to succeed.
    pub async fn run_in(&self, host: &str, container: &str, command: &[&str]) -> String {
        let output = self.try_in(host, container, command).await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.code, 0, "{command:?} in {container}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What comes of a command in a container.
    pub async fn try_in(&self, host: &str, container: &str, command: &[&str]) -> lxd::ExecOutput {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let request = ExecRequest { command, ..ExecRequest::default() };
        self.engine_of(host).await.exec(container, &request, LIMIT).await.unwrap()
    }

    pub fn container(&self) -> String {
        format!("{}-0", self.site.stack())
    }

    fn is_ours(&self, action: &Action) -> bool {
        match action {
            // What another stack's dnsmasq lines are is no business of this one.
            Action::PutProfile { host, .. }
            | Action::ImportImage { host, .. }
            | Action::PutDhcpHost { host, .. }
            | Action::PutAgent { host, .. }
            | Action::CreateContainer { host, .. }
            | Action::ConfigureContainer { host, .. }
            | Action::StartContainer { host, .. }
            | Action::AwaitContainer { host, .. }
            | Action::DeleteContainer { host, .. } => self.hosts.contains(&host.as_str()),
            _ => false,
        }
    }
}

/// Asks for a page from this process's own place on the network, which is on no host.
pub async fn page(address: Ipv4Addr) -> String {
    let mut stream = dial_tcp(&address.to_string(), 8080, Duration::from_secs(10)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The Ethernet address under which this process's namespace knows an address of the network.
pub fn neighbour(address: Ipv4Addr) -> String {
    let output = Command::new("ip").args(["neigh", "show", &address.to_string()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap_or_default().to_owned()
}

/// The way to the hosts: this process is on their network.
struct OnTheNetwork;

impl Outside for OnTheNetwork {
    fn dial(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, Result<BoxIo, SshError>> {
        Box::pin(async move { dial_tcp(&address.to_string(), port, Duration::from_secs(5)).await })
    }

    fn authority(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, String> {
        Box::pin(async move { format!("{address}:{port}") })
    }
}

/// What lies beside the stack's file: an image, by its absolute path.
struct Beside;

impl Files for Beside {
    fn text(&self, path: &str) -> Result<String, String> {
        Err(format!("`{path}` is not there"))
    }

    fn sha256(&self, path: &str) -> Result<String, String> {
        let output = Command::new("sha256sum").arg(path).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().next().map(str::to_owned).ok_or_else(|| "no such file".to_owned())
    }
}
