//! What may be said on the command line.
//!
//! Only forms are known here; what a verb does is its own file under [`verbs`](crate::verbs).

pub(crate) mod agent;
pub(crate) mod announce;
pub(crate) mod ring;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::json;

use crate::exit::Exit;

const EXIT_CODES: &str = "\
Exit codes:
   0  what was asked for is done (`plan --exit-code`: there is nothing to do)
   1  it is not
   2  there is something to do; of `plan --exit-code` only
   3  the file is wrong, and no request was sent
  64  the command line is wrong
  `exec` ends with the exit code of the command that it ran.

Output:
  Data goes to standard output, progress and messages to standard error.
  With --json everything is on standard output, one JSON object a line: events
  while something runs, then {\"event\":\"result\",…}; {\"event\":\"error\",…} when
  it cannot be done. Colour is used on a terminal only, and never with NO_COLOR.

First steps:
  pontoon init hello            write a first file
  pontoon plan hello            see what it would make, and why
  pontoon up hello              make it, and get the URL when it has answered
  pontoon down hello            take all of it away again";

/// Runs services in LXD or Incus containers on the servers of an OpenStack tenancy, each with an address of its own on
/// the Neutron network, from one file.
#[derive(Debug, Parser)]
#[command(name = "pontoon", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

// In the structs below, what belongs to one verb stands before what is flattened in: a heading of the latter holds
// for all that follows.

/// What every verb takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Print JSON for programs, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more of what is done; twice for every request. `PONTOON_LOG` takes finer filters
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

/// When to use colour; `Auto`: on a terminal, unless NO_COLOR is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a first file
    #[command(after_help = "Examples:\n  pontoon init hello\n  pontoon init hello --cloud mycloud --stack website")]
    Init(Init),
    /// Print the JSON Schema of the file, for editors
    #[command(after_help = "Example:\n  pontoon schema > pontoon.schema.json")]
    Schema,
    /// Show what `up` would do, and why; change nothing
    #[command(
        after_help = "Examples:\n  pontoon plan examples/blog\n  pontoon plan examples/blog --exit-code && echo nothing to do"
    )]
    Plan(Plan),
    /// Make the cloud as the file says, and prove that it works
    #[command(
        after_help = "Examples:\n  pontoon up examples/blog\n  pontoon up examples/blog --cloud mycloud --set hosts.lxd.flavor=m1.small\n\n\
                      It shows its plan and goes on. Where something would be deleted or replaced, it\n\
                      asks; with nobody there to ask, it stops unless --yes is given. Ctrl-C stops after\n\
                      the running requests; run it again to go on."
    )]
    Up(Up),
    /// Keep the cloud as the file says, until Ctrl-C
    #[command(
        after_help = "Examples:\n  pontoon run examples/blog\n  pontoon run examples/blog --cloud mycloud --interval 300 --yes\n\n\
                      Each turn reads the file, looks at the cloud and does what is missing, as `up`\n\
                      does. What would be deleted or replaced stays as it is, and is said, unless\n\
                      --yes is given. Turns in which there is nothing to do are not mentioned.\n\
                      It brings back what `down` takes away: stop it first."
    )]
    Run(Run),
    /// Take everything of a stack away, and nothing else
    #[command(
        after_help = "Examples:\n  pontoon down examples/blog\n  pontoon down --stack blog --cloud mycloud     the file is not needed"
    )]
    Down(Down),
    /// Show hosts, containers, balancers, addresses and health
    #[command(after_help = "Examples:\n  pontoon status examples/blog\n  pontoon status examples/blog --watch")]
    Status(Status),
    /// Walk the way of a packet to each container, and name the layer that drops it
    #[command(
        after_help = "Examples:\n  pontoon doctor -C examples/blog\n  pontoon doctor hugo-0 -C examples/blog --cloud mycloud\n\n\
                      It asks from this machine, from the container's host and from another host, and\n\
                      changes nothing. It ends with 1 where packets get lost."
    )]
    Doctor(Doctor),
    /// Print every document that would be handed to a machine; asks no cloud
    #[command(
        after_help = "Examples:\n  pontoon render examples/blog\n  pontoon render examples/shop --container search-1"
    )]
    Render(Render),
    /// Print what cloud-init and the console say
    #[command(after_help = "Examples:\n  pontoon logs hugo -C examples/blog\n  pontoon logs lxd0 -C examples/blog")]
    Logs(Logs),
    /// Run a command in a container
    #[command(
        after_help = "Examples:\n  pontoon exec hugo -C examples/blog -- systemctl status hugo\n  pontoon exec hugo-1 -- ip address"
    )]
    Exec(Exec),
    /// Serve the embedded cloud to any OpenStack client
    #[command(subcommand)]
    Cloud(Cloud),
    /// Run the program of a host, or ask it what the stack's containers announce
    #[command(subcommand)]
    Agent(agent::Agent),
    /// In a container: say what it is, what it can and how it is
    #[command(after_help = announce::EXAMPLES)]
    Announce(announce::Announce),
    /// Be a member of a gossip ring that speaks Serf, or ask one
    #[command(subcommand)]
    Ring(ring::Ring),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write `pontoon.yaml`; the directory is made where it does not exist
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The entry of clouds.yaml that the stack is for
    #[arg(long, value_name = "NAME", env = "PONTOON_CLOUD", default_value = "embedded", value_parser = cloud_name)]
    pub(crate) cloud: String,
    /// The name of the stack [default: the directory's]
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// End with 2 where there is something to do
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Do not ask before something is deleted or replaced
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// How many seconds it rests between two turns; after one that failed longer, up to sixteen times
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) interval: u16,
    /// Delete and replace what the plan says, too
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// A directory with a `pontoon.yaml`, or a file [default: .]
    #[arg(value_name = "DIR", conflicts_with = "stack")]
    pub(crate) directory: Option<PathBuf>,
    /// The stack to take away, where there is no file any more
    #[arg(long, value_name = "NAME", requires = "cloud", conflicts_with = "set")]
    pub(crate) stack: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) options: StackOptions,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Look again and again, until Ctrl-C
    #[arg(long, short)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A service or a container [default: all]
    #[arg(value_name = "SERVICE")]
    pub(crate) subject: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// Only what this host gets
    #[arg(long, value_name = "NAME", conflicts_with = "container")]
    pub(crate) host: Option<String>,
    /// Only what this container gets
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// A service, a container or a host
    #[arg(value_name = "SERVICE|HOST")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// A service (its first container), a container or a host
    #[arg(value_name = "SERVICE")]
    pub(crate) subject: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// The embedded cloud as a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Cloud {
    /// Serve it until Ctrl-C; a complete clouds.yaml is printed on standard output
    #[command(
        after_help = "Example:\n  pontoon cloud serve > clouds.yaml &\n  OS_CLIENT_CONFIG_FILE=clouds.yaml openstack --os-cloud embedded server list"
    )]
    Serve(Serve),
    /// End the one that runs in the background; its world is kept
    Stop,
    /// Say whether one runs, where, and what it holds
    Status,
    /// End it and forget its world
    Clear,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The TCP port of Keystone; the other services get ports of their own [default: any free one]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// How long things take
    #[arg(long, default_value = "brief")]
    pub(crate) speed: Speed,
}

