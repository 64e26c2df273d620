//! The commands that the small shell knows. One that it does not know is "command not found", exit status 127.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::super::cloud_init::{self, Format};
use super::super::files::{File, normal};
use super::{CloudInit, MAX_WORDS, Output, Shell, Surroundings};

/// More is not unpacked, in bytes.
const UNPACKED_MAX: u64 = 256 * 1024 * 1024;

/// The last part of a command's path.
pub(super) fn base_name(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}

/// `-c`, alone or together with others, as in `sh -ec`.
pub(super) fn is_script_option(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
}

/// The user that `sudo ARGUMENTS` runs as, and the command.
pub(super) fn after_sudo<'a>(arguments: &'a [&'a str]) -> (&'a str, &'a [&'a str]) {
    match arguments {
        ["-u" | "--user", user, rest @ ..] => (user, after_sudo(rest).1),
        ["--", rest @ ..] => ("root", rest),
        [option, rest @ ..] if option.starts_with('-') => after_sudo(rest),
        rest => ("root", rest),
    }
}

impl<S: Surroundings> Shell<'_, S> {
    /// Runs one command.
    pub(super) fn command(&mut self, words: &[&str]) -> Output {
        let Some((name, arguments)) = words.split_first() else { return Output::default() };
        if words.len() > MAX_WORDS {
            return Output::failed(126, format!("sh: 1: {name}: Argument list too long"));
        }
        match base_name(name) {
            "true" | ":" | "sync" | "sleep" | "chown" | "useradd" | "exit" | "journalctl" | "logger" => {
                quiet(name, arguments)
            }
            "false" => Output::code(1),
            "set" => self.set(arguments),
            "sudo" => self.sudo(arguments),
            "sh" | "bash" | "dash" => self.sh(arguments),
            "echo" => echo(arguments),
            "printf" => printf(arguments),
            "cat" => self.cat(arguments),
            "tee" => self.tee(arguments),
            "mv" => self.mv(arguments),
            "cp" => self.cp(arguments),
            "rm" => self.rm(arguments),
            "mkdir" => self.mkdir(arguments),
            "chmod" => self.chmod(arguments),
            "install" => self.install(arguments),
            "sha256sum" => self.sha256sum(arguments),
            "gzip" | "gunzip" | "zcat" => self.gzip(name, arguments),
            "ls" => self.ls(arguments),
            "test" => self.test(arguments),
            "[" => self.test(arguments.strip_suffix(&["]"]).unwrap_or(arguments)),
            "grep" => self.grep(arguments),
            "head" => self.part(arguments, End::First),
            "tail" => self.part(arguments, End::Last),
            "hostname" => Output::text(format!("{}\n", self.around.hostname())),
            "id" | "whoami" => self.id(name, arguments),
            "systemctl" => self.systemctl(arguments),
            "kill" => self.kill(arguments),
            "cloud-init" => self.cloud_init(arguments),
            "dhcp_release" => self.dhcp_release(arguments),
            "ping" => self.ping(arguments),
            "ip" => self.ip(arguments),
            // A program that lies there would be started; here it does nothing.
            _ if name.contains('/') && self.is_executable(name) => Output::default(),
            _ => Output::failed(127, format!("sh: 1: {name}: command not found")),
        }
    }

    fn is_executable(&self, path: &str) -> bool {
        self.around.files(|files| files.get(path).is_some_and(|file| file.mode & 0o111 != 0))
    }

    fn sha256sum(&mut self, arguments: &[&str]) -> Output {
        let mut output = Output::default();
        for path in operands(arguments) {
            if let Some(hash) = self.around.files(|files| files.get(path).map(File::sha256)) {
                output.stdout.extend(format!("{hash}  {path}\n").into_bytes());
            } else {
                let why = self.why_unreadable(path);
                output.stderr.extend(format!("sha256sum: {path}: {why}\n").into_bytes());
                output.code = 1;
            }
        }
        output
    }

    /// Unpacks standard input: `gzip -dc`, `gunzip -c`, `zcat`.
    fn gzip(&mut self, name: &str, arguments: &[&str]) -> Output {
        let unpacks = base_name(name) != "gzip" || arguments.iter().any(|option| option.contains('d'));
        if !unpacks || operands(arguments).any(|path| path != "-") {
            return Output::failed(1, "gzip: only standard input is unpacked here");
        }
        let packed = std::mem::take(&mut self.stdin);
        let mut stdout = Vec::new();
        match GzDecoder::new(packed.as_slice()).take(UNPACKED_MAX).read_to_end(&mut stdout) {
            Ok(_) => Output { stdout, ..Output::default() },
            Err(error) => Output { stdout, ..Output::failed(1, format!("gzip: stdin: {error}")) },
        }
    }

    /// The content of a file, or of standard input for `-` and `/dev/stdin`.
    pub(super) fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        match path {
            "-" | "/dev/stdin" => Some(std::mem::take(&mut self.stdin)),
            "/dev/null" => Some(Vec::new()),
            path => self.around.files(|files| files.get(path).map(|file| file.content.clone())),
        }
    }

    /// Writes a file, as far as the user may.
    ///
    /// # Errors
    /// The path and the reason, as a command would print them.
    pub(super) fn write(&self, path: &str, content: Vec<u8>, mode: Option<u32>) -> Result<(), String> {
        if matches!(path, "/dev/null" | "/dev/stderr" | "/dev/stdout") {
            return Ok(());
        }
        self.may_change(path)?;
        let path = normal(path);
        let parent = path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
        if !self.around.files(|files| files.is_directory(parent)) {
            return Err(format!("{path}: No such file or directory"));
        }
        self.around.files(|files| files.write(&path, content, mode));
        self.around.changed(&path);
        Ok(())
    }

    fn may_change(&self, path: &str) -> Result<(), String> {
        let path = normal(path);
        let own = format!("/home/{}/", self.user);
        if self.user == "root" || path.starts_with("/tmp/") || path.starts_with("/var/tmp/") || path.starts_with(&own) {
            return Ok(());
        }
        Err(format!("{path}: Permission denied"))
    }

    fn set(&mut self, arguments: &[&str]) -> Output {
        for option in arguments {
            match option.chars().next() {
                Some('-') if option.contains('e') => self.stop_on_error = true,
                Some('+') if option.contains('e') => self.stop_on_error = false,
                _ => {}
            }
        }
        Output::default()
    }

    fn sudo(&mut self, arguments: &[&str]) -> Output {
        let (user, command) = after_sudo(arguments);
        if self.user != "root" && !self.around.may_sudo(&self.user) {
            return Output::failed(1, "sudo: a password is required");
        }
        let caller = std::mem::replace(&mut self.user, user.to_owned());
        let output = self.command(command);
        self.user = caller;
        output
    }

    fn sh(&mut self, arguments: &[&str]) -> Output {
        let option = arguments.iter().position(|word| is_script_option(word));
        let script = match option {
            Some(index) => arguments.get(index + 1).map(ToString::to_string).unwrap_or_default(),
            None => match arguments.iter().find(|word| !word.starts_with('-')) {
                Some(path) => match self.read(path) {
                    Some(content) => String::from_utf8_lossy(&content).into_owned(),
                    None => return Output::failed(127, format!("sh: 0: cannot open {path}: No such file")),
                },
                None => String::from_utf8_lossy(&std::mem::take(&mut self.stdin)).into_owned(),
            },
        };
        let strict =
            arguments.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('e'));
        let outer = std::mem::replace(&mut self.stop_on_error, strict);
        let output = self.script(&script);
        self.stop_on_error = outer;
        output
    }

    fn cat(&mut self, arguments: &[&str]) -> Output {
        let paths = if arguments.is_empty() { &["-"] } else { arguments };
        let mut output = Output::default();
        for path in paths {
            if let Some(mut content) = self.read(path) {
                output.stdout.append(&mut content);
            } else {
                output.stderr.extend(format!("cat: {path}: {}\n", self.why_unreadable(path)).into_bytes());
                output.code = 1;
            }
        }
        output
    }

    fn why_unreadable(&self, path: &str) -> &'static str {
        if self.around.files(|files| files.is_directory(path)) { "Is a directory" } else { "No such file or directory" }
    }

    fn tee(&mut self, arguments: &[&str]) -> Output {
        let content = std::mem::take(&mut self.stdin);
        let append = arguments.contains(&"-a");
        for path in operands(arguments) {
            let mut whole = if append { self.read(path).unwrap_or_default() } else { Vec::new() };
            whole.extend_from_slice(&content);
            if let Err(reason) = self.write(path, whole, None) {
                return Output::failed(1, format!("tee: {reason}"));
            }
        }
        Output { stdout: content, ..Output::default() }
    }

    fn mv(&mut self, arguments: &[&str]) -> Output {
        let paths: Vec<&str> = operands(arguments).collect();
        let [from, to] = paths.as_slice() else { return Output::failed(1, "mv: missing file operand") };
        let to = self.target(from, to);
        if let Err(reason) = self.may_change(from).and_then(|()| self.may_change(&to)) {
            return Output::failed(1, format!("mv: cannot move '{from}' to '{to}': {reason}"));
        }
        if !self.around.files(|files| files.rename(from, &to)) {
            return Output::failed(1, format!("mv: cannot stat '{from}': No such file or directory"));
        }
        self.around.changed(&to);
        Output::default()
    }

    fn cp(&mut self, arguments: &[&str]) -> Output {
        let paths: Vec<&str> = operands(arguments).collect();
        let [from, to] = paths.as_slice() else { return Output::failed(1, "cp: missing file operand") };
        let to = self.target(from, to);
        let Some(content) = self.read(from) else {
            return Output::failed(1, format!("cp: cannot stat '{from}': No such file or directory"));
        };
        self.write(&to, content, None)
            .map_or_else(|reason| Output::failed(1, format!("cp: {reason}")), |()| Output::default())
    }

    /// Where a file goes that is moved or copied to `to`, which may be a directory.
    fn target(&self, from: &str, to: &str) -> String {
        let is_directory = to.ends_with('/') || self.around.files(|files| files.is_directory(to));
        if is_directory { format!("{to}/{}", base_name(from)) } else { to.to_owned() }
    }

    fn rm(&mut self, arguments: &[&str]) -> Output {
        let force = arguments.iter().any(|word| word.starts_with('-') && word.contains('f'));
        let recursive = arguments.iter().any(|word| word.starts_with('-') && word.contains(['r', 'R']));
        for path in operands(arguments) {
            if let Err(reason) = self.may_change(path) {
                return Output::failed(1, format!("rm: cannot remove '{path}': {reason}"));
            }
            let is_file = self.around.files(|files| files.get(path).is_some());
            if !is_file && !recursive && self.around.files(|files| files.is_directory(path)) {
                return Output::failed(1, format!("rm: cannot remove '{path}': Is a directory"));
            }
            if self.around.files(|files| files.remove(path)) {
                self.around.changed(path);
            } else if !force {
                return Output::failed(1, format!("rm: cannot remove '{path}': No such file or directory"));
            }
        }
        Output::default()
    }

    fn mkdir(&mut self, arguments: &[&str]) -> Output {
        for path in operands(arguments).filter(|path| path.parse::<u32>().is_err()) {
            let exists = self.around.files(|files| files.is_directory(path));
            if exists && !arguments.contains(&"-p") {
                return Output::failed(1, format!("mkdir: cannot create directory '{path}': File exists"));
            }
            if let Err(reason) = self.may_change(path).or_else(|reason| if exists { Ok(()) } else { Err(reason) }) {
                return Output::failed(1, format!("mkdir: cannot create directory {reason}"));
            }
            self.around.files(|files| files.make_directory(path));
        }
        Output::default()
    }

    fn chmod(&mut self, arguments: &[&str]) -> Output {
        let mut words = operands(arguments);
        let mode = words.next().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        for path in words {
            if let Err(reason) = self.may_change(path) {
                return Output::failed(1, format!("chmod: {reason}"));
            }
            let changed = mode.is_some_and(|mode| self.around.files(|files| files.set_mode(path, mode)));
            if !changed && !self.around.files(|files| files.is_directory(path)) {
                return Output::failed(1, format!("chmod: cannot access '{path}': No such file or directory"));
            }
        }
        Output::default()
    }

    /// `install [-D] [-d] [-m MODE] [-o OWNER] [-g GROUP] SOURCE TARGET`.
    fn install(&mut self, arguments: &[&str]) -> Output {
        let (mut mode, mut make_parents, mut directories, mut paths) = (None, false, false, Vec::new());
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match *word {
                "-m" | "--mode" => mode = words.next().and_then(|mode| u32::from_str_radix(mode, 8).ok()),
                "-o" | "-g" => {
                    words.next();
                }
                "-D" => make_parents = true,
                "-d" => directories = true,
                word if word.starts_with("-m") => mode = u32::from_str_radix(word.trim_start_matches("-m"), 8).ok(),
                word if word.starts_with('-') => make_parents |= word.contains('D'),
                path => paths.push(path),
            }
        }
        if directories {
            return self.mkdir(&[&["-p"], paths.as_slice()].concat());
        }
        let [from, to] = paths.as_slice() else { return Output::failed(1, "install: missing file operand") };
        let Some(content) = self.read(from) else {
            return Output::failed(1, format!("install: cannot stat '{from}': No such file or directory"));
        };
        if let (true, Some((parent, _))) = (make_parents && self.may_change(to).is_ok(), to.rsplit_once('/')) {
            self.around.files(|files| files.make_directory(parent));
        }
        let written = self.write(&self.target(from, to), content, Some(mode.unwrap_or(0o755)));
        written.map_or_else(|reason| Output::failed(1, format!("install: {reason}")), |()| Output::default())
    }

    fn ls(&mut self, arguments: &[&str]) -> Output {
        let mut output = Output::default();
        let paths: Vec<&str> = operands(arguments).collect();
        for path in if paths.is_empty() { vec!["/root"] } else { paths } {
            let names = self.around.files(|files| {
                if files.get(path).is_some() {
                    Some(vec![path.to_owned()])
                } else {
                    files.is_directory(path).then(|| files.list(path))
                }
            });
            if let Some(names) = names {
                output.stdout.extend(names.iter().flat_map(|name| format!("{name}\n").into_bytes()));
            } else {
                output.stderr.extend(format!("ls: cannot access '{path}': No such file or directory\n").into_bytes());
                output.code = 2;
            }
        }
        output
    }

    fn test(&mut self, arguments: &[&str]) -> Output {
        let holds = match arguments {
            ["!", rest @ ..] => return Output::code(u8::from(self.test(rest).code == 0)),
            ["-e", path] => {
                self.around.files(|files| files.get(path).is_some() || files.is_directory(path))
                    || self.around.is_socket(path)
            }
            ["-f" | "-r", path] => self.around.files(|files| files.get(path).is_some()),
            ["-x", path] => self.is_executable(path),
            ["-d", path] => self.around.files(|files| files.is_directory(path)),
            ["-S", path] => self.around.is_socket(path),
            ["-s", path] => self.around.files(|files| files.get(path).is_some_and(|file| !file.content.is_empty())),
            ["-n", text] | [text] => !text.is_empty(),
            ["-z", text] => text.is_empty(),
            [left, "=" | "==", right] => left == right,
            [left, "!=", right] => left != right,
            _ => false,
        };
        Output::code(u8::from(!holds))
    }

    /// Plain text only, no expressions: `grep [-rhsqFxv] TEXT [PATH...]`.
    fn grep(&mut self, arguments: &[&str]) -> Output {
        let options: String = arguments.iter().filter_map(|word| word.strip_prefix('-')).collect();
        let mut words = operands(arguments);
        let wanted = words.next().unwrap_or_default();
        let paths: Vec<&str> = words.collect();
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for path in if paths.is_empty() { vec!["-"] } else { paths } {
            if let Some(content) = self.read(path) {
                files.push((path.to_owned(), content));
            } else if options.contains('r') {
                let inside = |files: &mut super::super::files::Files| {
                    files.under(path).map(|(path, file)| (path.clone(), file.content.clone())).collect::<Vec<_>>()
                };
                files.extend(self.around.files(inside));
            }
        }
        let with_names = !options.contains('h') && (files.len() > 1 || options.contains('r'));
        let mut found = String::new();
        for (path, content) in &files {
            for line in String::from_utf8_lossy(content).lines() {
                let matches = if options.contains('x') { line == wanted } else { line.contains(wanted) };
                if matches != options.contains('v') {
                    found.extend(if with_names { [path, ":", line, "\n"] } else { ["", "", line, "\n"] });
                }
            }
        }
        let code = u8::from(found.is_empty());
        if options.contains('q') { Output::code(code) } else { Output { code, ..Output::text(found) } }
    }

    /// `head` and `tail`, by lines (`-n N`, `-N`) or bytes (`-c N`).
    fn part(&mut self, arguments: &[&str], end: End) -> Output {
        let (mut count, mut bytes, mut path) = (10, false, "-");
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let given = match *word {
                "-n" | "-c" => words.next().copied(),
                word => word.strip_prefix("-n").or_else(|| word.strip_prefix("-c")).or_else(|| word.strip_prefix('-')),
            };
            bytes |= word.starts_with("-c");
            match given.and_then(|given| given.parse::<usize>().ok()) {
                Some(given) => count = given,
                None => path = word,
            }
        }
        let Some(content) = self.read(path) else {
            return Output::failed(1, format!("{path}: No such file or directory"));
        };
        let pieces: Vec<&[u8]> =
            if bytes { content.chunks(1).collect() } else { content.split_inclusive(|byte| *byte == b'\n').collect() };
        let kept: Vec<&[u8]> = match end {
            End::First => pieces.into_iter().take(count).collect(),
            End::Last => pieces.iter().skip(pieces.len().saturating_sub(count)).copied().collect(),
        };
        Output { stdout: kept.concat(), ..Output::default() }
    }

    fn id(&mut self, name: &str, arguments: &[&str]) -> Output {
        let root = self.user == "root";
        match arguments.first() {
            Some(&"-u") => Output::text(if root { "0\n" } else { "1000\n" }),
            _ if name.ends_with("whoami") || arguments.first().is_some_and(|option| option.starts_with('-')) => {
                Output::text(format!("{}\n", self.user))
            }
            _ => Output::text(format!("uid={0}({1}) gid={0}({1})\n", if root { 0 } else { 1000 }, self.user)),
        }
    }

    fn systemctl(&mut self, arguments: &[&str]) -> Output {
        let mut words = operands(arguments);
        let (verb, unit) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if let (true, "cloud-final" | "cloud-final.service") = (matches!(verb, "is-active" | "is-failed"), unit) {
            return self.last_stage(verb);
        }
        let looks = matches!(verb, "is-active" | "is-enabled" | "is-system-running" | "status" | "show" | "cat");
        if !looks && self.user != "root" {
            return Output::failed(1, format!("Failed to {verb} {unit}.service: Interactive authentication required."));
        }
        let unit = unit.trim_end_matches(".service");
        let (text, code) = self.around.systemctl(verb, unit);
        let now = match verb {
            "enable" => Some("start"),
            "disable" => Some("stop"),
            _ => None,
        };
        let (text, code) = match now.filter(|_| code == 0 && arguments.contains(&"--now")) {
            Some(verb) => self.around.systemctl(verb, unit),
            None => (text, code),
        };
        if code == 0 || looks {
            return Output { code, ..Output::text(text) };
        }
        Output::failed(code, text)
    }

    /// The unit of cloud-init's last stage.
    fn last_stage(&self, verb: &str) -> Output {
        let state = match self.around.cloud_init() {
            CloudInit::Absent => "inactive",
            CloudInit::Running => "activating",
            CloudInit::Finished(report) if report.succeeded() => "active",
            CloudInit::Finished(_) => "failed",
        };
        let holds = state == verb.trim_start_matches("is-");
        Output { code: u8::from(!holds), ..Output::text(format!("{state}\n")) }
    }

    fn kill(&mut self, arguments: &[&str]) -> Output {
        let (signal, process) = match arguments {
            ["-s", signal, process] => (*signal, *process),
            [signal, process] => (signal.trim_start_matches('-'), *process),
            [process] => ("TERM", *process),
            _ => return Output::failed(2, "sh: 1: kill: usage: kill [-s sigspec | -signum] pid"),
        };
        if self.around.signal(signal.trim_start_matches("SIG"), process) {
            return Output::default();
        }
        Output::failed(1, format!("sh: 1: kill: ({process}) - No such process"))
    }

    fn cloud_init(&mut self, arguments: &[&str]) -> Output {
        let report = match self.around.cloud_init() {
            CloudInit::Absent => return Output::failed(127, "sh: 1: cloud-init: command not found"),
            CloudInit::Running => None,
            CloudInit::Finished(report) => Some(report),
        };
        if arguments.first() != Some(&"status") {
            return Output::failed(2, "cloud-init: only `status` is simulated");
        }
        let json =
            arguments.contains(&"--format=json") || arguments.windows(2).any(|pair| pair == ["--format", "json"]);
        let format = match (json, arguments.contains(&"--long")) {
            (true, _) => Format::Json,
            (false, true) => Format::Long,
            (false, false) => Format::Short,
        };
        let (text, code) = cloud_init::status(report.as_ref(), format);
        Output { code, ..Output::text(text) }
    }

    /// `dhcp_release INTERFACE ADDRESS MAC [CLIENT-ID]`.
    fn dhcp_release(&mut self, arguments: &[&str]) -> Output {
        if self.user != "root" {
            return Output::failed(1, "cannot setup bind: Operation not permitted");
        }
        let [_, address, mac, ..] = arguments else {
            return Output::failed(1, "usage: dhcp_release <interface> <addr> <mac>");
        };
        if let Ok(address) = address.parse() {
            self.around.release_lease(address, mac);
        }
        Output::default()
    }

    fn ping(&mut self, arguments: &[&str]) -> Output {
        let Some(target) = operands(arguments).last() else { return Output::failed(2, "ping: usage error") };
        let Ok(address) = target.parse() else {
            return Output::failed(2, format!("ping: {target}: Name or service not known"));
        };
        match self.around.ping(address) {
            Ok(()) => Output::text(format!(
                "PING {address} ({address}) 56(84) bytes of data.\n64 bytes from {address}: icmp_seq=1 ttl=64 time=0.1 ms\n\n\
                 --- {address} ping statistics ---\n1 packets transmitted, 1 received, 0% packet loss, time 0ms\n"
            )),
            Err(reason) => Output {
                code: 1,
                stderr: format!("{reason}\n").into_bytes(),
                ..Output::text(format!(
                    "PING {address} ({address}) 56(84) bytes of data.\n\n--- {address} ping statistics ---\n\
                     1 packets transmitted, 0 received, 100% packet loss, time 0ms\n"
                ))
            },
        }
    }

    /// `ip -j addr [show [dev] NAME]`, `ip -j link`.
    fn ip(&mut self, arguments: &[&str]) -> Output {
        let words: Vec<&str> = operands(arguments).collect();
        let Some("a" | "addr" | "address" | "l" | "link") = words.first().copied() else {
            return Output::failed(1, "ip: only `addr` and `link` are simulated");
        };
        let links = self.around.links();
        let wanted = words.iter().skip(1).find(|word| !matches!(**word, "show" | "dev" | "list"));
        let chosen: Vec<_> = links
            .as_array()
            .into_iter()
            .flatten()
            .filter(|link| {
                wanted.is_none_or(|wanted| link.get("ifname").and_then(serde_json::Value::as_str) == Some(wanted))
            })
            .collect();
        match wanted {
            Some(wanted) if chosen.is_empty() => Output::failed(1, format!("Device \"{wanted}\" does not exist.")),
            _ => Output::text(format!("{}\n", serde_json::json!(chosen))),
        }
    }
}

