//! What listens in a container, and what it answers.
//!
//! A service is recognised from what cloud-init was told: systemd units among the written files (if some command names
//! them: a unit that nobody starts does not run) and the written scripts that they run, lines of `runcmd`, packages that
//! bring a server. Its answer is a file
//! that was written for it, or a page that says that it is simulated. It knows nothing of addresses and networks.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::cloud_config::Declared;
use super::files::{Files, normal};

/// Packages that serve as soon as they are installed, with the directory that they serve.
const SERVER_PACKAGES: [(&str, &str); 4] = [
    ("nginx", "/var/www/html"),
    ("apache2", "/var/www/html"),
    ("lighttpd", "/var/www/html"),
    ("caddy", "/usr/share/caddy"),
];

/// Commands that name a port without listening on it.
const CLIENTS: [&str; 12] =
    ["curl", "wget", "ufw", "iptables", "nft", "systemctl", "echo", "git", "ssh", "ping", "nc", "apt-get"];

/// A request larger than this is not answered.
const MAX_HEAD: usize = 16 * 1024;

/// Something that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// TCP port.
    pub(crate) port: u16,
    /// What started it.
    pub(crate) started_by: StartedBy,
    /// The directory whose files it serves, where the command names one.
    pub(crate) root: Option<String>,
}

/// Where a service comes from; what systemd starts comes back after a restart, what a command started does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartedBy {
    /// A systemd unit, by name.
    Unit(String),
    /// A package with its own unit.
    Package(String),
    /// A line of `runcmd`.
    Command(String),
}

impl Service {
    /// Whether it comes back when the container is started again.
    pub(crate) fn survives_restart(&self) -> bool {
        !matches!(self.started_by, StartedBy::Command(_))
    }

    /// Whether it is the systemd unit of this name, with or without `.service`.
    pub(crate) fn is_unit(&self, name: &str) -> bool {
        match &self.started_by {
            StartedBy::Unit(unit) => unit.trim_end_matches(".service") == name.trim_end_matches(".service"),
            StartedBy::Package(package) => package == name.trim_end_matches(".service"),
            StartedBy::Command(_) => false,
        }
    }
}

/// All that listens once cloud-init has done what `declared` says. One service a port: the first.
pub(crate) fn services(declared: &Declared) -> Vec<Service> {
    let mut found: Vec<Service> = Vec::new();
    let units = declared.files.iter().filter_map(|file| unit(declared, &file.path, &file.content));
    let commands = declared.commands.iter().filter_map(|command| {
        let first = command.split_whitespace().next().unwrap_or_default();
        let port = if CLIENTS.contains(&first) { None } else { port(command) };
        Some(Service { port: port?, started_by: StartedBy::Command(command.clone()), root: directory(command) })
    });
    let packages = declared.packages.iter().filter_map(|package| {
        let (_, root) = SERVER_PACKAGES.iter().find(|(name, _)| name == package)?;
        Some(Service { port: 80, started_by: StartedBy::Package(package.clone()), root: Some((*root).to_owned()) })
    });
    for service in units.chain(commands).chain(packages) {
        if !found.iter().any(|other| other.port == service.port) {
            found.push(service);
        }
    }
    found
}

fn unit(declared: &Declared, path: &str, content: &[u8]) -> Option<Service> {
    let name = path.rsplit('/').next().filter(|name| name.ends_with(".service"))?;
    let stem = name.trim_end_matches(".service");
    if !declared.commands.iter().any(|command| command.contains(stem)) {
        return None;
    }
    let text = String::from_utf8_lossy(content);
    let value = |key: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim))
    };
    let command = value("ExecStart")?;
    let from_environment = || {
        let lines = text.lines().filter(|line| line.trim().starts_with("Environment"));
        lines
            .filter_map(|line| line.rsplit_once("PORT="))
            .find_map(|(_, port)| port.trim_matches('"').trim().parse().ok())
    };
    let port = port(command).or_else(from_environment).or_else(|| script_port(declared, command))?;
    let root = directory(command).or_else(|| value("WorkingDirectory").map(str::to_owned));
    Some(Service { port, started_by: StartedBy::Unit(name.to_owned()), root })
}

