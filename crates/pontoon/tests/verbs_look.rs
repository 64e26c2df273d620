//! `status`, `logs` and `exec` as a user of the program sees them, on an embedded cloud.

#![allow(clippy::unwrap_used, clippy::panic)]

mod embedded;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use embedded::{Cloud, interrupt, text};
use serde_json::{Value, json};

#[test]
fn status_says_what_is_there_and_by_its_exit_code_whether_all_is_well() {
    let cloud = Cloud::instant();
    let before = cloud.last(1, &["status"]);
    assert_eq!((&before["event"], &before["well"]), (&json!("status"), &json!(false)));
    assert_eq!(before["hosts"][0]["state"], "missing");

    cloud.ends_with(0, &["up"]);
    let after = cloud.last(0, &["status"]);
    assert_eq!((&after["well"], &after["differences"]), (&json!(true), &json!(0)));
    assert_eq!((&after["hosts"][0]["state"], &after["hosts"][0]["engine_answers"]), (&json!("ready"), &json!(true)));
    assert_eq!(after["containers"][0]["proven"], true);
    let balancer = &after["balancers"][0];
    assert_eq!((&balancer["provisioning"], &balancer["operating"]), (&json!("ACTIVE"), &json!("ONLINE")));
    assert_eq!(embedded::get(balancer["url"].as_str().unwrap()), 200);

    let shown = text(&cloud.ends_with(0, &["status"]).stdout);
    for part in ["(simulated, on this machine)", "hugo-0     running  192.168.0.100  lxd0  yes", "1 of 1 up"] {
        assert!(shown.contains(part), "`{part}` is missing in\n{shown}");
    }
    assert!(shown.ends_with("\nas the file says\n"), "{shown}");

    let differing = text(&cloud.ends_with(1, &["status", "--set", "services.hugo.replicas=2"]).stdout);
    assert!(differing.contains("hugo-1     missing"), "{differing}");
    assert!(differing.ends_with(" differences: `pontoon plan` shows them\n"), "{differing}");
}

#[test]
fn watching_prints_an_object_for_each_change_until_ctrl_c() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    let mut watch = cloud.command(&["status", "--watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let mut last = next();
    assert_eq!(last["well"], true);
    cloud.ends_with(0, &["down", "--yes"]);
    while last["hosts"][0]["state"] != "missing" {
        let now = next();
        assert_ne!(now, last, "nothing changed");
        last = now;
    }
    interrupt(&watch);
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn doctor_says_layer_by_layer_how_packets_get_to_a_container() {
    let cloud = Cloud::instant();
    let before = cloud.last(1, &["doctor"]);
    assert_eq!((&before["event"], &before["well"]), (&json!("diagnosis"), &json!(false)));
    assert_eq!(before["paths"][0]["culprit"], "balancer/web");

    cloud.ends_with(0, &["up"]);
    let after = cloud.last(0, &["doctor", "hugo"]);
    assert_eq!(after["well"], true);
    let path = &after["paths"][0];
    assert_eq!(
        (&path["balancer"], &path["container"], &path["culprit"]),
        (&json!("web"), &json!("hugo-0"), &json!(null))
    );
    let pairs = path["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == "pairs/lxd0").unwrap();
    assert_eq!((&pairs["finding"], &pairs["hint"]), (&json!("passes"), &json!(null)));

    let shown = text(&cloud.ends_with(0, &["doctor"]).stdout);
    assert!(shown.contains("\nfrom a visitor of balancer web to hugo-0\n  ✓ http://127."), "{shown}");
    assert!(shown.ends_with("\npackets get through\n"), "{shown}");

    let unknown = cloud.last(1, &["doctor", "nobody"]);
    assert!(unknown["message"].as_str().unwrap().contains("no service or container `nobody`"), "{unknown}");
    assert_eq!(unknown["hint"], "its services are hugo");
    let none = text(&cloud.ends_with(0, &["doctor", "hugo", "--set", "services.hugo.replicas=0"]).stdout);
    assert!(none.ends_with("\nthere is no container that packets could go to\n"), "{none}");
}

#[test]
fn logs_show_cloud_init_of_services_containers_and_hosts() {
    let cloud = Cloud::instant();
    let early = cloud.ends_with(1, &["logs", "hugo"]);
    assert!(text(&early.stderr).contains("container `hugo-0` is not there"), "{}", text(&early.stderr));

    cloud.ends_with(0, &["up"]);
    for (subject, heading) in
        [("hugo", "==> hugo-0 on lxd0: "), ("hugo-0", "==> hugo-0 on lxd0: "), ("lxd0", "==> lxd0: ")]
    {
        let shown = text(&cloud.ends_with(0, &["logs", subject]).stdout);
        for source in ["cloud-init status --long\nstatus: done", "/var/log/cloud-init-output.log\nCloud-init v."] {
            assert!(shown.contains(&format!("{heading}{source}")), "{shown}");
        }
    }
    let result = cloud.last(0, &["logs", "hugo"]);
    assert_eq!(result, json!({"event": "result", "outcome": "printed", "logs": 2}));
    let unknown = text(&cloud.ends_with(1, &["logs", "hugo-7"]).stderr);
    assert!(unknown.contains("hint: it has hugo, hugo-0, lxd0"), "{unknown}");
}

#[test]
fn a_host_that_ssh_does_not_reach_still_shows_its_console() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    cloud.as_neighbour(async |client| {
        for floating in client.floating_ips(&[]).await.unwrap() {
            client.delete_floating_ip(&floating.id).await.unwrap();
        }
    });
    let shown = text(&cloud.ends_with(0, &["logs", "lxd0"]).stdout);
    assert!(shown.starts_with("==> lxd0: console, for ssh does not get in: "), "{shown}");
    assert!(shown.contains("BEGIN SSH HOST KEY KEYS"), "{shown}");
    let condition = cloud.last(1, &["status"]);
    assert_eq!(condition["hosts"][0]["state"], "unreachable");
    assert_eq!(condition["containers"][0]["state"], "unknown");
}

#[test]
fn exec_hands_input_output_and_exit_code_through() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    for subject in ["hugo", "hugo-0", "lxd0"] {
        let script = "echo \"it's me\"; ls /nowhere; exit 7";
        let output = cloud.ends_with(7, &["exec", subject, "--", "sh", "-c", script]);
        assert_eq!(text(&output.stdout), "it's me\n", "{subject}");
        assert!(text(&output.stderr).contains("/nowhere"), "{subject}: {}", text(&output.stderr));
        let echoed = cloud.pontoon_reading("one\ntwo\n", &["exec", subject, "--", "cat"]);
        assert_eq!((echoed.status.code(), text(&echoed.stdout).as_str()), (Some(0), "one\ntwo\n"), "{subject}");
    }
    let output = cloud.ends_with(0, &["--json", "exec", "hugo", "--", "hostname"]);
    let ran = json!({"event": "result", "outcome": "ran", "exit": 0, "stdout": "hugo-0\n", "stderr": ""});
    assert_eq!(embedded::last_of(&text(&output.stdout)), ran);
}

#[test]
fn words_reach_a_command_on_a_host_as_they_were_written() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    let output = cloud.ends_with(0, &["exec", "lxd0", "--", "echo", "it's", "$HOME", "a  b", "*", ";", "false"]);
    assert_eq!(text(&output.stdout), "it's $HOME a  b * ; false\n");
}

#[test]
fn a_command_that_is_not_there_ends_with_127() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    cloud.ends_with(127, &["exec", "hugo", "--", "no-such-program"]);
    cloud.ends_with(127, &["exec", "lxd0", "--", "no-such-program"]);
}
