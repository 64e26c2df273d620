//! `pontoon agent run`: files, signals and systemd around the agent.

use std::time::Duration;

use pontoon_agent::catalogue::{HostState, Instance, View};
use pontoon_agent::daemon::notify::{Notifier, State, VARIABLE};
use pontoon_agent::daemon::{self, Daemon, Pace, Settings};
use pontoon_agent::sockets::Sockets;
use pontoon_ring::driver::End;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::engine::Lxd;
use crate::cli::agent::Run;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

/// How often `systemctl status` gets another line.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// What the process is told while it runs.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

/// What it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Leave,
    Stop,
    Reload,
}

pub(super) async fn run(arguments: &Run, output: &Output) -> Result<Exit, Failure> {
    let mut sockets = Sockets::handed_over();
    // Listened for from before it can be found, so that it never dies of one.
    let mut signals = Signals::new().map_err(|error| Failure::new("cannot listen for signals").caused_by(&error))?;
    let notifier = Notifier::new(std::env::var_os(VARIABLE));
    let settings = Settings::read(&arguments.config)
        .await
        .map_err(|error| Failure::of(&error).hint(error.hint()).exit(Exit::File))?;
    let engine = Lxd::new(settings.stack.clone(), settings.engine_sockets.clone());
    let host = settings.host.clone();
    let starting = daemon::start(settings, engine, Pace::default(), &mut sockets);
    let mut daemon = tokio::select! {
        started = starting => started.map_err(|error| Failure::of(&error).hint(error.hint()))?,
        // Nobody knows it yet, so nobody has to be told.
        () = signals.end() => return Ok(ended("stopped", output)),
    };
    notifier.keep(&sockets.to_keep());
    let joined = tokio::select! {
        reached = daemon.join() => Some(reached),
        () = signals.end() => None,
    };
    let Some(reached) = joined else { return leave(daemon, signals, &notifier, output).await };
    begin(&daemon, &host, reached, output);
    notifier.say(State::Ready);

    let mut status = interval(STATUS_INTERVAL);
    status.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let views = daemon.views();
    loop {
        let told = tokio::select! {
            end = daemon.ended() => return conclude(end, &host, output),
            told = signals.next() => told,
            _ = status.tick() => {
                notifier.say(State::Status(&summary(&views.borrow())));
                continue;
            }
        };
        match told {
            Told::Reload => {
                notifier.say(State::Reloading);
                match daemon.reload() {
                    Ok(()) => tracing::info!("the picture of the stack is read again"),
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "not reloaded"),
                }
                notifier.say(State::Ready);
            }
            Told::Leave => return leave(daemon, signals, &notifier, output).await,
            Told::Stop => {
                notifier.say(State::Stopping);
                daemon.stop().await;
                return Ok(ended("stopped", output));
            }
        }
    }
}

/// Leaves the ring; who is in a hurry says so a second time.
async fn leave(daemon: Daemon, mut signals: Signals, notifier: &Notifier, output: &Output) -> Result<Exit, Failure> {
    notifier.say(State::Stopping);
    tracing::info!("leaving the ring");
    tokio::select! {
        () = daemon.leave() => Ok(ended("left", output)),
        () = signals.end() => Ok(ended("stopped", output)),
    }
}

/// It ended for another reason than a signal.
fn conclude(end: End, host: &str, output: &Output) -> Result<Exit, Failure> {
    match end {
        End::Left => Ok(ended("left", output)),
        End::Stopped => Ok(ended("stopped", output)),
        End::ConflictLost => Err(Failure::new(format!("another agent is the host `{host}`"))
            .because("the ring was asked, and most know the other one")
            .hint("`host` in agent.json says which host this is".to_owned())),
    }
}

/// The first line: from now on it can be asked.
fn begin(daemon: &Daemon, host: &str, reached: usize, output: &Output) {
    let http: Vec<String> = daemon.http().iter().map(ToString::to_string).collect();
    match output.reader {
        Reader::Program => show::print_json(&json!({
            "event": "ready",
            "host": host,
            "address": daemon.address().to_string(),
            "http": http,
            "seeds_reached": reached,
        })),
        Reader::Person => tracing::info!(http = http.join(", "), seeds_reached = reached, "ready"),
    }
}

fn ended(outcome: &str, output: &Output) -> Exit {
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "result", "outcome": outcome})),
        Reader::Person => tracing::info!(outcome, "ended"),
    }
    Exit::Done
}

fn summary(view: &View) -> String {
    let alive = view.hosts.values().filter(|host| host.state == HostState::Alive).count();
    let serve = view.instances().filter(Instance::serves).count();
    format!("{alive} of {} hosts answer; {serve} of {} containers serve", view.hosts.len(), view.instances().count())
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Leave,
            _ = self.interrupt.recv() => Told::Leave,
            _ = self.quit.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// The next one that ends the process.
    async fn end(&mut self) {
        while self.next().await == Told::Reload {}
    }
}
