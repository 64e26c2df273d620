//! Scenarios of mending: something happened to a stack, and the next `up` makes it whole.
//!
//! They are about hosts and containers, so they leave out the balancer, which would take longer than all the rest; the
//! page is asked for by a neighbour on the tenant network, whose packets meet port security and groups like a balancer's.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::stage::{Run, Stage, names, say};
use super::whole::HEADLINE;
use super::{MENDED, lost_at, must};

const PAGE: &str = "http://192.168.0.100:8080/";
const UP: [&str; 5] = ["up", MENDED, "--cloud", "lab", "--yes"];

/// How long a change of port security may take to reach the packets: the agent looks every two seconds.
const IN_FORCE: Duration = Duration::from_secs(30);

/// Killed while the host boots: the next run finds what the first one made.
pub(super) fn killed(stage: &mut Stage) -> Result<(), String> {
    write_stack(stage, "")?;
    let first = stage.pontoon_until(&UP, |event| is_waiting_for(event, "host/lxd0"))?;
    must(first.exit.is_none(), || "the first run ended by itself".to_owned())?;
    let second = whole(stage)?;
    must(!second.planned("create", "host/lxd0"), || "the second run made the host again".to_owned())
}

/// Without its pair the container is cut off; the next run sets it, and nothing else.
pub(super) fn pair(stage: &mut Stage) -> Result<(), String> {
    write_stack(stage, "")?;
    whole(stage)?;
    stage.output("openstack", &["port", "set", "--no-allowed-address", "lxd0"])?;
    let begun = Instant::now();
    while stage.page_for_a_neighbour(PAGE).is_ok() {
        must(begun.elapsed() < IN_FORCE, || "the container answers without a pair".to_owned())?;
    }
    say(&format!("  cut off {:.1} s after its pair was taken away", begun.elapsed().as_secs_f64()));
    lost_at(stage, MENDED, Some("pairs/lxd0"))?;
    let up = whole(stage)?;
    lost_at(stage, MENDED, None)?;
    must(up.planned("change", "pairs/lxd0"), || "the pair was not set by a step".to_owned())?;
    must(!up.planned("replace", "container/hugo-0"), || "the container was replaced".to_owned())
}

/// Another user-data makes another container, with the same address.
pub(super) fn container(stage: &mut Stage) -> Result<(), String> {
    write_stack(stage, "")?;
    whole(stage)?;
    write_stack(stage, "# Changed.\n")?;
    let up = whole(stage)?;
    must(up.planned("replace", "container/hugo-0"), || "the container was not replaced".to_owned())
}

/// A server that is gone takes its container with it; both come back with their addresses.
pub(super) fn host(stage: &mut Stage) -> Result<(), String> {
    write_stack(stage, "")?;
    whole(stage)?;
    stage.output("openstack", &["server", "delete", "--wait", "lxd0"])?;
    let up = whole(stage)?;
    must(up.planned("create", "host/lxd0"), || "the host was not made again".to_owned())
}

/// Up, until the page is there.
fn whole(stage: &mut Stage) -> Result<Run, String> {
    let up = stage.pontoon(&UP)?;
    must(matches!(up.outcome(), "converged" | "unchanged"), || format!("up ended as {}", up.outcome()))?;
    let page = stage.page_for_a_neighbour(PAGE)?;
    must(page.contains(HEADLINE), || format!("the container answers with another page: {page}"))?;
    say("  the container answers a neighbour with the site");
    Ok(up)
}

/// The blog of the examples with its overlay, but without balancer; `more` is added to the container's user-data.
fn write_stack(stage: &Stage, more: &str) -> Result<(), String> {
    let (file, overlay) = (stage.read("examples/blog/pontoon.yaml")?, stage.read("examples/blog/pontoon.lab.yaml")?);
    let without = file.split("\nbalancers:").next().unwrap_or(&file);
    stage.write("mended/pontoon.yaml", &format!("{without}\n"))?;
    stage.write("mended/pontoon.lab.yaml", &overlay.replace("../../target/lab/", "../"))?;
    stage.write("mended/hugo.yaml", &format!("{}{more}", stage.read("examples/blog/hugo.yaml")?))
}

fn is_waiting_for(event: &Value, resource: &str) -> bool {
    event["event"] == "step" && event["state"] == "waiting" && names(event, resource)
}
