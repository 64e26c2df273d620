//! The page of a made-up stack that lives, for whoever changes the page:
//!
//! ```sh
//! cargo run -p pontoon-agent --example page -- [blog|large|empty|still] [PORT]
//! ```
//!
//! Parts of the page are in the binary, so a change of them is seen after another run.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "an example may end at once")]

#[path = "../tests/page/stack.rs"]
mod stack;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pontoon_agent::catalogue::{HostState, State};
use pontoon_agent::door::Door;
use pontoon_agent::http::{Server, Settings};
use pontoon_agent::sockets::Sockets;
use stack::Stack;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kind = arguments.first().map_or("blog", String::as_str);
    let port = arguments.get(1).map_or(8500, |port| port.parse().expect("a port"));
    let mut stack = match kind {
        "large" => Stack::large(100, 12),
        "empty" => Stack::empty(),
        _ => Stack::blog(),
    };
    let server =
        Server::bind(&[SocketAddr::from(([127, 0, 0, 1], port))], &mut Sockets::default()).expect("the port is free");
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    let (_drawn, pictures) = watch::channel(Arc::new(stack.picture.clone()));
    let settings = Settings {
        datacenter: "blog".to_owned(),
        here: "lxd0".into(),
        door: Door::new(networks.clone(), 64, 64),
        waiters: Door::new(networks, 32, 32),
        run: std::process::id().into(),
        began: Instant::now().checked_sub(Duration::from_secs(260)).unwrap_or_else(Instant::now),
        pictures,
        counts: Arc::default(),
        other_doors: [].into(),
        end: CancellationToken::new(),
    };
    let (views, watched) = watch::channel(stack.view());
    println!("http://127.0.0.1:{port}/ until Ctrl-C");
    tokio::spawn(server.run(settings, watched));
    let mut beat = tokio::time::interval(Duration::from_secs(3));
    for turn in 0_u64.. {
        beat.tick().await;
        match (kind, turn % 6) {
            ("empty" | "still", _) => {}
            (_, 1) => stack.say("api-1", State::Passing, "200 OK"),
            (_, 2) => stack.say("hugo-1", State::Critical, "GET /: timed out after 2 s"),
            (_, 3) => stack.change("db-0", |one| _ = one.says.insert("turn".to_owned(), turn.to_string())),
            (_, 4) => stack.say("hugo-1", State::Passing, "200 OK"),
            (_, 5) => stack.say("api-1", State::Critical, "GET /health on port 3000: connection refused"),
            _ => {
                if let Some(host) = stack.hosts.get_mut(2) {
                    let failed = host.state == HostState::Failed;
                    host.state = if failed { HostState::Alive } else { HostState::Failed };
                    host.stale_since = (!failed).then_some(240);
                }
            }
        }
        views.send_replace(stack.view());
    }
}
