//! Two writers on one stack: the second is told who the first one is; who is gone is succeeded; who is overtaken stops.
//! And one writer who stops by himself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pontoon_cloud::openstack::network::NewSecurityGroup;
use pontoon_sim::world::faults::{Effect, Fault, When};
use tokio::sync::Notify;

use super::fixture::{Bench, example};
use crate::engine::Holder;
use crate::event::RunOutcome;

const LONG: Duration = Duration::from_hours(1);

/// Leaves a lease as another writer would, good for so many seconds from now.
async fn leased(bench: &Bench, machine: &str, pid: u32, seconds: i64) {
    let until = Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    let description = format!("pontoon:blog:lease holder=eve@{machine} machine={machine} pid={pid} until={until:.0}");
    let group = NewSecurityGroup { name: "blog-lease".to_owned(), description };
    bench.client().create_security_group(&group).await.unwrap();
}

/// Makes the next boot slow, and tells when somebody holds the lease and has begun to write.
fn at_work(bench: &Bench) -> Arc<Notify> {
    let slow = When::Matches { method: "POST".to_owned(), path: "/servers$".to_owned() };
    bench.cloud.world().add_fault(Fault { when: slow, then: Effect::Delay { milliseconds: 1500 }, count: 1 });
    let leased = Arc::new(Notify::new());
    let seen = leased.clone();
    bench.watch(move |attempt| {
        if attempt.method == "POST" && attempt.url.ends_with("/ports") {
            seen.notify_one();
        }
    });
    leased
}

fn leases(bench: &Bench) -> usize {
    bench.traces("blog").iter().filter(|text| text.starts_with("pontoon:blog:lease")).count()
}

#[tokio::test]
async fn a_second_up_is_told_who_is_at_work() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    let leased = at_work(&bench);
    let second = async {
        leased.notified().await;
        bench.up_as(&stack, Holder::elsewhere("eve", 7, LONG)).await
    };
    let (first, second) = tokio::join!(bench.up(&stack), second);
    assert_eq!(first.outcome, RunOutcome::Converged, "{first:?}");
    assert_eq!(second.outcome, RunOutcome::Failed, "{second:?}");
    let pid = std::process::id();
    assert!(second.failures[0].contains(&format!("(process {pid}), whose lease ends at ")), "{second:?}");
    assert!(second.hint.unwrap().contains("ends by itself"));
    assert_eq!(leases(&bench), 0);
}

#[tokio::test]
async fn nothing_is_written_while_somebody_elsewhere_holds_the_lease() {
    let bench = Bench::new().await;
    leased(&bench, "elsewhere", 7, 90).await;
    let before = bench.cloud.world().request_count();
    let report = bench.up(&example("blog", &[])).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert!(report.failures[0].contains("is being changed by eve@elsewhere (process 7)"), "{report:?}");
    assert_eq!(bench.writes_after(before), Vec::<String>::new());
    assert_eq!(leases(&bench), 1);
}

