//! What nobody plans for: a cloud that forgets what it is told, things that go while somebody waits for them, and leases
//! that cannot be trusted. Every run ends, and says how.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pontoon_cloud::openstack::network::NewSecurityGroup;
use pontoon_sim::Delays;
use pontoon_sim::world::World;
use pontoon_sim::world::faults::{Effect, Fault, When};
use pontoon_sim::world::identity::Project;

use super::fixture::{Bench, example};
use crate::engine::Holder;
use crate::event::{Report, RunOutcome};

/// Long enough for any run here, and shorter than for ever.
const PATIENCE: Duration = Duration::from_mins(1);

async fn in_time(run: impl Future<Output = Report>) -> Report {
    tokio::time::timeout(PATIENCE, Box::pin(run)).await.expect("the run goes on and on")
}

fn fault(method: &str, path: &str, then: Effect, count: u32) -> Fault {
    Fault { when: When::Matches { method: method.to_owned(), path: path.to_owned() }, then, count }
}

#[tokio::test]
async fn an_up_whose_changes_are_undone_each_time_gives_up_and_says_which() {
    let bench = Arc::new(Bench::new().await);
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    let strip = |bench: &Bench| {
        bench.cloud.world().change(|world| {
            world.ports.values_mut().for_each(|port| port.allowed_address_pairs.clear());
        });
    };
    strip(&bench);
    let other = Arc::downgrade(&bench);
    bench.watch(move |attempt| {
        if attempt.method == "PUT"
            && attempt.url.contains("/ports/")
            && let Some(bench) = other.upgrade()
        {
            strip(&bench);
        }
    });
    let report = in_time(bench.up(&stack)).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert!(report.failures[0].contains("done again and again"), "{report:?}");
}

