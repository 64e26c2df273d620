//! `pontoon ring agent`: a member of a ring, until it is told to leave.
//!
//! Ctrl-C and `ring leave` leave the ring; SIGTERM ends the member without a word, so that one that is restarted with
//! its snapshot was never gone for long.

use std::net::SocketAddr;
use std::path::Path;

use jiff::Zoned;
use pontoon_ring::driver::{self, End, Handle, Notice, Subscription};
use pontoon_ring::rpc::server::{self, Level, Log};
use pontoon_ring::rpc::{self, reply};
use pontoon_ring::serf::snapshot::AfterLeave;
use pontoon_ring::serf::{self, Replay};
use pontoon_ring::swim;
use pontoon_ring::wire::Layers;
use pontoon_ring::wire::keyring::{Key, Keyring};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::{one_line, resolve, told};
use crate::cli::ring::{Agent, Profile};
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

const MEMBER_PORT: u16 = 7946;

pub(super) async fn run(arguments: &Agent, output: &Output) -> Result<Exit, Failure> {
    // Listened for from before it can be found, so that it never dies of one.
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::new("cannot listen for signals").caused_by(&error))?;
    let listener = match &arguments.rpc {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let auth_key = match &arguments.rpc_auth_file {
        Some(path) => Some(one_line(path).await?),
        None => None,
    };
    let config = configure(arguments).await?;
    let member = driver::start(config).await.map_err(|error| Failure::of(&error))?;
    let events = member.subscribe().await.map_err(|error| Failure::of(&error))?;
    let log = Log::default();
    let rpc = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let serving = listener.map(|listener| {
        let config = server::Config { member: member.clone(), auth_key, log: log.clone(), runtime: runtime() };
        tokio::spawn(server::serve(listener, config))
    });
    begin(&member, rpc, output);
    // Whoever reads what is printed may stop reading; the member goes on, so this has a thread that may wait.
    let (reader, runtime) = (output.reader, tokio::runtime::Handle::current());
    let telling = tokio::task::spawn_blocking(move || runtime.block_on(tell(events, log, reader)));

    tokio::select! {
        _ = member.ended() => {}
        _ = terminate.recv() => member.stop().await,
        interrupted = tokio::signal::ctrl_c() => {
            output.remark("leaving the ring; Ctrl-C again to go without a word");
            tokio::select! {
                () = member.leave() => {}
                _ = tokio::signal::ctrl_c(), if interrupted.is_ok() => member.stop().await,
                _ = terminate.recv() => member.stop().await,
            }
        }
    }
    finish(&member, serving, telling, output).await
}

async fn configure(arguments: &Agent) -> Result<driver::Config, Failure> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => host_name()?,
    };
    let bind = first(&arguments.bind, MEMBER_PORT).await?;
    let advertise = match &arguments.advertise {
        Some(address) => first(address, bind.port()).await?,
        None if bind.ip().is_unspecified() => {
            return Err(Failure::new(format!(
                "`{bind}` is all addresses of this machine, and others need one to reach it"
            ))
            .hint("--bind or --advertise with one that they reach, such as --advertise 192.0.2.7:7946".to_owned())
            .exit(Exit::Usage));
        }
        None => bind,
    };
    let profile = match arguments.profile {
        Profile::Lan => swim::Config::lan(name, advertise),
        Profile::Wan => swim::Config::wan(name, advertise),
        Profile::Local => swim::Config::local(name, advertise),
    };
    let mut config = driver::Config::new(serf::Config::new(profile));
    config.bind = bind;
    config.serf.tags = arguments.tag.iter().cloned().collect();
    config.layers = Layers { keyring: keyring(arguments).await?, ..Layers::default() };
    config.keyring_file.clone_from(&arguments.key_file);
    config.snapshot.clone_from(&arguments.snapshot);
    config.after_leave = if arguments.rejoin { AfterLeave::Rejoin } else { AfterLeave::StayAway };
    config.replay = if arguments.replay { Replay::Yes } else { Replay::No };
    for seed in &arguments.join {
        config.seeds.extend(resolve(seed, MEMBER_PORT).await?);
    }
    Ok(config)
}

