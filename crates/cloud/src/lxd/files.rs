//! Files in an instance, and its logs.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use serde::Deserialize;

use super::LxdError;
use super::client::{ANSWER_LIMIT, Client};
use super::http::{Call, CallBody};
use super::instances::instance_path;
use super::wire::segment;

/// The prefixes of the file headers: LXD's, and the one that Incus gave them.
const HEADER_PREFIXES: [&str; 2] = ["x-lxd-", "x-incus-"];

/// What a path in an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// A file's bytes.
    File(Bytes),
    /// A directory's entries.
    Directory(Vec<String>),
    /// A symbolic link's target; links are not followed.
    Symlink(String),
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFile {
    /// Its path in the instance. The directory must exist.
    pub path: String,
    /// Its content.
    pub content: Bytes,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// Owner in the instance.
    pub uid: u32,
    /// Group in the instance.
    pub gid: u32,
}

impl Client {
    /// Reads a file or directory of an instance, running or not.
    pub async fn file(&self, instance: &str, path: &str) -> Result<FileContent, LxdError> {
        #[derive(Deserialize)]
        struct Directory {
            metadata: Vec<String>,
        }
        let url = file_path(instance, path);
        let answer = self.get_raw(url.as_str()).await?;
        let kind = HEADER_PREFIXES
            .iter()
            .find_map(|prefix| answer.headers.get(format!("{prefix}type")))
            .and_then(|value| value.to_str().ok());
        match kind {
            Some("directory") => match serde_json::from_slice::<Directory>(&answer.body) {
                Ok(directory) => Ok(FileContent::Directory(directory.metadata)),
                Err(error) => Err(self.not_understood(&format!("GET {url}"), error.to_string())),
            },
            Some("symlink") => {
                Ok(FileContent::Symlink(String::from_utf8_lossy(&answer.body).trim_end_matches('\n').to_owned()))
            }
            _ => Ok(FileContent::File(answer.body)),
        }
    }

    /// Writes a file into an instance, running or not, over one that is there. A program that is running cannot be
    /// overwritten ("text file busy"): write it under another name and rename it there.
    pub async fn push_file(&self, instance: &str, file: &PushFile) -> Result<(), LxdError> {
        let values = [
            ("type", "file".to_owned()),
            ("write", "overwrite".to_owned()),
            ("mode", format!("{:04o}", file.mode & 0o7777)),
            ("uid", file.uid.to_string()),
            ("gid", file.gid.to_string()),
        ];
        let mut headers = HeaderMap::new();
        for prefix in HEADER_PREFIXES {
            for (name, value) in &values {
                if let (Ok(name), Ok(value)) =
                    (format!("{prefix}{name}").parse::<HeaderName>(), HeaderValue::from_str(value))
                {
                    headers.insert(name, value);
                }
            }
        }
        let reply = self
            .send(Call {
                method: Method::POST,
                path: file_path(instance, &file.path),
                headers,
                body: CallBody::Bytes(file.content.clone()),
                limit: ANSWER_LIMIT,
            })
            .await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    /// Deletes a file or an empty directory of an instance.
    pub async fn delete_file(&self, instance: &str, path: &str) -> Result<(), LxdError> {
        let reply = self.delete(file_path(instance, path)).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    /// What an instance wrote to its console since it was started, as far as the daemon's ring buffer reaches.
    pub async fn console_log(&self, instance: &str) -> Result<Bytes, LxdError> {
        Ok(self.get_raw(format!("{}/console", instance_path(instance))).await?.body)
    }

    /// The names of the daemon's own logs of an instance (`lxc.log`, `lxc.conf`, …).
    pub async fn log_names(&self, instance: &str) -> Result<Vec<String>, LxdError> {
        let paths: Vec<String> = self.get(format!("{}/logs", instance_path(instance))).await?;
        Ok(paths.iter().filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
    }

    /// One of the daemon's own logs of an instance.
    pub async fn log(&self, instance: &str, name: &str) -> Result<Bytes, LxdError> {
        Ok(self.get_raw(format!("{}/logs/{}", instance_path(instance), segment(name))).await?.body)
    }
}

fn file_path(instance: &str, path: &str) -> String {
    format!("{}/files?path={}", instance_path(instance), segment(path))
}
