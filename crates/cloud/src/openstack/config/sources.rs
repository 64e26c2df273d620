//! Where the configuration stands: files and variables, read once and handed on as plain data.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// A file that was read.
#[derive(Clone)]
pub struct SourceFile {
    /// Where it is, for messages.
    pub path: PathBuf,
    /// What it says. It may hold secrets, so it is never printed.
    pub text: String,
}

/// Everything that decides about the cloud.
#[derive(Clone, Default)]
pub struct Sources {
    /// `clouds.yaml`.
    pub clouds: Option<SourceFile>,
    /// `secure.yaml`, merged over `clouds.yaml`.
    pub secure: Option<SourceFile>,
    /// `clouds-public.yaml`, whose profiles lie below the clouds.
    pub public: Option<SourceFile>,
    /// The environment. Only `OS_*` and `HOME` are looked at.
    pub environment: BTreeMap<String, String>,
    /// The places where `clouds.yaml` was looked for, for messages.
    pub searched: Vec<PathBuf>,
}

impl Sources {
    /// Reads the first of each kind of file. `directory` is the current one.
    ///
    /// A file that this user may not read is passed over, as the standard clients do: `/etc/openstack` often belongs to
    /// root alone.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] where a file cannot be read for another reason.
    pub fn read(environment: BTreeMap<String, String>, directory: &Path) -> Result<Self, ConfigError> {
        let directories = search_path(&environment, directory);
        let candidates = |stem: &str, variable: &str| -> Vec<PathBuf> {
            let chosen = environment.get(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
            let found = directories.iter().flat_map(|directory| {
                ["yaml", "yml", "json"].iter().map(move |ending| directory.join(format!("{stem}.{ending}")))
            });
            chosen.into_iter().chain(found).collect()
        };
        let clouds = first_of(&candidates("clouds", "OS_CLIENT_CONFIG_FILE"))?;
        let secure = first_of(&candidates("secure", "OS_CLIENT_SECURE_FILE"))?;
        let public = first_of(&candidates("clouds-public", "OS_CLIENT_VENDOR_FILE"))?;
        let searched = directories.iter().map(|directory| directory.join("clouds.yaml")).collect();
        Ok(Self { clouds, secure, public, environment, searched })
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// The directories in the order in which they win.
fn search_path(environment: &BTreeMap<String, String>, directory: &Path) -> Vec<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let mut directories = vec![directory.to_path_buf()];
    let home = set("SNAP_REAL_HOME").or_else(|| set("HOME"));
    let candidates = [
        set("XDG_CONFIG_HOME").map(|base| base.join("openstack")),
        home.map(|home| home.join(".config/openstack")),
        Some(PathBuf::from("/etc/xdg/openstack")),
        Some(PathBuf::from("/etc/openstack")),
    ];
    for candidate in candidates.into_iter().flatten() {
        if !directories.contains(&candidate) {
            directories.push(candidate);
        }
    }
    directories
}

fn first_of(paths: &[PathBuf]) -> Result<Option<SourceFile>, ConfigError> {
    for path in paths {
        match std::fs::read_to_string(path) {
            Ok(text) => return Ok(Some(SourceFile { path: path.clone(), text })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                tracing::warn!(path = %path.display(), "passed over: this user may not read it");
            }
            Err(source) => return Err(ConfigError::Unreadable { path: path.clone(), source }),
        }
    }
    Ok(None)
}
