//! Scenarios of whole stacks: from nothing to a website at a floating IP, and back to nothing.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::stage::{Stage, say};
use super::agents;
use super::{BLOG, SHOP, lost_at, must};

/// What stands on the page that hugo makes of the lab's site.
pub(super) const HEADLINE: &str = "Hello from the container";

/// Up, the page, what the agent knows, an empty plan, up again.
pub(super) fn blog(stage: &mut Stage) -> Result<(), String> {
    let up = stage.pontoon(&["up", BLOG, "--cloud", "lab"])?;
    must(up.outcome() == "converged", || format!("up ended as {}", up.outcome()))?;
    let page = stage.page(up.url()?)?;
    must(page.contains(HEADLINE), || format!("{} answers with another page: {page}", up.url().unwrap_or_default()))?;
    say(&format!("  {} answers with the site", up.url()?));
    agents::agree(stage, BLOG)?;
    agents::finds(stage, BLOG, "hugo-0", "hugo.service.blog.internal", &[Ipv4Addr::new(192, 168, 0, 100)])?;
    lost_at(stage, BLOG, None)?;
    let plan = stage.pontoon(&["plan", BLOG, "--cloud", "lab", "--exit-code"])?;
    must(plan.exit == Some(0), || "the second plan is not empty".to_owned())?;
    let again = stage.pontoon(&["up", BLOG, "--cloud", "lab"])?;
    must(again.outcome() == "unchanged", || format!("the second up ended as {}", again.outcome()))
}

/// A plan of somebody to whom a network is only lent, which must name the right that is missing.
pub(super) fn stranger(stage: &mut Stage) -> Result<(), String> {
    let mut arguments = vec!["plan", BLOG, "--cloud", "lab-stranger"];
    for value in [
        "network.name=shared",
        "network.dhcp_pool=~",
        "hosts.lxd.image=Debian 12",
        "hosts.lxd.flavor=m1.medium",
        "hosts.lxd.key=lab",
        "services.hugo.image=../../target/lab/container.tar.zst",
    ] {
        arguments.extend(["--set", value]);
    }
    let plan = stage.pontoon(&arguments)?;
    let blocked = plan.blocked().join("\n");
    say(&format!("  {blocked}"));
    must(plan.exit == Some(1) && blocked.contains("pairs"), || format!("the plan does not say so: {blocked}"))
}

/// Up on two hosts: both services answer at floating IPs of their own.
pub(super) fn shop(stage: &mut Stage) -> Result<(), String> {
    let up = stage.pontoon(&["up", SHOP, "--cloud", "lab"])?;
    must(matches!(up.outcome(), "converged" | "unchanged"), || format!("up ended as {}", up.outcome()))?;
    for host in ["lxd0", "lxd1"] {
        must(up.planned("create", &format!("host/{host}")), || format!("{host} was not made"))?;
    }
    let served = who_serves(stage)?;
    must(served == names_of_fronts(2), || format!("the balancer asks {served:?}"))?;
    lost_at(stage, SHOP, None)?;
    agents::agree(stage, SHOP)?;
    // They are on different hosts, so one of them has it from another agent than that of the service.
    for container in ["front-0", "front-1"] {
        agents::finds(stage, SHOP, container, "search.service.shop.internal", &[Ipv4Addr::new(192, 168, 0, 110)])?;
    }
    Ok(())
}

/// One container more, then one less; pages come from exactly those that there are.
pub(super) fn scale(stage: &mut Stage) -> Result<(), String> {
    for replicas in [3, 2] {
        let value = format!("services.front.replicas={replicas}");
        let up = stage.pontoon(&["up", SHOP, "--cloud", "lab", "--yes", "--set", &value])?;
        must(up.outcome() == "converged", || format!("up with {replicas} replicas ended as {}", up.outcome()))?;
        let served = who_serves(stage)?;
        must(served == names_of_fronts(replicas), || format!("the balancer asks {served:?}"))?;
    }
    Ok(())
}

/// Where the shop's pages are.
fn front(stage: &mut Stage) -> Result<String, String> {
    let status = stage.pontoon(&["status", SHOP, "--cloud", "lab"])?;
    let balancers = status.events.iter().filter_map(|event| event.get("balancers")?.as_array()).flatten();
    let urls = balancers.into_iter().filter(|balancer| balancer["name"] == "shop");
    urls.filter_map(|balancer| balancer["url"].as_str()).map(str::to_owned).next().ok_or_else(|| "no URL".to_owned())
}

/// The containers that serve the shop's page, when it is asked for often enough to meet each of them twice.
fn who_serves(stage: &mut Stage) -> Result<BTreeSet<String>, String> {
    let url = &front(stage)?;
    let mut served = BTreeSet::new();
    for _ in 0..8 {
        let page = stage.page(url)?;
        let name = page.split("served by ").nth(1).and_then(|rest| rest.split('<').next());
        served.insert(name.ok_or_else(|| format!("{url} answers with another page: {page}"))?.to_owned());
    }
    say(&format!("  {url} is served by {served:?}"));
    Ok(served)
}

fn names_of_fronts(replicas: usize) -> BTreeSet<String> {
    (0..replicas).map(|index| format!("front-{index}")).collect()
}
