//! Services that stumble: what they refuse for a while, answer with an error, answer late, or do without answering. One
//! `up` gets through all of it, and nothing is there twice.

use pontoon_sim::world::faults::{Effect, Fault, When};

use super::fixture::{Bench, example};
use crate::event::RunOutcome;

fn befall(bench: &Bench, faults: &[Fault]) {
    for fault in faults {
        bench.cloud.world().add_fault(fault.clone());
    }
}

fn fault(method: &str, path: &str, then: Effect, count: u32) -> Fault {
    Fault { when: When::Matches { method: method.to_owned(), path: path.to_owned() }, then, count }
}

/// What an `up` of the blog leaves in a cloud that nobody disturbs, and how many requests it makes.
async fn undisturbed() -> (Vec<String>, u64) {
    static UNDISTURBED: tokio::sync::OnceCell<(Vec<String>, u64)> = tokio::sync::OnceCell::const_new();
    let look = UNDISTURBED.get_or_init(|| async {
        let bench = Bench::new().await;
        assert_eq!(bench.up(&example("blog", &[])).await.outcome, RunOutcome::Converged);
        (bench.traces("blog"), bench.cloud.world().request_count())
    });
    look.await.clone()
}

/// One `up` in spite of these faults.
async fn gets_through(faults: &[Fault]) {
    let (expected, _) = undisturbed().await;
    let bench = Bench::new().await;
    befall(&bench, faults);
    let stack = example("blog", &[]);
    let report = bench.up(&stack).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{faults:?}: {report:?}");
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "{faults:?}");
    bench.cloud.world().clear_faults();
    assert!(bench.plan(&stack).await.is_empty(), "{faults:?}");
    assert_eq!(bench.traces("blog"), expected, "{faults:?}");
}

#[tokio::test]
async fn a_service_that_is_busy_for_a_moment_is_asked_again() {
    let busy = Effect::Status { code: 503, retry_after: Some(0) };
    gets_through(&[
        fault("POST", "/ports$", busy.clone(), 1),
        fault("GET", "/servers/detail$", busy.clone(), 2),
        fault("POST", "/loadbalancers$", busy, 1),
    ])
    .await;
}

#[tokio::test]
async fn too_many_requests_are_repeated_later() {
    let slower = Effect::Status { code: 429, retry_after: Some(0) };
    gets_through(&[fault("GET", "/security-groups$", slower.clone(), 2), fault("POST", "/servers$", slower, 1)]).await;
}

#[tokio::test]
async fn an_error_of_the_service_is_followed_by_another_look() {
    let broken = Effect::Status { code: 500, retry_after: None };
    for (method, path) in [
        ("POST", "/floatingips$"),
        ("POST", "/ports$"),
        ("POST", "/servers$"),
        ("POST", "/loadbalancers$"),
        ("POST", "/security-group-rules$"),
        ("PUT", "/subnets/"),
        ("GET", "/ports$"),
    ] {
        gets_through(&[fault(method, path, broken.clone(), 1)]).await;
    }
}

#[tokio::test]
async fn late_answers_are_waited_for() {
    let late = Effect::Delay { milliseconds: 200 };
    gets_through(&[
        fault("POST", "/servers$", late.clone(), 1),
        fault("POST", "/loadbalancers$", late.clone(), 1),
        fault("GET", "/ports$", late, 1),
    ])
    .await;
}

#[tokio::test]
async fn a_security_group_that_is_still_in_use_is_deleted_a_little_later() {
    let bench = Bench::new().await;
    bench.built(&example("blog", &[])).await;
    let in_use = Effect::Status { code: 409, retry_after: None };
    bench.cloud.world().add_fault(fault("DELETE", "/security-groups/", in_use, 5));
    let report = bench.down("blog").await;
    assert_eq!(report.outcome, RunOutcome::Removed, "{report:?}");
    assert_eq!(bench.traces("blog"), Vec::<String>::new());
}

/// A few requests among the next so many that are lost, or whose answers are: the same ones for the same seed.
fn losses(seed: u64, first: u64, requests: u64) -> Vec<Fault> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let one = |_| {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let then = if state & 1 == 0 { Effect::CloseAfterHandling } else { Effect::CloseBeforeHandling };
        Fault { when: When::Ordinal(first + (state >> 8) % requests), then, count: 1 }
    };
    (0..4).map(one).collect()
}

#[tokio::test]
async fn a_stack_is_taken_away_in_spite_of_lost_requests_and_answers() {
    for seed in 1..=8 {
        let bench = Bench::new().await;
        bench.built(&example("blog", &[])).await;
        let faults = losses(seed, bench.cloud.world().request_count() + 1, 40);
        befall(&bench, &faults);
        let report = bench.down("blog").await;
        assert_eq!(report.outcome, RunOutcome::Removed, "seed {seed}: {faults:?}: {report:?}");
        bench.cloud.world().clear_faults();
        assert_eq!(bench.traces("blog"), Vec::<String>::new(), "seed {seed}: {faults:?}");
    }
}

#[tokio::test]
async fn a_shop_gets_through_losses_as_well() {
    let sets = ["services.front.replicas=3", "services.api.replicas=2", "services.search.replicas=1"];
    let stack = example("shop", &sets);
    let bench = Bench::new().await;
    bench.built(&stack).await;
    let (expected, requests) = (bench.traces("shop"), bench.cloud.world().request_count());
    for seed in 1..=4 {
        let bench = Bench::new().await;
        let faults = losses(seed, 2, requests - 1);
        befall(&bench, &faults);
        let report = bench.up(&stack).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "seed {seed}: {faults:?}: {report:?}");
        bench.cloud.world().clear_faults();
        assert!(bench.plan(&stack).await.is_empty(), "seed {seed}: {faults:?}");
        assert_eq!(bench.traces("shop"), expected, "seed {seed}: {faults:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_on_the_way_is_asked_for_anew() {
    let bench = std::sync::Arc::new(Bench::new().await);
    let cloud = std::sync::Arc::downgrade(&bench);
    bench.watch(move |attempt| {
        if attempt.method == "POST"
            && attempt.url.ends_with("/servers")
            && let Some(bench) = cloud.upgrade()
        {
            bench.cloud.world().change(|world| world.tokens.clear());
        }
    });
    let report = bench.built(&example("blog", &[])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn lost_requests_and_lost_answers_make_no_twins() {
    let (_, requests) = undisturbed().await;
    for seed in 1..=12_u64 {
        gets_through(&losses(seed, 2, requests - 1)).await;
    }
}
