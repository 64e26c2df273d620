//! What the program says of itself while it works: on standard error, and only when it is asked for. The agent of a host
//! has nobody who asks, and a journal; it says what happens unless told otherwise.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::agent::Agent;
use crate::cli::{Cli, Verb};
use crate::show::Output;

/// Begins to say it. `PONTOON_LOG` takes the filters of the crate tracing, such as `pontoon_cloud=trace`; empty it counts
/// as not set.
pub(crate) fn begin(cli: &Cli, output: &Output) {
    let serves = matches!(cli.verb, Verb::Agent(Agent::Run(_)));
    let asked = match (cli.global.verbose, serves) {
        (0, false) => None,
        (0, true) => Some("info"),
        (1, _) => Some("info,pontoon=debug,pontoon_cloud=debug,pontoon_agent=debug"),
        _ => Some("debug,pontoon=trace,pontoon_cloud=trace,pontoon_agent=trace"),
    };
    let set = std::env::var("PONTOON_LOG").ok().filter(|filters| !filters.is_empty());
    let set = set.and_then(|filters| EnvFilter::try_new(filters).ok());
    let Some(filter) = set.or_else(|| asked.map(EnvFilter::new)) else { return };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // systemd sets this where standard error is the journal (systemd.exec(5)).
    if serves && std::env::var_os("JOURNAL_STREAM").is_some() {
        lines.with_ansi(false).event_format(Journal).init();
    } else {
        lines.with_ansi(output.stderr.is_colored()).init();
    }
}

/// Lines for the journal, which has the time and the program itself and takes the importance from the beginning of a
/// line (sd-daemon(3)).
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(out, "<{}>", priority(*event.metadata().level()))?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// syslog's numbers.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
