//! `pontoon run`: keeps a stack as its file says, until it is stopped.
//!
//! It is `up`, again and again: each turn reads the file, looks, and does what is missing. There is no memory from one turn
//! to the next, so what changed in between, by whomever, makes no difference; and no lease is held while nothing is done,
//! so `up` and `down` go in between. After a turn that failed, credentials and the way to the cloud are looked for anew.
//! Nobody is asked: what would be lost is left as it is, and said, unless that was agreed to.

mod quiet;

use std::time::Duration;

use pontoon_core::plan::Plan;

use super::stack::{self, Interrupts, Opened, Use};
use crate::cli;
use crate::engine::{self, Answer, Consent};
use crate::event::{Event, RunOutcome, Sink as _};
use crate::exit::{Exit, Failure};
use crate::load;
use crate::show::Output;
use quiet::Quiet;

/// A pause after a turn that brought nothing is at most so many times the usual one.
const LONGEST_PAUSE: u32 = 16;

pub(crate) async fn run(arguments: &cli::Run, output: &Output) -> Result<Exit, Failure> {
    let target = &arguments.target;
    let mut opened = stack::open(&target.directory, &target.options, Use::Plan, Some(arguments.pace), output).await?;
    let sink = output.sink();
    let quiet = Quiet::new(sink.as_ref());
    let interrupts = Interrupts::listen()?;
    let consent = Agreed { yes: arguments.yes };
    let mut pauses = Pauses::new(Duration::from_secs(arguments.interval.into()));
    let mut misread = None;
    loop {
        let engine =
            stack::engine(&opened.connected, &opened.cloud, Some(arguments.pace), &quiet, &consent, &interrupts);
        let turn = Box::pin(engine::converge(&engine, &opened.file.loaded.stack));
        let report = interrupts.unless_given_up(turn).await?;
        quiet.event(&Event::Result(&report));
        let pause = tokio::time::sleep(pauses.after(report.outcome));
        if report.outcome == RunOutcome::Stopped || interrupts.unless_stopped(pause).await.is_err() {
            return Ok(Exit::Done);
        }
        let is_lost = report.outcome == RunOutcome::Failed;
        let problem =
            read_again(&mut opened, arguments, is_lost).await?.map(|failure| (failure.json().to_string(), failure));
        match &problem {
            Some((text, failure)) if misread.as_ref() != Some(text) => output.failure(failure),
            _ => {}
        }
        misread = problem.map(|(text, _)| text);
    }
}

/// Reads the file again and, where `is_lost`, finds its cloud anew. What is wrong, where that fails: then the last good one
/// counts.
///
/// # Errors
/// It describes another stack now, or one elsewhere; the one that was kept so far is nobody's to change any more.
async fn read_again(opened: &mut Opened, arguments: &cli::Run, is_lost: bool) -> Result<Option<Failure>, Failure> {
    let cli::Run { target, pace, .. } = arguments;
    let file = match load::load(&target.directory, &target.options) {
        Ok(file) => file,
        Err(failure) => return Ok(Some(failure)),
    };
    let (was, is) = (&opened.file.loaded.stack, &file.loaded.stack);
    if (&was.name, &was.cloud) != (&is.name, &is.cloud) {
        let message = format!("the file describes stack `{}` on cloud `{}` now", is.name, is.cloud);
        return Err(Failure::new(message)
            .because(format!("it was stack `{}` on cloud `{}`, which stays as it is", was.name, was.cloud))
            .hint(
                "begin again for the new one; `pontoon down --stack NAME --cloud NAME` takes the old one away"
                    .to_owned(),
            ));
    }
    if !is_lost {
        opened.file = file;
        return Ok(None);
    }
    match stack::reach(file, &target.options, Use::Plan, Some(*pace)).await {
        Ok(reached) => *opened = reached,
        Err(failure) => return Ok(Some(failure)),
    }
    Ok(None)
}

/// What was agreed to beforehand. There is nobody to ask.
struct Agreed {
    yes: bool,
}

impl Consent for Agreed {
    fn given(&self, _plan: &Plan) -> Answer {
        if self.yes { Answer::Yes } else { Answer::Nobody }
    }
}

/// How long it rests between turns: longer and longer while they bring nothing.
struct Pauses {
    usual: Duration,
    in_vain: u32,
}

impl Pauses {
    fn new(usual: Duration) -> Self {
        Self { usual, in_vain: 0 }
    }

    fn after(&mut self, outcome: RunOutcome) -> Duration {
        self.in_vain = match outcome {
            RunOutcome::Failed => self.in_vain.saturating_add(1),
            // Nothing was written, so it costs nobody anything to look again soon.
            _ => 0,
        };
        self.usual * 2_u32.saturating_pow(self.in_vain).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_rests_longer_and_longer_until_it_succeeds() {
        let mut pauses = Pauses::new(Duration::from_secs(10));
        let mut seconds = |outcome| pauses.after(outcome).as_secs();
        assert_eq!(seconds(RunOutcome::Unchanged), 10);
        let failing: Vec<u64> = (0..40).map(|_| seconds(RunOutcome::Failed)).collect();
        assert_eq!(failing.get(..5), Some(&[20, 40, 80, 160, 160][..]));
        assert_eq!(failing.last(), Some(&160));
        assert_eq!(seconds(RunOutcome::Converged), 10);
        assert_eq!(seconds(RunOutcome::Failed), 20);
    }
}
