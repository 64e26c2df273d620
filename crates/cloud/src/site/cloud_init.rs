//! How the cloud-init of a host or a container stands, read from the files that it keeps.
//!
//! `cloud-init status` knows it from the same files (`cloudinit/cmd/status.py`), and starts a Python for it each time,
//! which on a small machine in its first boot takes seconds and slows down what is waited for. `result.json` is written
//! when the last stage is over, with the errors of all of them; until then `status.json` names the stage. Both are
//! links below `/run`, so that those of an earlier boot are not seen. The unit of the last stage tells when a stage was
//! killed and no result will come.

use serde::Deserialize;

/// Asks for all of it in one go, for a shell. The unit comes first: once it has failed, the result is there or never
/// comes.
pub const QUESTION: &str = "systemctl is-failed cloud-final.service 2>/dev/null; \
     cat /run/cloud-init/result.json 2>/dev/null || cat /run/cloud-init/status.json 2>/dev/null || \
     ls /run/cloud-init/disabled 2>/dev/null";

/// The end of the log that says why.
pub(super) const LOG: &str = "sudo tail -n 15 /var/log/cloud-init-output.log";

/// What the answer means.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Still at work, in its own words.
    Working(String),
    /// Ended clean; warnings that it calls recoverable do not count against it.
    Clean,
    /// Ended with errors; each names its module.
    Failed(String),
}

/// Reads the answer to [`QUESTION`].
pub fn read(answer: &str) -> Progress {
    let (unit, file) = answer.split_at(answer.find(['{', '/']).unwrap_or(answer.len()));
    let killed = unit.trim() == "failed";
    if file.starts_with('/') {
        // No data source or switched off: there is nothing that it could have applied.
        return Progress::Failed("cloud-init is disabled in this image".to_owned());
    }
    match serde_json::from_str::<File>(file) {
        Ok(File { v1: Stand { errors: Some(errors), .. } }) if errors.is_empty() => Progress::Clean,
        Ok(File { v1: Stand { errors: Some(errors), .. } }) => {
            Progress::Failed(errors.iter().map(|error| by_module(error)).collect::<Vec<_>>().join("; "))
        }
        _ if killed => Progress::Failed("its unit `cloud-final` failed and left no result".to_owned()),
        Ok(File { v1: Stand { stage: Some(stage), .. } }) => Progress::Working(format!("in stage {stage}")),
        Ok(_) => Progress::Working("between two stages".to_owned()),
        // Not there yet, or being replaced right now.
        Err(_) => Progress::Working("not started".to_owned()),
    }
}

/// `result.json` has the errors of all stages, `status.json` the stage.
#[derive(Deserialize)]
struct File {
    v1: Stand,
}

#[derive(Deserialize)]
struct Stand {
    errors: Option<Vec<String>>,
    stage: Option<String>,
}

/// An error is mostly a pair as Python prints it: `('scripts_user', RuntimeError('…'))`.
fn by_module(error: &str) -> String {
    let pair = error.strip_prefix("('").and_then(|rest| rest.strip_suffix(')')?.split_once("', "));
    pair.map_or_else(|| error.to_owned(), |(module, error)| format!("module `{module}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_init_is_clean_only_when_its_result_says_so() {
        let failed = |text: &str| Progress::Failed(text.to_owned());
        let working = |text: &str| Progress::Working(text.to_owned());
        for (answer, meaning) in [
            ("active\n{\"v1\": {\"datasource\": \"DataSourceOpenStack\", \"errors\": []}}\n", Progress::Clean),
            (
                "failed\n{\"v1\": {\"errors\": [\"('scripts_user', RuntimeError('no'))\", \"no network\"]}}",
                failed("module `scripts_user`: RuntimeError('no'); no network"),
            ),
            (
                "activating\n{\"v1\": {\"stage\": \"modules-final\", \"init\": {\"errors\": []}}}",
                working("in stage modules-final"),
            ),
            ("inactive\n{\"v1\": {\"stage\": null, \"init\": {}}}", working("between two stages")),
            (
                "failed\n{\"v1\": {\"stage\": \"modules-final\"}}",
                failed("its unit `cloud-final` failed and left no result"),
            ),
            ("inactive\n/run/cloud-init/disabled\n", failed("cloud-init is disabled in this image")),
            ("inactive\n", working("not started")),
            ("activating\n{\"v1\": {\"sta", working("not started")),
            ("", working("not started")),
        ] {
            assert_eq!(read(answer), meaning, "{answer}");
        }
    }
}