#[tokio::test]
async fn clocks_of_operators_may_differ_by_an_hour() {
    let (hour, none) = (SignedDuration::from_hours(1), SignedDuration::ZERO);
    for (first_ahead, second_ahead) in [(-hour, none), (hour, none), (none, hour), (hour, -hour)] {
        let bench = Bench::new().await;
        let stack = example("blog", &[]);
        let leased = at_work(&bench);
        let first = Holder::elsewhere("eve", 7, LONG).with_clock_ahead(first_ahead);
        let second = async {
            leased.notified().await;
            bench.up_as(&stack, Holder::elsewhere("bob", 8, LONG).with_clock_ahead(second_ahead)).await
        };
        let (first, second) = tokio::join!(bench.up_as(&stack, first), second);
        assert_eq!(first.outcome, RunOutcome::Converged, "{first_ahead} and {second_ahead}: {first:?}");
        assert_eq!(second.outcome, RunOutcome::Failed, "{first_ahead} and {second_ahead}: {second:?}");
        assert!(second.failures[0].contains("is being changed by eve@elsewhere"), "{second:?}");

        // Who is gone is succeeded when the lease is over by the cloud's clock, whatever the successor's shows.
        self::leased(&bench, "elsewhere", 9, -1).await;
        let late = Holder::elsewhere("bob", 8, LONG).with_clock_ahead(second_ahead);
        let report = bench.up_as(&example("blog", &["services.hugo.limits.cpu=1"]), late).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{second_ahead}: {report:?}");
        assert_eq!(leases(&bench), 0);
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over_and_given_back() {
    let bench = Bench::new().await;
    leased(&bench, "elsewhere", 7, -1).await;
    bench.built(&example("blog", &[])).await;
    assert_eq!(leases(&bench), 0);
    // With nothing to do, what others left behind is swept up all the same.
    leased(&bench, "elsewhere", 7, -1).await;
    assert_eq!(bench.up(&example("blog", &[])).await.outcome, RunOutcome::Unchanged);
    assert_eq!(leases(&bench), 0);
}

#[tokio::test]
async fn down_waits_for_nobody_who_holds_the_lease() {
    let bench = Bench::new().await;
    bench.built(&example("blog", &[])).await;
    let whole = bench.traces("blog");
    leased(&bench, "elsewhere", 7, 90).await;
    let report = bench.down("blog").await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert!(report.failures[0].contains("eve@elsewhere"), "{report:?}");
    assert_eq!(bench.traces("blog").len(), whole.len() + 1, "nothing is gone but the lease has come");
}

/// Lets somebody else take the lease over as soon as a request to `path` was answered.
fn overtaken(bench: &Arc<Bench>, method: &'static str, path: &'static str) {
    let other = Arc::downgrade(bench);
    let taken = AtomicUsize::new(0);
    bench.watch(move |attempt| {
        let Some(bench) = other.upgrade() else { return };
        if attempt.method == method && attempt.url.contains(path) && taken.fetch_add(1, Ordering::Relaxed) == 0 {
            bench.cloud.world().change(|world| {
                let groups = world.security_groups.values_mut();
                groups.filter(|one| one.meta.name == "blog-lease").for_each(|one| {
                    let until = Timestamp::now().checked_add(jiff::SignedDuration::from_secs(90)).unwrap();
                    one.meta.description =
                        format!("pontoon:blog:lease holder=eve@elsewhere machine=elsewhere pid=7 until={until:.0}");
                    one.meta.revision_number += 1;
                });
            });
        }
    });
}

#[tokio::test]
async fn who_loses_the_lease_stops_and_leaves_it_to_the_other() {
    let bench = Arc::new(Bench::new().await);
    let stack = example("blog", &[]);
    // The server takes long enough for the loss to be noticed.
    let slow = When::Matches { method: "POST".to_owned(), path: "/servers$".to_owned() };
    bench.cloud.world().add_fault(Fault { when: slow, then: Effect::Delay { milliseconds: 300 }, count: 1 });
    overtaken(&bench, "POST", "/ports");
    let report = bench.up_as(&stack, Holder::elsewhere("bob", 8, Duration::from_millis(1))).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert_eq!(report.failures, ["the lease on the stack was lost to another writer"]);
    assert_eq!(leases(&bench), 1, "it is the other one's now");
    let servers = bench.cloud.world().snapshot()["servers"].as_object().unwrap().len();
    assert!(servers <= 1);
    assert!(!bench.traces("blog").iter().any(|key| key.contains("container/")), "nothing new was begun");
}

#[tokio::test]
async fn an_up_that_is_stopped_says_how_to_go_on_and_the_next_one_does() {
    for answered in [1, 5, 12, 20, 28] {
        let bench = Bench::new().await;
        let stack = example("blog", &[]);
        let stop = bench.stopper();
        let count = AtomicUsize::new(0);
        bench.watch(move |_| {
            if count.fetch_add(1, Ordering::Relaxed) + 1 == answered {
                stop.cancel();
            }
        });
        let report = bench.up(&stack).await;
        assert_eq!(report.outcome, RunOutcome::Stopped, "after {answered} answers: {report:?}");
        assert_eq!(report.hint.as_deref(), Some("`pontoon up` goes on where this one stopped"));
        assert_eq!(leases(&bench), 0, "after {answered} answers");
        bench.watch(|_| {});
        let report = bench.built(&stack).await;
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    }
}
