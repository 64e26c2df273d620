//! An agent of the real `serf`, asked by the real command line.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::ring::{Ring, View, until};

/// Words on a command line.
pub(crate) type Words<'a> = &'a [&'a str];

/// What an agent does at each event: it notes it in a file, and answers queries.
const HANDLER: &str = r#"#!/bin/sh
payload=$(cat)
printf '%s %s %s\n' "$SERF_EVENT" "$SERF_USER_EVENT$SERF_QUERY_NAME" "$payload" >> "$0.log"
if [ "$SERF_EVENT" = query ]; then printf '%s heard %s' "$SERF_SELF_NAME" "$payload"; fi
"#;

pub(crate) struct Theirs {
    name: String,
    rpc: SocketAddr,
    log: PathBuf,
    handler: PathBuf,
    agent: Child,
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

impl Theirs {
    /// Starts the agent `theirs-NUMBER`, and waits until it can be asked.
    pub(crate) async fn start(ring: &Ring, number: u8, words: Words<'_>) -> Self {
        let name = format!("theirs-{number}");
        let handler = ring.path().join(format!("{name}.sh"));
        std::fs::write(&handler, HANDLER).unwrap();
        make_executable(&handler);
        let log = ring.path().join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let rpc = ring.rpc(number);
        let mut command = Command::new("serf");
        command.args(["agent", "-profile=lan", "-log-level=debug"]);
        command.arg(format!("-node={name}")).arg(format!("-bind={}", ring.address(number)));
        command.arg(format!("-rpc-addr={rpc}")).arg(format!("-event-handler={}", handler.display()));
        if let Some(key) = &ring.key {
            // Not on the command line, where Serf would not let the keys be changed.
            let keyring = ring.path().join(format!("{name}.keys"));
            if !keyring.exists() {
                std::fs::write(&keyring, format!("[\"{}\"]", key.to_base64())).unwrap();
            }
            command.arg(format!("-keyring-file={}", keyring.display()));
        }
        command.args(words).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let theirs = Self { name, rpc, log, handler, agent: command.spawn().unwrap() };
        until("the agent answers", || async { theirs.view().await.map_err(|error| error + &theirs.log()) }).await;
        theirs
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it logged last, for a test that fails.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// What its event handler noted: kind, name and payload of each event.
    pub(crate) fn events(&self) -> Vec<String> {
        let log = std::fs::read_to_string(format!("{}.log", self.handler.display())).unwrap_or_default();
        log.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until its event handler noted such a line.
    pub(crate) async fn hears(&self, is_it: impl Fn(&str) -> bool) {
        until(&format!("{} hears it", self.name), || async {
            let events = self.events();
            if events.iter().any(|heard| is_it(heard)) { Ok(()) } else { Err(format!("{events:?}")) }
        })
        .await;
    }

    /// Its command line; what it printed, or why it failed.
    pub(crate) async fn serf(&self, words: Words<'_>) -> Result<String, String> {
        let [verb, rest @ ..] = words else { panic!("no verb") };
        let output = tokio::process::Command::new("serf")
            .arg(verb)
            .arg(format!("-rpc-addr={}", self.rpc))
            .args(rest)
            .output()
            .await
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{verb}: {out}{err}")) }
    }

    pub(crate) async fn joins(&self, address: SocketAddr) {
        self.serf(&["join", &address.to_string()]).await.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }

    pub(crate) async fn view(&self) -> Result<View, String> {
        let members = self.members().await?;
        let text = |member: &Value, field: &str| member[field].as_str().unwrap_or_default().to_owned();
        Ok(members.iter().map(|member| (text(member, "name"), text(member, "status"))).collect())
    }

    /// What a member says of itself, as this one knows it.
    pub(crate) async fn tags_of(&self, name: &str) -> Result<Value, String> {
        let members = self.members().await?;
        let member = members.into_iter().find(|member| member["name"] == name);
        Ok(member.map_or(Value::Null, |member| member["tags"].clone()))
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(mut self) {
        self.agent.kill().unwrap();
        self.agent.wait().unwrap();
    }

    async fn members(&self) -> Result<Vec<Value>, String> {
        let printed = self.serf(&["members", "-format=json"]).await?;
        let parsed: Value = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
        Ok(parsed["members"].as_array().cloned().unwrap_or_default())
    }
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
