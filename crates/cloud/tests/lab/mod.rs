//! A stack on the machines of the LXD lab.
//!
//! The machines, their consoles, sshd, dnsmasq and LXD are real, made by Pontoon's own user-data. Only the tenancy is
//! made up: a few lists that say that the machines are this stack's servers. So [`Stack::up`] is what `pontoon up` does
//! to hosts: look, plan, perform what the plan has for them.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use pontoon_cloud::lxd::{self, ExecRequest};
use pontoon_cloud::site::{Outside, Patience, Site, SiteError, chain};
use pontoon_cloud::ssh::{BoxIo, Identity, SshError, dial_tcp};
use pontoon_core::address::Mac;
use pontoon_core::observed::Observed;
use pontoon_core::plan::{Action, Plan, Step};
use pontoon_core::spec::{self, Files, SourceText, Sources, model};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::openstack_fake::{Fake, Reply, Seen};

/// Generous: the machine may be busy, and nothing waits this long when all is well.
pub const LIMIT: Duration = Duration::from_mins(3);

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
    fn fact(&self, machine: &str, name: &str) -> String {
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

/// One stack on one host.
pub struct Stack {
    pub lab: Lab,
    pub site: Site,
    model: model::Stack,
    host: &'static str,
}

/// What a test says about its stack.
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

impl Stack {
    pub async fn new(lab: &Lab, wanted: &Wanted<'_>) -> Self {
        let &Wanted { name, host, address, network, service, user_data, image } = wanted;
        let image = image.map_or_else(|| format!("file:{}", lab.image.display()), str::to_owned);
        let text = format!(
            "stack: {name}\nnetwork:\n  name: lan\n  subnet: 192.168.0.0/24\n  containers: 192.168.0.100-192.168.0.199\n{network}\
             hosts:\n  lxd: {{count: {}, image: Debian 12, flavor: any, key: lab, floating_ip: false}}\n\
             services:\n  {name}:\n    image: {image}\n    address: {address}\n    user_data: {}\n{service}",
            hosts(host).len(),
            serde_json::to_string(user_data).unwrap(),
        );
        let sources = Sources {
            main: SourceText::new("pontoon.yaml", text),
            overlay: None,
            sets: Vec::new(),
            cloud: Some("lab".to_owned()),
        };
        let loaded = spec::load(&sources, &Beside).unwrap_or_else(|errors| panic!("{errors:?}"));
        let fake = tenancy(lab, wanted).await;
        let identity = Identity::from_file(&lab.state.join("id_ed25519")).unwrap();
        let patience = Patience {
            step: LIMIT,
            answer: Duration::from_mins(1),
            look: Duration::from_secs(10),
            ..Patience::default()
        };
        let site = Site::new(name, fake.client(), vec![identity], Arc::new(OnTheNetwork), patience, PathBuf::from("/"));
        Self { lab: lab.clone(), site, model: loaded.stack, host }
    }

    pub async fn observe(&self) -> Observed {
        self.site.observe(&self.model).await.unwrap()
    }

    /// What a plan has for the host.
    pub async fn plan(&self) -> Vec<Step> {
        let plan = Plan::up(&self.model, &self.observe().await);
        assert_eq!(plan.blocked, []);
        let ours = plan.steps.into_iter().filter(|step| self.is_ours(&step.action));
        ours.collect()
    }

    /// Performs what a plan has for the host, in its order, and answers what the first step that failed said.
    pub async fn try_up(&self) -> Result<(), SiteError> {
        for step in self.plan().await {
            self.perform(&step).await?;
        }
        Ok(())
    }

    /// Brings the stack up, and shows that a second look finds nothing to do.
    pub async fn up(&self) {
        self.try_up().await.unwrap_or_else(|error| panic!("{}", chain(&error)));
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

    /// The engine of the host.
    pub async fn engine(&self) -> lxd::Client {
        self.site.hosts.any_engine(self.host).await.unwrap()
    }

    /// What a command in the stack's container prints; it has to succeed.
    pub async fn run(&self, command: &[&str]) -> String {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let request = ExecRequest { command, ..ExecRequest::default() };
        let output = self.engine().await.exec(&self.container(), &request, LIMIT).await.unwrap();
        assert_eq!(output.code, 0, "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
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
            | Action::CreateContainer { host, .. }
            | Action::ConfigureContainer { host, .. }
            | Action::StartContainer { host, .. }
            | Action::AwaitContainer { host, .. }
            | Action::DeleteContainer { host, .. } => host == self.host,
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

/// The machines of a stack that runs on one of them: those on the first one do not see what becomes of the second.
fn hosts(host: &str) -> &'static [&'static str] {
    if host == "lxd0" { &["lxd0"] } else { &["lxd0", "lxd1"] }
}

/// Lists in which those machines of the lab are servers of the stack, each with its port. The pair on one of them says where
/// the stack's container belongs.
async fn tenancy(lab: &Lab, wanted: &Wanted<'_>) -> Fake {
    let stack = wanted.name;
    let container = Mac::of_container(stack, &format!("{stack}-0"));
    let (mut servers, mut ports) = (Vec::new(), Vec::new());
    for &machine in hosts(wanted.host) {
        let pairs = json!([{"ip_address": wanted.address, "mac_address": container}]);
        let pairs = if machine == wanted.host { pairs } else { json!([]) };
        let (mac, address) = (lab.fact(machine, "mac"), lab.fact(machine, "address"));
        servers.push(json!({
            "id": machine, "name": machine, "status": "ACTIVE", "image": {"id": "i"}, "flavor": {"id": "f"},
            "metadata": {"pontoon.key": format!("pontoon:{stack}:host/{machine}")},
        }));
        ports.push(json!({
            "id": format!("port-{machine}"), "name": machine, "project_id": "p1", "network_id": "n",
            "description": format!("pontoon:{stack}:port/{machine}"), "mac_address": mac, "status": "ACTIVE",
            "fixed_ips": [{"subnet_id": "s", "ip_address": address}], "device_id": machine,
            "device_owner": "compute:nova", "security_groups": [], "allowed_address_pairs": pairs,
            "port_security_enabled": true, "revision_number": 1,
        }));
    }
    let network = json!({
        "id": "n", "name": "lan", "project_id": "p1", "mtu": 1442, "shared": false, "router:external": false,
        "port_security_enabled": true, "subnets": ["s"], "status": "ACTIVE",
    });
    let subnet = json!({
        "id": "s", "name": "lan", "network_id": "n", "ip_version": 4, "cidr": "192.168.0.0/24", "project_id": "p1",
        "gateway_ip": "192.168.0.1", "enable_dhcp": true, "dns_nameservers": [], "tags": [], "revision_number": 1,
        "allocation_pools": [{"start": "192.168.0.2", "end": "192.168.0.20"}],
    });
    let extensions = json!([{"alias": "allowed-address-pairs"}, {"alias": "port-security"}]);
    let lab = lab.clone();
    let answer = move |seen: &Seen, _: usize| {
        let path = seen.path.split('?').next().unwrap_or_default();
        if let Some(server) = path.strip_suffix("/action").and_then(|path| path.rsplit('/').next()) {
            return Reply::json(200, &json!({"output": lab.console(server)}));
        }
        let name = path.trim_end_matches("/detail").rsplit('/').next().unwrap_or_default();
        let name = name.trim_start_matches("os-").replace('-', "_");
        let rows: Value = match name.as_str() {
            "servers" => servers.clone().into(),
            "ports" => ports.clone().into(),
            "networks" => json!([network]),
            "subnets" => json!([subnet]),
            "extensions" => extensions.clone(),
            _ => json!([]),
        };
        Reply::json(200, &json!({name: rows}))
    };
    Fake::start(answer).await
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
