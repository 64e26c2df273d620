//! A command whose output the daemon writes to files, to be fetched when it has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{ExecOutput, Operation};
use crate::lxd::LxdError;
use crate::lxd::client::Client;

/// Where the output is: stream number to path.
#[derive(Deserialize)]
struct Recorded {
    #[serde(default)]
    output: BTreeMap<String, String>,
}

pub(super) async fn collect(client: &Client, operation: &Operation, limit: Duration) -> Result<ExecOutput, LxdError> {
    let (code, metadata) = super::exit_code(client, client.wait_for_end(operation, limit).await?)?;
    let Recorded { output } =
        serde_json::from_value(metadata).map_err(|error| client.not_understood(&operation.doing, error.to_string()))?;
    let (stdout, stderr) = tokio::try_join!(take(client, output.get("1")), take(client, output.get("2")))?;
    Ok(ExecOutput { code, stdout, stderr })
}

/// Fetches a file of output and deletes it. A command that was never started left none.
async fn take(client: &Client, path: Option<&String>) -> Result<Vec<u8>, LxdError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let bytes = client.get_raw(path).await?.body.to_vec();
    // The output counts; what stays behind goes with the instance.
    let _ = client.delete(path).await;
    Ok(bytes)
}
