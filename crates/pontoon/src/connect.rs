//! From the name of a cloud to a site: credentials, the way to floating IPs, the keys that open hosts.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use pontoon_cloud::openstack::{self, Client, Options, config};
use pontoon_cloud::site::{AgentSource, Outside, Patience, Site};
use pontoon_cloud::ssh::{BoxIo, Identity, SshError, dial_tcp};

use crate::embedded::{self, Home, Published, Running};
use crate::exit::Failure;

/// How long a connection to a floating IP may take.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// A site and what is to be said of its cloud.
pub(crate) struct Connected {
    /// The stack's place.
    pub(crate) site: Arc<Site>,
    /// The embedded cloud, where it is that one.
    pub(crate) embedded: Option<Running>,
}

/// What a site is made with.
pub(crate) struct Wanted<'a> {
    /// The name of the stack.
    pub(crate) stack: &'a str,
    /// The entry of clouds.yaml.
    pub(crate) cloud: &'a str,
    /// A private key that the user names.
    pub(crate) identity: Option<&'a Path>,
    /// What becomes of the agents of its hosts.
    pub(crate) agents: Agents<'a>,
    /// How long one step may take.
    pub(crate) step_limit: Option<Duration>,
    /// The directory that image files are relative to.
    pub(crate) directory: PathBuf,
}

/// What becomes of agents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Agents<'a> {
    /// Nobody plans anything for them, so nobody has to know what they should be.
    Left,
    /// A plan compares them with this program, or with the one that runs.
    Planned(Option<&'a Path>),
}

/// Logs in nowhere yet: the first request does.
pub(crate) async fn connect(wanted: Wanted<'_>) -> Result<Connected, Failure> {
    let embedded = if wanted.cloud == embedded::NAME { Some(embedded::ensure(&Home::of_user()?).await?) } else { None };
    let client = client(wanted.cloud)?;
    let mut identities = identities(wanted.identity)?;
    let outside: Arc<dyn Outside> = match &embedded {
        Some(running) => {
            let own = Identity::from_file(&Home::of_user()?.identity());
            identities.insert(0, own.map_err(|error| Failure::of(&error).hint(error.hint()))?);
            Arc::new(Published::new(running))
        }
        None => Arc::new(Direct),
    };
    let mut patience = Patience::default();
    if let Some(step) = wanted.step_limit {
        patience.step = step;
    }
    let mut site = Site::new(wanted.stack, client, identities, outside, patience, wanted.directory);
    if let Agents::Planned(named) = wanted.agents {
        site.agent = agent_program(named)?;
    }
    Ok(Connected { site: Arc::new(site), embedded })
}

/// What hosts get as their agent: the file that the user names, else this very program.
fn agent_program(named: Option<&Path>) -> Result<AgentSource, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match named {
        Some(path) => AgentSource::read(path, version).map_err(|error| {
            Failure::new(format!("cannot read the program for agents `{}`", path.display())).caused_by(&error)
        }),
        // Not by its name: another file may have taken that meanwhile.
        None => Ok(AgentSource::read(Path::new("/proc/self/exe"), version)
            .unwrap_or_else(|error| AgentSource::Missing(format!("this program cannot be read ({error})")))),
    }
}

/// A client of a cloud, as the standard clients would find it.
pub(crate) fn client(cloud: &str) -> Result<Client, Failure> {
    // A variable that is not UTF-8 is none of OpenStack's.
    let variables =
        std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let mut environment: std::collections::BTreeMap<String, String> = variables.collect();
    if cloud == embedded::NAME {
        // The built-in cloud is what it is, whatever the user's own settings say of others.
        environment.retain(|name, _| !name.starts_with("OS_"));
        environment.insert("OS_CLIENT_CONFIG_FILE".to_owned(), Home::of_user()?.clouds_yaml().display().to_string());
    }
    let directory = std::env::current_dir().unwrap_or_default();
    let refused = |error: config::ConfigError| {
        let hint = error.hint();
        Failure::of(&error).hint(hint)
    };
    let sources = config::Sources::read(environment, &directory).map_err(refused)?;
    let config = config::cloud_config(&sources, Some(cloud)).map_err(refused)?;
    let options = Options {
        token_directory: openstack::auth::default_token_directory(|name| std::env::var(name).ok()),
        ..Options::default()
    };
    Client::new(config, options).map_err(|error| Failure::of(&error).hint(error.hint()))
}

/// The key that the user names, else the agent's and then the usual files that can be read.
fn identities(named: Option<&Path>) -> Result<Vec<Identity>, Failure> {
    if let Some(path) = named {
        let identity = Identity::from_file(path).map_err(|error| Failure::of(&error).hint(error.hint()))?;
        return Ok(vec![identity]);
    }
    let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let mut found = Vec::new();
    found.extend(variable("SSH_AUTH_SOCK").map(|socket| Identity::Agent { socket }));
    for name in ["id_ed25519", "id_ecdsa", "id_rsa"] {
        let path = variable("HOME").map(|home| home.join(".ssh").join(name));
        // One that cannot be read, or wants a passphrase, is the agent's business.
        found.extend(path.filter(|path| path.exists()).and_then(|path| Identity::from_file(&path).ok()));
    }
    Ok(found)
}

/// `203.0.113.7`, or `127.77.0.5:8080` where the port is not the usual one.
pub(crate) fn authority(address: Ipv4Addr, port: u16) -> String {
    if port == 80 { address.to_string() } else { format!("{address}:{port}") }
}

/// Floating IPs of a real cloud are where they say.
struct Direct;

impl Outside for Direct {
    fn dial(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, Result<BoxIo, SshError>> {
        Box::pin(async move { dial_tcp(&address.to_string(), port, DIAL_LIMIT).await })
    }

    fn authority(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, String> {
        Box::pin(async move { authority(address, port) })
    }
}
