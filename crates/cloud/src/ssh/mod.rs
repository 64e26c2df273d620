//! The way in to a host: an ssh client over any stream.
//!
//! Knows the ssh protocol, private keys, the agent, and how cloud-init shows a host's keys on the console. Knows
//! nothing of clouds, stacks or container engines: the caller says which host keys to expect and who logs in, and
//! gets a [`Session`] that runs commands and opens byte streams ([`BoxIo`]) to ports and sockets behind the host.
//!
//! A jump host needs no feature of its own: [`Session::direct_tcpip`] of the first session is the transport of the
//! second.
//!
//! A host key is never trusted because it was seen. [`HostKeyCheck`] holds the keys that were learnt some other way
//! (console log, key handed in at boot, configuration); anything else is an error that names both sides.

pub mod console;
mod error;
mod host_key;
mod key_pair;
mod login;
mod session;
mod transport;

pub use error::SshError;
pub use host_key::{HostKeyCheck, HostKeyCheckError};
pub use key_pair::KeyPair;
pub use login::{Identity, IdentityError, Login};
pub use session::{ConnectOptions, ExitStatus, Output, Session};
pub use transport::{BoxIo, Io, dial_tcp};
