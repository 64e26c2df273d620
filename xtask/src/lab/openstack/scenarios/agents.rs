//! What agents must agree upon: the agent of every host knows every container of the stack, and a container finds another
//! service by its name.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::stage::{Stage, say};
use super::must;

/// The program on a host, which is asked there for what its agent knows.
const PROGRAM: &str = "/var/lib/pontoon/bin/pontoon";

/// How long agents may take to agree: a check that failed first is repeated some times, and all of it is emulated.
const AGREED: Duration = Duration::from_mins(3);

/// A host of the stack, as `pontoon status` knows it.
struct Host {
    name: String,
    address: String,
    floating_ip: Option<String>,
}

/// Every agent knows the same hosts and all of the containers, each of them well and at its address.
pub(super) fn agree(stage: &mut Stage, stack: &str) -> Result<(), String> {
    let status = stage.pontoon(&["status", stack, "--cloud", "lab"])?;
    let hosts: Vec<Host> = status.listed("hosts").filter_map(host).collect();
    let containers: BTreeMap<String, String> =
        status.listed("containers").filter_map(|one| Some((text(one, "name")?, text(one, "address")?))).collect();
    must(!hosts.is_empty() && !containers.is_empty(), || "status shows no host or no container".to_owned())?;
    let begun = Instant::now();
    for host in &hosts {
        while let Err(reason) = knows(stage, host, &hosts, &containers) {
            must(begun.elapsed() < AGREED, || format!("the agent of {} does not know all: {reason}", host.name))?;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    say(&format!(
        "  {} agents know {} containers, all of them passing, after {took:.1} s",
        hosts.len(),
        containers.len()
    ));
    Ok(())
}

/// In a container the service's name stands for the addresses of its containers.
pub(super) fn finds(
    stage: &mut Stage,
    stack: &str,
    container: &str,
    name: &str,
    want: &[Ipv4Addr],
) -> Result<(), String> {
    let looked =
        stage.pontoon(&["exec", container, "-C", stack, "--cloud", "lab", "--", "getent", "ahostsv4", name])?;
    let mut found: Vec<Ipv4Addr> =
        looked.printed().lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    must(found == want, || format!("for {container} {name} is {found:?}"))?;
    say(&format!("  for {container} {name} is {found:?}"));
    Ok(())
}

/// An error says what an agent does not know yet.
fn knows(stage: &Stage, host: &Host, hosts: &[Host], containers: &BTreeMap<String, String>) -> Result<(), String> {
    let arguments = ssh(host, hosts, &format!("{PROGRAM} agent catalogue --json"));
    let told = stage.output("ssh", &arguments)?;
    let catalogue: Value = serde_json::from_str(&told).map_err(|error| format!("{error} in {told}"))?;
    let known: Vec<&Value> = list(&catalogue, "hosts").collect();
    for wanted in hosts {
        let there = known.iter().any(|one| one["host"] == *wanted.name && one["state"] == "alive");
        must(there, || format!("{} is not alive there", wanted.name))?;
    }
    let announced: BTreeMap<String, String> = known
        .iter()
        .flat_map(|one| list(one, "containers"))
        .filter(|one| one["state"] == "passing")
        .filter_map(|one| Some((text(one, "container")?, text(one, "address")?)))
        .collect();
    must(announced == *containers, || format!("{announced:?} are passing, and there are {containers:?}"))
}

/// The arguments that lead to a host, through the one with a floating IP where it has none. Whose keys these are `up` has
/// made sure of.
fn ssh(host: &Host, hosts: &[Host], command: &str) -> Vec<String> {
    let believing = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
    let mut arguments: Vec<String> = believing.split(' ').map(str::to_owned).collect();
    let jump = hosts.iter().find_map(|other| other.floating_ip.as_ref());
    let address = match (&host.floating_ip, jump) {
        (Some(floating_ip), _) => floating_ip,
        (None, Some(jump)) => {
            arguments.extend(["-o".to_owned(), format!("ProxyCommand=ssh {believing} -W %h:%p pontoon@{jump}")]);
            &host.address
        }
        (None, None) => &host.address,
    };
    arguments.extend([format!("pontoon@{address}"), command.to_owned()]);
    arguments
}

fn host(value: &Value) -> Option<Host> {
    Some(Host { name: text(value, "name")?, address: text(value, "address")?, floating_ip: text(value, "floating_ip") })
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}
