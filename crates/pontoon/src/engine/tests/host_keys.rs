//! Clouds that show no consoles: hosts are handed their ssh keys, and nobody is believed who shows another one.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use pontoon_cloud::ssh::{HostKeyCheck, KeyPair};
use pontoon_core::plan::{Action, HostKeySource};
use pontoon_core::spec::model::Stack;
use pontoon_sim::Console;
use pontoon_sim::world::compute::Server;
use pontoon_sim::world::faults::Effect;

use super::crash::killed_at_each;
use super::fixture::{Bench, example, step, told};
use crate::engine::Answer;
use crate::event::RunOutcome;

fn blog(host_key: &str) -> Stack {
    example("blog", &[&format!("hosts.lxd.host_key={host_key}")])
}

async fn without_consoles(console: Console) -> Bench {
    Bench::with(move |config| config.console = console).await
}

/// How many servers were asked for.
fn boots(bench: &Bench) -> usize {
    let requests = bench.cloud.world().requests();
    requests.iter().filter(|one| one.method == "POST" && one.path.ends_with("/servers")).count()
}

fn servers(bench: &Bench) -> Vec<Server> {
    bench.cloud.world().change(|world| world.servers.values().cloned().collect())
}

#[tokio::test]
async fn where_nova_shows_no_console_a_host_is_replaced_by_one_that_was_handed_its_key() {
    for console in [Console::Forbidden, Console::Unavailable, Console::NotImplemented] {
        let bench = without_consoles(console).await;
        let stack = example("blog", &[]);
        // What this very run made, it may make again: nobody is asked.
        let report = bench.up_asking(&stack, Answer::Nobody).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{console:?}: {report:?}");
        assert_eq!(boots(&bench), 2, "{console:?}");
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "{console:?}");
        let plan = bench.plan(&stack).await;
        assert!(plan.is_empty(), "{console:?}: {}", told(&plan));

        // The next host of the stack is handed its key at once.
        let report = bench.built(&example("blog", &["hosts.lxd.count=2", "services.hugo.replicas=2"])).await;
        assert_eq!(boots(&bench), 3, "{console:?}");
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "{console:?}");
        assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed);
        assert_eq!(bench.traces("blog"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn hosts_that_are_to_be_handed_their_keys_are_made_once_on_any_cloud() {
    for console in [Console::Shown, Console::Forbidden] {
        let bench = without_consoles(console).await;
        let report = bench.built(&blog("injected")).await;
        assert_eq!(boots(&bench), 1);
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
        let asked = bench.cloud.world().requests().iter().filter(|one| one.path.ends_with("/action")).count();
        assert_eq!(asked, 0, "nobody asks for a console whose key is known");
    }
}

#[tokio::test]
async fn the_public_key_comes_with_the_server_and_the_private_one_is_nowhere_but_in_its_user_data() {
    let bench = Bench::new().await;
    let stack = blog("injected");
    let plan = bench.plan(&stack).await;
    let Action::CreateServer { host_key, user_data, .. } = &step(&plan, "host/lxd0").action else {
        panic!("{}", told(&plan));
    };
    assert_eq!(*host_key, HostKeySource::Injected);
    assert!(!user_data.contains("ssh_keys"), "no plan holds a key");
    bench.built(&stack).await;
    let [server] = &servers(&bench)[..] else { panic!("one server") };
    let handed = server.user_data.as_deref().and_then(decoded).unwrap();
    assert!(handed.starts_with(user_data.trim_end()) && handed.contains("BEGIN OPENSSH PRIVATE KEY"), "{handed}");
    let public = &server.metadata["pontoon.host-key"];
    assert!(public.starts_with("ssh-ed25519 ") && HostKeyCheck::parse([public.as_str()]).is_ok());
    assert_eq!(server.metadata["pontoon.host-key-source"], "injected");
    assert_eq!(bench.visit(&bench.up(&stack).await, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn nobody_logs_in_to_a_host_that_shows_another_key_than_it_was_handed() {
    let bench = Arc::new(
        Bench::with(|config| {
            config.console = Console::Forbidden;
            config.delays.server = Duration::from_secs(1);
        })
        .await,
    );
    let cloud = Arc::downgrade(&bench);
    // Somebody puts a machine of his own in the place of the server, before it boots.
    bench.watch(move |attempt| {
        if attempt.method == "POST"
            && attempt.url.ends_with("/servers")
            && let Some(bench) = cloud.upgrade()
        {
            bench.cloud.world().change(|world| {
                for server in world.servers.values_mut() {
                    let handed = server.user_data.as_deref().and_then(decoded).unwrap();
                    let (rest, _) = handed.split_once("ssh_keys:").unwrap();
                    let other = KeyPair::generate("another machine").unwrap().private.replace('\n', "\n    ");
                    let text = format!("{rest}ssh_keys:\n  ed25519_private: |\n    {other}\n");
                    server.user_data = Some(pontoon_cloud::openstack::compute::encoded(&text));
                }
            });
        }
    });
    let report = bench.up(&blog("injected")).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    let failure = report.failures.iter().find(|failure| failure.starts_with("host/lxd0: ")).unwrap();
    assert!(failure.contains("showed a host key that is not its own"), "{failure}");
    assert!(!bench.traces("blog").iter().any(|key| key.contains(":container/")));
}

#[tokio::test]
async fn a_host_of_an_earlier_run_that_shows_no_console_is_replaced_only_when_somebody_says_so() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    // The console cannot be read any more, and nobody noted what it said.
    bench.cloud.world().change(|world| {
        world.settings.console = Console::Forbidden;
        for server in world.servers.values_mut() {
            server.metadata.remove("pontoon.host-key").unwrap();
        }
    });
    let plan = bench.plan(&stack).await;
    let replace = step(&plan, "host/lxd0");
    assert!(
        replace.verb.destroys() && replace.reason.contains("403 Forbidden: Policy doesn't allow"),
        "{}",
        told(&plan)
    );
    assert_eq!(bench.up_asking(&stack, Answer::Nobody).await.outcome, RunOutcome::Refused);
    assert_eq!(boots(&bench), 1);
    let report = bench.built(&stack).await;
    assert_eq!(boots(&bench), 2);
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_file_that_insists_on_the_console_is_told_what_to_do() {
    let bench = without_consoles(Console::NotImplemented).await;
    let report = bench.up(&blog("console")).await;
    assert_eq!(report.outcome, RunOutcome::Blocked, "{report:?}");
    let plan = bench.plan(&blog("console")).await;
    let why = told(&plan);
    assert!(
        why.contains("host `lxd0`: its ssh host key cannot be learned: Nova shows no console (501 Not Implemented"),
        "{why}"
    );
    assert!(why.contains("`host_key: auto` of `hosts.lxd`"), "{why}");
    let report = bench.built(&blog("auto")).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_without_consoles_killed_before_any_of_its_requests_is_finished_by_the_next_one() {
    killed_at_each(&blog("auto"), Console::Forbidden, Effect::CloseBeforeHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_without_consoles_killed_after_any_of_its_requests_was_applied_is_finished_by_the_next_one() {
    killed_at_each(&blog("auto"), Console::NotImplemented, Effect::CloseAfterHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_that_hands_keys_in_killed_before_any_of_its_requests_is_finished_by_the_next_one() {
    killed_at_each(&blog("injected"), Console::Forbidden, Effect::CloseBeforeHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_that_hands_keys_in_killed_after_any_of_its_requests_was_applied_is_finished_by_the_next_one() {
    killed_at_each(&blog("injected"), Console::NotImplemented, Effect::CloseAfterHandling).await;
}

fn decoded(text: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok()
}
