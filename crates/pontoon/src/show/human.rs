//! A run as a person follows it.
//!
//! On a terminal each running step has a live line with what it waits for and since when, redrawn in place; what has
//! ended moves up and stays. In a pipe each ended step is one line, and a long wait says so at growing intervals, so
//! that a log shows that something is still going on and does not fill up with it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use pontoon_core::plan::{Plan, Verb};
use pontoon_core::run::Outcome;

use super::screen::Screen;
use super::style::{Style, duration, indented, printable};
use super::{label, plan};
use crate::event::{Endpoint, Event, PlanView, Report, RunOutcome, Sink};

/// Shows events to a person.
pub(crate) struct Human {
    state: Arc<Mutex<State>>,
    /// The clock of a terminal ends when this goes.
    _clock: Option<Sender<()>>,
}

impl Human {
    /// Progress goes to `screen` in `style`, data to `out`.
    pub(crate) fn new(screen: Screen, out: Box<dyn Write + Send>, style: Style) -> Self {
        let live = screen.is_live();
        let state = State { screen, out, style, running: BTreeMap::new(), doing: None, after_blank: false };
        let state = Arc::new(Mutex::new(state));
        let clock = live.then(|| keep_time(Arc::downgrade(&state)));
        Self { state, _clock: clock }
    }
}

impl Sink for Human {
    fn event(&self, event: &Event<'_>) {
        lock(&self.state).event(event);
    }
}

impl Drop for Human {
    fn drop(&mut self) {
        // Whatever is printed next must not stand among live lines.
        let mut state = lock(&self.state);
        state.running.clear();
        state.doing = None;
        state.print("");
    }
}

/// How often the clocks on the live lines move on.
const TICK: Duration = Duration::from_millis(500);

/// Redraws the live lines as time goes by, until the sender goes. Without a thread the clocks move on with the events
/// alone.
fn keep_time(state: Weak<Mutex<State>>) -> Sender<()> {
    let (sender, ended) = mpsc::channel();
    let tick = move || {
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let Some(state) = state.upgrade() else { return };
            lock(&state).print("");
        }
    };
    let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(tick);
    sender
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Whoever panicked while drawing left nothing worse than a crooked screen.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct State {
    screen: Screen,
    out: Box<dyn Write + Send>,
    style: Style,
    running: BTreeMap<usize, Wait>,
    /// What goes on beside steps: looking at the cloud, proving.
    doing: Option<Wait>,
    /// Whether the last line that was printed is empty.
    after_blank: bool,
}

/// Something that takes time.
struct Wait {
    title: String,
    since: Instant,
    /// What it waits for, in the words of whoever waits.
    what: String,
    /// In a pipe: when to say again that it is still waited for.
    next: Duration,
}

/// In a pipe, the first time that a wait is mentioned; each further one comes after twice the time.
const FIRST_MENTION: Duration = Duration::from_secs(10);

impl Wait {
    fn new(title: String) -> Self {
        Self { title, since: Instant::now(), what: String::new(), next: FIRST_MENTION }
    }

    fn live(&self) -> String {
        let elapsed = self.since.elapsed();
        // A time that short says nothing, and flickers.
        let time = if elapsed.as_secs() == 0 { String::new() } else { format!(" ({})", duration(elapsed)) };
        let what = if self.what.is_empty() { String::new() } else { format!(": {}", self.what.replace('\n', " ")) };
        format!("  … {}{time}{what}", self.title)
    }

    /// Whether a wait of `elapsed` is to be mentioned in a pipe now.
    fn mention(&mut self, elapsed: Duration) -> bool {
        if elapsed < self.next {
            return false;
        }
        while self.next <= elapsed {
            self.next *= 2;
        }
        true
    }
}

