//! Starts an embedded cloud with the seed world, prints its clouds.yaml on standard output and serves until it is told to
//! stop (`POST /simulated/stop`, or Ctrl-C).

use pontoon_sim::{Cloud, Config};
use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cloud = Cloud::start(Config::default()).await?;
    let mut out = std::io::stdout();
    write!(out, "{}", cloud.clouds_yaml("simulated"))?;
    out.flush()?;
    tokio::select! {
        () = cloud.stop_requested() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    cloud.stop().await;
    Ok(())
}
