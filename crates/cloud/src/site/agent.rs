//! The program that hosts are given as their agent: this very one, or another file.

use std::io;
use std::path::{Path, PathBuf};

use pontoon_core::observed::AgentProgram;
use sha2::{Digest, Sha256};

/// Longer programs are builds with everything for a debugger in them, not to be copied to every host. Those that were
/// stripped of that have 60 MiB without optimisation.
const BYTES_MAX: u64 = 96 * 1024 * 1024;

/// What hosts are given as their agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AgentSource {
    /// Nobody said: agents are left as they are, and nothing is said of them.
    #[default]
    Unasked,
    /// There is nothing to give, for this reason.
    Missing(String),
    /// A file.
    Here {
        /// Where it is. It is read again for the first host that is given it, and pushed only if it is still the same.
        path: PathBuf,
        /// SHA-256 of its content in hexadecimal.
        sha256: String,
        /// How long it is.
        bytes: u64,
        /// Its version.
        version: String,
    },
}

impl AgentSource {
    /// The program at `path`, which says that it is `version`. One that no host could run is [`AgentSource::Missing`].
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path, version: &str) -> io::Result<Self> {
        let bytes = std::fs::metadata(path)?.len();
        if bytes > BYTES_MAX {
            let long = bytes / (1024 * 1024);
            return Ok(Self::Missing(format!("this program has {long} MiB, for it was not built with `--release`")));
        }
        let content = std::fs::read(path)?;
        if !content.starts_with(b"\x7fELF") {
            return Ok(Self::Missing(format!("`{}` is no program of Linux", path.display())));
        }
        let sha256 = format!("{:x}", Sha256::digest(&content));
        Ok(Self::Here { path: path.to_owned(), sha256, bytes, version: version.to_owned() })
    }

    pub(super) fn facts(&self) -> Option<AgentProgram> {
        match self {
            Self::Unasked => None,
            Self::Missing(reason) => Some(AgentProgram::Missing(reason.clone())),
            Self::Here { sha256, bytes, version, .. } => {
                Some(AgentProgram::Here { sha256: sha256.clone(), bytes: *bytes, version: version.clone() })
            }
        }
    }
}
