//! The condition of a stack as a person reads it: three tables and one line that sums up.

use super::style::{Style, indented, printable};
use crate::verbs::status::condition::{Agent, Balancer, Condition, Container, ContainerState, Host, HostState};

/// The condition for people; ends with a newline.
pub(crate) fn text(condition: &Condition, style: Style) -> String {
    let simulated = if condition.simulated { " (simulated, on this machine)" } else { "" };
    let mut out =
        format!("Stack {} on cloud {}{simulated}\n", style.bold(&condition.stack), style.bold(&condition.cloud));
    if let Some(attachment) = &condition.attachment {
        out += &format!("Containers pass port security by {}: {}\n", attachment.mode, printable(&attachment.reason));
    }
    out +=
        &table(style, &["HOST", "STATE", "ADDRESS", "FLOATING IP", "ENGINE", "AGENT", "CONTAINERS"], hosts(condition));
    out += &reasons(condition, style);
    out += &table(style, &["CONTAINER", "STATE", "ADDRESS", "HOST", "PROVEN"], containers(condition));
    out += &table(style, &["BALANCER", "STATE", "VIP", "PUBLISHED AT", "MEMBERS"], balancers(condition));
    out += &failing(condition, style);
    for blocked in &condition.blocked {
        let (subject, reason) = (printable(&blocked.subject), printable(&blocked.reason));
        out += &format!("\n{} {subject}: {reason}\n    hint: {}\n", style.red("!"), printable(&blocked.hint));
    }
    let last = verdict(condition);
    out += &format!("\n{}\n", if condition.well { style.green(&last) } else { style.yellow(&last) });
    out
}

/// The last line: whether all is well, and if not, where to look.
pub(crate) fn verdict(condition: &Condition) -> String {
    if condition.well {
        return "as the file says".to_owned();
    }
    if !condition.blocked.is_empty() {
        return "blocked: `pontoon plan` shows what stands in the way".to_owned();
    }
    match condition.differences {
        0 => {
            let unwell = condition.balancers.iter().filter(|balancer| !balancer.is_well());
            let names: Vec<&str> = unwell.map(|balancer| balancer.name.as_str()).collect();
            format!("as the file says, but not well: balancer {}", names.join(", "))
        }
        1 => "1 difference: `pontoon plan` shows it".to_owned(),
        count => format!("{count} differences: `pontoon plan` shows them"),
    }
}

/// A cell and how good its news is.
struct Cell {
    text: String,
    tone: Tone,
}

#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Good,
    Waiting,
    Bad,
}

fn cell(text: impl Into<String>, tone: Tone) -> Cell {
    Cell { text: printable(&text.into()).replace('\n', " "), tone }
}

fn plain(text: impl Into<String>) -> Cell {
    cell(text, Tone::Plain)
}

