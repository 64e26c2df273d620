//! The agent of a host: program, files, the ring's key, and the unit that runs it.
//!
//! Every file is written beside its place and then moved there, so that a run that is killed leaves the old one or the
//! new one. A mark says for as long that the agent may run with the old ones: it is made before anything is changed, and goes
//! with the command that has the agent take up what is new. The program goes over ssh packed, and is packed once for all
//! hosts. The key goes from host to host through this process and is in no command line, log or plan.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use pontoon_core::plan::{AgentFile, KeySource, Then};
use pontoon_core::render;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use super::super::{AgentSource, Site, SiteError, Waiting};

/// How long the agent may take until it is ready; its unit gives up before.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// What a host is to be given.
pub(super) struct Gifts<'a> {
    /// The hash of the program.
    pub(super) program: Option<&'a str>,
    /// Its files.
    pub(super) files: &'a [AgentFile],
    /// Where the ring's key comes from.
    pub(super) key: Option<&'a KeySource>,
    /// Hosts where the ring may be.
    pub(super) others: &'a [String],
    /// How it takes them up.
    pub(super) then: Then,
}

impl Site {
    pub(super) async fn put_agent(&self, host: &str, gifts: Gifts<'_>, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let directory = directory_of_agent(render::AGENT_STATE_DIRECTORY, "0700");
        let begin = format!("{directory} && sudo install -m 0600 /dev/null {}", render::AGENT_UNFINISHED);
        self.hosts.run(host, &begin, &[]).await?;
        if let Some(sha256) = gifts.program {
            self.push_program(host, sha256, waiting).await?;
        }
        for file in gifts.files {
            self.write(host, &file.path, file.content.as_bytes()).await?;
        }
        if let Some(source) = gifts.key {
            self.hand_over_key(host, source).await?;
        }
        if gifts.then == Then::Reload {
            let reload = format!("sudo systemctl reload {} && {}", render::AGENT_SERVICE, finish());
            return self.hosts.run(host, &reload, &[]).await.map(drop);
        }
        let others = gifts.others.iter().filter_map(|name| self.hosts.own_address(name).ok());
        let seeds: Vec<String> = others.map(|address| address.to_string()).collect();
        self.write(host, render::AGENT_SEEDS, format!("{}\n", seeds.join("\n")).as_bytes()).await?;
        waiting(format!("the agent of `{host}` to be ready"));
        self.restart_agent(host).await
    }

    pub(super) async fn remove_agent(&self, host: &str) -> Result<(), SiteError> {
        let command = format!(
            "sudo systemctl disable --now {service}; sudo rm -rf {unit} {settings} {picture} {seeds} {state} {program} && sudo systemctl daemon-reload",
            service = render::AGENT_SERVICE,
            unit = render::AGENT_UNIT,
            settings = render::AGENT_SETTINGS,
            picture = render::AGENT_PICTURE,
            seeds = render::AGENT_SEEDS,
            state = render::AGENT_STATE_DIRECTORY,
            program = render::AGENT_PROGRAM,
        );
        self.hosts.run(host, &command, &[]).await?;
        Ok(())
    }

    /// The directory by which a container will speak for itself: there before the container is, for the engine mounts it.
    pub(super) async fn make_announce_directory(&self, host: &str, container: &str) -> Result<(), SiteError> {
        let directory = directory_of_agent(&format!("{}/{container}", render::ANNOUNCE_DIRECTORY), "0755");
        self.hosts.run(host, &directory, &[]).await.map(drop)
    }

    pub(super) async fn remove_announce_directory(&self, host: &str, container: &str) -> Result<(), SiteError> {
        self.hosts.run(host, &format!("sudo rm -rf {}/{container}", render::ANNOUNCE_DIRECTORY), &[]).await?;
        Ok(())
    }

    /// Pushes the program and has it run once before it takes the place of the old one: one that was built for newer
    /// systems than the host would not start.
    async fn push_program(&self, host: &str, sha256: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let packed = self.packed_program.get_or_try_init(async || self.pack_program(sha256).await).await?;
        waiting(format!("{} MiB of program to be pushed to `{host}`", packed.len().div_ceil(1 << 20)));
        let (program, beside) = (render::AGENT_PROGRAM, beside(render::AGENT_PROGRAM));
        let push =
            format!("gzip -dc | sudo tee {beside} >/dev/null && sudo chmod 0755 {beside} && sudo sha256sum {beside}");
        let answer = self.hosts.run_for(host, &push, packed, self.patience.step).await?;
        if answer.split_whitespace().next() != Some(sha256) {
            return Err(SiteError::Broken {
                what: format!("pushing the agent's program to `{host}`"),
                reason: "what arrived is not what was sent".to_owned(),
            });
        }
        match self.hosts.run(host, &format!("{beside} --version && sudo mv {beside} {program}"), &[]).await {
            Err(SiteError::Command { host, output, .. }) => Err(SiteError::AgentProgram { host, output }),
            other => other.map(drop),
        }
    }

