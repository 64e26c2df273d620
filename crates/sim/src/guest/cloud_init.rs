//! How cloud-init ended, and how `cloud-init status` tells it.
//!
//! The words, keys and exit codes are those of cloud-init 23.4 and later: 0 for done or running, 1 for an error, 2 for a
//! run that ended with warnings only ("degraded"). It knows nothing of time: the caller says whether the run is over.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cloud_config::Declared;
use super::files::Files;

/// Where the stages are told, from the first one on.
const STATUS: &str = "/run/cloud-init/status.json";
/// Where the outcome is told, once there is one. On a real system both are links to files of the same names below
/// `/var/lib/cloud/data`, and gone after a restart until cloud-init runs again.
const RESULT: &str = "/run/cloud-init/result.json";
const DATA_SOURCE: &str = "DataSourceOpenStackLocal [net,ver=2]";

/// The outcome of one finished run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What failed, as cloud-init words it.
    pub(crate) errors: Vec<String>,
    /// What was passed over.
    pub(crate) warnings: Vec<String>,
    /// What the run leaves in `/var/log/cloud-init-output.log`.
    pub(crate) log: String,
}

impl Report {
    /// Whether nothing failed; warnings do not count.
    pub(crate) fn succeeded(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Judges a run of `declared`. `network` says whether the system has an address, `outside` whether it can fetch things.
pub(crate) fn judge(declared: &Declared, network: Result<(), String>, outside: &Result<(), String>) -> Report {
    let mut report = Report { warnings: declared.warnings.clone(), ..Report::default() };
    report.log.push_str("Cloud-init v. 24.4 running 'init' (simulated: declarations are read, nothing is run)\n");
    if let Err(reason) = network {
        report.log.extend([format!("no network: {reason}\n")]);
        report
            .errors
            .push(format!("network: no address on any interface, timed out waiting for the network ({reason})"));
        return report;
    }
    if let Some(broken) = &declared.broken {
        report.log.extend([format!("{broken}\n")]);
        report.errors.push(broken.clone());
        return report;
    }
    if let Err(reason) = outside
        && !declared.packages.is_empty()
    {
        report.log.extend([format!(
            "Err:1 http://archive.ubuntu.com/ubuntu noble InRelease\n  {reason}\n\
                 E: Unable to locate package {}\n\
                 [WARNING]: Running module package_update_upgrade_install failed\n",
            declared.packages.join(" ")
        )]);
        report.errors.push(format!(
            "('package_update_upgrade_install', ProcessExecutionError(\"Unexpected error while running command. \
                 Command: ['apt-get', 'install', '{}'] Exit code: 100 Reason: {reason}\"))",
            declared.packages.join("', '")
        ));
    }
    if let Some(failed) = declared.commands.iter().find(|command| fails(command, outside.is_ok())) {
        report.log.extend([format!("runcmd: `{failed}` failed\n[WARNING]: Failed to run module scripts_user\n")]);
        report
            .errors
            .push("('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))".to_owned());
    }
    report
}

/// Whether a command fails for certain: it says so, or it fetches something and cannot.
fn fails(command: &str, outside: bool) -> bool {
    let command = command.trim();
    if matches!(command, "false" | "/bin/false") {
        return true;
    }
    if let Some(code) = command.strip_prefix("exit ") {
        return code.trim() != "0";
    }
    let fetches = ["git clone", "curl ", "wget ", "apt-get ", "apt ", "pip install", "snap install"]
        .iter()
        .any(|word| command.contains(word));
    fetches && !outside && !command.contains("127.0.0.1") && !command.contains("localhost")
}

/// What `cloud-init status` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `status: done`
    Short,
    /// `--long`
    Long,
    /// `--format=json`
    Json,
}

/// The output and exit code of `cloud-init status`; `None` is a run that is not over.
pub(crate) fn status(report: Option<&Report>, format: Format) -> (String, u8) {
    let (status, extended, code) = match report {
        None => ("running", "running", 0),
        Some(report) if !report.errors.is_empty() => ("error", "error - done", 1),
        Some(report) if !report.warnings.is_empty() => ("done", "degraded done", 2),
        Some(_) => ("done", "done", 0),
    };
    let text = match format {
        Format::Short => format!("status: {status}\n"),
        Format::Long => {
            let errors = report.map(|report| report.errors.as_slice()).unwrap_or_default();
            let errors: String = errors.iter().flat_map(|error| ["\n  - ", error]).collect();
            format!(
                "status: {status}\nextended_status: {extended}\nboot_status_code: enabled-by-generator\nerrors:{}\n",
                { if errors.is_empty() { " []".to_owned() } else { errors } }
            )
        }
        Format::Json => format!("{:#}\n", status_json(report, status, extended)),
    };
    (text, code)
}

fn status_json(report: Option<&Report>, status: &str, extended: &str) -> Value {
    let errors = report.map(|report| report.errors.clone()).unwrap_or_default();
    let warnings = report.map(|report| report.warnings.clone()).unwrap_or_default();
    let recoverable = if warnings.is_empty() { json!({}) } else { json!({ "WARNING": warnings }) };
    json!({
        "boot_status_code": "enabled-by-generator",
        "datasource": "nocloud",
        "detail": "simulated: declarations are read, nothing is run",
        "errors": errors,
        "extended_status": extended,
        "recoverable_errors": recoverable,
        "stage": if report.is_none() { Value::from("modules-final") } else { Value::Null },
        "status": status,
    })
}

/// What a system that has just started shows of its cloud-init.
pub(crate) fn begin(files: &mut Files) {
    files.remove(RESULT);
    files.write(STATUS, pretty(&stages(None)), None);
}

/// What it shows when the run is over.
pub(crate) fn end(files: &mut Files, report: &Report) {
    files.write(STATUS, pretty(&stages(Some(report))), None);
    let warnings = if report.warnings.is_empty() { json!({}) } else { json!({ "WARNING": report.warnings }) };
    let result =
        json!({ "v1": { "datasource": DATA_SOURCE, "errors": report.errors, "recoverable_errors": warnings } });
    files.write(RESULT, pretty(&result), None);
}

/// Whether the end of a run is shown.
pub(crate) fn has_ended(files: &Files) -> bool {
    files.get(RESULT).is_some()
}

fn stages(report: Option<&Report>) -> Value {
    let stage = |errors: &[String], finished: Option<f64>| json!({ "errors": errors, "finished": finished, "recoverable_errors": {}, "start": 1.0 });
    let last = match report {
        Some(report) => stage(&report.errors, Some(9.9)),
        None => stage(&[], None),
    };
    json!({ "v1": {
        "datasource": DATA_SOURCE,
        "init-local": stage(&[], Some(2.0)),
        "init": stage(&[], Some(3.0)),
        "modules-config": stage(&[], Some(4.0)),
        "modules-final": last,
        "stage": if report.is_none() { Value::from("modules-final") } else { Value::Null },
    } })
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Declared {
        Declared::read(Some(text), None)
    }

    #[test]
    fn packages_without_a_way_out_fail_by_the_name_of_their_module() {
        let report = judge(&read("#cloud-config\npackages: [git]\n"), Ok(()), &Err("no route".into()));
        assert!(report.errors[0].contains("package_update_upgrade_install"));
        assert!(report.log.contains("no route"));
        assert!(judge(&read("#cloud-config\npackages: [git]\n"), Ok(()), &Ok(())).succeeded());
    }

    #[test]
    fn a_command_that_must_fail_fails_scripts_user() {
        let report = judge(&read("#cloud-config\nruncmd: [[exit, 1]]\n"), Ok(()), &Ok(()));
        assert!(report.errors[0].contains("scripts_user"));
    }

    #[test]
    fn exit_codes_tell_error_from_degraded() {
        let degraded = Report { warnings: vec!["w".into()], ..Report::default() };
        let error = Report { errors: vec!["e".into()], ..Report::default() };
        assert_eq!(status(None, Format::Short), ("status: running\n".into(), 0));
        assert_eq!(status(Some(&degraded), Format::Json).1, 2);
        assert_eq!(status(Some(&error), Format::Json).1, 1);
        let (text, _) = status(Some(&error), Format::Json);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["errors"][0], "e");
    }
}
