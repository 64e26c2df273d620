//! A real ssh client in the same process, and a client of the engine's API over it.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use russh::client::{Config, Handle, Handler};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelStream};
use serde_json::{Value, json};

use super::super::Guest;

pub(super) const LXD_SOCKET: &str = "/var/snap/lxd/common/lxd/unix.socket";

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

pub(super) fn public_key() -> String {
    key(1).public_key().to_openssh().unwrap()
}

/// Accepts the host key that the console shows, and no other.
struct Pinned(String);

impl Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(self.0.contains(key.to_openssh().unwrap().trim()))
    }
}

/// A login.
pub(super) struct Ssh(Handle<Pinned>);

pub(super) struct Ran {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) code: u32,
}

impl Ssh {
    pub(super) async fn login(guest: &Guest, user: &str) -> Ssh {
        Ssh::try_login(guest, user, 1).await.expect("the key is accepted")
    }

    /// Logs in with the key of this seed; `None` where the key is refused.
    pub(super) async fn try_login(guest: &Guest, user: &str, seed: u8) -> Option<Ssh> {
        let stream = guest.ssh().unwrap();
        let config = Arc::new(Config::default());
        let mut handle = russh::client::connect_stream(config, stream, Pinned(guest.console())).await.unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key(seed)), None);
        handle.authenticate_publickey(user, key).await.unwrap().success().then_some(Ssh(handle))
    }

    pub(super) async fn run(&self, command: &str, stdin: &str) -> Ran {
        let mut channel = self.0.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        if !stdin.is_empty() {
            channel.data_bytes(stdin.as_bytes().to_vec()).await.unwrap();
            channel.eof().await.unwrap();
        }
        let (mut stdout, mut stderr, mut code) = (Vec::new(), Vec::new(), None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => stdout.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, .. } => stderr.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                _ => {}
            }
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { stdout: text(stdout), stderr: text(stderr), code: code.expect("an exit status") }
    }

    pub(super) async fn socket(&self, path: &str) -> Result<ChannelStream<russh::client::Msg>, russh::Error> {
        Ok(self.0.channel_open_direct_streamlocal(path).await?.into_stream())
    }

    pub(super) async fn tcp(&self, host: &str, port: u32) -> Result<ChannelStream<russh::client::Msg>, russh::Error> {
        Ok(self.0.channel_open_direct_tcpip(host, port, "127.0.0.1", 0).await?.into_stream())
    }
}

/// An answer of the engine.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(super) fn metadata(&self) -> Value {
        self.json()["metadata"].clone()
    }

    pub(super) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// The engine's API over ssh.
pub(super) struct Engine {
    pub(super) ssh: Ssh,
    socket: String,
}

impl Engine {
    pub(super) async fn of(guest: &Guest) -> Engine {
        Engine { ssh: Ssh::login(guest, "ubuntu").await, socket: LXD_SOCKET.to_owned() }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let stream = self.ssh.socket(&self.socket).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::builder().method(method).uri(path).header("host", "lxd");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::new(bytes::Bytes::from(body))).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// Begins an operation and waits for its end: the operation as it ended.
    pub(super) async fn finish(&self, method: &str, path: &str, body: &Value) -> Value {
        let begun = self.call(method, path, body).await;
        assert_eq!(begun.status, 202, "{}", String::from_utf8_lossy(&begun.bytes));
        let operation = begun.json()["operation"].as_str().unwrap().to_owned();
        self.get(&format!("{operation}/wait?timeout=10")).await.metadata()
    }

    /// Does what must succeed.
    pub(super) async fn succeed(&self, method: &str, path: &str, body: &Value) -> Value {
        let operation = self.finish(method, path, body).await;
        assert_eq!(operation["status_code"], 200, "{operation}");
        operation
    }

    /// Makes and starts a container; its cloud-init is over when this returns.
    pub(super) async fn launch(&self, name: &str, config: Value, devices: Value) {
        self.succeed(
            "POST",
            "/1.0/instances",
            &json!({ "name": name, "config": config, "devices": devices, "source": { "type": "image", "alias": "24.04",
                "server": "https://cloud-images.ubuntu.com/releases", "protocol": "simplestreams", "mode": "pull" } }),
        )
        .await;
        self.succeed("PUT", &format!("/1.0/instances/{name}/state"), &json!({ "action": "start" })).await;
        self.run(name, &["cloud-init", "status", "--wait"]).await;
    }

    /// Runs a command with its output recorded: what it printed, and its exit code.
    pub(super) async fn run(&self, name: &str, command: &[&str]) -> (String, i64) {
        let body = json!({ "command": command, "wait-for-websocket": false, "record-output": true });
        let operation = self.succeed("POST", &format!("/1.0/instances/{name}/exec"), &body).await;
        let output = self.get(operation["metadata"]["output"]["1"].as_str().unwrap()).await;
        (String::from_utf8(output.bytes).unwrap(), operation["metadata"]["return"].as_i64().unwrap())
    }

    pub(super) async fn websocket(
        &self,
        path: &str,
    ) -> tokio_tungstenite::WebSocketStream<ChannelStream<russh::client::Msg>> {
        let stream = self.ssh.socket(&self.socket).await.unwrap();
        tokio_tungstenite::client_async(format!("ws://lxd{path}"), stream).await.unwrap().0
    }
}
