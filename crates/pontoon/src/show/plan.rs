//! A plan as a person reads it before saying yes, and as a program reads it.
//!
//! ```text
//! heading      which stack, which cloud, how containers pass port security
//! sections     network, hosts, balancers, what lies on each host; in the order of the plan
//!   lines      one a resource, with the values that decide and the reason; what follows for the same
//!              resource (start it, wait for it) stands under it
//! blocked      what stands in the way, with what to do about it
//! summary      how much of everything
//! ```

use std::collections::BTreeMap;

use pontoon_core::key::{Key, Kind};
use pontoon_core::plan::{Plan, Step, Verb};
use serde_json::{Value, json};

use super::style::{Style, printable};
use super::{action, label};
use crate::event::{PlanView, Purpose};

/// The plan for people; ends with a newline.
pub(crate) fn text(view: &PlanView<'_>, style: Style) -> String {
    let mut out = heading(view, style);
    for section in sections(view) {
        out += &format!("\n{}\n", style.bold(&section.title));
        let lengths = section.lines.iter().map(|line| line.label.chars().count());
        let width = lengths.filter(|length| *length <= WIDEST_LABEL).max().unwrap_or(0);
        for line in &section.lines {
            out += &line.text(width, style);
        }
    }
    let plan = view.plan;
    if !plan.blocked.is_empty() {
        out += &format!("\n{}\n", style.red("Nothing can be changed until this is put right"));
        for blocked in &plan.blocked {
            let (subject, reason) = (printable(&blocked.subject), printable(&blocked.reason));
            out += &format!("  {} {subject}: {reason}\n    hint: {}\n", style.red("!"), printable(&blocked.hint));
        }
    }
    if !plan.notes.is_empty() {
        out.push('\n');
        for note in &plan.notes {
            out += &style.headed(&format!("note: {}\n", printable(note)));
        }
    }
    out += &format!("\n{}\n", style.bold(&summary(view)));
    out
}

/// The plan for programs.
pub(crate) fn json(view: &PlanView<'_>) -> Value {
    let plan = view.plan;
    let step = |step: &Step| {
        json!({
            "verb": step.verb,
            "keys": step.keys,
            "reason": step.reason,
            "after": step.after,
            "details": action::json(&step.action),
        })
    };
    let place = |place: &pontoon_core::plan::Place| {
        json!({
            "container": place.container, "service": place.service, "host": place.host,
            "address": place.address, "mac": place.mac,
        })
    };
    let attachment = plan.attachment.as_ref().map(|(attachment, reason)| json!({"mode": attachment, "reason": reason}));
    json!({
        "stack": view.stack,
        "cloud": view.cloud,
        "simulated": view.simulated,
        "attachment": attachment,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "unchanged": plan.unchanged,
        "blocked": plan.blocked,
        "notes": plan.notes,
        "places": plan.places.iter().map(place).collect::<Vec<_>>(),
        "summary": Counts::of(plan).json(),
    })
}

/// One line that says how much there is to do.
pub(crate) fn summary(view: &PlanView<'_>) -> String {
    let plan = view.plan;
    let counts = Counts::of(plan);
    if plan.steps.is_empty() && plan.blocked.is_empty() {
        return match view.purpose {
            Purpose::Up => format!("Nothing to do: {} as the file says.", are(plan.unchanged.len())),
            Purpose::Down => format!("Nothing to do: cloud {} holds nothing of stack {}.", view.cloud, view.stack),
        };
    }
    if plan.steps.is_empty() {
        return "Plan: blocked.".to_owned();
    }
    let blocked = if plan.blocked.is_empty() { "Plan" } else { "Plan (blocked)" };
    let waiting = if counts.wait == 0 { String::new() } else { format!(", {} to wait for", counts.wait) };
    format!(
        "{blocked}: {} to create, {} to change, {} to replace, {} to delete{waiting}; {} unchanged",
        counts.create, counts.change, counts.replace, counts.delete, counts.unchanged
    )
}

/// Labels are aligned up to this many characters; a longer one pushes its own line to the right and no other.
const WIDEST_LABEL: usize = 34;

/// Longer lines are broken before the reason.
const LONGEST_LINE: usize = 120;

/// Symbols and the blanks around them.
const SYMBOL_WIDTH: usize = 4;

/// `text` with its further lines indented as deep as what stands under a resource.
fn under(text: &str) -> String {
    text.trim_end().replace('\n', "\n        ")
}

fn heading(view: &PlanView<'_>, style: Style) -> String {
    let simulated = if view.simulated { " (simulated, on this machine)" } else { "" };
    let mut out = format!("Stack {} on cloud {}{simulated}\n", style.bold(view.stack), style.bold(view.cloud));
    if let Some((attachment, reason)) = &view.plan.attachment {
        out += &format!("Containers pass port security by {attachment}: {}\n", printable(reason));
    }
    out
}

fn are(count: usize) -> String {
    if count == 1 { "1 resource is".to_owned() } else { format!("{count} resources are") }
}

/// Steps about one part of the stack.
struct Section {
    title: String,
    lines: Vec<Line>,
}

/// One resource, or several that are made together, and what becomes of them.
struct Line {
    keys: Vec<Key>,
    verb: Mark,
    label: String,
    details: action::Details,
    reason: String,
    /// What follows for the same resource.
    then: Vec<String>,
}

/// What becomes of a resource over all of its steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Step(Verb),
    /// It is taken away and made anew.
    Anew,
}