/// Which end of a file `head` and `tail` keep.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

fn operands<'a>(arguments: &'a [&'a str]) -> impl DoubleEndedIterator<Item = &'a str> {
    arguments.iter().copied().filter(|word| !word.starts_with('-') || *word == "-")
}

/// Commands that do nothing here and say nothing.
fn quiet(name: &str, arguments: &[&str]) -> Output {
    let code = if name == "exit" { arguments.first().and_then(|code| code.parse().ok()) } else { None };
    Output::code(code.unwrap_or(0))
}

fn echo(arguments: &[&str]) -> Output {
    match arguments {
        ["-n", rest @ ..] => Output::text(rest.join(" ")),
        words => Output::text(format!("{}\n", words.join(" "))),
    }
}

/// A format with `%s`, `%d`, `%%`, `\n` and `\t`; it is used again while arguments are left.
fn printf(arguments: &[&str]) -> Output {
    let Some((format, mut values)) = arguments.split_first() else { return Output::failed(2, "printf: usage") };
    let mut text = String::new();
    loop {
        let before = values.len();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            match (letter, if matches!(letter, '%' | '\\') { letters.next() } else { None }) {
                ('%', Some('s' | 'd')) => {
                    if let Some((value, rest)) = values.split_first() {
                        text.push_str(value);
                        values = rest;
                    }
                }
                ('\\', Some('n')) => text.push('\n'),
                ('\\', Some('t')) => text.push('\t'),
                ('%' | '\\', Some(other)) => text.push(other),
                (letter, _) => text.push(letter),
            }
        }
        if values.is_empty() || values.len() == before {
            return Output::text(text);
        }
    }
}
