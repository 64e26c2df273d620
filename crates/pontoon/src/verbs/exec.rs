//! `pontoon exec`: a command in a container, or on a host.
//!
//! In a container the engine runs it as root, word by word and without a shell. On a host it goes through ssh, which
//! knows only one text for the login shell; the words are quoted so that the shell sees what was written here. Its
//! input is read to the end first, and its output is printed when it has ended.

use std::io::{IsTerminal as _, Read as _, Write as _, stderr, stdin, stdout};
use std::time::Duration;

use pontoon_cloud::lxd::{ExecRequest, LxdError};
use pontoon_cloud::site::{Site, SiteError};
use pontoon_cloud::ssh::ExitStatus;
use serde_json::json;

use super::stack::{self, Use};
use super::subject::{self, Located, Subject};
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

/// A command may take a day: whoever started it can end it at any time.
const LIMIT: Duration = Duration::from_hours(24);

/// How a command ended.
struct Ended {
    exit: u8,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

pub(crate) async fn run(arguments: &cli::Exec, output: &Output) -> Result<Exit, Failure> {
    let place = &arguments.place;
    let opened = stack::open(&place.directory, &place.options, Use::Visit, None, output).await?;
    let (subject, _) = subject::find(&opened, &arguments.subject).await?;
    let site = &opened.connected.site;
    let input = input()?;
    let ended = match &subject {
        Subject::Host(host) => on_host(site, host, &arguments.command, &input).await,
        Subject::Containers(containers) => match containers.present.first() {
            Some(container) => in_container(site, container, &arguments.command, input).await,
            None => return Err(containers.absence(containers.missing.first().unwrap_or(&arguments.subject))),
        },
    };
    let ended = ended.map_err(|error| {
        Failure::new(format!("cannot run `{}` in `{}`", arguments.command.join(" "), arguments.subject))
            .caused_by(&error)
            .hint(error.hint())
            .exit(exit_of(&error))
    })?;
    hand_through(&ended, output);
    Ok(Exit::Command(ended.exit))
}

/// All of standard input, unless somebody sits there.
fn input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if !stdin().is_terminal() {
        let read = stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| Failure::new("cannot read standard input").caused_by(&error))?;
    }
    Ok(bytes)
}

async fn in_container(
    site: &Site,
    container: &Located,
    command: &[String],
    input: Vec<u8>,
) -> Result<Ended, SiteError> {
    let engine = site.hosts.any_engine(&container.host).await?;
    let request = ExecRequest { command: command.to_vec(), stdin: input.into(), ..ExecRequest::default() };
    let output = engine.exec(&container.name, &request, LIMIT).await?;
    // An engine gives -1 for a command that it lost sight of.
    Ok(Ended { exit: u8::try_from(output.code).unwrap_or(u8::MAX), stdout: output.stdout, stderr: output.stderr })
}

async fn on_host(site: &Site, host: &str, command: &[String], input: &[u8]) -> Result<Ended, SiteError> {
    let session = site.hosts.session(host).await?;
    let output = session.exec(&quoted(command), input, LIMIT).await?;
    let exit = match output.status {
        ExitStatus::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        ExitStatus::Signal(name) => 128_u8.saturating_add(signal_number(&name)),
        // As ssh itself ends when it does not know better.
        ExitStatus::Unknown => u8::MAX,
    };
    Ok(Ended { exit, stdout: output.stdout, stderr: output.stderr })
}

/// A command that could not be started ends as it would in a shell: 127 where it is not there, 126 where it is no
/// program. Engines tell the two in words only.
fn exit_of(error: &SiteError) -> Exit {
    match error {
        SiteError::Engine(LxdError::Failed { message, .. }) if message.contains("not found") => Exit::Command(127),
        SiteError::Engine(LxdError::Failed { message, .. }) if message.contains("not executable") => Exit::Command(126),
        _ => Exit::Failed,
    }
}

fn hand_through(ended: &Ended, output: &Output) {
    match output.reader {
        Reader::Program => show::print_json(&json!({
            "event": "result", "outcome": "ran", "exit": ended.exit,
            "stdout": String::from_utf8_lossy(&ended.stdout), "stderr": String::from_utf8_lossy(&ended.stderr),
        })),
        Reader::Person => {
            // A reader that has gone away is nobody's failure.
            let _ = stdout().write_all(&ended.stdout).and_then(|()| stdout().flush());
            let _ = stderr().write_all(&ended.stderr);
        }
    }
}

/// Words as a POSIX shell reads them back: nothing means anything between single quotes, and a single quote is written
/// outside of them.
fn quoted(words: &[String]) -> String {
    let safe =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c));
    let quote = |(number, word): (usize, &String)| {
        // Quoted, a first word is a program, and no assignment and no word of the shell's own.
        if safe(word) && number > 0 { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().enumerate().map(quote).collect::<Vec<_>>().join(" ")
}

/// The numbers of POSIX for the signals of RFC 4254, section 6.10; 0 for one that is not there.
fn signal_number(name: &str) -> u8 {
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "SEGV" => 11,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_shell_reads_quoted_words_back_as_they_were() {
        let words: Vec<String> =
            ["printf", "%s|", "it's", "$HOME `id` \"x\"", "", "a b", "new\nline", "~", "*", "!!", "\\", "-n", "ü"]
                .map(str::to_owned)
                .to_vec();
        let output = std::process::Command::new("sh").args(["-c", &quoted(&words)]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words[2..].join("|") + "|");
    }

    #[test]
    fn the_first_word_is_a_program_and_never_a_word_of_the_shell() {
        assert_eq!(quoted(&["if".to_owned(), "-x".to_owned()]), "'if' -x");
    }
}