#[tokio::test]
async fn a_balancer_that_is_on_its_way_out_is_waited_for_and_made_anew() {
    let change = Delays { balancer_change: Duration::from_millis(700), ..Delays::zero() };
    let bench = Bench::with(|config| config.delays = change).await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    let client = bench.client();
    let id = client.load_balancers(&[]).await.unwrap().remove(0).id;
    client.delete_load_balancer(&id).await.unwrap();
    let report = in_time(bench.up(&stack)).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
    assert_ne!(client.load_balancers(&[]).await.unwrap().remove(0).id, id);
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_host_that_is_deleted_while_it_boots_is_booted_again() {
    let boot = Delays { guest_boot: Duration::from_millis(1500), ..Delays::zero() };
    let bench = Arc::new(Bench::with(|config| config.delays = boot).await);
    let stack = example("blog", &[]);
    let other = Arc::downgrade(&bench);
    let done = AtomicBool::new(false);
    bench.watch(move |attempt| {
        let shown = attempt.method == "GET" && attempt.url.contains("/servers/") && !attempt.url.contains("detail");
        if shown
            && !done.swap(true, Ordering::Relaxed)
            && let Some(bench) = other.upgrade()
        {
            let client = bench.client();
            tokio::spawn(async move {
                let id = client.servers(&[]).await.unwrap().remove(0).id;
                client.delete_server(&id).await.unwrap();
            });
        }
    });
    let report = in_time(bench.up(&stack)).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn who_stops_does_not_wait_for_what_the_cloud_does_by_itself() {
    let slow = Delays { server_delete: Duration::from_secs(20), ..Delays::zero() };
    let bench = Bench::with(|config| config.delays = slow).await;
    bench.built(&example("blog", &[])).await;
    let stop = bench.stopper();
    bench.watch(move |attempt| {
        if attempt.method == "DELETE" && attempt.url.contains("/servers/") {
            stop.cancel();
        }
    });
    let begun = Instant::now();
    let report = in_time(bench.down("blog")).await;
    assert_eq!(report.outcome, RunOutcome::Stopped, "{report:?}");
    assert!(begun.elapsed() < slow.server_delete, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_proof_is_not_given_up_because_octavia_stumbles_once() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    bench.cloud.world().add_fault(fault("GET", "/status$", Effect::Status { code: 500, retry_after: None }, 1));
    let report = in_time(bench.up(&stack)).await;
    assert_eq!(report.outcome, RunOutcome::Unchanged, "{report:?}");
}

#[tokio::test]
async fn a_down_looks_again_where_a_service_stumbles() {
    let bench = Bench::new().await;
    bench.built(&example("blog", &[])).await;
    bench.cloud.world().add_fault(fault("GET", "/ports", Effect::Status { code: 500, retry_after: None }, 1));
    let report = in_time(bench.down("blog")).await;
    assert_eq!(report.outcome, RunOutcome::Removed, "{report:?}");
    assert_eq!(bench.traces("blog"), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_renewal_does_not_take_the_lease_back_from_another_writer() {
    let bench = Arc::new(Bench::new().await);
    let stack = example("blog", &[]);
    let slow = Effect::Delay { milliseconds: 600 };
    bench.cloud.world().add_fault(fault("POST", "/servers$", slow, 1));
    bench.cloud.world().add_fault(fault("PUT", "/security-groups/", Effect::CloseBeforeHandling, 1));
    let other = Arc::downgrade(&bench);
    let taken = AtomicBool::new(false);
    bench.watch(move |attempt| {
        let renewal = attempt.method == "PUT" && attempt.url.contains("/security-groups/");
        if renewal
            && attempt.status.is_none()
            && !taken.swap(true, Ordering::Relaxed)
            && let Some(bench) = other.upgrade()
        {
            bench.cloud.world().change(|world| {
                for group in world.security_groups.values_mut().filter(|one| one.meta.name == "blog-lease") {
                    group.meta.description = lease("elsewhere", "elsewhere", 7);
                    group.meta.revision_number += 1;
                }
            });
        }
    });
    let report = in_time(bench.up_as(&stack, Holder::elsewhere("bob", 8, Duration::from_millis(50)))).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert_eq!(report.failures, ["the lease on the stack was lost to another writer"]);
    assert!(bench.traces("blog").contains(&lease("elsewhere", "elsewhere", 7)), "{:?}", bench.traces("blog"));
}

#[tokio::test]
async fn a_machine_of_the_same_name_is_not_this_machine() {
    let bench = Bench::new().await;
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // Above the largest number that Linux gives to a process.
    let description = lease(&name, "00000000-1", 1 << 23);
    let group = NewSecurityGroup { name: "blog-lease".to_owned(), description };
    bench.client().create_security_group(&group).await.unwrap();
    let report = in_time(bench.up(&example("blog", &[]))).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert!(report.failures[0].contains("is being changed by eve"), "{report:?}");
}

/// The lease of another writer, good for a long time: one that is always the same.
fn lease(machine: &str, boot: &str, pid: u32) -> String {
    let until = Timestamp::from_second(32_503_680_000).unwrap();
    format!("pontoon:blog:lease holder=eve@{machine} machine={machine} boot={boot} pid={pid} until={until:.0}")
}

/// The project of all users goes, with its tokens, and there is another one of the same name; what was there is in it.
fn made_anew(world: &mut World) {
    let new = "5".repeat(32);
    let old = std::mem::replace(&mut world.users[0].project_id, new.clone());
    world.tokens.clear();
    let project = world.projects.shift_remove(&old).unwrap();
    world.projects.insert(new.clone(), Project { id: new.clone(), ..project });
    let metas = world.networks.values_mut().map(|network| &mut network.meta);
    let metas = metas.chain(world.subnets.values_mut().map(|subnet| &mut subnet.meta));
    let metas = metas.chain(world.routers.values_mut().map(|router| &mut router.meta));
    let metas = metas.chain(world.ports.values_mut().map(|port| &mut port.meta));
    metas.filter(|meta| meta.project_id == old).for_each(|meta| meta.project_id.clone_from(&new));
}

#[tokio::test]
async fn a_kept_token_of_a_project_that_was_made_anew_costs_a_login_and_not_a_run() {
    let bench = Bench::new().await;
    bench.keeps_tokens();
    let stack = example("blog", &[]);
    bench.plan(&stack).await;
    bench.cloud.world().change(made_anew);
    bench.built(&stack).await;
}
