//! Where things are in this checkout, and what cargo knows of the workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command;

/// The root of the workspace.
pub(crate) fn root() -> Result<PathBuf, String> {
    // Cargo sets this when it runs the task; a path from compile time would be that of another checkout after a move.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("this program is run as `cargo xtask`")?;
    Path::new(&own).parent().map(Path::to_path_buf).ok_or_else(|| "xtask does not lie in the workspace".to_owned())
}

/// The directory that build products go to.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |path| root.join(path))
}

/// Cargo, as the one that runs this task.
///
/// It does not hear what that one has told this task of the task's own package: build scripts look at these variables, so
/// that each build would begin anew after one that was started from elsewhere.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    let told = std::env::vars_os().map(|(name, _)| name);
    let of_the_task = |name: &OsString| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    };
    told.filter(of_the_task).for_each(|name| {
        cargo.env_remove(name);
    });
    cargo
}

/// `cargo metadata`: the packages of the workspace, and what they resolve to on the platform that Pontoon runs on.
pub(crate) fn metadata(root: &Path) -> Result<Value, String> {
    let mut cargo = cargo(root);
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let text = command::output(&mut cargo)?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` is not understood: {error}"))
}

/// The elements of a list in JSON; none where there is no list.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A text in JSON; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
