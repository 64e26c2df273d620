//! What systemd is told of the process (sd_notify(3)): a datagram of words to the socket that it names in its
//! environment. Where nobody asked to be told, nobody is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable that names the socket.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// Whoever started this process and wants to know how it is.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    socket: Option<OsString>,
}

/// What there is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// It does what it is for.
    Ready,
    /// It reads its files again; [`State::Ready`] ends that.
    Reloading,
    /// It is about to end.
    Stopping,
    /// In words for people, as `systemctl status` shows them.
    Status(&'a str),
}

impl Notifier {
    /// The one at this socket: a path, or a name in the abstract namespace after an `@`.
    pub const fn new(socket: Option<OsString>) -> Self {
        Self { socket }
    }

    /// Says it. Nothing depends on whether anybody hears it.
    pub fn say(&self, state: State<'_>) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, &words(state)) {
            tracing::debug!(%error, socket = %socket.display(), "cannot tell systemd");
        }
    }
}

fn words(state: State<'_>) -> String {
    match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading => "RELOADING=1".to_owned(),
        State::Stopping => "STOPPING=1".to_owned(),
        // A line feed would begin another word.
        State::Status(text) => format!("STATUS={}", text.replace('\n', " ")),
    }
}

fn send(socket: &OsStr, words: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let datagrams = UnixDatagram::unbound()?;
    // Where its queue is full, waiting would hold up the agent.
    datagrams.set_nonblocking(true)?;
    datagrams.send_to_addr(words.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn it_is_said_to_a_socket_in_the_file_system_and_to_an_abstract_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Notifier::new(Some(path.into())).say(State::Ready);
        assert_eq!(heard(&socket), "READY=1");

        let name = format!("pontoon-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::new(Some(format!("@{name}").into()));
        for (state, words) in [
            (State::Reloading, "RELOADING=1"),
            (State::Stopping, "STOPPING=1"),
            (State::Status("3 hosts\nREADY=1"), "STATUS=3 hosts READY=1"),
        ] {
            notifier.say(state);
            assert_eq!(heard(&socket), words);
        }
    }

    #[test]
    fn where_nobody_listens_nothing_happens() {
        Notifier::default().say(State::Ready);
        Notifier::new(Some("/nowhere/notify".into())).say(State::Ready);
        Notifier::new(Some("vsock:2:1".into())).say(State::Ready);
    }
}