/// A key from the command line, or keys from a file: one in base64, or a list as Serf keeps it.
async fn keyring(arguments: &Agent) -> Result<Option<Keyring>, Failure> {
    let single = |text: &str, of: String| {
        Key::from_base64(text).map(Keyring::new).map_err(|error| {
            Failure::new(format!("{of} is none that a ring can use"))
                .caused_by(&error)
                .hint("`openssl rand -base64 32` makes one".to_owned())
        })
    };
    match (&arguments.key, &arguments.key_file) {
        (Some(key), _) => single(key, "the key of --key".to_owned()).map(Some),
        (None, Some(path)) => {
            let text = one_line(path).await?;
            if text.starts_with('[') {
                driver::read_keyring(path).await.map(Some).map_err(|error| Failure::of(&error))
            } else {
                single(&text, key_of(path)).map(Some)
            }
        }
        (None, None) => Ok(None),
    }
}

fn key_of(path: &Path) -> String {
    format!("the key in `{}`", path.display())
}

async fn listen(address: &str) -> Result<TcpListener, Failure> {
    let address = first(address, rpc::DEFAULT_PORT).await?;
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::new(format!("cannot listen for clients on `{address}`")).caused_by(&error))
}

async fn first(text: &str, default_port: u16) -> Result<SocketAddr, Failure> {
    resolve(text, default_port)
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| Failure::new(format!("`{text}` has no address")))
}

fn host_name() -> Result<String, Failure> {
    let system = rustix::system::uname();
    system.nodename().to_str().map(str::to_owned).map_err(|_| {
        Failure::new("the name of this machine is no text").hint("--name NAME".to_owned()).exit(Exit::Usage)
    })
}

/// What `info` of a client shows of the program.
fn runtime() -> Vec<(String, String)> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    [
        ("os", std::env::consts::OS.to_owned()),
        ("arch", std::env::consts::ARCH.to_owned()),
        ("version", format!("pontoon {}", env!("CARGO_PKG_VERSION"))),
        ("cpu_count", processors.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The first line: from now on it can be found and asked.
fn begin(member: &Handle, rpc: Option<SocketAddr>, output: &Output) {
    match output.reader {
        Reader::Program => show::print_json(&json!({
            "event": "ready",
            "name": **member.name(),
            "address": member.address().to_string(),
            "rpc": rpc.map(|address| address.to_string()),
        })),
        Reader::Person => {
            let asked = rpc.map_or_else(String::new, |address| format!(", asked at {address}"));
            output.remark(&format!("{} is a member at {}{asked}; Ctrl-C leaves", member.name(), member.address()));
        }
    }
}

/// Prints what happens, and says it to clients that listen to the log.
async fn tell(mut events: Subscription, log: Log, reader: Reader) {
    while let Some(notice) = events.next().await {
        match notice {
            Notice::Event(event) => {
                let event = server::told(&event);
                log.say(Level::Info, || line(Level::Info, &format!("Received event: {}", word(&event))));
                match reader {
                    Reader::Program => show::print_json(&told::event_json(&event)),
                    Reader::Person => show::print(&told::event_text(&event)),
                }
            }
            Notice::Missed(count) => {
                log.say(Level::Warn, || line(Level::Warn, &format!("{count} events came too fast to be told")));
                if reader == Reader::Program {
                    show::print_json(&json!({"event": "missed", "count": count}));
                }
            }
        }
    }
}

fn word(event: &reply::Event) -> String {
    match event {
        reply::Event::Members { kind, .. } => kind.clone(),
        reply::Event::User { name, .. } => format!("user-event: {name}"),
        reply::Event::Query { name, .. } => format!("query: {name}"),
    }
}

/// A line as Serf's agents write it.
fn line(level: Level, text: &str) -> String {
    format!("{} [{}] agent: {text}", Zoned::now().strftime("%Y/%m/%d %H:%M:%S"), level.as_str())
}

async fn finish(
    member: &Handle,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    telling: JoinHandle<()>,
    output: &Output,
) -> Result<Exit, Failure> {
    let end = member.ended().await;
    // Clients get their last answers and listeners the last events; both end with the member.
    if let Some(serving) = serving {
        let _ = serving.await;
    }
    let _ = telling.await;
    let outcome = match end {
        End::Left => "left",
        End::Stopped => "stopped",
        End::ConflictLost => {
            return Err(Failure::new(format!("another member has the name `{}`", member.name()))
                .because("the ring was asked, and most know the other one")
                .hint("--name with one that nobody has".to_owned()));
        }
    };
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "result", "outcome": outcome})),
        Reader::Person => output.remark(if end == End::Left { "left the ring" } else { "ended without leaving" }),
    }
    Ok(Exit::Done)
}
