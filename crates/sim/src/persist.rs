//! The state file: the world and its machines as JSON, replaced as a whole.

use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What is saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Every object.
    pub(crate) world: World,
    /// The machines by server id; only they know what it means.
    pub(crate) guests: BTreeMap<String, serde_json::Value>,
}

/// Reads the file; nothing where there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Saved>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a new file beside the old one and puts it in its place, so that a crash leaves one of the two.
pub(crate) fn write(path: &Path, saved: &Saved) -> io::Result<()> {
    let beside = path.with_extension("new");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Keys of simulated machines and the user-data of real people are in it.
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec(saved)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
