//! `cargo xtask bench`: the benchmarks, one after the other, so that none disturbs another's clock.
//!
//! A benchmark is a `[[bench]]` target of any crate; it prints its own table, with the number of requests where it
//! sends any. It is built as a release. Two are other things: `bench lab` is Pontoon beside others on the OpenStack lab,
//! `bench agents` is how fast agents are on hosts of the LXD lab.

use crate::checkout::{cargo, list, metadata, root, text};
use crate::{command, lab, test};

/// Runs the benchmarks of the given names, or all.
pub(crate) fn run(names: &[String]) -> Result<(), String> {
    if let Some(("lab", rest)) = names.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return lab::openstack::bench::run(rest);
    }
    let root = root()?;
    if names == ["agents"] {
        return test::lxd::bench(&root);
    }
    let metadata = metadata(&root)?;
    let members: Vec<&str> = list(&metadata, "workspace_members").filter_map(|id| id.as_str()).collect();
    let found: Vec<(&str, &str)> = list(&metadata, "packages")
        .filter(|package| members.contains(&text(package, "id")))
        .flat_map(|package| list(package, "targets").map(move |target| (package, target)))
        .filter(|(_, target)| list(target, "kind").any(|kind| kind == "bench"))
        .map(|(package, target)| (text(package, "name"), text(target, "name")))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !found.iter().any(|(_, bench)| bench == name)) {
        let known: Vec<&str> = found.iter().map(|(_, bench)| *bench).collect();
        return Err(format!("there is no benchmark `{unknown}`; there are: {}", known.join(", ")));
    }
    if found.is_empty() {
        return Err("there are no benchmarks".to_owned());
    }
    for (package, bench) in found.iter().filter(|(_, bench)| names.is_empty() || names.iter().any(|name| name == bench))
    {
        command::run(cargo(&root).args(["bench", "--locked", "--package", package, "--bench", bench]))?;
    }
    Ok(())
}
