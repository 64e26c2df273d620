//! What the agent wants of the engine that runs the containers. Which engine it is, is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Notify;

use crate::catalogue::{MonitoringPoint, Name};
use crate::health::Wish;
use crate::health::probe::Inside;

/// An engine, as far as the agent needs it.
pub trait Engine: Inside + Send + Sync + 'static {
    /// The containers of the stack that run now, by name.
    fn running(&self) -> impl Future<Output = Result<BTreeMap<Name, Running>, Silence>> + Send;

    /// Notifies whenever another answer of [`Engine::running`] is likely, for as long as it is not dropped. That is a
    /// hint: one too many does no harm, and one that is missed is made up for by asking now and then.
    fn wake(&self, wake: &Notify) -> impl Future<Output = ()> + Send;
}

/// A container that runs, and what the engine keeps for it of the stack's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The service of which it is a copy.
    pub service: Name,
    /// Its address on the Neutron network.
    pub address: IpAddr,
    /// Differs from that of a former container of the same name.
    pub identity: String,
    /// What its service announces.
    pub announced: Announced,
}

/// Why nothing is known of the containers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the engine does not answer: {reason}")]
pub struct Silence {
    /// In words for people.
    pub reason: String,
}

/// What the file says that a service announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Words that others look it up by.
    pub capabilities: BTreeSet<Name>,
    /// How its health is seen.
    pub monitor: Vec<MonitoringPoint>,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// How its checks shall behave.
    pub check: Wish,
}

impl Announced {
    /// Reads it from JSON: `{"capabilities": ["blog"], "monitor": [{"http": "/"}], "port": 8080}`. A way to see its health
    /// that this agent does not know is left out, since another version may have written it.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            capabilities: BTreeSet<Name>,
            #[serde(default)]
            monitor: Vec<Value>,
            #[serde(default)]
            port: Option<u16>,
            #[serde(default)]
            check: Wish,
        }
        let Wire { capabilities, monitor, port, check } = serde_json::from_str(text)?;
        let monitor = monitor.into_iter().filter_map(|point| serde_json::from_value(point).ok()).collect();
        Ok(Self { capabilities, monitor, port, check })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_announces_is_read_and_what_is_from_the_future_left_out() {
        let text = r#"{"capabilities": ["blog"], "port": 8080, "more": 1, "monitor": [{"http": "/"}, {"tcp": 5432},
            {"exec": ["true"]}, {"metrics": "/metrics"}, {"unit": "hugo.service"}, "cloud-init", {"smell": "good"}],
            "check": {"interval": 10}}"#;
        let announced = Announced::parse(text).unwrap();
        assert_eq!(announced.port, Some(8080));
        assert_eq!(announced.check, Wish { interval: Some(10), ..Wish::default() });
        assert_eq!(announced.monitor.len(), 6);
        assert_eq!(announced.monitor.last(), Some(&MonitoringPoint::CloudInit));
        assert_eq!(Announced::parse("{}").unwrap(), Announced::default());
        assert!(Announced::parse("5").is_err());
    }
}
