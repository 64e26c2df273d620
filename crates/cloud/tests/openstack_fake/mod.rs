//! A cloud made of answers: it logs anybody in, writes down what it is asked, and replies as the test says. It speaks
//! HTTP over a plain socket, so that it can also hang up in the middle.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pontoon_cloud::openstack::config::{Sources, cloud_config};
use pontoon_cloud::openstack::{Client, CloudConfig, Options, RetryPolicy};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// What the cloud does about it.
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The request was read, and the connection is closed without a word.
    HangUp,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer { status, headers: vec![("Content-Type", "application/json".to_owned())], body: body.to_string() }
    }

    pub(crate) fn with(self, name: &'static str, text: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, text.to_owned()));
                Self::Answer { status, headers, body }
            }
            Self::HangUp => Self::HangUp,
        }
    }
}

type Respond = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// `respond` is given each request but logins, and how many of the same method and path came before it.
    pub(crate) async fn start(respond: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let fake = Self { url: url.clone(), seen: Arc::clone(&seen) };
        let respond: Arc<Respond> = Arc::new(respond);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, url.clone(), Arc::clone(&seen), Arc::clone(&respond)));
            }
        });
        fake
    }

    pub(crate) fn config(&self) -> CloudConfig {
        let variables = [
            ("OS_AUTH_URL", self.url.as_str()),
            ("OS_USERNAME", "ada"),
            ("OS_PASSWORD", "pw"),
            ("OS_PROJECT_NAME", "blog"),
        ];
        let environment = variables.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        cloud_config(&Sources { environment, ..Sources::default() }, None).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.config(), quick()).unwrap()
    }

    pub(crate) fn client_with_tokens_in(&self, directory: &Path) -> Client {
        Client::new(self.config(), Options { token_directory: Some(directory.to_path_buf()), ..quick() }).unwrap()
    }

    /// All requests but logins.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| !is_login(seen)).collect()
    }

    pub(crate) fn logins(&self) -> Vec<Seen> {
        self.all().into_iter().filter(is_login).collect()
    }

    fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Options that do not wait for long.
pub(crate) fn quick() -> Options {
    let retry = RetryPolicy { attempts: 4, first_wait: Duration::from_millis(1), ..RetryPolicy::default() };
    Options { retry, ..Options::default() }
}

fn is_login(seen: &Seen) -> bool {
    seen.path == "/v3/auth/tokens"
}

async fn serve(stream: TcpStream, url: String, seen: Arc<Mutex<Vec<Seen>>>, respond: Arc<Respond>) {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        let before = {
            let mut seen = seen.lock().unwrap();
            let same = |other: &&Seen| other.method == request.method && other.path == request.path;
            let before = seen.iter().filter(same).count();
            seen.push(request.clone());
            before
        };
        let reply = if is_login(&request) && request.body["auth"]["identity"]["password"]["user"]["password"] == "pw" {
            login(&url, before + 1)
        } else if is_login(&request) {
            Reply::json(401, &json!({ "error": { "message": "who are you?", "title": "Unauthorized" } }))
        } else {
            respond(&request, before)
        };
        let Reply::Answer { status, headers, body } = reply else { return };
        let headers: String =
            headers.iter().fold(String::new(), |text, (name, value)| text + name + ": " + value + "\r\n");
        let length = body.len();
        let text = format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut BufStream<TcpStream>) -> Option<Seen> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

/// The n-th login gets `token-n`.
fn login(url: &str, number: usize) -> Reply {
    let service = |kind: &str, path: &str| {
        json!({ "type": kind, "name": null, "endpoints": [
            { "interface": "public", "region": "north", "region_id": "north", "url": format!("{url}{path}") },
        ] })
    };
    let catalog = [
        service("compute", "/compute/v2.1/p1"),
        service("network", "/network"),
        service("image", "/image"),
        service("load-balancer", "/lb"),
    ];
    let token = json!({ "token": {
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "project": { "id": "p1", "name": "blog", "domain": { "id": "default" } },
        "catalog": catalog,
    } });
    Reply::json(201, &token).with("X-Subject-Token", &format!("token-{number}"))
}
