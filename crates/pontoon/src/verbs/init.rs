//! `pontoon init`: writes a first file, and what its one service does on its first boot.
//!
//! What the cloud has is looked up and not asked of the user; the choices are said in comments, for the file is there
//! to be read and changed. Nothing is ever overwritten, and nothing in the cloud is changed. The embedded cloud is not
//! started for this: what a new one has is known.

mod addresses;
mod ask;
mod facts;
mod template;

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde_json::json;

use crate::cli::Init;
use crate::connect;
use crate::embedded::{self, Home};
use crate::exit::{Exit, Failure};
use crate::load::FILE_NAME;
use crate::show::{self, Output, Reader};

use facts::CloudFacts;

/// The file beside the stack's with what a container does on its first boot.
const USER_DATA_NAME: &str = "website.yaml";

/// Writes a first stack for what the cloud has.
pub(crate) async fn run(arguments: &Init, output: &Output) -> Result<Exit, Failure> {
    // Before anybody is asked: what is in the way is in the way on every cloud.
    for name in [FILE_NAME, USER_DATA_NAME] {
        let path = arguments.directory.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(exists(&path));
        }
    }
    let is_embedded = arguments.cloud == embedded::NAME;
    let facts = if is_embedded && embedded::running(&Home::of_user()?).await.is_none() {
        CloudFacts::embedded()
    } else {
        ask::facts(&connect::client(&arguments.cloud)?).await?
    };
    write(arguments, &facts, output)
}

fn write(arguments: &Init, facts: &CloudFacts, output: &Output) -> Result<Exit, Failure> {
    let directory = &arguments.directory;
    let stack = match &arguments.stack {
        Some(name) => name.clone(),
        None => name_of(directory).unwrap_or_else(|| "hello".to_owned()),
    };
    let files = [
        (FILE_NAME, template::stack_file(&stack, &arguments.cloud, USER_DATA_NAME, facts)),
        (USER_DATA_NAME, template::user_data(&stack)),
    ];
    fs::create_dir_all(directory).map_err(|error| {
        Failure::new(format!("cannot make the directory `{}`", directory.display())).caused_by(&error)
    })?;
    for (name, text) in &files {
        create(&directory.join(name), text)?;
    }
    let paths: Vec<String> = files.iter().map(|(name, _)| directory.join(name).display().to_string()).collect();
    match output.reader {
        Reader::Program => {
            show::print_json(&json!({"event": "result", "outcome": "written", "files": paths, "stack": stack}));
        }
        Reader::Person => {
            show::print(&format!("{}\n", paths.join("\n")));
            let shown = if directory == Path::new(".") { String::new() } else { format!(" {}", directory.display()) };
            output.remark(&format!(
                "Wrote the stack {stack} for cloud {}. Read it, then:\n  pontoon plan{shown}\n  pontoon up{shown}",
                arguments.cloud
            ));
        }
    }
    Ok(Exit::Done)
}

/// Writes a file that did not exist.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::new(format!("cannot write `{}`", path.display())).caused_by(&error),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::new(format!("`{}` exists, and nothing is ever overwritten", path.display()))
        .hint("name another directory, or remove the file first".to_owned())
}

/// The directory's name as the name of a stack: a label of at most 40 characters.
fn name_of(directory: &Path) -> Option<String> {
    let whole = std::path::absolute(directory).ok()?;
    let name = whole.file_name()?.to_string_lossy().to_lowercase();
    let dashed: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let label: String = dashed.trim_matches('-').chars().take(40).collect();
    let label = label.trim_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_named_after_its_directory_as_far_as_names_allow() {
        let named = |path: &str| name_of(Path::new(path));
        assert_eq!(named("/srv/My Website!").as_deref(), Some("my-website"));
        assert_eq!(named("/srv/--"), None);
        assert_eq!(named(&format!("/srv/{}", "x".repeat(60))), Some("x".repeat(40)));
    }
}
