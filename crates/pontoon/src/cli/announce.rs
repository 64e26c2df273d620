//! The form of `pontoon announce`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::ring::pair;

pub(super) const EXAMPLES: &str = "\
Examples:
  pontoon announce --capability search --says version=1.2
  pontoon announce --state passing --ttl 30        critical, unless said again within 30 s
  pontoon announce --show

It is for processes in a container. What is given takes the place of what was said before of the
same kind (all capabilities, all monitoring points, the health; texts one by one); the rest stays.";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Announce {
    /// A word that others look this container up by; may be repeated
    #[arg(long, value_name = "WORD", group = "what")]
    pub(crate) capability: Vec<String>,
    /// A short text about it, such as `version=1.2`, or `version=` to take it back; may be repeated
    #[arg(long, value_name = "NAME=TEXT", value_parser = pair, group = "what")]
    pub(crate) says: Vec<(String, String)>,
    /// Where its service listens, if the file gives no port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), group = "what")]
    pub(crate) port: Option<u16>,
    /// A path that answers HTTP with success while it is well; may be repeated
    #[arg(long, value_name = "PATH", group = "what", help_heading = "Monitoring points")]
    pub(crate) http: Vec<String>,
    /// A port that accepts connections while it is well; may be repeated
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), group = "what", help_heading = "Monitoring points")]
    pub(crate) tcp: Vec<u16>,
    /// A path where metrics are read; may be repeated
    #[arg(long, value_name = "PATH", group = "what", help_heading = "Monitoring points")]
    pub(crate) metrics: Vec<String>,
    /// A systemd unit that is active while it is well; may be repeated
    #[arg(long, value_name = "UNIT", group = "what", help_heading = "Monitoring points")]
    pub(crate) unit: Vec<String>,
    /// How it is, in a word
    #[arg(long, group = "what", help_heading = "Health")]
    pub(crate) state: Option<State>,
    /// Why, in words for people
    #[arg(long, value_name = "TEXT", requires = "state", help_heading = "Health")]
    pub(crate) output: Option<String>,
    /// For how long this holds; if it is not said again by then, the container is critical
    #[arg(long, value_name = "SECONDS", requires = "state", value_parser = clap::value_parser!(u32).range(1..=86_400), help_heading = "Health")]
    pub(crate) ttl: Option<u32>,
    /// Take back all that was said before
    #[arg(long, group = "what")]
    pub(crate) clear: bool,
    /// Print all that is said of this container, by the file and by itself
    #[arg(long, group = "what")]
    pub(crate) show: bool,
    /// The container's socket
    #[arg(long, value_name = "PATH", env = "PONTOON_ANNOUNCE_SOCKET", default_value = "/dev/pontoon/announce/socket")]
    pub(crate) socket: PathBuf,
}

/// How a container may say that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Passing,
    Warning,
    Critical,
}
