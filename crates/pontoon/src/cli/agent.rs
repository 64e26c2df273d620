//! The forms of `pontoon agent`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pontoon_agent::daemon::DEFAULT_PATH;

use super::Target;

/// The program of a host.
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Run it, until SIGTERM or Ctrl-C; `pontoon up` has systemd do so on each host
    #[command(after_help = "Signals:\n  SIGTERM, SIGINT  leave the ring and end; a second one ends at once\n  \
                      SIGQUIT          end without leaving, to be back before anybody minds\n  \
                      SIGHUP           read the picture of the stack again")]
    Run(Run),
    /// Show the hosts that an agent knows
    Members(Asked),
    /// Show all containers that an agent knows
    Catalogue(Asked),
    /// Show services, or the copies of one
    #[command(
        after_help = "Examples:\n  pontoon agent services\n  pontoon agent services hugo --http 192.168.0.14:8500"
    )]
    Services(Services),
    /// Print the key of a stack's ring, by which a machine that is no host of it can join
    Key(Key),
    /// Print what changes, until Ctrl-C
    Watch(Asked),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What it is told
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Which agent is asked.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Where it answers
    #[arg(long, value_name = "ADDRESS", env = "PONTOON_AGENT_HTTP", default_value = "127.0.0.1:8500")]
    pub(crate) http: String,
}

#[derive(Debug, Args)]
pub(crate) struct Services {
    /// One of them
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}