/// How long things take in the embedded cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speed {
    /// As long as in a real cloud.
    Real,
    /// A few seconds, enough to be seen.
    Brief,
    /// No time at all.
    Instant,
}

/// A stack, by its file.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// A directory with a `pontoon.yaml`, or a file
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) options: StackOptions,
}

/// A stack, by its file, of a verb whose first argument is something else.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// A directory with a `pontoon.yaml`, or a file
    #[arg(long, short = 'C', default_value = ".", value_name = "DIR")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) options: StackOptions,
}

/// What differs from cloud to cloud and from operator to operator.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Stack")]
pub(crate) struct StackOptions {
    /// An entry of clouds.yaml, in place of the one that the file names; `embedded` is the built-in cloud
    #[arg(long, value_name = "NAME", env = "PONTOON_CLOUD", value_parser = cloud_name)]
    pub(crate) cloud: Option<String>,
    /// Change one value of the file for this run, such as `hosts.lxd.image='Debian 12'`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// The private ssh key that opens the hosts [default: the ssh agent's, then ~/.ssh/id_*]
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The program that hosts get as their agent: one for their processor, best a static one [default: this program]
    #[arg(long, value_name = "FILE", env = "PONTOON_AGENT_PROGRAM")]
    pub(crate) agent_program: Option<PathBuf>,
}

/// How fast and how patiently a plan is carried out.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct Pace {
    /// How many steps may run at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,
    /// How long one step may take, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) timeout: u16,
}

/// Prints what clap has to say about a command line that it did not take, or about the help that was asked for.
pub(crate) fn refuse(error: &clap::Error) -> Exit {
    let asked_for = !error.use_stderr();
    if !asked_for && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let (message, hint) = text.split_once('\n').unwrap_or((&text, ""));
        let message = message.trim_start_matches("error: ");
        println!(
            "{}",
            json!({"event": "error", "exit": Exit::Usage.code(), "message": message, "causes": [], "hint": hint.trim()})
        );
        return Exit::Usage;
    }
    // A reader that has gone away is nobody's failure.
    let _ = error.print();
    if asked_for { Exit::Done } else { Exit::Usage }
}

/// The name becomes part of the overlay's file name.
fn cloud_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('/') || text.chars().any(char::is_control) {
        return Err("an entry of clouds.yaml has a name without `/` and control characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn exit_of(arguments: &[&str]) -> Option<clap::error::ErrorKind> {
        Cli::try_parse_from([&["pontoon"], arguments].concat()).err().map(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn down_without_a_file_needs_a_stack_and_a_cloud() {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument};
        if std::env::var_os("PONTOON_CLOUD").is_none() {
            assert_eq!(exit_of(&["down", "--stack", "blog"]), Some(MissingRequiredArgument));
        }
        assert_eq!(exit_of(&["down", "--stack", "blog", "--cloud", "mine"]), None);
        assert_eq!(exit_of(&["down", "blog", "--stack", "blog", "--cloud", "mine"]), Some(ArgumentConflict));
    }

    #[test]
    fn a_command_for_a_container_keeps_its_own_options() {
        let cli = Cli::try_parse_from(["pontoon", "exec", "hugo", "--json", "--", "ls", "--json", "-C"]).unwrap();
        let Verb::Exec(exec) = cli.verb else { unreachable!() };
        assert!(cli.global.json);
        assert_eq!(exec.command, ["ls", "--json", "-C"]);
    }

    #[test]
    fn a_clouds_name_cannot_lead_out_of_the_directory() {
        assert_eq!(exit_of(&["plan", "--cloud", "../secret"]), Some(clap::error::ErrorKind::ValueValidation));
    }
}
