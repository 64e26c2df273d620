#![allow(clippy::unwrap_used)]
use std::io;

use pontoon_core::key::{Key, Kind};
use pontoon_core::plan::{Action, Step};

use super::super::screen::Size;
use super::*;
use crate::event::{Endpoint, Purpose};

/// What was written, to be read by the test.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Shown {
    human: Human,
    err: Written,
    out: Written,
}

fn human(size: fn() -> Option<Size>) -> Shown {
    let (err, out) = (Written::default(), Written::default());
    let human = Human::new(Screen::on(Box::new(err.clone()), size), Box::new(out.clone()), Style::PLAIN);
    Shown { human, err, out }
}

fn piped() -> Shown {
    human(|| None)
}

fn plan() -> Plan {
    let step = |kind, name: &str| Step {
        keys: vec![Key::new("blog", kind, name)],
        verb: Verb::Create,
        reason: "it does not exist".to_owned(),
        after: Vec::new(),
        action: Action::CreateSecurityGroup { name: String::new() },
    };
    Plan { steps: vec![step(Kind::Host, "lxd0"), step(Kind::Balancer, "web")], ..Plan::default() }
}

fn view(plan: &Plan) -> PlanView<'_> {
    PlanView { plan, purpose: Purpose::Up, stack: "blog", cloud: "embedded", simulated: true, described: None }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn in_a_pipe_each_ended_step_is_one_line() {
    let shown = piped();
    let plan = plan();
    shown.human.event(&Event::StepStarted { step: 0, plan: &plan });
    shown.human.event(&Event::StepStarted { step: 1, plan: &plan });
    shown.human.event(&Event::StepEnded { step: 1, plan: &plan, outcome: &Outcome::Done, elapsed: seconds(3) });
    let failed = Outcome::Failed("cannot boot\nquota `cores` is used up".to_owned());
    shown.human.event(&Event::StepEnded { step: 0, plan: &plan, outcome: &failed, elapsed: seconds(71) });
    assert_eq!(
        shown.err.text(),
        "  + create balancer/web (3.0 s)\n  ✗ create host/lxd0 failed (1 min 11 s)\n      cannot boot\n      quota `cores` is used up\n"
    );
}

#[test]
fn in_a_pipe_a_wait_is_mentioned_less_and_less_often() {
    let shown = piped();
    let plan = plan();
    shown.human.event(&Event::StepStarted { step: 0, plan: &plan });
    for elapsed in 0..100 {
        shown.human.event(&Event::StepWaiting {
            step: 0,
            plan: &plan,
            what: "status BUILD",
            elapsed: seconds(elapsed),
        });
    }
    assert_eq!(
        shown.err.text(),
        "  … create host/lxd0 (10 s): status BUILD\n  … create host/lxd0 (20 s): status BUILD\n  \
         … create host/lxd0 (40 s): status BUILD\n  … create host/lxd0 (1 min 20 s): status BUILD\n"
    );
}

#[test]
fn urls_go_to_standard_output_and_nothing_else_does() {
    let shown = piped();
    let endpoint = Endpoint { balancer: "web".to_owned(), url: "http://127.77.0.5/".to_owned() };
    let report = Report {
        outcome: RunOutcome::Converged,
        endpoints: vec![endpoint],
        requests: 143,
        elapsed: seconds(72),
        failures: Vec::new(),
        hint: None,
    };
    shown.human.event(&Event::Result(&report));
    assert_eq!(shown.out.text(), "http://127.77.0.5/\n");
    assert_eq!(shown.err.text(), "\nDone in 1 min 12 s, 143 requests.\nBalancer web answers at\n");
}

#[test]
fn a_run_that_failed_says_what_and_what_to_do() {
    let shown = piped();
    let report = Report {
        outcome: RunOutcome::Failed,
        endpoints: Vec::new(),
        requests: 1,
        elapsed: seconds(2),
        failures: vec!["host/lxd0: cannot boot".to_owned()],
        hint: Some("run `pontoon up` again to go on".to_owned()),
    };
    shown.human.event(&Event::Result(&report));
    assert_eq!(
        shown.err.text(),
        "\nNot everything could be done (2.0 s, 1 request).\nerror: host/lxd0: cannot boot\nhint: run `pontoon up` again to go on\n"
    );
}

