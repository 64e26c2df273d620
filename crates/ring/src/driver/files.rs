//! The files that a member keeps: the snapshot of its ring and its keys.
//!
//! One task writes them, in the order in which the member asked; the member does not wait. A file is replaced by a new one
//! beside it that takes its name once it is on the disk, so that a crash leaves the old one or the new one. Where writing
//! fails, the member goes on: the snapshot is written anew at the next occasion.

use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::serf::snapshot::Write;

/// How many writes may wait for a disk that is slow.
const WAITING_MAX: usize = 256;

/// What is to be written.
#[derive(Debug)]
enum Job {
    Snapshot(Write),
    Keyring(String),
}

/// The task that writes.
#[derive(Debug)]
pub(super) struct Files {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
}

impl Files {
    pub(super) fn start(snapshot: Option<PathBuf>, keyring: Option<PathBuf>) -> Self {
        let (jobs, mut inbox) = mpsc::channel(WAITING_MAX);
        let task = tokio::spawn(async move {
            while let Some(job) = inbox.recv().await {
                let path = match &job {
                    Job::Snapshot(_) => snapshot.clone(),
                    Job::Keyring(_) => keyring.clone(),
                };
                let Some(path) = path else { continue };
                // A thread for each write and none between: most members write rarely.
                let done = tokio::task::spawn_blocking(move || write(&path, job).map_err(|error| (path, error)));
                if let Ok(Err((path, error))) = done.await {
                    tracing::warn!(path = %path.display(), %error, "cannot write a file; it is older than the ring");
                }
            }
        });
        Self { jobs, task }
    }

    pub(super) fn write_snapshot(&self, write: Write) {
        self.add(Job::Snapshot(write));
    }

    pub(super) fn write_keyring(&self, text: String) {
        self.add(Job::Keyring(text));
    }

    /// Waits until all is written.
    pub(super) async fn finish(self) {
        drop(self.jobs);
        // A task that panicked has said so; there is nothing left to write with.
        let _ = self.task.await;
    }

    fn add(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            tracing::warn!("the disk is too slow: a write to the snapshot or the keyring is left out");
        }
    }
}

/// The first `limit` bytes of a file.
pub(super) async fn read_at_most(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(limit as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    read.await.map_err(io::Error::other)?
}

fn write(path: &Path, job: Job) -> io::Result<()> {
    match job {
        Job::Snapshot(Write::Append(lines)) => append(path, &lines).map(drop),
        Job::Snapshot(Write::AppendAndSync(lines)) => append(path, &lines)?.sync_all(),
        Job::Snapshot(Write::Replace(text)) => replace(path, &text, 0o644),
        Job::Keyring(text) => replace(path, &text, 0o600),
    }
}

fn append(path: &Path, lines: &str) -> io::Result<std::fs::File> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(lines.as_bytes())?;
    Ok(file)
}

/// Puts a new file in the place of the old one.
fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".compact");
    let beside = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The new name is on the disk only once its directory is.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(directory)?.sync_all()
}
