//! `pontoon ring`: a member of a gossip ring, and questions to running ones.
//!
//! All verbs but `agent` are clients of a running agent, ours or Serf's own: they say one thing over its RPC and print
//! what comes back.

mod agent;
mod event;
mod join;
mod keys;
mod leave;
mod members;
mod monitor;
mod query;
mod tags;
mod told;

use std::path::Path;

use pontoon_ring::driver;
use pontoon_ring::rpc::{self, Client, ClientError};

use crate::cli::ring::{Ring, Rpc};
use crate::exit::{Exit, Failure};
use crate::show::Output;

pub(crate) async fn run(verb: &Ring, output: &Output) -> Result<Exit, Failure> {
    match verb {
        Ring::Agent(arguments) => agent::run(arguments, output).await,
        Ring::Members(arguments) => members::run(arguments, output).await,
        Ring::Join(arguments) => join::run(arguments, output).await,
        Ring::Event(arguments) => event::run(arguments, output).await,
        Ring::Query(arguments) => query::run(arguments, output).await,
        Ring::Keys(arguments) => keys::run(arguments, output).await,
        Ring::Tags(arguments) => tags::run(arguments, output).await,
        Ring::Leave(arguments) => leave::run(arguments, output).await,
        Ring::Monitor(arguments) => monitor::run(arguments, output).await,
    }
}

/// The agent that is to be asked.
async fn connect(rpc: &Rpc) -> Result<Client, Failure> {
    let auth_key = match &rpc.rpc_auth_file {
        Some(path) => Some(one_line(path).await?),
        None => None,
    };
    let addresses = resolve(&rpc.rpc, rpc::DEFAULT_PORT).await?;
    let mut failure = Failure::new(format!("`{}` has no address", rpc.rpc));
    for address in addresses {
        match Client::connect(address, auth_key.as_deref()).await {
            Ok(client) => return Ok(client),
            Err(error) => failure = refused(&error),
        }
    }
    Err(failure)
}

/// Why an agent did not do what it was asked.
fn refused(error: &ClientError) -> Failure {
    Failure::of(error).hint(error.hint())
}

async fn resolve(text: &str, default_port: u16) -> Result<Vec<std::net::SocketAddr>, Failure> {
    driver::resolve(text, default_port)
        .await
        .map_err(|error| Failure::new(format!("cannot find the address of `{text}`")).caused_by(&error))
}

/// What a file holds, such as a key: one line.
async fn one_line(path: &Path) -> Result<String, Failure> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| Failure::new(format!("cannot read `{}`", path.display())).caused_by(&error))?;
    Ok(text.trim().to_owned())
}
