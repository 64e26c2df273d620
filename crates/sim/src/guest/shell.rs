//! A small shell: what a person or a tool types over ssh, or through the engine's exec, to look at a simulated system.
//!
//! It knows words, quotes, `&&`, `||`, `;`, pipes and redirections, and a handful of commands ([`commands`]) that look at
//! and change the simulated files. It starts no process. Variables, substitutions and control flow are not understood:
//! `if` is a command that is not found.
//!
//! The shell does not know what it runs on; [`Surroundings`] answers for the system.

mod commands;
mod syntax;

use std::net::Ipv4Addr;

use serde_json::Value;

use super::cloud_init::Report;
use super::files::Files;
use syntax::{Joint, Redirect, Step};

/// Shells within shells; a script that calls itself ends here.
const MAX_DEPTH: u8 = 16;
/// Words of one command. More are refused, so that no nesting of commands can exhaust the stack.
const MAX_WORDS: usize = 256;

/// The system around a shell.
pub(crate) trait Surroundings {
    /// Lends the file system.
    fn files<T>(&self, look: impl FnOnce(&mut Files) -> T) -> T;
    /// Told after a file was written, moved into place or removed.
    fn changed(&self, path: &str);
    /// The host name.
    fn hostname(&self) -> String;
    /// How cloud-init stands.
    fn cloud_init(&self) -> CloudInit;
    /// What `systemctl VERB UNIT` prints, and its exit code.
    fn systemctl(&self, verb: &str, unit: &str) -> (String, u8);
    /// A signal to the process of this id; says whether there is one.
    fn signal(&self, signal: &str, process: &str) -> bool;
    /// Whether an address answers a ping.
    fn ping(&self, address: Ipv4Addr) -> Result<(), String>;
    /// `dhcp_release`.
    fn release_lease(&self, address: Ipv4Addr, mac: &str);
    /// What `ip -j addr` prints.
    fn links(&self) -> Value;
    /// Whether there is a socket at this path.
    fn is_socket(&self, path: &str) -> bool;
    /// Whether `sudo` lets this user through.
    fn may_sudo(&self, user: &str) -> bool;
}

/// How cloud-init stands on a system.
#[derive(Clone, Debug)]
pub(crate) enum CloudInit {
    /// The image has none.
    Absent,
    /// The run is not over.
    Running,
    /// The run is over.
    Finished(Report),
}

/// What a command leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: Vec<u8>,
    /// Exit status.
    pub(crate) code: u8,
}

impl Output {
    fn text(text: impl Into<String>) -> Output {
        Output { stdout: text.into().into_bytes(), ..Output::default() }
    }

    fn code(code: u8) -> Output {
        Output { code, ..Output::default() }
    }

    fn failed(code: u8, message: impl Into<String>) -> Output {
        let mut stderr = message.into().into_bytes();
        stderr.push(b'\n');
        Output { stderr, code, ..Output::default() }
    }
}

/// What a command line waits for before it can run to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// It reads its standard input.
    pub(crate) stdin: bool,
    /// It has a `cloud-init status --wait`.
    pub(crate) cloud_init: bool,
}

/// What `script` waits for; a script that cannot be parsed waits for nothing.
pub(crate) fn waits(script: &str) -> Waits {
    let mut waits = Waits::default();
    for step in syntax::parse(script).unwrap_or_default() {
        let fed =
            step.joint == Joint::Pipe || step.redirects.iter().any(|redirect| matches!(redirect, Redirect::In(_)));
        let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
        let of_words = waits_of(&words);
        waits.stdin |= of_words.stdin && !fed;
        waits.cloud_init |= of_words.cloud_init;
    }
    waits
}

/// What one command, already split into words, waits for.
pub(crate) fn waits_of(words: &[&str]) -> Waits {
    if words.len() > MAX_WORDS {
        return Waits::default();
    }
    let Some((name, arguments)) = words.split_first() else { return Waits::default() };
    let operands = || arguments.iter().filter(|word| !word.starts_with('-') || **word == "-");
    let reads_only_stdin = || operands().all(|word| matches!(*word, "-" | "/dev/stdin"));
    let stdin = match commands::base_name(name) {
        "sudo" => return waits_of(commands::after_sudo(arguments).1),
        "sh" | "bash" | "dash" => match arguments.iter().position(|word| commands::is_script_option(word)) {
            Some(index) => return waits(arguments.get(index + 1).copied().unwrap_or_default()),
            None => operands().next().is_none(),
        },
        "tee" => true,
        "cat" => reads_only_stdin() || arguments.contains(&"/dev/stdin"),
        "gzip" | "gunzip" | "zcat" => operands().all(|word| *word == "-"),
        "grep" => operands().count() < 2,
        // `-n 5 FILE`: the option's own argument is an operand here.
        "head" | "tail" => operands().filter(|word| word.parse::<u64>().is_err()).all(|word| *word == "-"),
        _ => arguments.contains(&"/dev/stdin"),
    };
    let cloud_init = commands::base_name(name) == "cloud-init" && arguments.contains(&"--wait");
    Waits { stdin, cloud_init }
}

