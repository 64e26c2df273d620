//! What the verbs that work on a stack share: the file, the site, the engine around them.

use std::path::Path;
use std::time::{Duration, Instant};

use pontoon_cloud::site::SiteError;
use pontoon_core::plan::Plan;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{Pace, StackOptions};
use crate::connect::{self, Agents, Connected, Wanted};
use crate::engine::{Answer, Consent, Engine, Holder};
use crate::event::{Event, Report, Sink};
use crate::exit::{Exit, Failure};
use crate::load::{self, StackFile};
use crate::show::Output;

/// A stack's file and its place.
pub(crate) struct Opened {
    pub(crate) file: StackFile,
    pub(crate) connected: Connected,
    pub(crate) cloud: String,
}

/// What a verb does with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It compares what there is with what there should be.
    Plan,
    /// It only looks at what there is, or enters it.
    Visit,
}

/// Reads the file and finds its cloud.
pub(crate) async fn open(
    directory: &Path,
    options: &StackOptions,
    work: Use,
    pace: Option<Pace>,
    output: &Output,
) -> Result<Opened, Failure> {
    let file = load::load(directory, options)?;
    output.warnings(&file.loaded.warnings);
    reach(file, options, work, pace).await
}

/// Finds the cloud of a file.
pub(crate) async fn reach(
    file: StackFile,
    options: &StackOptions,
    work: Use,
    pace: Option<Pace>,
) -> Result<Opened, Failure> {
    let cloud = file.loaded.stack.cloud.clone();
    let connected = connect::connect(Wanted {
        stack: &file.loaded.stack.name,
        cloud: &cloud,
        identity: options.identity.as_deref(),
        agents: match work {
            Use::Plan => Agents::Planned(options.agent_program.as_deref()),
            Use::Visit => Agents::Left,
        },
        step_limit: pace.map(step_limit),
        directory: file.directory.clone(),
    })
    .await?;
    Ok(Opened { file, connected, cloud })
}

pub(crate) fn step_limit(pace: Pace) -> Duration {
    Duration::from_mins(u64::from(pace.timeout))
}

/// Why nothing is known of a cloud.
pub(crate) fn cannot_look(error: &SiteError) -> Failure {
    Failure::new("cannot look at the cloud").caused_by(error).hint(error.hint())
}

/// An engine at a connected site. It begins with saying which cloud it works on.
pub(crate) fn engine<'a>(
    connected: &Connected,
    cloud: &'a str,
    pace: Option<Pace>,
    sink: &'a dyn Sink,
    consent: &'a (dyn Consent + Sync),
    interrupts: &Interrupts,
) -> Engine<'a> {
    let endpoint = connected.embedded.as_ref().map(|running| running.endpoint.as_str());
    let simulated = connected.embedded.is_some();
    sink.event(&Event::Cloud { stack: connected.site.stack(), name: cloud, simulated, endpoint });
    Engine {
        site: connected.site.clone(),
        cloud,
        simulated,
        sink,
        at_once: pace.map_or(8, |pace| usize::from(pace.at_once)),
        stop: interrupts.stop.clone(),
        consent,
        holder: Holder::this_process(),
        begun: Instant::now(),
        sent_before: connected.site.openstack.requests(),
    }
}

/// What the user does with Ctrl-C, and the system with SIGTERM: the first stops the run after what is running, the second
/// ends it where it stands, which the next run recovers from.
pub(crate) struct Interrupts {
    stop: CancellationToken,
    give_up: CancellationToken,
}

impl Interrupts {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new("cannot listen for Ctrl-C").caused_by(&error));
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (stop, give_up) = (CancellationToken::new(), CancellationToken::new());
        let tokens = [stop.clone(), give_up.clone()];
        tokio::spawn(async move {
            for token in tokens {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                token.cancel();
            }
        });
        Ok(Self { stop, give_up })
    }

    /// What `work` comes to, which changes nothing and so need not be waited for when the user stops.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            result = work => Ok(result),
            () = self.stop.cancelled() => Err(Failure::new("stopped; nothing was changed")),
        }
    }

    /// What `work` comes to, unless the user gives up on it.
    pub(crate) async fn unless_given_up<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            result = work => Ok(result),
            () = self.give_up.cancelled() => Err(Failure::new("given up while requests were running")
                .hint("run the same command again: it looks at what became of them".to_owned())),
        }
    }
}

/// Shows how a run ended and makes an exit code of it.
pub(crate) fn finish(report: &Report, sink: &dyn Sink) -> Exit {
    sink.event(&Event::Result(report));
    report.outcome.exit()
}

/// `--yes`, else a question on the terminal, else nobody.
pub(crate) struct Ask<'a> {
    pub(crate) yes: bool,
    pub(crate) question: &'a str,
    pub(crate) output: &'a Output,
    pub(crate) interrupts: &'a Interrupts,
}

impl Consent for Ask<'_> {
    fn given(&self, _plan: &Plan) -> Answer {
        if self.yes { Answer::Yes } else { self.output.ask(self.question, &self.interrupts.stop) }
    }
}