    /// The program as it goes over the wire, if it is still the one that was planned.
    async fn pack_program(&self, sha256: &str) -> Result<Vec<u8>, SiteError> {
        let AgentSource::Here { path, .. } = &self.agent else {
            return Err(SiteError::Missing { what: "the program for agents".to_owned() });
        };
        let (file, wanted) = (path.clone(), sha256.to_owned());
        let packed = tokio::task::spawn_blocking(move || packed(&file, &wanted)).await;
        let packed = packed.map_err(std::io::Error::other).flatten().map_err(|error| SiteError::Reply {
            what: format!("the program `{}`", path.display()),
            reason: error.to_string(),
        })?;
        packed.ok_or_else(|| SiteError::Missing { what: format!("the program that `{}` was", path.display()) })
    }

    async fn hand_over_key(&self, host: &str, source: &KeySource) -> Result<(), SiteError> {
        let keyring = match source {
            KeySource::Host(from) => self.hosts.run(from, &format!("sudo cat {}", render::AGENT_KEYRING), &[]).await?,
            KeySource::Drawn => self.drawn_key.get_or_try_init(async || draw_keyring()).await?.clone(),
        };
        let command = format!(
            "sudo install -o {user} -g {user} -m 0600 /dev/stdin {keyring}",
            user = render::AGENT_USER,
            keyring = render::AGENT_KEYRING,
        );
        self.hosts.run(host, &command, keyring.as_bytes()).await?;
        Ok(())
    }

    async fn write(&self, host: &str, path: &str, content: &[u8]) -> Result<(), SiteError> {
        let beside = beside(path);
        let command = format!("sudo tee {beside} >/dev/null && sudo mv {beside} {path}");
        self.hosts.run(host, &command, content).await?;
        Ok(())
    }

    /// The unit tells when the agent is ready, so the command's end does.
    async fn restart_agent(&self, host: &str) -> Result<(), SiteError> {
        let service = render::AGENT_SERVICE;
        let command = format!(
            "sudo systemctl daemon-reload && sudo systemctl enable {service} && sudo systemctl restart {service} && {}",
            finish()
        );
        match self.hosts.run_for(host, &command, &[], READY_LIMIT).await {
            Err(SiteError::Command { output, .. }) => {
                let look = format!("sudo journalctl --unit {service} --lines 15 --no-pager --output cat");
                let log = self.hosts.try_run(host, &look, &[]).await.map(|(_, log)| log).unwrap_or_default();
                Err(SiteError::Broken {
                    what: format!("starting the agent of host `{host}`"),
                    reason: format!("{output}\n{}", log.trim_end()).trim_end().to_owned(),
                })
            }
            other => other.map(drop),
        }
    }
}

/// A command that makes a directory that the agent writes to, after the account that it is of and the directories that all
/// hosts have.
fn directory_of_agent(path: &str, mode: &str) -> String {
    format!(
        "{account}; sudo install -d {programs} {announce} && sudo install -d -o {user} -g {user} -m {mode} {path}",
        account = account(),
        user = render::AGENT_USER,
        programs = render::AGENT_PROGRAM_DIRECTORY,
        announce = render::ANNOUNCE_DIRECTORY,
    )
}

/// The end of a command that has the agent take up what is new: from then on it runs as its files say.
fn finish() -> String {
    format!("sudo rm -f {}", render::AGENT_UNFINISHED)
}

/// What is in the file, packed by gzip; nothing where it is something else than what was wanted. Level 1 takes a quarter of the
/// time of level 6, and a tenth more goes over the wire.
fn packed(path: &Path, sha256: &str) -> std::io::Result<Option<Vec<u8>>> {
    let content = std::fs::read(path)?;
    if format!("{:x}", Sha256::digest(&content)) != sha256 {
        return Ok(None);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&content)?;
    packed.finish().map(Some)
}

/// Makes the account that agents run as, on a host whose first boot did not.
fn account() -> String {
    let user = render::AGENT_USER;
    format!("id -u {user} >/dev/null 2>&1 || sudo useradd --system --no-create-home --shell /usr/sbin/nologin {user}")
}

fn draw_keyring() -> Result<String, SiteError> {
    let mut key = [0; 32];
    OsRng.try_fill_bytes(&mut key).map_err(|error| SiteError::Broken {
        what: "drawing a key for the ring".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(render::keyring(&BASE64.encode(key)))
}

/// Where a file is written before it takes its place.
fn beside(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/.{name}"),
        None => format!(".{path}"),
    }
}
