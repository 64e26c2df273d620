//! The program as a user meets it before any cloud is asked.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Runs the program in `directory`, as if nobody had set anything.
fn pontoon(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pontoon"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("PONTOON_CLOUD")
        .env_remove("PONTOON_LOG")
        .env_remove("NO_COLOR")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error} in {}", out(output)))
}

/// A directory with a first stack, after `change` of its text.
fn first_stack(change: impl Fn(String) -> String) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let made = pontoon(directory.path(), &["init", "--stack", "hello"]);
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let file = directory.path().join("pontoon.yaml");
    fs::write(&file, change(fs::read_to_string(&file).unwrap())).unwrap();
    directory
}

#[test]
fn schema_prints_a_json_schema() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["schema"][..], &["schema", "--json"]] {
        let output = pontoon(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(json(&output)["properties"]["stack"]["type"], "string");
        assert_eq!(err(&output), "");
    }
}

#[test]
fn init_writes_a_stack_that_render_accepts() {
    let directory = first_stack(|text| text);
    let output = pontoon(directory.path(), &["render"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(err(&output), "", "a first file has nothing to warn of");
    let text = out(&output);
    for part in
        ["#cloud-config\n# lxd0 of the stack hello", "host lxd0: profile website", "website-0", "balancer hello-web"]
    {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
fn init_names_the_stack_after_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let output = pontoon(directory.path(), &["init", "My Site", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&output)["stack"], "my-site");
    assert!(fs::read_to_string(directory.path().join("My Site/pontoon.yaml")).unwrap().contains("\nstack: my-site\n"));
}

#[test]
fn init_overwrites_nothing() {
    for existing in ["pontoon.yaml", "website.yaml"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(existing), "mine").unwrap();
        let output = pontoon(directory.path(), &["init"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains("exists, and nothing is ever overwritten"));
        assert_eq!(fs::read_to_string(directory.path().join(existing)).unwrap(), "mine");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else was written either");
    }
}

#[test]
fn a_wrong_file_is_refused_with_the_place_and_a_hint() {
    let directory = first_stack(|text| text.replace("replicas: 1", "replica: 1"));
    for verb in ["render", "plan", "up", "down"] {
        let output = pontoon(directory.path(), &[verb]);
        assert_eq!(output.status.code(), Some(3), "{verb}");
        assert_eq!(out(&output), "", "{verb}");
        let text = err(&output);
        for part in ["error: ", "--> pontoon.yaml:", "replica: 1", "^^^^^^^", "hint: did you mean `replicas`?"] {
            assert!(text.contains(part), "`{part}` is missing in\n{text}");
        }
    }
}

#[test]
fn a_wrong_file_is_one_json_event_for_programs() {
    let directory = first_stack(|text| text.replace("replicas: 1", "replica: 1"));
    let output = pontoon(directory.path(), &["render", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let event = json(&output);
    assert_eq!((&event["event"], &event["exit"]), (&Value::from("error"), &Value::from(3)));
    assert_eq!(event["errors"][0]["file"], "pontoon.yaml");
    assert!(event["errors"][0]["line"].as_u64().unwrap() > 1);
    assert_eq!(event["errors"][0]["hint"], "did you mean `replicas`?");
}

#[test]
fn a_directory_without_a_file_is_told_how_to_get_one() {
    let directory = tempfile::tempdir().unwrap();
    let output = pontoon(directory.path(), &["render"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        err(&output),
        "error: no `pontoon.yaml` in this directory\nhint: `pontoon init .` writes one, or name another directory\n"
    );
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_with_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("pontoon.yaml"), b"stack: caf\xe9\n").unwrap();
    let output = pontoon(directory.path(), &["render"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(err(&output).contains("it is not UTF-8: byte 10, on line 1"), "{}", err(&output));
}

#[test]
fn an_overlay_beside_the_file_and_set_change_what_is_rendered() {
    let directory = first_stack(|text| text);
    fs::write(directory.path().join("pontoon.mine.yaml"), "services:\n  website:\n    replicas: 3\n").unwrap();
    let containers = |arguments: &[&str]| {
        let output = pontoon(directory.path(), &[&["render", "--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        let documents = json(&output)["documents"].as_array().unwrap().clone();
        documents.iter().filter(|document| document["kind"] == "container").count()
    };
    assert_eq!(containers(&[]), 1);
    assert_eq!(containers(&["--cloud", "mine"]), 3);
    assert_eq!(containers(&["--cloud", "mine", "--set", "services.website.replicas=2"]), 2);
}

#[test]
fn render_can_be_narrowed_to_one_machine() {
    let directory = first_stack(|text| text.replace("replicas: 1", "replicas: 2"));
    let kinds = |arguments: &[&str]| {
        let output = pontoon(directory.path(), &[&["render", "--json"], arguments].concat());
        let documents = json(&output)["documents"].as_array().unwrap().clone();
        documents.iter().map(|one| format!("{} {}", one["kind"], one["name"]).replace('"', "")).collect::<Vec<_>>()
    };
    let mut of_container = kinds(&["--container", "website-1"]);
    of_container.sort();
    assert_eq!(of_container, ["container website-1", "dhcp-host website-1", "profile website"]);
    assert!(kinds(&["--host", "lxd0"]).contains(&"user-data lxd0".to_owned()));
    let unknown = pontoon(directory.path(), &["render", "--host", "lxd7"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(err(&unknown), "error: the stack has no host `lxd7`\nhint: it has lxd0\n");
}

#[test]
fn a_stack_that_no_cloud_could_run_is_refused_with_the_reason() {
    let directory = first_stack(|text| text.replace("replicas: 1", "replicas: 11"));
    let output = pontoon(directory.path(), &["render"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "");
    assert!(err(&output).contains("10 allowed address pairs"), "{}", err(&output));
    assert!(err(&output).contains("hint: set `hosts.lxd.count` to 2"), "{}", err(&output));
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let plain = pontoon(directory.path(), &["render"]);
    assert!(!err(&plain).contains('\x1b'));
    let colored = pontoon(directory.path(), &["render", "--color", "always"]);
    assert!(err(&colored).contains("\x1b[1;31merror:\x1b[0m"));
}

#[test]
fn a_wrong_command_line_ends_with_64_and_help_with_0() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = pontoon(directory.path(), &["plan", "--exit-cod"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert_eq!(out(&wrong), "");
    assert_eq!(pontoon(directory.path(), &[]).status.code(), Some(64));
    let help = pontoon(directory.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("Exit codes:"));
    let for_programs = pontoon(directory.path(), &["plan", "--json", "--exit-cod"]);
    assert_eq!(for_programs.status.code(), Some(64));
    assert_eq!(
        (&json(&for_programs)["event"], &json(&for_programs)["exit"]),
        (&Value::from("error"), &Value::from(64))
    );
}

#[test]
fn the_examples_of_the_repository_render_without_a_warning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for example in ["examples/blog", "examples/shop"] {
        let output = pontoon(&root, &["render", example, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        assert_eq!(err(&output), "", "{example}");
        assert!(json(&output)["documents"].as_array().unwrap().len() > 3);
    }
}
