//! The file system of a simulated machine or container: a map from absolute path to content and mode.
//!
//! Directories exist because somebody made them or because something lies under them. There are no owners, links or
//! devices: nobody in the simulation could tell the difference. It knows nothing of who reads or writes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The directories that every system has before anybody writes into it.
const STANDARD_DIRECTORIES: [&str; 9] =
    ["/bin", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/var/lib/cloud"];

/// Longer files are programs or images, which nobody here runs or unpacks: their content is not kept.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// One file: its bytes and its permission bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// The whole content; empty where `sha256` stands for it.
    #[serde(serialize_with = "as_base64", deserialize_with = "from_base64")]
    pub(crate) content: Vec<u8>,
    /// Permission bits, as `chmod` takes them.
    pub(crate) mode: u32,
    /// What is kept of a content that is too long to keep: its hash, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl File {
    fn new(content: Vec<u8>, mode: u32) -> File {
        if content.len() <= KEPT_BYTES_MAX {
            return File { content, mode, sha256: None };
        }
        File { sha256: Some(hash(&content)), content: Vec::new(), mode }
    }

    /// What `sha256sum` prints of it.
    pub(crate) fn sha256(&self) -> String {
        self.sha256.clone().unwrap_or_else(|| hash(&self.content))
    }
}

fn hash(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

/// A whole file system.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Files {
    files: BTreeMap<String, File>,
    directories: BTreeSet<String>,
}

impl Files {
    /// A system as the installer leaves it: directories and no file.
    pub(crate) fn installed() -> Files {
        Files { files: BTreeMap::new(), directories: STANDARD_DIRECTORIES.iter().map(ToString::to_string).collect() }
    }

    /// The file at `path`, if it is a file.
    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.get(&normal(path))
    }

    /// The content at `path` as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.get(path).map(|file| String::from_utf8_lossy(&file.content).into_owned())
    }

    /// Writes `content` to `path`, replacing what was there. The mode of an existing file stays unless `mode` is given.
    pub(crate) fn write(&mut self, path: &str, content: Vec<u8>, mode: Option<u32>) {
        let path = normal(path);
        let mode = mode.or_else(|| self.files.get(&path).map(|file| file.mode)).unwrap_or(0o644);
        self.files.insert(path, File::new(content, mode));
    }

    /// Sets the mode of a file, if it is there.
    pub(crate) fn set_mode(&mut self, path: &str, mode: u32) -> bool {
        self.files.get_mut(&normal(path)).map(|file| file.mode = mode).is_some()
    }

    /// Adds `content` to the end of `path`, which is made if it does not exist.
    pub(crate) fn append(&mut self, path: &str, content: &[u8]) {
        let mut whole = self.get(path).map(|file| file.content.clone()).unwrap_or_default();
        whole.extend_from_slice(content);
        self.write(path, whole, None);
    }

    /// Removes a file, or a directory with all that is in it. Says whether anything was there.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let path = normal(path);
        let inside = format!("{path}/");
        let before = self.files.len() + self.directories.len();
        self.files.retain(|name, _| *name != path && !name.starts_with(&inside));
        self.directories.retain(|name| *name != path && !name.starts_with(&inside));
        before != self.files.len() + self.directories.len()
    }

    /// Moves a file; an existing target is replaced. Says whether the source was there.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(file) = self.files.remove(&normal(from)) else { return false };
        self.files.insert(normal(to), file);
        true
    }

    /// Makes a directory and its parents.
    pub(crate) fn make_directory(&mut self, path: &str) {
        self.directories.insert(normal(path));
    }

    /// Whether `path` is a directory.
    pub(crate) fn is_directory(&self, path: &str) -> bool {
        let path = normal(path);
        let inside = if path == "/" { path.clone() } else { format!("{path}/") };
        path == "/"
            || self.directories.contains(&path)
            || self.directories.iter().any(|name| name.starts_with(&inside))
            || self.files.keys().any(|name| name.starts_with(&inside))
    }

    /// The names directly inside a directory, sorted.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let path = normal(path);
        let inside = if path == "/" { path } else { format!("{path}/") };
        let names = self.files.keys().chain(self.directories.iter());
        let first = names.filter_map(|name| name.strip_prefix(&inside)?.split('/').next());
        first.filter(|name| !name.is_empty()).map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Every file under a directory, with its full path, sorted by path.
    pub(crate) fn under(&self, path: &str) -> impl Iterator<Item = (&String, &File)> {
        let inside = format!("{}/", normal(path));
        self.files.iter().filter(move |(name, _)| name.starts_with(&inside))
    }

    /// Every file, with its full path, sorted by path.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &File)> {
        self.files.iter()
    }
}

/// `path` without doubled slashes, `.` and `..`; relative paths are taken from the root.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn as_base64<S: Serializer>(content: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(content))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_renamed_file_is_only_under_its_new_name() {
        let mut files = Files::installed();
        files.write("/tmp/new", b"x".to_vec(), Some(0o600));
        assert!(files.rename("/tmp/new", "/etc/dnsmasq.d//hosts"));
        assert!(files.get("/tmp/new").is_none());
        assert_eq!(files.get("/etc/dnsmasq.d/hosts").unwrap().mode, 0o600);
        assert_eq!(files.list("/etc"), ["dnsmasq.d"]);
    }

    #[test]
    fn paths_cannot_climb_above_the_root() {
        assert_eq!(normal("/../../etc/./passwd"), "/etc/passwd");
    }

    #[test]
    fn of_a_long_file_its_hash_is_kept_and_moves_with_it() {
        let mut files = Files::installed();
        files.write("/tmp/program", vec![7; KEPT_BYTES_MAX + 1], Some(0o755));
        let hash = files.get("/tmp/program").unwrap().sha256();
        assert!(files.rename("/tmp/program", "/opt/program"));
        assert!(files.set_mode("/opt/program", 0o700));
        let file = files.get("/opt/program").unwrap();
        assert_eq!((file.sha256(), file.content.len(), file.mode), (hash.clone(), 0, 0o700));
        files.write("/opt/program", vec![8; KEPT_BYTES_MAX + 1], None);
        assert_ne!(files.get("/opt/program").unwrap().sha256(), hash);
    }

    #[test]
    fn files_survive_being_saved() {
        let mut files = Files::installed();
        files.write("/etc/x", vec![0, 255], None);
        let saved = serde_json::to_string(&files).unwrap();
        let back: Files = serde_json::from_str(&saved).unwrap();
        assert_eq!(back.get("/etc/x"), files.get("/etc/x"));
    }
}
