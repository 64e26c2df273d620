//! `pontoon init`: writes a first file, and what its one service does on its first boot.
//!
//! Nothing is asked and nothing is overwritten. What the cloud has comes in as [`CloudFacts`]; whoever has looked at
//! it fills them in.

mod template;

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde_json::json;

use crate::cli::Init;
use crate::exit::{Exit, Failure};
use crate::load::FILE_NAME;
use crate::show::{self, Output, Reader};

pub(crate) use template::CloudFacts;

/// The file beside the stack's with what a container does on its first boot.
const USER_DATA_NAME: &str = "website.yaml";

/// Writes a first stack for what is known without asking: the embedded cloud's own names, which `up` on another cloud
/// corrects by naming what that one has.
pub(crate) fn run(arguments: &Init, output: &Output) -> Result<Exit, Failure> {
    write(arguments, &CloudFacts::embedded(), output)
}

/// Writes a first stack on a cloud that has `facts`.
pub(crate) fn write(arguments: &Init, facts: &CloudFacts, output: &Output) -> Result<Exit, Failure> {
    let directory = &arguments.directory;
    let stack = match &arguments.stack {
        Some(name) => name.clone(),
        None => name_of(directory).unwrap_or_else(|| "hello".to_owned()),
    };
    let files = [
        (FILE_NAME, template::stack_file(&stack, &arguments.cloud, USER_DATA_NAME, facts)),
        (USER_DATA_NAME, template::user_data(&stack)),
    ];
    for (name, _) in &files {
        if fs::symlink_metadata(directory.join(name)).is_ok() {
            return Err(exists(&directory.join(name)));
        }
    }
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
