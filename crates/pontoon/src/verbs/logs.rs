//! `pontoon logs`: what cloud-init and the console say, of containers and of hosts.
//!
//! From inside wherever that is possible: a container that runs is asked through its engine, a host through ssh. What
//! does not run, or does not let anybody in yet, has a console that its engine or Nova keeps.

use std::io::IsTerminal as _;
use std::time::Duration;

use futures_util::future::join_all;
use pontoon_cloud::lxd::ExecRequest;
use pontoon_cloud::site::{Site, SiteError};
use pontoon_core::key::{Key, Kind};
use pontoon_core::observed::{HostView, Observed};
use serde_json::json;

use super::stack::{self, Use};
use super::subject::{self, Containers, Located, Subject};
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::show::style::printable;
use crate::show::{self, Output, Reader};
use pontoon_cloud::site::chain;

/// How long reading one log may take.
const READ_LIMIT: Duration = Duration::from_mins(1);

/// Where cloud-init leaves what its modules and scripts print.
const OUTPUT_LOG: &str = "/var/log/cloud-init-output.log";

/// One log.
struct Log {
    /// Whose it is.
    of: String,
    /// Where that runs; the host's own name for its own logs.
    host: String,
    /// What it is: a command, a path, `console`.
    source: String,
    text: String,
}

pub(crate) async fn run(arguments: &cli::Logs, output: &Output) -> Result<Exit, Failure> {
    let place = &arguments.place;
    let opened = stack::open(&place.directory, &place.options, Use::Visit, None, output).await?;
    let (subject, seen) = subject::find(&opened, &arguments.subject).await?;
    let site = &opened.connected.site;
    let (logs, mut failures) = match &subject {
        Subject::Host(host) => gather([of_host(site, &seen, host).await]),
        Subject::Containers(containers) => {
            let (logs, mut failures) =
                gather(join_all(containers.present.iter().map(|one| of_container(site, one))).await);
            failures.extend(absences(containers));
            (logs, failures)
        }
    };
    for log in &logs {
        print(log, output);
    }
    let Some(last) = failures.pop() else {
        if output.reader == Reader::Program {
            show::print_json(&json!({"event": "result", "outcome": "printed", "logs": logs.len()}));
        }
        return Ok(Exit::Done);
    };
    for failure in &failures {
        output.failure(failure);
    }
    Err(last)
}

fn gather(results: impl IntoIterator<Item = Result<Vec<Log>, Failure>>) -> (Vec<Log>, Vec<Failure>) {
    let (mut logs, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(more) => logs.extend(more),
            Err(failure) => failures.push(failure),
        }
    }
    (logs, failures)
}

fn absences(containers: &Containers) -> Vec<Failure> {
    containers.missing.iter().map(|name| containers.absence(name)).collect()
}

async fn of_container(site: &Site, container: &Located) -> Result<Vec<Log>, Failure> {
    let of =
        |source: String, text: String| Log { of: container.name.clone(), host: container.host.clone(), source, text };
    let read = async {
        let engine = site.hosts.any_engine(&container.host).await?;
        if !container.running {
            let console = engine.console_log(&container.name).await?;
            let text = String::from_utf8_lossy(&console).into_owned();
            return Ok::<_, SiteError>(vec![of("console, for it does not run".to_owned(), text)]);
        }
        let mut logs = Vec::new();
        for command in [&["cloud-init", "status", "--long"][..], &["cat", OUTPUT_LOG]] {
            let command = command.iter().map(|word| (*word).to_owned()).collect();
            let request = ExecRequest { command, ..ExecRequest::default() };
            let output = engine.exec(&container.name, &request, READ_LIMIT).await?;
            logs.push(of(source(&request.command), joined(&output.stdout, &output.stderr)));
        }
        Ok(logs)
    };
    let failed = |error: SiteError| {
        Failure::new(format!("cannot read the logs of container `{}`", container.name))
            .caused_by(&error)
            .hint(error.hint())
    };
    read.await.map_err(failed)
}

async fn of_host(site: &Site, seen: &Observed, host: &str) -> Result<Vec<Log>, Failure> {
    let failed = |error: &SiteError| {
        Failure::new(format!("cannot read the logs of host `{host}`")).caused_by(error).hint(error.hint())
    };
    let of = |source: String, text: String| Log { of: host.to_owned(), host: host.to_owned(), source, text };
    let inside = Box::pin(async {
        let session = site.hosts.session(host).await?;
        let mut logs = Vec::new();
        for (source, command) in [
            ("cloud-init status --long", "cloud-init status --long".to_owned()),
            (OUTPUT_LOG, format!("sudo cat {OUTPUT_LOG}")),
        ] {
            let output = session.exec(&command, &[], READ_LIMIT).await?;
            logs.push(of(source.to_owned(), joined(&output.stdout, &output.stderr)));
        }
        Ok::<_, SiteError>(logs)
    });
    // A host that did not answer a moment ago is not waited for once more.
    let why = match seen.hosts.get(host) {
        Some(HostView::Unreachable(reason)) => reason.clone(),
        None => "it does not run".to_owned(),
        Some(_) => match inside.await {
            Ok(logs) => return Ok(logs),
            Err(error) => chain(&error),
        },
    };
    let id = site.known(&Key::new(site.stack(), Kind::Host, host)).map(|known| known.id);
    let Some(id) = id else {
        return Err(Failure::new(format!("host `{host}` is not there")).hint("`pontoon up` makes it".to_owned()));
    };
    let console = site.openstack.console_output(&id, None).await.map_err(|error| failed(&error.into()))?;
    Ok(vec![of(format!("console, for ssh does not get in: {why}"), console)])
}

fn source(command: &[String]) -> String {
    match command {
        [program, path] if program == "cat" => path.clone(),
        _ => command.join(" "),
    }
}

/// What a command printed, or its complaints where it printed nothing.
fn joined(stdout: &[u8], stderr: &[u8]) -> String {
    String::from_utf8_lossy(if stdout.is_empty() { stderr } else { stdout }).into_owned()
}

fn print(log: &Log, output: &Output) {
    match output.reader {
        Reader::Program => {
            for line in log.text.lines() {
                let container = (log.of != log.host).then_some(&log.of);
                show::print_json(
                    &json!({"event": "log", "container": container, "host": log.host, "source": log.source, "line": line}),
                );
            }
        }
        Reader::Person => {
            let on = if log.of == log.host { String::new() } else { format!(" on {}", log.host) };
            let heading = printable(&format!("{}{on}: {}", log.of, log.source));
            // In a pipe the log keeps its bytes; on a terminal it must not be obeyed.
            let terminal = std::io::stdout().is_terminal();
            let text = if terminal { printable(&log.text) } else { log.text.clone() };
            show::print(&format!("{}\n{}\n\n", output.stdout.bold(&format!("==> {heading}")), text.trim_end()));
        }
    }
}
