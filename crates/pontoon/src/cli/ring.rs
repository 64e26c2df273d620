//! The forms of `pontoon ring`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// Members of a gossip ring.
#[derive(Debug, Subcommand)]
pub(crate) enum Ring {
    /// Be a member until Ctrl-C, which leaves the ring, or SIGTERM, which does not
    #[command(after_help = "Examples:\n  pontoon ring agent --name p1 --bind 127.0.0.2:7946 --rpc 127.0.0.2:7373\n  \
                      pontoon ring agent --name p2 --bind 127.0.0.3:7946 --join 127.0.0.2:7946 --tag role=web --key-file ring.key\n\n\
                      Agents of Serf join the same ring, and `serf members -rpc-addr=…` asks this one.")]
    Agent(Agent),
    /// Show the members that an agent knows
    #[command(after_help = "Example:\n  pontoon ring members --rpc 127.0.0.2:7373 --tag role=web --status alive")]
    Members(Members),
    /// Have an agent join the ring of another member
    Join(Join),
    /// Say something to all members
    #[command(after_help = "Example:\n  pontoon ring event deploy v1.2 --rpc 127.0.0.2:7373")]
    Event(Event),
    /// Ask all members, or some, and print what they answer
    #[command(after_help = "Example:\n  pontoon ring query load --tag role=web --timeout 5 --rpc 127.0.0.2:7373")]
    Query(Query),
    /// Change the keys of the whole ring, or show them
    #[command(
        after_help = "A key is changed in three steps: `--install` the new one, `--use` it, `--remove` the old one.\n\
                      Each takes a key in base64, or a file that holds one as `@FILE`, so that it stands in\n\
                      no list of processes."
    )]
    Keys(Keys),
    /// Change what an agent says of itself
    #[command(after_help = "Example:\n  pontoon ring tags --set role=web --delete color --rpc 127.0.0.2:7373")]
    Tags(Tags),
    /// Have an agent leave the ring and end, or say for a failed member that it has left
    Leave(Leave),
    /// Print what happens in the ring, until Ctrl-C
    Monitor(Monitor),
}

/// Which agent is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Agent")]
pub(crate) struct Rpc {
    /// Where it answers
    #[arg(long, value_name = "ADDRESS", env = "PONTOON_RING_RPC", default_value = "127.0.0.1:7373")]
    pub(crate) rpc: String,
    /// A file with the key that it wants from those who ask
    #[arg(long, value_name = "FILE")]
    pub(crate) rpc_auth_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// The member's name, which no other one has [default: the host's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where it listens for other members, on UDP and TCP
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7946")]
    pub(crate) bind: String,
    /// Where others reach it [default: as --bind]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) advertise: Option<String>,
    /// A member of the ring to join, again and again until one is reached; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) join: Vec<String>,
    /// Tell events from before it joined
    #[arg(long)]
    pub(crate) replay: bool,
    /// What it says of itself; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    /// How patient it is
    #[arg(long, default_value = "lan")]
    pub(crate) profile: Profile,
    /// Where it answers `pontoon ring members` and the like [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) rpc: Option<String>,
    /// A file with the key that it wants from those who ask
    #[arg(long, value_name = "FILE", requires = "rpc")]
    pub(crate) rpc_auth_file: Option<PathBuf>,
    /// The ring's key in base64; everybody on this machine can see it
    #[arg(long, value_name = "BASE64", conflicts_with = "key_file")]
    pub(crate) key: Option<String>,
    /// A file with the ring's key, or with several as Serf keeps them; it is kept up to date when they change
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// A file by which it finds its ring again
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Go back to the ring of the snapshot even after it has left
    #[arg(long, requires = "snapshot")]
    pub(crate) rejoin: bool,
}

/// How patient a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Members in one network.
    Lan,
    /// Members in several.
    Wan,
    /// Members on one machine.
    Local,
}

#[derive(Debug, Args)]
pub(crate) struct Members {
    /// Only members in this state: alive, leaving, left, failed, or an expression
    #[arg(long, value_name = "STATE")]
    pub(crate) status: Option<String>,
    /// Only members whose whole name matches this expression
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) name: Option<String>,
    /// Only members whose whole tag matches this expression; may be repeated
    #[arg(long, value_name = "NAME=EXPRESSION", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// Members of the ring
    #[arg(required = true, value_name = "ADDRESS")]
    pub(crate) members: Vec<String>,
    /// Tell events from before
    #[arg(long)]
    pub(crate) replay: bool,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
pub(crate) struct Event {
    /// What it is called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What comes with it
    #[arg(value_name = "PAYLOAD", default_value = "", hide_default_value = true)]
    pub(crate) payload: String,
    /// Let a later one of the same name take its place
    #[arg(long)]
    pub(crate) coalesce: bool,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// What it is called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What comes with it
    #[arg(value_name = "PAYLOAD", default_value = "", hide_default_value = true)]
    pub(crate) payload: String,
    /// Only this member; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Vec<String>,
    /// Only members in whose tag this expression is found; may be repeated
    #[arg(long, value_name = "NAME=EXPRESSION", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    /// How long to wait for answers, in seconds [default: by the size of the ring]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// By how many other members each answer comes too
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) relay: u8,
    /// Do not have members say that it has come
    #[arg(long)]
    pub(crate) no_ack: bool,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) change: KeyChange,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct KeyChange {
    /// Show which keys there are, and how many members have each
    #[arg(long)]
    pub(crate) list: bool,
    /// Have all members decrypt with this key too
    #[arg(long, value_name = "KEY|@FILE")]
    pub(crate) install: Option<String>,
    /// Have all members encrypt with this key
    #[arg(long = "use", value_name = "KEY|@FILE")]
    pub(crate) use_key: Option<String>,
    /// Have all members forget this key
    #[arg(long, value_name = "KEY|@FILE")]
    pub(crate) remove: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Tags {
    /// A tag to set; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, required_unless_present = "delete")]
    pub(crate) set: Vec<(String, String)>,
    /// A tag to take away; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) delete: Vec<String>,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
pub(crate) struct Leave {
    /// A member that does not answer and will not come back; the agent itself stays
    #[arg(long, value_name = "NAME")]
    pub(crate) force: Option<String>,
    /// Forget that member at once
    #[arg(long, requires = "force")]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

#[derive(Debug, Args)]
pub(crate) struct Monitor {
    /// What to print, such as `member-join,user:deploy,query`; `*` for all
    #[arg(long, value_name = "WORDS", default_value = "*")]
    pub(crate) events: String,
    /// Print the agent's log too, from this level: trace, debug, info, warn, err
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
    #[command(flatten)]
    pub(crate) rpc: Rpc,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has to be NAME=VALUE".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it has to be a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if (0.001..=86_400.0).contains(&seconds) => Ok(duration),
        _ => Err("it has to be from 0.001 to 86400 seconds".to_owned()),
    }
}
