//! What systemd is told of the process (sd_notify(3)): a datagram of words to the socket that it names in its
//! environment. Where nobody asked to be told, nobody is.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    sendmsg_addr, socket_with,
};

/// The variable that names the socket.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// What the sockets are called that it keeps.
const KEPT: &str = "questions";
/// The most that go along with one message: a limit of the kernel (unix(7)).
const KEPT_AT_ONCE: usize = 253;

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
        if let Err(error) = send(socket, &words(state), &[]) {
            tracing::debug!(%error, socket = %socket.display(), "cannot tell systemd");
        }
    }

    /// Hands sockets over, to be given to the next run of the unit instead of those that were handed over before. It
    /// keeps them where the unit has `FileDescriptorStoreMax=`, until the unit is stopped for good.
    pub fn keep(&self, sockets: &[OwnedFd]) {
        let Some(socket) = &self.socket else { return };
        let kept = send(socket, &format!("FDSTOREREMOVE=1\nFDNAME={KEPT}"), &[]).and_then(|()| {
            sockets.chunks(KEPT_AT_ONCE).try_for_each(|some| {
                let borrowed: Vec<_> = some.iter().map(AsFd::as_fd).collect();
                // Without FDPOLL=0 an error of the network would end one.
                send(socket, &format!("FDSTORE=1\nFDNAME={KEPT}\nFDPOLL=0"), &borrowed)
            })
        });
        if let Err(error) = kept {
            tracing::debug!(%error, socket = %socket.display(), "systemd does not keep the sockets");
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

fn send(socket: &OsStr, words: &str, along: &[BorrowedFd<'_>]) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name)?,
        None => SocketAddrUnix::new(socket)?,
    };
    // Where its queue is full, waiting would hold up the agent.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let datagrams = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    let rights = SendAncillaryMessage::ScmRights(along);
    let mut space = vec![MaybeUninit::uninit(); rights.size()];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !along.is_empty() {
        control.push(rights);
    }
    sendmsg_addr(datagrams, &address, &[IoSlice::new(words.as_bytes())], &mut control, SendFlags::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

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
    fn sockets_are_handed_over_in_place_of_those_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let kept = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = kept.local_addr().unwrap();
        Notifier::new(Some(path.into())).keep(&[kept.into()]);
        assert_eq!(heard(&socket), "FDSTOREREMOVE=1\nFDNAME=questions");

        let mut words = [0; 256];
        let mut space = [MaybeUninit::uninit(); 256];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(&socket, &mut [io::IoSliceMut::new(&mut words)], &mut control, RecvFlags::empty()).unwrap();
        assert_eq!(&words[..received.bytes], b"FDSTORE=1\nFDNAME=questions\nFDPOLL=0");
        let Some(RecvAncillaryMessage::ScmRights(handed)) = control.drain().next() else {
            panic!("nothing went along")
        };
        let handed: Vec<std::net::UdpSocket> = handed.map(Into::into).collect();
        assert_eq!(handed.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>(), [place]);
    }

    #[test]
    fn where_nobody_listens_nothing_happens() {
        Notifier::default().say(State::Ready);
        Notifier::new(Some("/nowhere/notify".into())).say(State::Ready);
        Notifier::new(Some("vsock:2:1".into())).say(State::Ready);
    }
}
