//! Health checks: each goes the way of the balancer's own traffic, so that what drops the one drops the other.
//!
//! The simulated balancer looks more often than a monitor's `delay` says, for the sake of tests, and believes the first
//! look: `max_retries` are not waited for.

use super::{From, connect};
use crate::cloud::Shared;
use crate::world::World;
use crate::world::balancer::{Operating, Provisioning};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

/// The longest that one check may take, whatever the monitor says.
const PATIENCE: Duration = Duration::from_secs(2);

/// One check to make.
struct Check {
    member: String,
    from: From,
    to: SocketAddrV4,
    /// Method, path and expected codes, for HTTP.
    http: Option<(String, String, String)>,
}

/// Checks every member of every monitored pool, and says whether any changed its state.
pub async fn look(shared: &Arc<Shared>) -> bool {
    let checks = checks(&shared.world());
    let mut results = Vec::with_capacity(checks.len());
    for check in checks {
        let fine = tokio::time::timeout(PATIENCE, passes(shared, &check)).await.unwrap_or(false);
        results.push((check.member, if fine { Operating::Online } else { Operating::Error }));
    }
    let mut world = shared.world();
    let mut changed = false;
    for (id, state) in results {
        let monitored = world.members.get(&id).is_some_and(|member| {
            world
                .monitor_of(&member.pool_id)
                .is_some_and(|monitor| monitor.provisioning_status != Provisioning::PendingDelete)
        });
        if let Some(member) = world.members.get_mut(&id).filter(|member| monitored && member.operating_status != state)
        {
            member.operating_status = state;
            changed = true;
        }
    }
    changed
}

fn checks(world: &World) -> Vec<Check> {
    let alive = |status: Provisioning| matches!(status, Provisioning::Active | Provisioning::PendingUpdate);
    let mut checks = Vec::new();
    for monitor in
        world.healthmonitors.values().filter(|monitor| alive(monitor.provisioning_status) && monitor.admin_state_up)
    {
        let Some(pool) = world.pools.get(&monitor.pool_id) else { continue };
        let http = (monitor.kind == "HTTP").then(|| {
            let text = |value: &Option<String>, otherwise: &str| value.clone().unwrap_or_else(|| otherwise.to_owned());
            (text(&monitor.http_method, "GET"), text(&monitor.url_path, "/"), text(&monitor.expected_codes, "200"))
        });
        for member in world.members_of(&pool.meta.id).filter(|member| alive(member.provisioning_status)) {
            let address = member.monitor_address.unwrap_or(member.address);
            checks.push(Check {
                member: member.meta.id.clone(),
                from: From::Balancer { id: pool.loadbalancer_id.clone(), client: None },
                to: SocketAddrV4::new(address, member.monitor_port.unwrap_or(member.protocol_port)),
                http: http.clone(),
            });
        }
    }
    checks
}

async fn passes(shared: &Arc<Shared>, check: &Check) -> bool {
    let Ok(stream) = connect::connect(shared, &check.from, check.to) else { return false };
    let Some((method, path, codes)) = &check.http else { return true };
    let request = Request::builder()
        .method(method.as_str())
        .uri(path.as_str())
        .header(http::header::HOST, check.to.to_string())
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else { return false };
    let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await else {
        return false;
    };
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    driver.abort();
    answer.is_ok_and(|response| expected(codes, response.status().as_u16()))
}

/// `200`, `200,202` or `200-204`.
fn expected(codes: &str, code: u16) -> bool {
    codes.split(',').any(|part| match part.trim().split_once('-') {
        Some((first, last)) => {
            first.parse().is_ok_and(|first: u16| first <= code) && last.parse().is_ok_and(|last: u16| code <= last)
        }
        None => part.trim().parse() == Ok(code),
    })
}
