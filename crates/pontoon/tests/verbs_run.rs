//! `run` as a user of the program sees it, on an embedded cloud.

#![allow(clippy::unwrap_used, clippy::panic)]

mod embedded;

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use embedded::{Cloud, edit, interrupt};
use serde_json::{Value, json};

/// A `run` that looks every second.
struct Run {
    process: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn start(cloud: &Cloud, more: &[&str]) -> Self {
        let arguments = [&["run", "--interval", "1", "--json"], more].concat();
        let mut process = cloud.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, events }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.events.next().unwrap().unwrap()).unwrap()
    }

    /// The events up to the next one of this kind, it included.
    fn until(&mut self, event: &str) -> Vec<Value> {
        let mut events = vec![self.next()];
        while events.last().is_some_and(|last| last["event"] != event) {
            events.push(self.next());
        }
        events
    }

    /// How the next turn ends that is told, and the keys that its first plan has steps on.
    fn turn(&mut self) -> (String, Vec<String>) {
        let events = self.until("result");
        let plan = events.iter().find(|event| event["event"] == "plan" && event["round"] == 0);
        let steps = plan.and_then(|plan| plan["steps"].as_array()).into_iter().flatten();
        let keys = steps.filter_map(|step| step["keys"][0].as_str().map(str::to_owned)).collect();
        (events.last().unwrap()["outcome"].as_str().unwrap().to_owned(), keys)
    }

    fn interrupted(mut self) {
        interrupt(&self.process);
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes the host's dnsmasq forget the container, as somebody on the host may.
fn forget(cloud: &Cloud, directory: &str) {
    cloud.ends_with(0, &["exec", "lxd0", "-C", directory, "--", "sudo", "rm", "/etc/pontoon/dhcp-hosts/hugo-0"]);
}

#[test]
fn what_is_missing_is_made_and_what_is_broken_or_asked_for_comes_with_the_next_turn() {
    let cloud = Cloud::instant();
    let mut run = Run::start(&cloud, &[]);
    let (outcome, keys) = run.turn();
    assert_eq!(outcome, "converged");
    assert!(keys.contains(&"pontoon:blog:host/lxd0".to_owned()), "{keys:?}");
    cloud.ends_with(0, &["status"]);

    forget(&cloud, ".");
    let (outcome, keys) = run.turn();
    assert_eq!((outcome.as_str(), keys), ("converged", vec!["pontoon:blog:dhcp-host/lxd0/hugo-0".to_owned()]));

    edit(&cloud.file(), "port: 8080", "port: 8080\n    replicas: 2");
    let (outcome, keys) = run.turn();
    assert_eq!(outcome, "converged");
    assert!(keys.contains(&"pontoon:blog:container/hugo-1".to_owned()), "{keys:?}");
    run.interrupted();
}

#[test]
fn a_file_that_is_wrong_is_said_once_and_the_last_good_one_is_kept() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    let mut run = Run::start(&cloud, &[]);
    assert_eq!(run.turn().0, "unchanged");
    let good = fs::read_to_string(cloud.file()).unwrap();
    fs::create_dir(cloud.stack.path().join("good")).unwrap();
    for file in [cloud.file(), cloud.user_data()] {
        fs::copy(&file, cloud.stack.path().join("good").join(file.file_name().unwrap())).unwrap();
    }
    edit(&cloud.file(), "port: 8080", "prot: 8080");
    let error = run.until("error").pop().unwrap();
    assert_eq!((&error["exit"], &error["errors"][0]["line"]), (&json!(3), &json!(13)), "{error}");

    forget(&cloud, "good");
    let events = run.until("result");
    assert!(events.iter().all(|event| event["event"] != "error"), "{events:?}");
    assert_eq!(events.last().unwrap()["outcome"], "converged");

    fs::write(cloud.file(), good.replace("stack: blog", "stack: other")).unwrap();
    let error = run.until("error").pop().unwrap();
    assert!(error["message"].as_str().unwrap().contains("stack `other`"), "{error}");
    assert_eq!(run.process.wait().unwrap().code(), Some(1));
    cloud.ends_with(0, &["down", "--yes", "--stack", "blog", "--cloud", "embedded"]);
}

#[test]
fn nothing_is_lost_that_nobody_agreed_to() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    edit(&cloud.user_data(), "8080", "8080 --directory /srv");
    let mut run = Run::start(&cloud, &[]);
    assert_eq!(run.turn().0, "refused");
    run.interrupted();
    let mut run = Run::start(&cloud, &["--yes"]);
    let (outcome, keys) = run.turn();
    assert_eq!(outcome, "converged");
    assert!(keys.contains(&"pontoon:blog:container/hugo-0".to_owned()), "{keys:?}");
    run.interrupted();
    cloud.ends_with(0, &["plan", "--exit-code"]);
}

#[test]
fn a_cloud_that_comes_back_elsewhere_is_found_again() {
    let cloud = Cloud::instant();
    let mut run = Run::start(&cloud, &[]);
    assert_eq!(run.turn().0, "converged");
    cloud.ends_with(0, &["cloud", "stop"]);
    assert_eq!(run.turn().0, "failed");
    // The program starts an embedded cloud where none runs; it has the world that the other one kept.
    let (outcome, keys) = run.turn();
    assert!(matches!(outcome.as_str(), "unchanged" | "converged"), "{outcome}: {keys:?}");
    assert!(!keys.contains(&"pontoon:blog:host/lxd0".to_owned()), "{keys:?}");
    run.interrupted();
}