impl State {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Cloud { .. } => {} // each plan says it
            Event::Observing => {
                self.doing = Some(Wait::new("looking at the cloud".to_owned()));
                self.print("");
            }
            Event::Plan { view, round } => self.plan(&view, round),
            Event::StepStarted { step, plan } => {
                self.running.insert(step, Wait::new(title(step, plan)));
                self.print("");
            }
            Event::StepWaiting { step, plan, what, elapsed } => {
                let wait = self.running.entry(step).or_insert_with(|| Wait::new(title(step, plan)));
                wait.what = printable(what);
                self.mention(Some(step), elapsed);
            }
            Event::StepEnded { step, plan, outcome, elapsed } => {
                self.running.remove(&step);
                let line = self.ended(step, plan, outcome, elapsed);
                self.print(&line);
            }
            Event::Proving { what, elapsed } => {
                let wait = self.doing.get_or_insert_with(|| Wait::new("proving that it works".to_owned()));
                wait.what = printable(what);
                self.mention(None, elapsed);
            }
            Event::Note { text } => {
                let note = self.style.headed(&format!("note: {}\n", indented(&printable(text))));
                self.print(&note);
            }
            Event::Result(report) => self.result(report),
        }
    }

    fn plan(&mut self, view: &PlanView<'_>, round: usize) {
        self.doing = None;
        let text = if round == 0 {
            format!("{}\n", plan::text(view, self.style))
        } else if view.plan.is_empty() {
            format!("{}\n", plan::summary(view))
        } else {
            format!("\nLooked again, and there is more to do.\n{}\n", plan::text(view, self.style))
        };
        self.print(&text);
    }

    fn ended(&self, step: usize, plan: &Plan, outcome: &Outcome, elapsed: Duration) -> String {
        let style = self.style;
        let verb = plan.steps.get(step).map(|step| step.verb);
        let title = title(step, plan);
        let time = style.dim(&format!("({})", duration(elapsed)));
        match outcome {
            Outcome::Done => {
                let symbol = match verb {
                    Some(Verb::Create) => style.green("+"),
                    Some(Verb::Change) => style.yellow("~"),
                    Some(Verb::Replace | Verb::Delete) => style.red("-"),
                    Some(Verb::Wait) | None => style.green("✓"),
                };
                format!("  {symbol} {title} {time}\n")
            }
            Outcome::Failed(error) => {
                format!("  {} {title} failed {time}\n      {}\n", style.red("✗"), deep(error))
            }
            Outcome::Unknown(error) => {
                // Not only a lost reply: what is stuck, or was changed by somebody else meanwhile, is looked at again too.
                format!(
                    "  {} {title}: the next look tells what came of it {time}\n      {}\n",
                    style.yellow("?"),
                    deep(error)
                )
            }
        }
    }

    fn result(&mut self, report: &Report) {
        self.running.clear();
        self.doing = None;
        let style = self.style;
        let requests =
            if report.requests == 1 { "1 request".to_owned() } else { format!("{} requests", report.requests) };
        let spent = format!("{}, {requests}", duration(report.elapsed));
        let headline = match report.outcome {
            RunOutcome::Converged => style.green(&format!("Done in {spent}.")),
            RunOutcome::Unchanged => style.green(&format!("Nothing had to be done ({spent}).")),
            RunOutcome::Removed => style.green(&format!("Removed in {spent}; nothing of the stack is left.")),
            RunOutcome::Failed => style.red(&format!("Not everything could be done ({spent}).")),
            RunOutcome::Stopped => style.yellow(&format!("Stopped ({spent}). What was done stays.")),
            RunOutcome::Blocked => style.red("Nothing was changed: the plan is blocked."),
            RunOutcome::Refused => style.yellow("Nothing was changed."),
        };
        let gap = if self.after_blank { "" } else { "\n" };
        let mut text = format!("{gap}{headline}\n");
        for failure in &report.failures {
            text += &style.headed(&format!("error: {}\n", indented(&printable(failure))));
        }
        if let Some(hint) = &report.hint {
            text += &style.headed(&format!("hint: {}\n", indented(&printable(hint))));
        }
        self.print(&text);
        for Endpoint { balancer, url } in &report.endpoints {
            self.print(&format!("Balancer {balancer} answers at\n"));
            // A reader that has gone away is nobody's failure.
            let _ = writeln!(self.out, "{}", printable(url)).and_then(|()| self.out.flush());
        }
    }

    /// Redraws what a step, or what goes on beside steps, waits for; in a pipe only when it is due.
    fn mention(&mut self, step: Option<usize>, elapsed: Duration) {
        let wait = match step {
            Some(step) => self.running.get_mut(&step),
            None => self.doing.as_mut(),
        };
        let mut line = String::new();
        if let Some(wait) = wait
            && !self.screen.is_live()
            && wait.mention(elapsed)
        {
            line = format!("  … {} ({}): {}\n", wait.title, duration(elapsed), indented(&wait.what));
        }
        if self.screen.is_live() || !line.is_empty() {
            self.print(&line);
        }
    }

    fn print(&mut self, lines: &str) {
        let live: Vec<String> = self.running.values().chain(&self.doing).map(Wait::live).collect();
        if !lines.is_empty() {
            self.after_blank = lines.ends_with("\n\n");
        }
        self.screen.draw(lines, &live);
    }
}

fn title(step: usize, plan: &Plan) -> String {
    plan.steps.get(step).map_or_else(|| format!("step {step}"), |step| printable(&label::step(step)))
}

fn deep(error: &str) -> String {
    printable(error).trim_end().replace('\n', "\n      ")
}

#[cfg(test)]
mod tests;