impl Line {
    fn text(&self, width: usize, style: Style) -> String {
        let symbol = match self.verb {
            Mark::Step(Verb::Create) => style.green("  + "),
            Mark::Step(Verb::Change) => style.yellow("  ~ "),
            Mark::Step(Verb::Replace) | Mark::Anew => style.red("-/+ "),
            Mark::Step(Verb::Delete) => style.red("  - "),
            Mark::Step(Verb::Wait) => style.blue("  … "),
        };
        let label = printable(&self.label);
        let details = printable(&self.details.line);
        let mut out = format!("{symbol}{label:width$}");
        if !details.is_empty() {
            out += &format!("  {details}");
        }
        let reason = under(&printable(&self.reason));
        let taken = SYMBOL_WIDTH + width.max(label.chars().count()) + 2 + details.chars().count();
        // A line that a usual terminal would break is broken here, where it means something.
        let separator = if taken + 3 + reason.chars().count() <= LONGEST_LINE {
            if details.is_empty() { "  " } else { " " }
        } else {
            "\n        "
        };
        out += &format!("{separator}{}\n", style.dim(&format!("— {reason}")));
        for line in &self.details.list {
            out += &format!("        {}\n", printable(line));
        }
        if !self.then.is_empty() {
            let then = under(&printable(&self.then.join("; then ")));
            out += &style.dim(&format!("        then {then}\n"));
        }
        out
    }

    /// Takes in a further step for the same resource, where the two read as one.
    fn absorb(&mut self, step: &Step, view: &PlanView<'_>) -> bool {
        let same = step.keys.first().is_some_and(|key| self.keys.contains(key));
        let made = matches!(self.verb, Mark::Step(Verb::Create | Verb::Change) | Mark::Anew);
        match step.verb {
            Verb::Create if same && self.verb == Mark::Step(Verb::Replace) => {
                self.verb = Mark::Anew;
                self.keys.clone_from(&step.keys);
                self.label = label::keys(&step.keys);
                self.details = action::details(&step.action, view.plan, view.described);
                true
            }
            Verb::Change | Verb::Wait if same && made => {
                let phrase = action::phrase(step.verb, &step.action).trim_end_matches(" for");
                self.then.push(format!("{phrase} {}", step.reason));
                true
            }
            _ => false,
        }
    }
}

fn sections(view: &PlanView<'_>) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut number_of: BTreeMap<String, usize> = BTreeMap::new();
    for step in &view.plan.steps {
        let title = section_of(step);
        let number = *number_of.entry(title.clone()).or_insert_with(|| {
            sections.push(Section { title, lines: Vec::new() });
            sections.len() - 1
        });
        let Some(section) = sections.get_mut(number) else { continue };
        // The last line about the same resource, unless a change of something else of it came in between.
        let absorbed = section
            .lines
            .iter_mut()
            .rev()
            .find(|line| step.keys.first().is_some_and(|key| line.keys.contains(key)))
            .is_some_and(|line| line.absorb(step, view));
        if !absorbed {
            section.lines.push(Line {
                keys: step.keys.clone(),
                verb: Mark::Step(step.verb),
                label: label::keys(&step.keys),
                details: action::details(&step.action, view.plan, view.described),
                reason: step.reason.clone(),
                then: Vec::new(),
            });
        }
    }
    sections
}

fn section_of(step: &Step) -> String {
    if let Some(host) = action::host(&step.action) {
        return format!("On host {host}");
    }
    let Some(key) = step.keys.first() else { return "Other".to_owned() };
    match key.kind {
        Kind::Subnet | Kind::SecurityGroup | Kind::SecurityGroupRule | Kind::Reservation => "Network",
        Kind::FloatingIp if key.name.starts_with("vip-") => "Balancers",
        Kind::ServerGroup | Kind::Port | Kind::Pairs | Kind::Host | Kind::FloatingIp => "Hosts",
        Kind::Balancer | Kind::VipPort | Kind::Listener | Kind::Pool | Kind::Members | Kind::Monitor => "Balancers",
        Kind::Profile | Kind::Image | Kind::DhcpHost | Kind::Agent | Kind::Container => "On the hosts",
    }
    .to_owned()
}

/// How many resources each thing happens to. A resource with several steps counts once, as the most that happens to it.
#[derive(Default)]
struct Counts {
    create: usize,
    change: usize,
    replace: usize,
    delete: usize,
    wait: usize,
    unchanged: usize,
}

impl Counts {
    fn of(plan: &Plan) -> Self {
        let weight = |verb: Verb| match verb {
            Verb::Wait => 0,
            Verb::Change => 1,
            Verb::Delete => 2,
            Verb::Create => 3,
            Verb::Replace => 4,
        };
        let mut most: BTreeMap<&Key, Verb> = BTreeMap::new();
        for step in &plan.steps {
            for key in &step.keys {
                let verb = most.entry(key).or_insert(step.verb);
                if weight(step.verb) > weight(*verb) {
                    *verb = step.verb;
                }
            }
        }
        let mut counts = Self { unchanged: plan.unchanged.len(), ..Self::default() };
        for verb in most.into_values() {
            match verb {
                Verb::Create => counts.create += 1,
                Verb::Change => counts.change += 1,
                Verb::Replace => counts.replace += 1,
                Verb::Delete => counts.delete += 1,
                Verb::Wait => counts.wait += 1,
            }
        }
        counts
    }

    fn json(&self) -> Value {
        json!({
            "create": self.create, "change": self.change, "replace": self.replace, "delete": self.delete,
            "wait": self.wait, "unchanged": self.unchanged,
        })
    }
}

#[cfg(test)]
mod tests;
