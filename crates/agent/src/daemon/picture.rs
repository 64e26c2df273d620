//! What the stack should look like, as a file says. What is in it is the matter of those who show it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;

/// What the file says; null where there is none.
pub type Picture = Value;

/// Why the file was not read.
#[derive(Debug, Error)]
pub enum PictureError {
    /// It cannot be read.
    #[error("cannot read the picture `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It is no JSON.
    #[error("the picture `{}` is not JSON", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Reads the file for those who watch it. Where that fails, they go on with what it said before.
pub(super) fn renew(path: &Path, watched: &watch::Sender<Arc<Picture>>) -> Result<(), PictureError> {
    let picture = match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Picture::Null),
        Err(source) => return Err(PictureError::Read { path: path.to_owned(), source }),
    };
    let picture = picture.map_err(|source| PictureError::Format { path: path.to_owned(), source })?;
    watched.send_replace(Arc::new(picture));
    Ok(())
}
