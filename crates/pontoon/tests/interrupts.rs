//! Ctrl-C, and what comes of it while a cloud says nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const STACK: &str = "\
stack: blog
cloud: silent
network: {name: default, containers: 192.168.0.100-192.168.0.199}
hosts: {lxd: {image: Ubuntu, flavor: small, key: mine, ssh_from: [198.51.100.0/24]}}
services: {hugo: {image: 'ubuntu:24.04'}}
";

#[test]
fn a_plan_of_a_cloud_that_says_nothing_ends_with_the_first_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let directory = tempfile::tempdir().unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let clouds = format!(
            "clouds: {{silent: {{auth: {{auth_url: 'http://{}/v3', username: me, password: x, project_name: p}}}}}}",
            silent.local_addr().unwrap()
        );
        fs::write(directory.path().join("clouds.yaml"), clouds).unwrap();
        fs::write(directory.path().join("pontoon.yaml"), STACK).unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_pontoon"))
            .arg("plan")
            .current_dir(directory.path())
            .env("XDG_CACHE_HOME", directory.path())
            .env_remove("PONTOON_CLOUD")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It has asked, so it listens for signals.
        let _asked = silent.accept().unwrap();
        kill_process(Pid::from_child(&program), signal).unwrap();
        let ended = program.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{signal:?}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.ends_with("error: stopped; nothing was changed\n"), "{said}");
    }
}
