//! `plan`, `up` and `down` as a user of the program sees them, on an embedded cloud.

#![allow(clippy::unwrap_used, clippy::panic)]

mod embedded;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use embedded::{Cloud, edit, get, interrupt, last_of, text};
use pontoon_cloud::openstack::network::{NewFloatingIp, NewPort, NewSecurityGroup};
use serde_json::{Value, json};

#[test]
fn up_ends_with_a_result_whose_endpoint_answers() {
    let cloud = Cloud::instant();
    let result = cloud.last(0, &["up"]);
    assert_eq!((&result["event"], &result["outcome"]), (&json!("result"), &json!("converged")));
    assert_eq!(result["endpoints"][0]["balancer"], "web");
    assert_eq!(get(result["endpoints"][0]["url"].as_str().unwrap()), 200);
    assert_eq!((&result["failures"], &result["hint"]), (&json!([]), &Value::Null));
    let again = cloud.last(0, &["up"]);
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(again["endpoints"], result["endpoints"]);
    assert_eq!(cloud.last(0, &["down", "--yes"])["outcome"], "removed");
    assert_eq!(cloud.last(0, &["down", "--yes"])["outcome"], "unchanged");
}

#[test]
fn for_people_up_prints_only_the_url_on_standard_output() {
    let cloud = Cloud::instant();
    let output = cloud.ends_with(0, &["up"]);
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert_eq!(get(lines.trim()), 200);
    assert!(text(&output.stderr).contains("(simulated, on this machine)"));
}

#[test]
fn plan_says_by_its_exit_code_whether_there_is_something_to_do() {
    let cloud = Cloud::instant();
    cloud.ends_with(2, &["plan", "--exit-code"]);
    cloud.ends_with(0, &["plan"]);
    cloud.ends_with(0, &["up"]);
    let plan = cloud.last(0, &["plan", "--exit-code"]);
    assert_eq!(plan["steps"], json!([]));
    assert!(plan["summary"]["unchanged"].as_u64().unwrap() > 10);
    // What stands in the way is no difference.
    let blocked =
        cloud.last(1, &["plan", "--exit-code", "--set", "hosts.lxd.image=Nonesuch", "--set", "hosts.lxd.count=2"]);
    assert_ne!(blocked["blocked"], json!([]));
}

#[test]
fn down_leaves_what_belongs_to_others_untouched() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    let (port, group, floating) = cloud.as_neighbour(async |client| {
        let network = client.networks(&[("name", "default")]).await.unwrap().remove(0);
        let external = client.networks(&[("name", "external")]).await.unwrap().remove(0);
        let group = NewSecurityGroup { name: "theirs".to_owned(), description: "pontoon, perhaps".to_owned() };
        let group = client.create_security_group(&group).await.unwrap();
        let port = NewPort { network_id: network.id, name: "hugo-0".to_owned(), ..NewPort::default() };
        let port = client.create_port(&port).await.unwrap();
        let floating = NewFloatingIp { floating_network_id: external.id, ..NewFloatingIp::default() };
        (port, group, client.create_floating_ip(&floating).await.unwrap())
    });
    cloud.ends_with(0, &["down", "--yes"]);
    cloud.as_neighbour(async |client| {
        let ports: Vec<_> = client.ports(&[]).await.unwrap();
        assert_eq!(ports.iter().find(|one| one.id == port.id).unwrap().revision_number, port.revision_number);
        let groups = client.security_groups(&[]).await.unwrap();
        assert!(groups.iter().any(|one| one.id == group.id));
        assert!(!groups.iter().any(|one| one.description.starts_with("pontoon:")), "{groups:?}");
        let addresses: Vec<_> = client.floating_ips(&[]).await.unwrap().into_iter().map(|one| one.id).collect();
        assert_eq!(addresses, [floating.id]);
        assert_eq!(client.servers(&[]).await.unwrap().len(), 0);
        assert_eq!(client.load_balancers(&[]).await.unwrap().len(), 0);
    });
}

#[test]
fn down_needs_no_file_and_no_terminal_but_a_yes() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    fs::remove_file(cloud.file()).unwrap();
    let refused = cloud.last(1, &["down", "--stack", "blog", "--cloud", "embedded"]);
    assert_eq!(refused["outcome"], "refused");
    assert!(refused["hint"].as_str().unwrap().contains("--yes"));
    let removed = cloud.last(0, &["down", "--stack", "blog", "--cloud", "embedded", "--yes"]);
    assert_eq!(removed["outcome"], "removed");
}

#[test]
fn nothing_is_replaced_unless_somebody_says_yes() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    edit(&cloud.user_data(), "runcmd:", "packages: [git]\nruncmd:");
    let refused = cloud.last(1, &["up"]);
    assert_eq!(refused["outcome"], "refused");
    assert!(refused["hint"].as_str().unwrap().contains("nothing was changed"), "{refused}");
    // What was refused is still to be done.
    cloud.ends_with(2, &["plan", "--exit-code"]);
    assert_eq!(cloud.last(0, &["up", "--yes"])["outcome"], "converged");
    cloud.ends_with(0, &["plan", "--exit-code"]);
}

#[test]
fn what_adds_only_is_done_without_asking() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    edit(&cloud.file(), "    port: 8080\n", "    port: 8080\n    replicas: 3\n");
    assert_eq!(cloud.last(0, &["up"])["outcome"], "converged");
    let condition = cloud.last(0, &["status"]);
    assert_eq!(condition["balancers"][0]["members_up"], 3);
}

#[test]
fn an_interrupted_up_says_how_to_go_on_and_the_next_one_does() {
    // At the speed of an instant there would be nothing to interrupt.
    let cloud = Cloud::background();
    let mut run = cloud.command(&["up", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is_waiting = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["event"] == "step" && event["state"] == "waiting"
    };
    assert!(lines.any(|line| is_waiting(&line)), "it never waited");
    interrupt(&run);
    let result = last_of(&lines.last().unwrap());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert_eq!(result["outcome"], "stopped");
    assert!(result["hint"].as_str().unwrap().contains("`pontoon up` goes on where this one stopped"), "{result}");
    assert_eq!(cloud.last(0, &["up"])["outcome"], "converged");
}

#[test]
fn the_world_of_an_embedded_cloud_survives_its_end() {
    let cloud = Cloud::background();
    let first = cloud.last(0, &["up"]);
    cloud.ends_with(0, &["cloud", "stop"]);
    assert_eq!(cloud.last(0, &["cloud", "status"])["running"], false);
    let second = cloud.last(0, &["up"]);
    assert_eq!(second["outcome"], "unchanged");
    // The port is another one where somebody else has it now; the address is the same.
    assert_eq!(host(&second["endpoints"][0]["url"]), host(&first["endpoints"][0]["url"]));
    assert_eq!(get(second["endpoints"][0]["url"].as_str().unwrap()), 200);
}

/// The host of a URL, without its port.
fn host(url: &Value) -> String {
    let authority = url.as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
    authority.split(':').next().unwrap().to_owned()
}
