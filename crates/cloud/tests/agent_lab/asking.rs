//! Questions to agents, from a place on the network that is on no host, and waiting for their answers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pontoon_cloud::ssh::dial_tcp;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use crate::lab::LIMIT;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long `dig` waits, where it is asked again.
const DIG: Duration = Duration::from_secs(2);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is no reason to wait any more; the last one is told by who waited in vain.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(reason) => assert!(begun.elapsed() < LIMIT, "waited in vain for {what}: {reason}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An agent, by its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agent {
    pub(crate) address: Ipv4Addr,
}

impl Agent {
    pub(crate) const fn at(address: Ipv4Addr) -> Self {
        Self { address }
    }

    /// The body of what it answers to a GET of this path, which has to be a success.
    pub(crate) async fn get(&self, path: &str) -> Result<String, String> {
        let answer = timeout(ANSWER, self.exchange(path)).await.map_err(|_| format!("{path} is not answered"))?;
        let answer = answer.map_err(|error| format!("{path}: {error}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{path}: a cut answer"))?;
        let status = head.split_whitespace().nth(1);
        if status == Some("200") { Ok(body.to_owned()) } else { Err(format!("{path}: {head}")) }
    }

    pub(crate) async fn json(&self, path: &str) -> Result<Value, String> {
        serde_json::from_str(&self.get(path).await?).map_err(|error| format!("{path}: {error}"))
    }

    async fn exchange(&self, path: &str) -> std::io::Result<String> {
        let connected = dial_tcp(&self.address.to_string(), 8500, ANSWER).await;
        let mut stream = connected.map_err(|error| std::io::Error::other(error.to_string()))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: agent\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// The hosts that it knows.
    pub(crate) async fn hosts(&self) -> Result<BTreeMap<String, Value>, String> {
        let members = self.json("/v1/members").await?;
        Ok(by_name(&members["members"], "host"))
    }

    /// The containers that it knows.
    pub(crate) async fn containers(&self) -> Result<BTreeMap<String, Value>, String> {
        let catalogue = self.json("/v1/catalogue").await?;
        let hosts = catalogue["hosts"].as_array().into_iter().flatten();
        Ok(hosts.flat_map(|host| by_name(&host["containers"], "container")).collect())
    }

    /// What it knows of one container.
    pub(crate) async fn container(&self, name: &str) -> Result<Value, String> {
        self.containers().await?.remove(name).ok_or_else(|| format!("`{name}` is not known"))
    }

    /// What its DNS says, as `dig +short` prints it.
    pub(crate) async fn dig(&self, question: &[&str]) -> Result<Vec<String>, String> {
        self.dig_at(8600, question).await
    }

    /// What the dnsmasq on its host says.
    pub(crate) async fn dig_through_dnsmasq(&self, question: &[&str]) -> Result<Vec<String>, String> {
        self.dig_at(53, question).await
    }

    /// What the server at this port of its host says.
    pub(crate) async fn dig_at(&self, port: u16, question: &[&str]) -> Result<Vec<String>, String> {
        dig(self.address, port, DIG, question).await
    }

    /// What the server at this port of its host says to a question that is sent once, and waits as long as it takes.
    pub(crate) async fn dig_once(&self, port: u16, question: &[&str]) -> Result<Vec<String>, String> {
        dig(self.address, port, LIMIT, question).await
    }
}

async fn dig(server: Ipv4Addr, port: u16, time: Duration, question: &[&str]) -> Result<Vec<String>, String> {
    let mut dig = Command::new("dig");
    let time = format!("+time={}", time.as_secs());
    dig.arg(format!("@{server}")).args(["-p", &port.to_string(), "+short", &time, "+tries=1"]).args(question);
    let output = dig.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(|error| format!("dig: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // It says so on its standard output where nobody answers.
    if output.status.success() && !text.starts_with(";;") {
        Ok(text.lines().map(str::to_owned).collect())
    } else {
        Err(format!("dig {question:?} @{server}:{port}: {text}"))
    }
}

fn by_name(list: &Value, field: &str) -> BTreeMap<String, Value> {
    let entries = list.as_array().into_iter().flatten();
    entries.filter_map(|one| Some((one[field].as_str()?.to_owned(), one.clone()))).collect()
}
