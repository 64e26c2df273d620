//! The ssh server of a machine: public keys only, commands for the small shell, and the two kinds of forwarded
//! connections that a tool needs (`direct-tcpip`, `direct-streamlocal@openssh.com`).
//!
//! There is no interactive shell, no file transfer and no forwarding towards the client.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, MethodKind, MethodSet};
use tokio::io::DuplexStream;

use super::CommandFate;
use super::engine::api;
use super::machine::Machine;
use super::shell::{self, Surroundings as _};

/// Serves one connection until either side ends it or the machine goes off.
pub(crate) async fn serve(machine: Arc<Machine>, stream: DuplexStream) {
    let config = russh::server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // Nothing is guarded here: who is refused may know at once.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![machine.host_key.clone()],
        inactivity_timeout: None,
        ..russh::server::Config::default()
    };
    let client = Client { machine: Arc::clone(&machine), user: String::new(), waiting: BTreeMap::new() };
    let session = match russh::server::run_stream(Arc::new(config), stream, client).await {
        Ok(session) => session,
        Err(error) => {
            tracing::debug!(%error, "an ssh connection did not come about");
            return;
        }
    };
    let handle = session.handle();
    tokio::select! {
        ended = session => if let Err(error) = ended { tracing::debug!(%error, "an ssh connection ended") },
        () = machine.until_off() => {
            let _ = handle.disconnect(Disconnect::ByApplication, "the machine goes off".to_owned(), "en".to_owned()).await;
        }
    }
}

/// One client.
struct Client {
    machine: Arc<Machine>,
    /// Who logged in.
    user: String,
    /// Commands that wait for the end of their input, with what came so far.
    waiting: BTreeMap<ChannelId, (String, Vec<u8>)>,
}

impl Client {
    fn knows(&self, user: &str, key: &PublicKey) -> bool {
        let Some(user) = self.machine.declared.users.get(user) else { return false };
        let known = user.keys.iter().filter_map(|line| PublicKey::from_openssh(line).ok());
        known.into_iter().any(|known| known.key_data() == key.key_data())
    }

    /// Whether the user may open the engine's socket: its group decides, as it does for a real one. Where a script adds
    /// "some user" to a group, it is taken to be one who may use `sudo`.
    fn may_use_engine(&self) -> bool {
        let group = self.machine.engine(|engine, _| engine.group());
        let declared = &self.machine.declared;
        let Some(user) = declared.users.get(&self.user) else { return false };
        let is_member = group.is_some_and(|group| user.groups.iter().any(|own| own == group));
        self.user == "root" || is_member || user.sudo && declared.adds_members_by_variable
    }

    fn start(&self, channel: ChannelId, handle: Handle, command: String, stdin: Vec<u8>) {
        let (machine, user) = (Arc::clone(&self.machine), self.user.clone());
        tokio::spawn(async move {
            if shell::waits(&command).cloud_init {
                machine.ready().await;
            }
            let fate = machine.network.command();
            if fate == CommandFate::Lost {
                return;
            }
            let output = shell::run(&*machine, &user, &command, stdin);
            if fate == CommandFate::Unheard {
                return;
            }
            // Each of these fails only when the client is gone.
            if !output.stdout.is_empty() {
                let _ = handle.data(channel, output.stdout).await;
            }
            if !output.stderr.is_empty() {
                let _ = handle.extended_data(channel, 1, output.stderr).await;
            }
            let _ = handle.exit_status_request(channel, u32::from(output.code)).await;
            let _ = handle.eof(channel).await;
            let _ = handle.close(channel).await;
        });
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(if self.knows(user, offer.public_key) { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        if !self.knows(user, key.public_key) {
            return Ok(Auth::reject());
        }
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        session.channel_success(channel)?;
        if shell::waits(&command).stdin {
            self.waiting.insert(channel, (command, Vec::new()));
        } else {
            self.start(channel, session.handle(), command, Vec::new());
        }
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let command = "echo 'This machine is simulated: it takes single commands, as in ssh HOST COMMAND.'";
        self.start(channel, session.handle(), command.to_owned(), Vec::new());
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        if let Some((_, stdin)) = self.waiting.get_mut(&channel) {
            stdin.extend_from_slice(data);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        if let Some((command, stdin)) = self.waiting.remove(&channel) {
            self.start(channel, session.handle(), command, stdin);
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.waiting.remove(&channel);
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host_to_connect: &str,
        port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let host = if host_to_connect == "localhost" { "127.0.0.1" } else { host_to_connect };
        let (Ok(address), Ok(port)) = (host.parse::<Ipv4Addr>(), u16::try_from(port_to_connect)) else {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        match Machine::connect(&self.machine, SocketAddrV4::new(address, port)) {
            Ok(mut stream) => {
                reply.accept().await;
                tokio::spawn(async move {
                    // An end of either side is the end of both.
                    let _ = tokio::io::copy_bidirectional(&mut channel.into_stream(), &mut stream).await;
                });
            }
            Err(reason) => {
                tracing::debug!(%address, port, reason, "a forwarded connection was refused");
                reply.reject(ChannelOpenFailure::ConnectFailed).await;
            }
        }
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.machine.is_socket(socket_path) || !self.may_use_engine() {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        }
        reply.accept().await;
        tokio::spawn(api::serve(Arc::clone(&self.machine), channel.into_stream()));
        Ok(())
    }
}
