//! Tokens between runs, in a file that only its owner can read.
//!
//! The cache is a convenience: whatever goes wrong with it costs one login and is not an error.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::config::{CloudConfig, Identity, Secret};
use super::{Origin, Session, TokenDetails, login_request};

/// The place of one cloud's token.
#[derive(Clone, Debug)]
pub struct TokenCache {
    /// None where tokens are not kept.
    file: Option<PathBuf>,
}

#[derive(Deserialize, Serialize)]
struct Stored {
    token: String,
    details: TokenDetails,
}

/// `$XDG_CACHE_HOME/pontoon/tokens`, else below `~/.cache`; none where neither variable is set.
pub fn default_token_directory(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("pontoon/tokens"))
}

impl TokenCache {
    /// The file's name is a hash of the login, secrets included: whoever logs in otherwise gets another file.
    pub(in super::super) fn new(directory: Option<PathBuf>, config: &CloudConfig) -> Self {
        // A token that was handed to us is not ours to keep.
        let keeps = !matches!(config.identity, Identity::Token { .. });
        let directory = directory.filter(|_| keeps);
        let login = format!("{}\n{}", config.auth_url, login_request(config).body.unwrap_or_default());
        let hash = Sha256::digest(login.as_bytes());
        Self { file: directory.map(|directory| directory.join(format!("{hash:x}.json"))) }
    }

    /// The session in the file, if it is ours alone and still fresh. One that cannot be used is removed.
    pub(in super::super) fn load(&self) -> Option<Session> {
        let file = self.file.as_deref()?;
        let session = read(file).filter(Session::is_fresh);
        if session.is_none() {
            self.forget();
        }
        session
    }

    /// Keeps a session, replacing an older one in one step. Those of other logins that have expired go.
    pub(in super::super) fn store(&self, session: &Session) {
        let Some(file) = self.file.as_deref() else { return };
        if let Err(error) = write(file, session).and_then(|()| sweep(file)) {
            tracing::debug!(file = %file.display(), %error, "the token is not kept");
        }
    }

    /// Removes the file.
    pub(in super::super) fn forget(&self) {
        if let Some(file) = self.file.as_deref() {
            // It may be gone already, which is as well.
            let _ = fs::remove_file(file);
        }
    }
}

fn read(file: &Path) -> Option<Session> {
    let metadata = fs::symlink_metadata(file).ok()?;
    let others_may = metadata.mode() & 0o077;
    let private = metadata.is_file() && others_may == 0;
    if !private || metadata.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let stored: Stored = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    Some(Session { token: Secret::new(stored.token), details: stored.details, origin: Origin::Kept })
}

/// Removes what lies beside `file` and is of no use any more: nobody may log in that way again, which alone would replace it.
fn sweep(file: &Path) -> std::io::Result<()> {
    let Some(directory) = file.parent() else { return Ok(()) };
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") && read(&path).is_some_and(|session| !session.is_fresh()) {
            // Another process may have done so.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

fn write(file: &Path, session: &Session) -> std::io::Result<()> {
    let Some(directory) = file.parent() else { return Ok(()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let stored = Stored { token: session.token.expose().to_owned(), details: session.details.clone() };
    // A name of its own for every writer: two may log in at once.
    let draft = file.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let mut open = fs::OpenOptions::new();
    let mut draft_file = open.write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = draft_file.write_all(&serde_json::to_vec(&stored)?).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}
