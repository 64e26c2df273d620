//! Input that nobody meant: it is refused, quickly, and never brings the program down.

use std::fmt::Write;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Far more of a processor's time than any of it takes, and far less than an unbounded reading would.
const SOON: Duration = Duration::from_secs(20);

/// How long this thread has run, however busy the machine is; zero where the kernel does not tell.
fn time_of_thread() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

#[track_caller]
fn refused_soon(text: &str) -> Diagnostics {
    let begin = time_of_thread();
    let errors = load_text(text).unwrap_err();
    assert!(errors.list.len() <= 50, "{} errors", errors.list.len());
    let rendered = errors.render();
    let took = time_of_thread().saturating_sub(begin);
    assert!(took < SOON, "took {took:?}");
    assert!(rendered.len() < 200_000, "{} bytes of messages", rendered.len());
    errors
}

#[test]
fn an_empty_file_says_what_to_do() {
    wrong_text(
        "«»# only a comment\n",
        "`pontoon.yaml` is empty",
        "`pontoon init` writes a first one from what the cloud has",
    );
    wrong_text("«»", "`pontoon.yaml` is empty", "`pontoon init` writes a first one from what the cloud has");
}

#[test]
fn a_syntax_error_is_reported_alone_and_in_place() {
    let errors = load_text("stack: blog\nnetwork: [\nhosts: {}\n  x: y").unwrap_err();
    assert_eq!(errors.list.len(), 1);
    let errors = load_text("stack: blog\nnetwork:\n\tname: default\n").unwrap_err();
    assert_eq!(errors.list[0].place.line(), 3);
    assert_eq!(errors.list[0].hint.as_deref(), Some("indent with spaces; YAML allows no tabs there"));
}

#[test]
fn what_yaml_has_and_a_stack_does_not_use_is_refused() {
    let tag = load_text(&changed("key: me", "key: !secret me")).unwrap_err();
    assert_eq!(tag.list[0].place.to_string(), "pontoon.yaml:10:10");
    let two = load_text(&format!("{GOOD}---\nstack: other\n")).unwrap_err();
    assert_eq!((two.list[0].place.line(), two.list[0].message.as_str()), (20, "a second document begins here"));
    let key = load_text("? [a, b]\n: c\n").unwrap_err();
    assert_eq!(key.list[0].message, "a key has to be a single value");
}

#[test]
fn an_alias_stands_for_its_value() {
    let text =
        changed("[10.9.0.0/16]", "&office [10.9.0.0/16]").replace("listen: 80", "listen: 80\n    allow: *office");
    assert_eq!(stack_of(&text).balancers["web"].allow, ["10.9.0.0/16".parse().unwrap()]);
}

#[test]
fn aliases_of_aliases_are_counted_in_full() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..20 {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{items}]").unwrap();
    }
    let errors = refused_soon(&bomb);
    assert!(errors.list[0].message.contains("too deeply nested or holds too many values"), "{}", errors.render());
    let mut ladder = "a0: &a0 x\n".to_owned();
    for n in 1..5000 {
        writeln!(ladder, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
    }
    refused_soon(&ladder);
    refused_soon("a: &a [*a]\n");
}

#[test]
fn depth_and_size_are_bounded() {
    refused_soon(&"[".repeat(500_000));
    refused_soon(&"{a: ".repeat(100_000));
    refused_soon(&"- ".repeat(100_000));
    let steps: String = (0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    refused_soon(&steps);
    let large = refused_soon(&format!("{GOOD}#{}", "x".repeat(1 << 20)));
    assert_eq!(large.list[0].message, "`pontoon.yaml` is larger than 1 MiB");
}

#[test]
fn a_megabyte_of_rubbish_is_refused_soon() {
    let megabyte = |piece: &str| piece.repeat((1 << 20) / piece.len());
    for piece in
        ["x", "\"", "a: b\n", "a\n", "- a\n", "🦀: [", "%", "&a ", "*a ", "? ", "#", "\0", "| ", "\u{feff}", "'a' "]
    {
        refused_soon(&megabyte(piece));
    }
    let fields: String = (0..90_000).map(|n| format!("f{n}: 1\n")).collect();
    let errors = refused_soon(&fields);
    assert!(errors.more > 1000, "the rest is counted");
    let mut services = GOOD[..GOOD.find("balancers").unwrap()].to_owned();
    let mut balancers = "balancers:\n".to_owned();
    for n in 0..3000 {
        writeln!(services, "  service-{n}: {{image: 'ubuntu:24.04'}}").unwrap();
        writeln!(balancers, "  web-{n}: {{service: servise-{n}, listen: 80}}").unwrap();
    }
    refused_soon(&(services + &balancers));
}

proptest! {
    #[test]
    fn no_text_brings_the_program_down(text in "\\PC{0,200}", more in "[ \\n\\t:\\-\\[\\]{}'\"#&*!|>%@`,?a0~]{0,200}") {
        for text in [&text, &more, &format!("{GOOD}{more}"), &format!("{more}{text}")] {
            if let Err(errors) = load_text(text) {
                let _ = (errors.render(), errors.to_json());
            }
            let _ = cloud_of(text, None);
        }
    }

    #[test]
    fn no_change_of_a_good_file_brings_the_program_down(
        at in 0..GOOD.len(), length in 0usize..20, put in "[ \\n:\\-\\[\\]{}'\"#a0./é🦀]{0,8}", set in "[a-z.=\\[\\]:{ 0]{0,40}"
    ) {
        let end = (at + length).min(GOOD.len());
        let text = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        let sources = Sources { sets: vec![set], overlay: Some(SourceText::new("o", put)), ..sources(&text) };
        if let Err(errors) = load(&sources, &Shelf::with("small", &text)) {
            let _ = (errors.render(), errors.to_json());
        }
    }

    #[test]
    fn no_user_data_brings_the_program_down(body in "[ \\n\\t:\\-\\[\\]{}'\"#&*!|>a0é]{0,100}") {
        let indented = body.replace('\n', "\n      ");
        for text in [
            changed("port: 8080", &format!("port: 8080\n    user_data: |\n      #cloud-config\n      {indented}")),
            changed("port: 8080", &format!("port: 8080\n    user_data: >\n      #cloud-config\n      {indented}")),
        ] {
            if let Err(errors) = load_text(&text) {
                let _ = errors.render();
            }
        }
        let stack = changed("port: 8080", "port: 8080\n    user_data: hugo.yaml");
        let _ = load(&sources(&stack), &Shelf::with("hugo.yaml", &format!("#cloud-config\n{body}")));
    }
}
