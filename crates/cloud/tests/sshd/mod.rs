//! A real OpenSSH server for one test: own directory, keys, configuration and port; ended when dropped.
#![allow(dead_code, unreachable_pub, missing_docs)] // each test file uses a part of it
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pontoon_cloud::ssh::{BoxIo, ConnectOptions, HostKeyCheck, Identity, Login, Session, SshError, dial_tcp};

/// Generous: the machine may be busy, and nothing waits this long when all is well.
pub const LIMIT: Duration = Duration::from_secs(30);

pub struct Sshd {
    directory: tempfile::TempDir,
    process: Child,
    port: u16,
    user: String,
}

pub struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Sshd {
    /// `None`, with a loud line, where OpenSSH is not installed.
    pub fn start() -> Option<Self> {
        let Some(program) = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists())
        else {
            eprintln!("SKIPPED: no sshd on this machine (Debian: apt-get install openssh-server)");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, kind) in [("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa"), ("user", "ed25519")] {
            keygen(&path(name), kind, "");
        }
        std::fs::copy(path("user.pub"), path("authorized_keys")).unwrap();
        if is_root() {
            // Its privilege separation directory is normally made by the service manager.
            let _ = std::fs::create_dir_all("/run/sshd");
        }
        // The port may be taken between here and there; then sshd ends at once, and another one is tried.
        for _ in 0..5 {
            let port = free_port();
            std::fs::write(
                path("config"),
                format!(
                    "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_ed25519\nHostKey {0}/host_ecdsa\n\
                     AuthorizedKeysFile {0}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n\
                     PermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\nMaxSessions 100\n",
                    directory.path().display()
                ),
            )
            .unwrap();
            let log = std::fs::File::create(path("log")).unwrap();
            let mut process = Command::new(program)
                .args(["-D", "-e", "-f"])
                .arg(path("config"))
                .stdin(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            if listens(&mut process, port) {
                let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
                return Some(Self { directory, process, port, user: user.trim().to_owned() });
            }
        }
        panic!("sshd does not start: {}", std::fs::read_to_string(path("log")).unwrap());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn host_key(&self) -> HostKeyCheck {
        HostKeyCheck::parse([self.read("host_ed25519.pub").as_str()]).unwrap()
    }

    pub fn ecdsa_host_key(&self) -> String {
        self.read("host_ecdsa.pub")
    }

    pub fn user_public_key(&self) -> String {
        self.read("user.pub")
    }

    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            host: "lxd0".to_owned(),
            login: Login { user: self.user.clone(), keys: vec![Identity::from_file(&self.path("user")).unwrap()] },
            host_key: self.host_key(),
            limit: LIMIT,
        }
    }

    pub async fn dial(&self) -> BoxIo {
        dial_tcp("127.0.0.1", self.port, LIMIT).await.unwrap()
    }

    pub async fn login(&self) -> Result<Session, SshError> {
        Session::connect(self.dial().await, &self.options()).await
    }

    /// Makes another key pair; nobody knows it yet.
    pub fn new_key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        keygen(&self.path(name), kind, passphrase);
        self.path(name)
    }

    pub fn authorize(&self, key: &Path) {
        let known = self.read("authorized_keys");
        let new = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        std::fs::write(self.path("authorized_keys"), format!("{known}\n{new}")).unwrap();
    }

    /// An agent that holds the user's key.
    pub fn start_agent(&self) -> Option<Agent> {
        let socket = self.path("agent.socket");
        let Ok(process) = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn()
        else {
            eprintln!("SKIPPED: no ssh-agent on this machine");
            return None;
        };
        let agent = Agent { process, socket };
        wait_for("the agent's socket", || std::os::unix::net::UnixStream::connect(&agent.socket).is_ok());
        let added =
            Command::new("ssh-add").arg(self.path("user")).env("SSH_AUTH_SOCK", &agent.socket).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        Some(agent)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap().trim().to_owned()
    }
}

impl Agent {
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn listens(process: &mut Child, port: u16) -> bool {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not appear");
        std::thread::yield_now();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
