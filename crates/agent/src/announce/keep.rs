//! The file in which what was said is kept over a restart of the agent.
//!
//! What is lost with it is said again by who wants it to be known. So a file that is not there or cannot be read is no
//! failure, and nothing waits for the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

use super::book::Kept;
use crate::catalogue::Name;
use crate::catalogue::limits::{CONTAINER_BYTES_MAX, CONTAINERS_MAX};

/// As many containers as there may be, each with all that it may say.
const BYTES_MAX: usize = CONTAINERS_MAX * (CONTAINER_BYTES_MAX + 512);

/// One file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    /// Held while it is written: who waits for that may be gone before the disk is done.
    writing: Arc<Mutex<()>>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, writing: Arc::default() }
    }

    /// What was kept.
    pub(super) async fn read(&self) -> BTreeMap<Name, Kept> {
        let path = self.path.clone();
        let read = spawn_blocking(move || read(&path)).await.unwrap_or_else(|error| Err(error.into()));
        read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let path = self.path.display();
                tracing::warn!(%path, %error, "what containers said before cannot be read and is forgotten");
            }
            BTreeMap::new()
        })
    }

    /// Writes it beside the file and puts it in its place, so that there is always a whole one.
    pub(super) async fn write(&self, kept: BTreeMap<Name, Kept>) -> io::Result<()> {
        let (path, writing) = (self.path.clone(), Arc::clone(&self.writing));
        let write = move || {
            let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            let beside = path.with_extension("new");
            fs::write(&beside, serde_json::to_vec(&kept)?)?;
            fs::rename(&beside, &path)
        };
        spawn_blocking(write).await.unwrap_or_else(|error| Err(error.into()))
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<Name, Kept>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    Ok(serde_json::from_slice(&bytes)?)
}
