//! `pontoon cloud`: the embedded cloud as a server.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli;
use crate::embedded::{self, Home};
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(crate) async fn run(verb: &cli::Cloud, output: &Output) -> Result<Exit, Failure> {
    let home = Home::of_user()?;
    match verb {
        cli::Cloud::Serve(arguments) => serve(&home, arguments, output).await,
        cli::Cloud::Status => status(&home, output).await,
        cli::Cloud::Stop => {
            let text = match embedded::stop(&home).await? {
                Some(running) => format!("the embedded cloud (process {}) has ended; its world is kept", running.pid),
                None => "no embedded cloud runs".to_owned(),
            };
            output.remark(&text);
            Ok(Exit::Done)
        }
        cli::Cloud::Clear => {
            embedded::stop(&home).await?;
            embedded::clear(&home).await?;
            output.remark("the world of the embedded cloud is forgotten");
            Ok(Exit::Done)
        }
    }
}

async fn serve(home: &Home, arguments: &cli::Serve, output: &Output) -> Result<Exit, Failure> {
    if let Some(running) = embedded::running(home).await {
        return Err(Failure::new(format!("one runs already at {} (process {})", running.endpoint, running.pid))
            .hint("`pontoon cloud stop` ends it; PONTOON_EMBEDDED=DIR keeps another one beside it".to_owned()));
    }
    // Listened for from before the first line on, which is what whoever starts it waits for.
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::new("cannot listen for signals").caused_by(&error))?;
    let served = embedded::serve(home, arguments.port, arguments.speed).await?;
    let cloud = &served.cloud;
    output.remark(&format!("# a simulated OpenStack cloud at {}; Ctrl-C ends it, its world is kept", cloud.endpoint()));
    show::print(&cloud.clouds_yaml(embedded::NAME));
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = cloud.stop_requested() => {}
    }
    served.stop().await;
    Ok(Exit::Done)
}

async fn status(home: &Home, output: &Output) -> Result<Exit, Failure> {
    let running = embedded::running(home).await;
    match (output.reader, &running) {
        (Reader::Program, Some(running)) => show::print_json(&json!({
            "running": true, "simulated": true, "endpoint": running.endpoint, "pid": running.pid,
            "clouds_yaml": home.clouds_yaml(), "directory": home.path(),
        })),
        (Reader::Program, None) => {
            show::print_json(&json!({ "running": false, "simulated": true, "directory": home.path() }));
        }
        (Reader::Person, Some(running)) => show::print(&format!(
            "the embedded (simulated) cloud runs at {} as process {}\n  clouds.yaml  {}\n  ssh key      {}\n  log          {}\n",
            running.endpoint,
            running.pid,
            home.clouds_yaml().display(),
            home.identity().display(),
            home.log().display(),
        )),
        (Reader::Person, None) => {
            show::print("no embedded cloud runs; `pontoon up` starts one where a stack asks for it\n");
        }
    }
    Ok(Exit::Done)
}
