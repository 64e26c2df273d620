//! The part of the API that no real cloud has, under `/simulated`: it says that the cloud is simulated, tells where an
//! address really listens, and takes faults for tests.

use super::{Call, Reply, no_such_resource};
use crate::world::faults::Fault;
use crate::world::{Refusal, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where published addresses really listen.
pub type Published = BTreeMap<SocketAddrV4, SocketAddr>;

/// Answers a request; `/simulated/stop` is answered here and acted on by the server.
pub fn answer(world: &mut World, published: &Published, call: &Call) -> Result<Reply, Refusal> {
    match (call.method.as_str(), call.pieces().as_slice()) {
        ("GET", []) => Ok(Reply::ok(json!({
            "simulated": true,
            "pid": std::process::id(),
            "endpoint": call.base.strip_suffix("/simulated").unwrap_or(&call.base),
        }))),
        ("POST", ["stop"]) => Ok(Reply::json(202, json!({ "simulated": true, "stopping": true }))),
        ("GET", ["published"]) => {
            let wanted = call
                .query("address")
                .and_then(|address| address.parse::<Ipv4Addr>().ok())
                .zip(call.query("port").and_then(|port| port.parse::<u16>().ok()))
                .ok_or_else(|| Refusal::invalid("`address` and `port` are needed"))?;
            let wanted = SocketAddrV4::new(wanted.0, wanted.1);
            let real = published
                .get(&wanted)
                .ok_or_else(|| Refusal::new(404, "NotPublished", format!("nothing is published at `{wanted}`")))?;
            Ok(Reply::ok(json!({ "address": real.ip().to_string(), "port": real.port() })))
        }
        ("GET", ["requests"]) => {
            let faults = &world.settings.faults;
            Ok(Reply::ok(json!({ "count": faults.requests, "requests": faults.log })))
        }
        ("GET", ["faults"]) => Ok(Reply::ok(json!({ "faults": world.settings.faults.faults }))),
        ("PUT", ["faults"]) => {
            let faults: Vec<Fault> = serde_json::from_value(call.body.get("faults").cloned().unwrap_or(Value::Null))
                .map_err(|error| Refusal::invalid(format!("`faults` is not understood: {error}")))?;
            world.settings.faults.faults = faults;
            Ok(Reply::empty(204))
        }
        _ => Err(no_such_resource()),
    }
}
