//! The file in which what was said is kept over a restart of the agent.
//!
//! What is lost with it is said again by who wants it to be known. So a file that is not there or cannot be read is no
//! failure, and nothing waits for the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tokio::fs;
use tokio::io::AsyncReadExt;

use super::book::Kept;
use crate::catalogue::Name;
use crate::catalogue::limits::{CONTAINER_BYTES_MAX, CONTAINERS_MAX};

/// As many containers as there may be, each with all that it may say.
const BYTES_MAX: usize = CONTAINERS_MAX * (CONTAINER_BYTES_MAX + 512);

/// What was kept.
pub(super) async fn read(path: &Path) -> BTreeMap<Name, Kept> {
    match try_read(path).await {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "what containers said before cannot be read and is forgotten");
            BTreeMap::new()
        }
    }
}

async fn try_read(path: &Path) -> io::Result<BTreeMap<Name, Kept>> {
    let mut bytes = Vec::new();
    let most = BYTES_MAX as u64 + 1;
    fs::File::open(path).await?.take(most).read_to_end(&mut bytes).await?;
    if bytes.len() > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    Ok(serde_json::from_slice(&bytes)?)
}

/// Writes it beside the file and puts it in its place, so that there is always a whole one.
pub(super) async fn write(path: &Path, kept: &BTreeMap<Name, Kept>) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(kept)?).await?;
    fs::rename(&beside, path).await
}
