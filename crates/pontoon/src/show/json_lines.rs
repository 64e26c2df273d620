//! A run as one JSON object a line, each written out at once.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pontoon_core::plan::Plan;
use pontoon_core::run::Outcome;
use serde_json::{Value, json};

use super::plan;
use crate::event::{Event, Report, Sink};

/// Writes events as JSON.
pub(crate) struct JsonLines {
    out: Mutex<Box<dyn Write + Send>>,
}

impl JsonLines {
    /// Writes to `out`.
    pub(crate) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out) }
    }
}

impl Sink for JsonLines {
    fn event(&self, event: &Event<'_>) {
        let line = format!("{}\n", json(event));
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has gone away is nobody's failure: the run goes on and ends as it should.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

fn json(event: &Event<'_>) -> Value {
    match *event {
        Event::Cloud { stack, name, simulated, endpoint } => {
            json!({"event": "cloud", "stack": stack, "cloud": name, "simulated": simulated, "endpoint": endpoint})
        }
        Event::Observing => json!({"event": "observing"}),
        Event::Plan { view, round } => {
            let mut value = plan::json(&view);
            if let Some(fields) = value.as_object_mut() {
                fields.shift_insert(0, "event".to_owned(), json!("plan"));
                fields.shift_insert(1, "round".to_owned(), json!(round));
            }
            value
        }
        Event::StepStarted { step, plan } => self::step(step, plan, "started", &[]),
        Event::StepWaiting { step, plan, what, elapsed } => {
            self::step(step, plan, "waiting", &[("for", json!(what)), ("seconds", seconds(elapsed))])
        }
        Event::StepEnded { step, plan, outcome, elapsed } => {
            let (state, error) = match outcome {
                Outcome::Done => ("done", None),
                Outcome::Failed(error) => ("failed", Some(error)),
                Outcome::Unknown(error) => ("unknown", Some(error)),
            };
            let mut more = vec![("seconds", seconds(elapsed))];
            more.extend(error.map(|error| ("error", json!(error))));
            self::step(step, plan, state, &more)
        }
        Event::Proving { what, elapsed } => json!({"event": "proving", "what": what, "seconds": seconds(elapsed)}),
        Event::Note { text } => json!({"event": "note", "text": text}),
        Event::Result(report) => result(report),
    }
}

fn step(number: usize, plan: &Plan, state: &str, more: &[(&str, Value)]) -> Value {
    let step = plan.steps.get(number);
    let mut value = json!({
        "event": "step",
        "state": state,
        "step": number,
        "verb": step.map(|step| step.verb),
        "keys": step.map(|step| &step.keys),
    });
    if let Some(fields) = value.as_object_mut() {
        fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    value
}

fn result(report: &Report) -> Value {
    json!({
        "event": "result",
        "outcome": report.outcome,
        "endpoints": report.endpoints,
        "requests": report.requests,
        "seconds": seconds(report.elapsed),
        "failures": report.failures,
        "hint": report.hint,
    })
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Endpoint, RunOutcome};
    use pontoon_core::key::{Key, Kind};
    use pontoon_core::plan::{Action, Step, Verb};

    #[test]
    fn a_result_says_how_it_ended_and_where_it_answers() {
        let report = Report {
            outcome: RunOutcome::Converged,
            endpoints: vec![Endpoint { balancer: "web".to_owned(), url: "http://127.77.0.5/".to_owned() }],
            requests: 143,
            elapsed: Duration::from_millis(72_500),
            failures: Vec::new(),
            hint: None,
        };
        assert_eq!(
            json(&Event::Result(&report)).to_string(),
            r#"{"event":"result","outcome":"converged","endpoints":[{"balancer":"web","url":"http://127.77.0.5/"}],"requests":143,"seconds":72.5,"failures":[],"hint":null}"#
        );
    }

    #[test]
    fn a_step_is_told_by_its_number_in_the_plan_and_its_keys() {
        let step = Step {
            keys: vec![Key::new("blog", Kind::Host, "lxd0")],
            verb: Verb::Wait,
            reason: String::new(),
            after: Vec::new(),
            action: Action::DeletePort { id: String::new() },
        };
        let plan = Plan { steps: vec![step], ..Plan::default() };
        let outcome = Outcome::Unknown("connection closed".to_owned());
        let event = Event::StepEnded { step: 0, plan: &plan, outcome: &outcome, elapsed: Duration::from_millis(1_500) };
        assert_eq!(
            json(&event).to_string(),
            r#"{"event":"step","state":"unknown","step":0,"verb":"wait","keys":["pontoon:blog:host/lxd0"],"seconds":1.5,"error":"connection closed"}"#
        );
    }
}