#[test]
fn a_second_look_that_finds_nothing_is_one_line() {
    let shown = piped();
    let plan = Plan { unchanged: vec![Key::new("blog", Kind::Host, "lxd0")], ..Plan::default() };
    let view = view(&plan);
    shown.human.event(&Event::Observing);
    shown.human.event(&Event::Plan { view, round: 1 });
    assert_eq!(shown.err.text(), "Nothing to do: 1 resource is as the file says.\n");
}

#[test]
fn a_run_without_steps_has_one_blank_line_between_the_plan_and_the_end() {
    let shown = piped();
    let plan = Plan { unchanged: vec![Key::new("blog", Kind::Host, "lxd0")], ..Plan::default() };
    let view = view(&plan);
    shown.human.event(&Event::Plan { view, round: 0 });
    let report = Report {
        outcome: RunOutcome::Unchanged,
        endpoints: Vec::new(),
        requests: 17,
        elapsed: seconds(1),
        failures: Vec::new(),
        hint: None,
    };
    shown.human.event(&Event::Result(&report));
    assert_eq!(
        shown.err.text(),
        "Stack blog on cloud embedded (simulated, on this machine)\n\nNothing to do: 1 resource is as the file says.\n\n\
         Nothing had to be done (1.0 s, 17 requests).\n"
    );
}

/// What a terminal shows after it was sent `text`: its lines, as far as the codes that [`Screen`] uses go.
fn terminal(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' => lines.push(String::new()),
            '\x1b' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                let (code, after) = rest.split_at(end + 1);
                rest = after;
                match code.strip_prefix('[').unwrap() {
                    "J" => {}
                    up => {
                        let up: usize = up.strip_suffix('F').unwrap().parse().unwrap();
                        // Up, then all below is cleared, as the next code asks.
                        lines.truncate(lines.len() - up);
                        *lines.last_mut().unwrap() = String::new();
                    }
                }
            }
            c => lines.last_mut().unwrap().push(c),
        }
    }
    lines
}

#[test]
fn on_a_terminal_running_steps_are_redrawn_below_what_has_ended() {
    let shown = human(|| Some(Size { columns: 40, rows: 24 }));
    let plan = plan();
    shown.human.event(&Event::StepStarted { step: 0, plan: &plan });
    shown.human.event(&Event::StepStarted { step: 1, plan: &plan });
    let what = "status BUILD, task spawning, and some more words";
    shown.human.event(&Event::StepWaiting { step: 0, plan: &plan, what, elapsed: seconds(1) });
    assert_eq!(terminal(&shown.err.text()), ["  … create host/lxd0: status BUILD, ta…", "  … create balancer/web", ""]);
    shown.human.event(&Event::StepEnded { step: 1, plan: &plan, outcome: &Outcome::Done, elapsed: seconds(3) });
    let lines = ["  + create balancer/web (3.0 s)", "  … create host/lxd0: status BUILD, ta…", ""];
    assert_eq!(terminal(&shown.err.text()), lines);
    let Shown { human, err, .. } = shown;
    drop(human);
    assert_eq!(terminal(&err.text()), ["  + create balancer/web (3.0 s)", ""]);
}

#[test]
fn on_a_small_terminal_no_more_lines_are_live_than_fit() {
    let shown = human(|| Some(Size { columns: 80, rows: 4 }));
    let plan = Plan { steps: (0..5).flat_map(|_| plan().steps).collect(), ..Plan::default() };
    for step in 0..10 {
        shown.human.event(&Event::StepStarted { step, plan: &plan });
    }
    assert_eq!(terminal(&shown.err.text()), ["  … create host/lxd0", "… and 9 more", ""]);
}