/// The port that a command line listens on, as common servers are told it.
fn port(command: &str) -> Option<u16> {
    let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let pairs = || words.iter().zip(words.iter().skip(1).map(Some).chain([None]));
    for (word, next) in pairs() {
        let next = next.copied().unwrap_or_default();
        let named = match *word {
            "--port" | "-p" | "http.server" => next.parse().ok(),
            word => word.strip_prefix("--port=").and_then(|port| port.parse().ok()),
        };
        if named.is_some() {
            return named;
        }
    }
    let after_colon = words.iter().filter(|word| !word.contains("://") && !word.contains('@'));
    after_colon
        .filter_map(|word| word.rsplit_once(':'))
        .find_map(|(_, port)| port.parse().ok())
        .or_else(|| words.contains(&"http.server").then_some(8000))
        .or_else(|| (command.contains("hugo server") || command.contains("hugo serve")).then_some(1313))
}

/// The port that a written script binds, where the command runs one: an address of all interfaces with a number after it.
fn script_port(declared: &Declared, command: &str) -> Option<u16> {
    const EVERYWHERE: [&str; 6] = ["\"0.0.0.0\",", "'0.0.0.0',", "0.0.0.0:", "\"::\",", "(\"\",", "('',"];
    let scripts = declared.files.iter().filter(|file| command.split_whitespace().any(|word| word == file.path));
    scripts.into_iter().find_map(|script| {
        let text = String::from_utf8_lossy(&script.content);
        EVERYWHERE.iter().find_map(|address| {
            let (_, rest) = text.split_once(address)?;
            let rest = rest.trim_start();
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        })
    })
}

fn directory(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    words.iter().enumerate().find_map(|(index, word)| match *word {
        "--directory" | "-d" | "--source" | "--root" => words.get(index + 1).map(ToString::to_string),
        word => {
            ["--directory=", "--source=", "--root="].iter().find_map(|key| word.strip_prefix(key)).map(str::to_owned)
        }
    })
}

/// Reads one request and writes one answer. `answer` gets the path and returns the whole response.
pub(crate) async fn serve<S>(mut stream: S, answer: impl FnOnce(&str) -> Response)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    let mut buffer = [0_u8; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 && head.len() < MAX_HEAD => {
                head.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or("/");
    let path = target.split(['?', '#']).next().unwrap_or("/");
    let response = answer(path).bytes(method == "HEAD");
    // Whoever asked may be gone by now; there is nobody to tell.
    let _ = stream.write_all(&response).await;
    let _ = stream.shutdown().await;
}

/// An HTTP answer.
pub(crate) struct Response {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Response {
    fn bytes(&self, head_only: bool) -> Vec<u8> {
        let mut all = format!(
            "HTTP/1.1 {}\r\nServer: simulated\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.status,
            self.kind,
            self.body.len()
        )
        .into_bytes();
        if !head_only {
            all.extend_from_slice(&self.body);
        }
        all
    }
}

/// What `service` in `container` on `machine` answers to a request for `path`.
pub(crate) fn answer(files: &Files, service: &Service, container: &str, machine: &str, path: &str) -> Response {
    let Some(root) = service.root.as_deref().filter(|root| files.get(&format!("{root}/index.html")).is_some()) else {
        return Response {
            status: "200 OK",
            kind: "text/html; charset=utf-8",
            body: simulated_page(service, container, machine).into_bytes(),
        };
    };
    let wanted = normal(&format!("{root}/{path}"));
    let inside = wanted.starts_with(&normal(root));
    let file = files.get(&wanted).or_else(|| files.get(&format!("{wanted}/index.html"))).filter(|_| inside);
    match file {
        Some(file) => Response { status: "200 OK", kind: media_type(&wanted), body: file.content.clone() },
        None => Response { status: "404 Not Found", kind: "text/plain", body: b"not found\n".to_vec() },
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension) {
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

fn simulated_page(service: &Service, container: &str, machine: &str) -> String {
    let server = match &service.started_by {
        StartedBy::Unit(unit) => format!("the unit <code>{}</code>", escaped(unit)),
        StartedBy::Package(package) => format!("the package <code>{}</code>", escaped(package)),
        StartedBy::Command(command) => format!("the command <code>{}</code>", escaped(command)),
    };
    let (container, machine) = (escaped(container), escaped(machine));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{container} (simulated)</title></head>\n\
         <body>\n<h1>{container}</h1>\n<p>This page is simulated. Nothing runs behind it.</p>\n\
         <p>Container <code>{container}</code> on machine <code>{machine}</code>, port {}; a real one would be served by \
         {server}.</p>\n</body></html>\n",
        service.port
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
