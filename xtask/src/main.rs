//! The menu of chores around the code: `cargo xtask help`.
//!
//! Everything that is done to this repository is a task here, one a file, so that a person and a continuous build do
//! the same thing. Tasks start programs and read files; they know nothing of stacks or clouds, and need no crate but
//! one that reads JSON, so that the menu is there in seconds.

mod bench;
mod build_static;
mod checkout;
mod command;
mod fuzz;
mod lab;
mod test;
mod tidy;

use std::process::ExitCode;

/// One line of the menu.
struct Task {
    name: &'static str,
    arguments: &'static str,
    what: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

const TASKS: [Task; 6] = [
    Task {
        name: "test",
        arguments: "[STEP…]",
        what: "everything that must hold: format, house rules, lints, tests, dependencies, a real client",
        run: test::run,
    },
    Task { name: "tidy", arguments: "", what: "the house rules alone", run: tidy::run },
    Task { name: "bench", arguments: "[NAME…]", what: "the benchmarks, each with its table", run: bench::run },
    Task {
        name: "fuzz",
        arguments: "[TARGET…]",
        what: "the decoders of the gossip against libFuzzer, each for `--minutes N`",
        run: fuzz::run,
    },
    Task {
        name: "lab",
        arguments: "LAB VERB",
        what: "real machines to hold Pontoon against: `cargo xtask lab`",
        run: lab::run,
    },
    Task {
        name: "build-static",
        arguments: "",
        what: "a release binary for any Linux: static (musl) and small",
        run: build_static::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) =
        arguments.split_first().filter(|(name, _)| !matches!(name.as_str(), "help" | "--help" | "-h"))
    else {
        print!("{}", menu());
        return ExitCode::SUCCESS;
    };
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprint!("error: there is no task `{name}`\n\n{}", menu());
        return ExitCode::FAILURE;
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn menu() -> String {
    let help = ("help".to_owned(), "this menu");
    let tasks = TASKS.iter().map(|task| (format!("{} {}", task.name, task.arguments), task.what)).chain([help]);
    let lines: Vec<String> = tasks.map(|(call, what)| format!("  {call:<22}{what}")).collect();
    let steps = test::step_names().join(", ");
    format!(
        "usage: cargo xtask TASK\n\n{}\n\nSteps of `test`, all of them where none is named: {steps}\n",
        lines.join("\n")
    )
}
