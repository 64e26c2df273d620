//! Images: listed, uploaded from here, or fetched by the daemon itself.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::LxdError;
use super::client::{ANSWER_LIMIT, Client};
use super::http::{Body, Call, CallBody};
use super::wire::{hexadecimal, or_default, segment};

/// Bytes read and sent at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// An image that the daemon has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// SHA-256 of its files, its identity.
    pub fingerprint: String,
    /// `container` or `virtual-machine`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The machine's architecture as the kernel names it, `x86_64`.
    #[serde(default)]
    pub architecture: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Names for it.
    #[serde(default, deserialize_with = "or_default")]
    pub aliases: Vec<ImageAlias>,
    /// `os`, `release`, `description`, and others that its maker chose.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: BTreeMap<String, String>,
    /// Where the daemon fetched it from, if it did.
    #[serde(default)]
    pub update_source: Option<ImageSource>,
    /// True for images that the daemon fetched on its own and may drop again.
    #[serde(default)]
    pub cached: bool,
}

/// A name for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageAlias {
    /// The name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// Where a fetched image came from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImageSource {
    /// The name that was asked for there.
    #[serde(default)]
    pub alias: String,
    /// The server.
    #[serde(default)]
    pub server: String,
}

/// An image on a simplestreams server, such as `https://cloud-images.ubuntu.com/releases` and `24.04`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simplestreams {
    /// The server's URL.
    pub server: String,
    /// The image's name there.
    pub alias: String,
}

impl Client {
    /// All images.
    pub async fn images(&self) -> Result<Vec<Image>, LxdError> {
        self.get("/1.0/images?recursion=1").await
    }

    /// The image that a local alias stands for.
    pub async fn image_by_alias(&self, alias: &str) -> Result<Image, LxdError> {
        #[derive(Deserialize)]
        struct Entry {
            target: String,
        }
        let entry: Entry = self.get(alias_path(alias)).await?;
        self.get(image_path(&entry.target)).await
    }

    /// Uploads a unified tarball (metadata, templates and root file system in one) and returns its fingerprint.
    ///
    /// `progress` is called with the bytes handed to the connection so far. `limit` is for sending and unpacking
    /// together. Uploading an image that is there already is refused ([`LxdError::is_already_there`]).
    pub async fn upload_image(
        &self,
        tarball: impl AsyncRead + Send + Unpin + 'static,
        progress: impl FnMut(u64) + Send + 'static,
        limit: Duration,
    ) -> Result<String, LxdError> {
        let call = Call {
            method: Method::POST,
            path: "/1.0/images".to_owned(),
            headers: HeaderMap::new(),
            body: CallBody::Stream(streamed(tarball, progress)),
            limit,
        };
        self.fingerprint_of(call, limit).await
    }

    /// Like [`upload_image`](Client::upload_image), from a file of this machine.
    pub async fn upload_image_file(
        &self,
        path: &Path,
        progress: impl FnMut(u64) + Send + 'static,
        limit: Duration,
    ) -> Result<String, LxdError> {
        let file = tokio::fs::File::open(path).await.map_err(|error| LxdError::Request {
            doing: "POST /1.0/images".to_owned(),
            reason: format!("could not read `{}`: {error}", path.display()),
        })?;
        self.upload_image(file, progress, limit).await
    }

    /// Lets the daemon fetch a container image from a simplestreams server and returns its fingerprint. One that it
    /// has already is not fetched again. The image stays as it is: the daemon is told not to update it.
    pub async fn import_image(&self, source: &Simplestreams, limit: Duration) -> Result<String, LxdError> {
        let body = json!({
            "auto_update": false,
            "source": {
                "type": "image",
                "mode": "pull",
                "protocol": "simplestreams",
                "server": source.server,
                "alias": source.alias,
                "image_type": "container",
            },
        });
        let call = Call {
            method: Method::POST,
            path: "/1.0/images".to_owned(),
            headers: HeaderMap::new(),
            body: CallBody::Json(Bytes::from(body.to_string())),
            limit: ANSWER_LIMIT,
        };
        self.fingerprint_of(call, limit).await
    }

    /// Deletes an image. Instances made from it live on.
    pub async fn delete_image(&self, fingerprint: &str, limit: Duration) -> Result<(), LxdError> {
        let reply = self.delete(image_path(fingerprint)).await?;
        self.settle(reply, limit).await.map(drop)
    }

    /// Names an image.
    pub async fn create_image_alias(&self, alias: &ImageAlias, fingerprint: &str) -> Result<(), LxdError> {
        let body = json!({"name": alias.name, "description": alias.description, "target": fingerprint});
        let reply = self.change(Method::POST, "/1.0/images/aliases", &body, None).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    /// Takes a name from an image.
    pub async fn delete_image_alias(&self, alias: &str) -> Result<(), LxdError> {
        let reply = self.delete(alias_path(alias)).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    async fn fingerprint_of(&self, call: Call, limit: Duration) -> Result<String, LxdError> {
        let doing = call.doing();
        let reply = self.send(call).await?;
        let result = self.settle(reply, limit).await?;
        match result.get("fingerprint").and_then(Value::as_str) {
            Some(fingerprint) => Ok(fingerprint.to_owned()),
            None => Err(self.not_understood(&doing, "the finished operation names no fingerprint".to_owned())),
        }
    }
}

/// The fingerprint that a unified tarball will have: SHA-256 of the file, in hexadecimal. With it an image that is
/// there already is found before it is sent again.
pub async fn image_fingerprint(path: &Path) -> io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).await?;
        match chunk.get(..read) {
            Some([]) | None => break,
            Some(bytes) => digest.update(bytes),
        }
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// A reader as a request body, read only as fast as the connection takes it.
fn streamed(reader: impl AsyncRead + Send + Unpin + 'static, progress: impl FnMut(u64) + Send + 'static) -> Body {
    let start = (reader, progress, 0_u64);
    let chunks = stream::try_unfold(start, |(mut reader, mut progress, sent)| async move {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let bound = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        let read = (&mut reader).take(bound).read_to_end(&mut chunk).await?;
        if read == 0 {
            return Ok::<_, io::Error>(None);
        }
        let sent = sent + u64::try_from(read).unwrap_or(u64::MAX);
        progress(sent);
        Ok(Some((Frame::data(Bytes::from(chunk)), (reader, progress, sent))))
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn image_path(fingerprint: &str) -> String {
    format!("/1.0/images/{}", segment(fingerprint))
}

fn alias_path(alias: &str) -> String {
    format!("/1.0/images/aliases/{}", segment(alias))
}