fn or_dash(value: Option<impl ToString>) -> Cell {
    plain(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

fn hosts(condition: &Condition) -> Vec<Vec<Cell>> {
    let row = |host: &Host| {
        let engine = match (host.engine, host.engine_answers) {
            (Some(engine), true) => cell(format!("{engine} answers"), Tone::Good),
            (Some(engine), false) => cell(format!("{engine} not seen"), Tone::Waiting),
            (None, _) => plain("-"),
        };
        vec![
            plain(&host.name),
            host_state(host),
            or_dash(host.address),
            or_dash(host.floating_ip),
            engine,
            agent(host.agent),
            if host.engine_answers {
                plain(format!("{} of {} run", host.running, host.containers))
            } else {
                plain("-")
            },
        ]
    };
    condition.hosts.iter().map(row).collect()
}

fn agent(agent: Agent) -> Cell {
    match agent {
        Agent::Running => cell("runs", Tone::Good),
        Agent::Stopped => cell("stopped", Tone::Bad),
        Agent::None => plain("none"),
        Agent::Unknown => plain("-"),
    }
}

fn host_state(host: &Host) -> Cell {
    let unwanted = if host.engine.is_none() { ", not in the file" } else { "" };
    let (word, tone) = match host.state {
        HostState::Ready => ("ready".to_owned(), Tone::Good),
        HostState::Preparing => ("preparing".to_owned(), Tone::Waiting),
        HostState::Missing => ("missing".to_owned(), Tone::Bad),
        HostState::Unreachable => ("unreachable".to_owned(), Tone::Bad),
        HostState::Failed => ("cloud-init failed".to_owned(), Tone::Bad),
        HostState::Inactive => {
            let word = host.server.clone().unwrap_or_default();
            let tone = if word == "BUILD" { Tone::Waiting } else { Tone::Bad };
            (word, tone)
        }
    };
    cell(word + unwanted, tone)
}

/// Why hosts are not ready, too long for a cell.
fn reasons(condition: &Condition, style: Style) -> String {
    let reasons = condition.hosts.iter().filter_map(|host| Some((&host.name, host.reason.as_ref()?)));
    reasons.map(|(name, reason)| format!("{} {name}: {}\n", style.red("!"), indented(&printable(reason)))).collect()
}

fn containers(condition: &Condition) -> Vec<Vec<Cell>> {
    let row = |container: &Container| {
        let unwanted = if container.wanted { "" } else { ", not in the file" };
        let (word, tone) = match container.state {
            ContainerState::Running => ("running", Tone::Good),
            ContainerState::Stopped => ("stopped", Tone::Bad),
            ContainerState::Missing => ("missing", Tone::Bad),
            ContainerState::Unknown => ("unknown", Tone::Waiting),
        };
        vec![
            plain(&container.name),
            cell(format!("{word}{unwanted}"), tone),
            or_dash(container.address),
            or_dash(container.host.as_ref()),
            if container.proven { cell("yes", Tone::Good) } else { cell("no", Tone::Waiting) },
        ]
    };
    condition.containers.iter().map(row).collect()
}

fn balancers(condition: &Condition) -> Vec<Vec<Cell>> {
    let row = |balancer: &Balancer| {
        let state = match (&balancer.provisioning, &balancer.operating) {
            (Some(provisioning), Some(operating)) => format!("{provisioning} {operating}"),
            (Some(provisioning), None) => provisioning.clone(),
            (None, _) => "missing".to_owned(),
        };
        let unwanted = if balancer.wanted { "" } else { ", not in the file" };
        let tone = match balancer.provisioning.as_deref() {
            _ if balancer.is_well() => Tone::Good,
            Some(word) if word.starts_with("PENDING") => Tone::Waiting,
            _ => Tone::Bad,
        };
        let up = balancer.members_up == balancer.members.len();
        vec![
            plain(&balancer.name),
            cell(state + unwanted, tone),
            or_dash(balancer.vip),
            or_dash(balancer.url.clone().or(balancer.floating_ip.map(|address| address.to_string()))),
            cell(
                format!("{} of {} up", balancer.members_up, balancer.members.len()),
                if up { Tone::Good } else { Tone::Bad },
            ),
        ]
    };
    condition.balancers.iter().map(row).collect()
}

/// The members that are not up, by name.
fn failing(condition: &Condition, style: Style) -> String {
    let down = condition
        .balancers
        .iter()
        .flat_map(|balancer| balancer.members.iter().filter(|member| !member.up).map(move |member| (balancer, member)));
    let line = |(balancer, member): (&Balancer, &crate::verbs::status::condition::Member)| {
        format!(
            "{} {}: member {} at {}:{} is {}\n",
            style.red("!"),
            balancer.name,
            printable(&member.name),
            member.address,
            member.port,
            printable(&member.operating)
        )
    };
    down.map(line).collect()
}

/// A table with a blank line before it; nothing where it has no rows.
fn table(style: Style, heads: &[&str], rows: Vec<Vec<Cell>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        cells.chain(heads.get(column).map(|head| head.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<(String, String)>| {
        let last = cells.len().saturating_sub(1);
        let padded = cells.into_iter().zip(&widths).enumerate().map(|(column, ((shown, bare), width))| {
            let blanks = if column == last { 0 } else { width.saturating_sub(bare.chars().count()) };
            shown + &" ".repeat(blanks)
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut out = String::from("\n");
    out += &line(heads.iter().map(|head| (style.dim(head), (*head).to_owned())).collect());
    for row in rows {
        let colored = |cell: Cell| {
            let shown = match cell.tone {
                Tone::Plain => cell.text.clone(),
                Tone::Good => style.green(&cell.text),
                Tone::Waiting => style.yellow(&cell.text),
                Tone::Bad => style.red(&cell.text),
            };
            (shown, cell.text)
        };
        out += &line(row.into_iter().map(colored).collect());
    }
    out
}
