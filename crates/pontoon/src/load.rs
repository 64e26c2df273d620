//! Finds a stack's file, its overlay and what lies beside them, and hands the texts to [`pontoon_core::spec`].
//!
//! Paths in the file are relative to the directory of the file. They may lead out of it: the file belongs to the user
//! who runs the program, and so does whatever it points at.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use pontoon_core::spec::{self, Files, Loaded, SourceText, Sources};
use sha2::{Digest as _, Sha256};

use crate::cli::StackOptions;
use crate::exit::{Exit, Failure};

/// The name of the file that describes a stack.
pub(crate) const FILE_NAME: &str = "pontoon.yaml";

/// No description and no user-data of a container is as long as this. Images are not held in memory.
const MOST_BYTES: u64 = 4 << 20;

/// A stack and where it was read from.
#[derive(Debug)]
pub(crate) struct StackFile {
    /// The checked stack.
    pub(crate) loaded: Loaded,
    /// The directory that paths in the file are relative to.
    pub(crate) directory: PathBuf,
}

/// Reads and checks the stack in `path`: a directory with a `pontoon.yaml`, or a file of any name. The overlay of a
/// file `NAME.yaml` is `NAME.CLOUD.yaml` beside it, where there is one.
pub(crate) fn load(path: &Path, options: &StackOptions) -> Result<StackFile, Failure> {
    let file = find(path)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let main = text(&file).map_err(|problem| problem.about(&file))?;
    let cloud = spec::cloud_of(&main, options.cloud.as_deref());
    let overlay = directory.join(overlay_of(&file, &cloud));
    let overlay = match text(&overlay) {
        Ok(text) => Some(SourceText::new(overlay.to_string_lossy(), text)),
        Err(Problem::Missing) => None,
        Err(problem) => return Err(problem.about(&overlay)),
    };
    let sources = Sources {
        main: SourceText::new(file.to_string_lossy(), main),
        overlay,
        sets: options.set.clone(),
        cloud: options.cloud.clone(),
    };
    let loaded = spec::load(&sources, &Beside { directory: &directory })?;
    Ok(StackFile { loaded, directory })
}

fn find(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = if path == Path::new(".") { PathBuf::from(FILE_NAME) } else { path.join(FILE_NAME) };
    if file.exists() {
        return Ok(file);
    }
    let directory = if path == Path::new(".") { "this directory".to_owned() } else { format!("`{}`", path.display()) };
    Err(Failure::new(format!("no `{FILE_NAME}` in {directory}"))
        .exit(Exit::File)
        .hint(format!("`pontoon init {}` writes one, or name another directory", path.display())))
}

/// What the overlay of `file` for `cloud` is called.
fn overlay_of(file: &Path, cloud: &str) -> String {
    match file.file_stem() {
        Some(stem) if file.file_name().is_some_and(|name| name != FILE_NAME) => {
            format!("{}.{cloud}.yaml", stem.to_string_lossy())
        }
        _ => spec::overlay_name(cloud),
    }
}

/// What lies beside the file.
struct Beside<'a> {
    directory: &'a Path,
}

impl Files for Beside<'_> {
    fn text(&self, path: &str) -> Result<String, String> {
        text(&self.directory.join(path)).map_err(|problem| problem.reason())
    }

    fn sha256(&self, path: &str) -> Result<String, String> {
        let mut file = open(&self.directory.join(path)).map_err(|problem| problem.reason())?;
        let mut digest = Sha256::new();
        std::io::copy(&mut file, &mut digest).map_err(|error| error.to_string())?;
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing,
    NoFile,
    TooLong(u64),
    NotUtf8 { byte: usize, line: usize },
    Other(String),
}

impl Problem {
    fn reason(&self) -> String {
        match self {
            Self::Missing => "no such file".to_owned(),
            Self::NoFile => "it is not a regular file".to_owned(),
            Self::TooLong(bytes) => format!("it has {bytes} bytes, and at most {MOST_BYTES} are read"),
            Self::NotUtf8 { byte, line } => {
                format!("it is not UTF-8: byte {byte}, on line {line}, belongs to no character")
            }
            Self::Other(reason) => reason.clone(),
        }
    }

    fn about(&self, path: &Path) -> Failure {
        let hint = match self {
            Self::NotUtf8 { .. } => Some("save it as UTF-8; `iconv -f latin1 -t utf-8` converts a file".to_owned()),
            Self::Missing => {
                Some(format!("name a directory with a `{FILE_NAME}`, or a file; `pontoon init` writes one"))
            }
            _ => None,
        };
        Failure::new(format!("cannot read `{}`", path.display())).because(self.reason()).hint(hint).exit(Exit::File)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // A path that goes through a file cannot exist either.
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            _ => Self::Other(error.to_string()),
        }
    }
}

fn open(path: &Path) -> Result<File, Problem> {
    // Looked at before it is opened: opening a FIFO would wait for somebody to write to it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Problem::NoFile);
    }
    Ok(File::open(path)?)
}

fn text(path: &Path) -> Result<String, Problem> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > MOST_BYTES {
        return Err(Problem::TooLong(length));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1;
        Problem::NotUtf8 { byte, line }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_overlay_is_named_after_the_file_and_the_cloud() {
        assert_eq!(overlay_of(Path::new("blog/pontoon.yaml"), "mine"), "pontoon.mine.yaml");
        assert_eq!(overlay_of(Path::new("blog/staging.yaml"), "mine"), "staging.mine.yaml");
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_named_with_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.yaml");
        std::fs::write(&path, b"stack: blog\nname: caf\xe9\n").unwrap();
        assert_eq!(text(&path), Err(Problem::NotUtf8 { byte: 21, line: 2 }));
    }

    #[test]
    fn what_is_no_file_is_never_read() {
        assert_eq!(text(Path::new("/dev/zero")), Err(Problem::NoFile));
        assert_eq!(text(Path::new("/dev/null/pontoon.yaml")), Err(Problem::Missing));
    }

    #[test]
    fn an_image_is_known_by_the_hash_of_its_content() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("hugo.tar"), "abc").unwrap();
        let hash = Beside { directory: directory.path() }.sha256("hugo.tar");
        assert_eq!(hash.unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
