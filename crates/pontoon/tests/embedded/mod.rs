//! An embedded cloud of a test's own, a directory with a stack, and the built program between them.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "each test file uses a part of this")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use pontoon_cloud::openstack::{Client, Options, config};
use serde_json::Value;
use tempfile::TempDir;

/// A stack of one service and one balancer.
const STACK: &str = "\
stack: blog
network:
  name: default
  external: external
  subnet: 192.168.0.0/24
  dhcp_pool: 192.168.0.2-192.168.0.20
  containers: 192.168.0.100-192.168.0.199
hosts:
  lxd: {image: Ubuntu 24.04, flavor: dc1.2x4.40, key: datacentred, ssh_from: [0.0.0.0/0], floating_ip: true}
services:
  hugo:
    image: ubuntu:24.04
    port: 8080
    user_data: hugo.yaml
balancers:
  web: {service: hugo, listen: 80, floating_ip: true, monitor: {path: /}}
";

const USER_DATA: &str = "\
#cloud-config
write_files:
  - path: /etc/systemd/system/web.service
    content: |
      [Service]
      ExecStart=/usr/bin/python3 -m http.server 8080
      [Install]
      WantedBy=multi-user.target
runcmd:
  - systemctl enable --now web.service
";

/// The cloud of one test. It ends with the test, whichever way that ends.
pub(crate) struct Cloud {
    home: TempDir,
    pub(crate) stack: TempDir,
    /// The cloud's process, where the test itself runs it; its output must stay open.
    server: Option<(Child, BufReader<ChildStdout>)>,
}

impl Cloud {
    /// One in which nothing takes time.
    pub(crate) fn instant() -> Self {
        let mut cloud = Self::background();
        let mut server = cloud
            .command(&["cloud", "serve", "--speed", "instant"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(server.stdout.take().unwrap());
        // It prints its clouds.yaml once it can be found.
        let mut line = String::new();
        assert!(printed.read_line(&mut line).unwrap() > 0, "the embedded cloud did not start");
        cloud.server = Some((server, printed));
        cloud
    }

    /// One that the program starts by itself, at the speed that users see.
    pub(crate) fn background() -> Self {
        let cloud = Self { home: tempfile::tempdir().unwrap(), stack: tempfile::tempdir().unwrap(), server: None };
        fs::write(cloud.file(), STACK).unwrap();
        fs::write(cloud.user_data(), USER_DATA).unwrap();
        cloud
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.stack.path().join("pontoon.yaml")
    }

    pub(crate) fn user_data(&self) -> PathBuf {
        self.stack.path().join("hugo.yaml")
    }

    pub(crate) fn clouds_yaml(&self) -> PathBuf {
        self.home.path().join("clouds.yaml")
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.home.path().join("id_ed25519")
    }

    /// The program, in the directory of the stack, with nobody at a terminal and nothing set.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
        command
            .args(arguments)
            .current_dir(self.stack.path())
            .stdin(Stdio::null())
            .env("PONTOON_EMBEDDED", self.home.path())
            .env_remove("PONTOON_CLOUD")
            .env_remove("PONTOON_LOG")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("NO_COLOR");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn pontoon(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program with something to read.
    pub(crate) fn pontoon_reading(&self, input: &str, arguments: &[&str]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs the program, which must end with `code`.
    pub(crate) fn ends_with(&self, code: i32, arguments: &[&str]) -> Output {
        let output = self.pontoon(arguments);
        let shown = format!("{arguments:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{shown}");
        output
    }

    /// Runs the program with `--json`, which must end with `code`, and returns its last line.
    pub(crate) fn last(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.ends_with(code, &[arguments, &["--json"]].concat());
        last_of(&text(&output.stdout))
    }

    /// Does something as another user of the same project would, through the services' own API.
    pub(crate) fn as_neighbour<T>(&self, work: impl AsyncFnOnce(Client) -> T) -> T {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let variable = ("OS_CLIENT_CONFIG_FILE".to_owned(), self.clouds_yaml().display().to_string());
        let sources = config::Sources::read(BTreeMap::from([variable]), self.home.path()).unwrap();
        let config = config::cloud_config(&sources, Some("embedded")).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { work(Client::new(config, Options::default()).unwrap()).await })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Not `pontoon`: while a failed test unwinds nothing more may panic.
        let _ = self.command(&["cloud", "stop"]).output();
        if let Some((server, _)) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Asks a running child to stop, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn last_of(lines: &str) -> Value {
    let line = lines.lines().last().unwrap_or_else(|| panic!("nothing was printed"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
}

/// The status of `GET url`.
pub(crate) fn get(url: &str) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().status().as_u16()
    })
}

/// Replaces a part of a file.
pub(crate) fn edit(path: &Path, from: &str, to: &str) {
    let before = fs::read_to_string(path).unwrap();
    assert!(before.contains(from), "`{from}` is not in {before}");
    fs::write(path, before.replace(from, to)).unwrap();
}