/// Runs a script as `user` to its end.
pub(crate) fn run(around: &impl Surroundings, user: &str, script: &str, stdin: Vec<u8>) -> Output {
    Shell { around, user: user.to_owned(), stdin, stop_on_error: false, depth: 0 }.script(script)
}

/// Runs one command that is already split into words, as the engine's exec does. Nothing of it is shell syntax.
pub(crate) fn run_words(around: &impl Surroundings, user: &str, words: &[String], stdin: Vec<u8>) -> Output {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Shell { around, user: user.to_owned(), stdin, stop_on_error: false, depth: 0 }.command(&words)
}

/// One shell while it runs.
struct Shell<'a, S> {
    around: &'a S,
    user: String,
    /// What nobody has read yet.
    stdin: Vec<u8>,
    /// `set -e`.
    stop_on_error: bool,
    /// How many scripts it is inside of.
    depth: u8,
}

impl<S: Surroundings> Shell<'_, S> {
    fn script(&mut self, script: &str) -> Output {
        if self.depth >= MAX_DEPTH {
            return Output::failed(2, "sh: 1: Cannot fork: too many shells within shells");
        }
        self.depth += 1;
        let output = self.steps(script);
        self.depth -= 1;
        output
    }

    fn steps(&mut self, script: &str) -> Output {
        let steps = match syntax::parse(script) {
            Ok(steps) => steps,
            Err(reason) => return Output::failed(2, format!("sh: 1: Syntax error: {reason}")),
        };
        let mut whole = Output::default();
        let mut piped = None;
        for (index, step) in steps.iter().enumerate() {
            let runs = match step.joint {
                Joint::Always | Joint::Pipe => true,
                Joint::And => whole.code == 0,
                Joint::Or => whole.code != 0,
            };
            if !runs {
                continue;
            }
            let mut output = self.step(step, piped.take());
            whole.code = output.code;
            whole.stderr.append(&mut output.stderr);
            let next = steps.get(index + 1).map(|next| next.joint);
            if next == Some(Joint::Pipe) {
                piped = Some(output.stdout);
            } else {
                whole.stdout.append(&mut output.stdout);
            }
            let exits = step.words.first().is_some_and(|word| word == "exit");
            let guarded = matches!(next, Some(Joint::Pipe | Joint::And | Joint::Or));
            if exits || self.stop_on_error && whole.code != 0 && !guarded {
                break;
            }
        }
        whole
    }

    fn step(&mut self, step: &Step, piped: Option<Vec<u8>>) -> Output {
        let mut own_input = piped;
        for redirect in &step.redirects {
            if let Redirect::In(path) = redirect {
                let Some(content) = self.read(path) else {
                    return Output::failed(1, format!("sh: 1: cannot open {path}: No such file"));
                };
                own_input = Some(content);
            }
        }
        let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
        let mut output = match own_input {
            Some(input) => {
                let kept = std::mem::replace(&mut self.stdin, input);
                let output = self.command(&words);
                self.stdin = kept;
                output
            }
            None => self.command(&words),
        };
        for redirect in &step.redirects {
            let refused = match redirect {
                Redirect::In(_) => None,
                Redirect::ErrorToOut => {
                    let mut stderr = std::mem::take(&mut output.stderr);
                    output.stdout.append(&mut stderr);
                    None
                }
                Redirect::Out(path) => self.write(path, std::mem::take(&mut output.stdout), None).err(),
                Redirect::Append(path) => {
                    let mut content = self.read(path).unwrap_or_default();
                    content.append(&mut output.stdout);
                    self.write(path, content, None).err()
                }
                Redirect::Error(path) => self.write(path, std::mem::take(&mut output.stderr), None).err(),
            };
            if let Some(reason) = refused {
                output.stderr.extend(format!("sh: 1: cannot create {reason}\n").into_bytes());
                output.code = 2;
            }
        }
        if step.negated {
            output.code = u8::from(output.code == 0);
        }
        output
    }
}

#[cfg(test)]
mod tests;
