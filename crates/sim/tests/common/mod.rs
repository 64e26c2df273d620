//! A small client of the embedded cloud for its tests.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use pontoon_sim::{Cloud, Config, Delays};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

pub struct Client {
    pub cloud: Cloud,
    pub token: String,
}

/// A cloud without delays.
pub fn quick() -> Config {
    Config { delays: Delays::zero(), ..Config::default() }
}

/// Sends one request; `None` where the connection ends without an answer.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Option<Answer> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let response = sender.send_request(request.body(Full::new(Bytes::from(text))).unwrap()).await.ok()?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.ok()?.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
    Some(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

impl Client {
    pub async fn start(config: Config) -> Self {
        let cloud = Cloud::start(config).await.unwrap();
        let mut client = Self { cloud, token: String::new() };
        let auth = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": { "name": "demo", "domain": { "name": "Default" }, "password": "secret" } } },
            "scope": { "project": { "name": "demo", "domain": { "name": "Default" } } },
        } });
        let answer = client.call("POST", "/identity/v3/auth/tokens", auth).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.headers["x-subject-token"].to_str().unwrap().clone_into(&mut client.token);
        client
    }

    pub fn address(&self) -> SocketAddr {
        self.cloud.endpoint().strip_prefix("http://").unwrap().parse().unwrap()
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_with(method, path, &[], body).await.expect("an answer")
    }

    pub async fn call_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Option<Answer> {
        let token = [("x-auth-token", self.token.as_str())];
        send(self.address(), method, path, &[&token, headers].concat(), &body).await
    }

    /// The id of the only object of this name.
    pub async fn id(&self, path: &str, name: &str) -> String {
        let query = format!("{path}?name={}", name.replace(' ', "%20"));
        let answer = self.call("GET", &query, Value::Null).await;
        let list = answer.body.as_object().unwrap().values().find_map(Value::as_array).unwrap().clone();
        assert_eq!(list.len(), 1, "{query}: {}", answer.body);
        list[0]["id"].as_str().unwrap().to_owned()
    }

    pub async fn network(&self, name: &str) -> String {
        self.id("/network/v2.0/networks", name).await
    }

    /// Creates a Neutron object and answers it.
    pub async fn create(&self, plural: &str, singular: &str, attributes: Value) -> Value {
        let answer = self.call("POST", &format!("/network/v2.0/{plural}"), json!({ singular: attributes })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body[singular].clone()
    }

    /// Asks until the answer is as wanted; five seconds are more than any state here takes.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let answer = self.call("GET", path, Value::Null).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "still {} {}", answer.status, answer.body);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Boots a server on the default network and waits until it is ACTIVE.
    pub async fn server(&self, name: &str, networks: Value) -> Value {
        let image = self.id("/image/v2/images", "Ubuntu 24.04").await;
        let body = json!({ "server": { "name": name, "imageRef": image, "flavorRef": "1", "key_name": "datacentred", "networks": networks } });
        let answer = self.call("POST", "/compute/v2.1/servers", body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let path = format!("/compute/v2.1/servers/{}", answer.body["server"]["id"].as_str().unwrap());
        self.until(&path, |answer| answer.body["server"]["status"] == "ACTIVE").await.body["server"].clone()
    }
}
