//! How a member behaves: the numbers of memberlist, by memberlist's defaults.
//!
//! Source: `config.go` of `hashicorp/memberlist` (`DefaultLANConfig`, `DefaultWANConfig`, `DefaultLocalConfig`). What
//! memberlist does not have says so.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{Name, Versions};

/// What a member may say of itself, in bytes (`MetaMaxSize`).
pub const MAX_META: usize = 512;

/// The longest name, in bytes (Serf's `MaxNodeNameLength`).
pub const MAX_NAME: usize = 128;

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub name: Name,
    /// Where others reach it, by datagrams and by streams.
    pub address: SocketAddr,
    /// What it speaks.
    pub versions: Versions,
    /// No datagram is larger, in bytes. What does not fit into one is not sent by datagram.
    pub datagram_size: usize,

    /// How often some member is probed.
    pub probe_interval: Duration,
    /// How long a direct answer is waited for before others are asked to try.
    pub probe_timeout: Duration,
    /// How many others are asked.
    pub indirect_probes: usize,
    /// Whether a stream is tried too where no datagram was answered.
    pub stream_probes: bool,

    /// A message is repeated this often, times the logarithm of the number of members; more often where that would miss
    /// one of them.
    pub retransmit_multiplier: u32,
    /// A suspicion lasts at least this many probe intervals, times the logarithm of the number of members.
    pub suspicion_multiplier: u32,
    /// And at most this often as long, while few others confirm it.
    pub suspicion_max_multiplier: u32,
    /// How many times slower than usual a member probes at most that finds itself slow.
    pub awareness_max: u32,
    /// How sure a member has to be before it says that another one failed.
    pub detection: Detection,

    /// How often gossip is sent, at most.
    pub gossip_interval: Duration,
    /// To how many members each time.
    pub gossip_members: usize,
    /// How long the dead are told, so that whoever is not may refute it.
    pub gossip_to_the_dead: Duration,

    /// How often all that is known is exchanged with some member; less often in a large ring.
    pub push_pull_interval: Duration,
    /// How long an exchange may take.
    pub stream_timeout: Duration,

    /// After how long a dead member's name may be taken by somebody at another address. memberlist has no such time
    /// unless told, but has forgotten the member by then (`DeadNodeReclaimTime`).
    pub dead_member_reclaim: Duration,
    /// How long those who went are remembered, so that no late message brings them back. memberlist forgets them after
    /// [`Config::gossip_to_the_dead`].
    pub remember_the_gone: Duration,
    /// How long a leaving member waits for its farewell to be passed on.
    pub leave_timeout: Duration,
    /// How many members are known at most, those who went among them. A flood of names ends here.
    pub max_members: usize,
}

/// How sure a member has to be before it says that another one failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detection {
    /// Plain SWIM, the baseline of measurements: a failed probe is a suspicion, and each suspicion lasts equally long.
    Swim,
    /// What memberlist does. A member that finds itself slow probes more slowly; it asks for nacks to find that out; a
    /// suspicion lasts long unless others confirm it; a suspect is told of the suspicion. ("Lifeguard: Local Health Awareness for More Accurate Failure Detection",
    /// Dadgar, Phillips, Currey, 2017.)
    Lifeguard,
    /// That, and two things that memberlist does not do. A member that was woken much too late blames nobody for the
    /// time that it missed. And a probe that gets no answer pings again until it ends, so that lost datagrams make no
    /// suspicion; what others see of it is a ping.
    Careful,
}

/// Why a member cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The name is empty or too long.
    #[error("the name `{name}` has {} bytes, and a name has 1 to {MAX_NAME}", name.len())]
    Name {
        /// The name.
        name: Name,
    },
    /// Nobody can send to this address.
    #[error("others cannot reach a member at `{address}`")]
    Address {
        /// The address.
        address: SocketAddr,
    },
    /// The application says more than fits.
    #[error("`{name}` says {bytes} bytes of itself, and at most {MAX_META} are passed on")]
    Meta {
        /// Which member.
        name: Name,
        /// How much it says.
        bytes: usize,
    },
    /// A datagram of this size would hold no message about a member.
    #[error("datagrams of {bytes} bytes are too small; they need {MIN_DATAGRAM} to {MAX_DATAGRAM}")]
    Datagram {
        /// The size.
        bytes: usize,
    },
}

/// A message about a member with all that it may say of itself, and what is put around it, fits into this.
const MIN_DATAGRAM: usize = 1100;

/// What UDP over IPv4 carries.
const MAX_DATAGRAM: usize = 65_507;

impl Config {
    /// For members in one data centre.
    pub fn lan(name: impl Into<Name>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            versions: Versions::default(),
            datagram_size: 1400,
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_probes: 3,
            stream_probes: true,
            retransmit_multiplier: 4,
            suspicion_multiplier: 4,
            suspicion_max_multiplier: 6,
            awareness_max: 8,
            detection: Detection::Careful,
            gossip_interval: Duration::from_millis(200),
            gossip_members: 3,
            gossip_to_the_dead: Duration::from_secs(30),
            push_pull_interval: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(10),
            dead_member_reclaim: Duration::from_secs(30),
            remember_the_gone: Duration::from_mins(10),
            leave_timeout: Duration::from_secs(5),
            max_members: 65_536,
        }
    }

    /// For members in several data centres.
    pub fn wan(name: impl Into<Name>, address: SocketAddr) -> Self {
        Self {
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            suspicion_multiplier: 6,
            gossip_interval: Duration::from_millis(500),
            gossip_members: 4,
            gossip_to_the_dead: Duration::from_mins(1),
            push_pull_interval: Duration::from_mins(1),
            stream_timeout: Duration::from_secs(30),
            dead_member_reclaim: Duration::from_mins(1),
            ..Self::lan(name, address)
        }
    }

    /// For members on one machine.
    pub fn local(name: impl Into<Name>, address: SocketAddr) -> Self {
        Self {
            probe_timeout: Duration::from_millis(200),
            indirect_probes: 1,
            retransmit_multiplier: 2,
            suspicion_multiplier: 3,
            gossip_interval: Duration::from_millis(100),
            gossip_to_the_dead: Duration::from_secs(15),
            push_pull_interval: Duration::from_secs(15),
            stream_timeout: Duration::from_secs(1),
            dead_member_reclaim: Duration::from_secs(15),
            ..Self::lan(name, address)
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.name.is_empty() || self.name.len() > MAX_NAME {
            return Err(ConfigError::Name { name: self.name.clone() });
        }
        if self.address.ip().is_unspecified() || self.address.port() == 0 {
            return Err(ConfigError::Address { address: self.address });
        }
        if !(MIN_DATAGRAM..=MAX_DATAGRAM).contains(&self.datagram_size) {
            return Err(ConfigError::Datagram { bytes: self.datagram_size });
        }
        Ok(())
    }
}
