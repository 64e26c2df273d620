//! What the agent wants of the engine that runs the containers. Which engine it is, is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Notify;

use crate::catalogue::{MonitoringPoint, Name};
use crate::health::Settings;
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
    /// How that is looked at; as is usual here where it is not said.
    pub check: Option<Settings>,
    /// The port that it listens on.
    pub port: Option<u16>,
}

impl Announced {
    /// Reads it from JSON: `{"capabilities": ["blog"], "monitor": [{"http": "/"}], "check": {"interval": 5, "timeout": 2,
    /// "rise": 2, "fall": 3}, "port": 8080}`. A way to see its health that this agent does not know is left out, since
    /// another version may have written it.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Check {
            interval: u16,
            timeout: u16,
            rise: u32,
            fall: u32,
        }
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            capabilities: BTreeSet<Name>,
            #[serde(default)]
            monitor: Vec<Value>,
            #[serde(default)]
            check: Option<Check>,
            #[serde(default)]
            port: Option<u16>,
        }
        let Wire { capabilities, monitor, check, port } = serde_json::from_str(text)?;
        let monitor = monitor.into_iter().filter_map(|point| serde_json::from_value(point).ok()).collect();
        // Whoever looked without a pause would do nothing else.
        let seconds = |number: u16| Duration::from_secs(number.max(1).into());
        let check = check.map(|Check { interval, timeout, rise, fall }| Settings {
            interval: seconds(interval),
            timeout: seconds(timeout),
            rise,
            fall,
        });
        Ok(Self { capabilities, monitor, check, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_announces_is_read_and_what_is_from_the_future_left_out() {
        let text = r#"{"capabilities": ["blog"], "port": 8080, "more": 1,
            "check": {"interval": 0, "timeout": 4, "rise": 1, "fall": 2, "more": 1}, "monitor": [{"http": "/"}, {"tcp": 5432},
            {"exec": ["true"]}, {"metrics": "/metrics"}, {"unit": "hugo.service"}, "cloud-init", {"smell": "good"}]}"#;
        let announced = Announced::parse(text).unwrap();
        assert_eq!(announced.port, Some(8080));
        let check = announced.check.unwrap();
        assert_eq!((check.interval, check.timeout), (Duration::from_secs(1), Duration::from_secs(4)));
        assert_eq!((check.rise, check.fall), (1, 2));
        assert_eq!(announced.monitor.len(), 6);
        assert_eq!(announced.monitor.last(), Some(&MonitoringPoint::CloudInit));
        assert_eq!(Announced::parse("{}").unwrap(), Announced::default());
        assert!(Announced::parse("5").is_err());
    }
}
