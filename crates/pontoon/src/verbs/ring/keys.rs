//! `pontoon ring keys`: the keys of the whole ring.

use std::path::Path;

use pontoon_ring::rpc::reply::Keys as Report;
use pontoon_ring::rpc::request::Secret;
use pontoon_ring::rpc::{Body, ClientError, Request};
use serde_json::json;

use super::{connect, one_line, refused};
use crate::cli::ring::{KeyChange, Keys};
use crate::exit::{Exit, Failure};
use crate::show::style::printable;
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Keys, output: &Output) -> Result<Exit, Failure> {
    let (request, outcome) = request(&arguments.change).await?;
    let mut client = connect(&arguments.rpc).await?;
    let report = match client.call(request).await {
        Ok((_, Some(Body::Keys(report)))) => report,
        Ok(_) => Report::default(),
        Err(error) => return Err(not_everywhere(&error)),
    };
    match output.reader {
        Reader::Program => {
            let keys: Vec<_> =
                report.keys.iter().map(|(key, members)| json!({"key": key, "members": members})).collect();
            show::print_json(&json!({
                "event": "result", "outcome": outcome, "members": report.members, "keys": keys, "messages": report.messages,
            }));
        }
        Reader::Person => {
            for (key, members) in &report.keys {
                show::print(&format!("{}  {members} of {} members\n", printable(key), report.members));
            }
            for (member, message) in &report.messages {
                output.remark(&format!("{}: {}", printable(member), printable(message)));
            }
            if !arguments.change.list {
                output.remark(&format!("{outcome} by all {} members", report.members));
            }
        }
    }
    Ok(Exit::Done)
}

/// What is to be asked, and the word for it when it is done.
async fn request(change: &KeyChange) -> Result<(Request, &'static str), Failure> {
    // One of them is there: the command line was not taken without.
    if let Some(given) = &change.install {
        Ok((Request::InstallKey(key(given).await?), "installed"))
    } else if let Some(given) = &change.use_key {
        Ok((Request::UseKey(key(given).await?), "used"))
    } else if let Some(given) = &change.remove {
        Ok((Request::RemoveKey(key(given).await?), "removed"))
    } else {
        Ok((Request::ListKeys, "listed"))
    }
}

async fn key(given: &str) -> Result<Secret, Failure> {
    Ok(Secret(match given.strip_prefix('@') {
        Some(path) => one_line(Path::new(path)).await?,
        None => given.to_owned(),
    }))
}

/// A change that not all members have made: who has not, and why.
fn not_everywhere(error: &ClientError) -> Failure {
    let failure = refused(error);
    let ClientError::Refused { body: Some(body), .. } = error else { return failure };
    let Body::Keys(report) = &**body else { return failure };
    report.messages.iter().fold(failure, |failure, (member, message)| failure.because(format!("{member}: {message}")))
}
