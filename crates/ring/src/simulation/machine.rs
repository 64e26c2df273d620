//! What can be simulated.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::swim::{Change, Input, Member, Output};
use crate::time::Time;
use crate::wire::message::{Alive, Name};

/// The pure part of a member.
pub trait Machine {
    /// As [`Swim::handle`](crate::swim::Swim::handle).
    fn handle(&mut self, now: Time, input: Input);

    /// As [`Swim::poll`](crate::swim::Swim::poll).
    fn poll(&mut self) -> Option<Output>;

    /// As [`Swim::wake_at`](crate::swim::Swim::wake_at).
    fn wake_at(&self) -> Option<Time>;

    /// Joins the ring of one of these, for as long as it takes.
    fn join(&mut self, now: Time, seeds: Vec<SocketAddr>);

    /// Says that it leaves.
    fn leave(&mut self, now: Time);

    /// What it says of itself.
    fn introduces_itself(&self) -> Option<Arc<Alive>>;

    /// Takes these for members, without a word to anybody.
    fn acquaint(&mut self, now: Time, members: &[Arc<Alive>]);

    /// What it knows of a member.
    fn member(&self, name: &str) -> Option<&Member>;

    /// How many members live, as far as it knows.
    fn living(&self) -> usize;

    /// The changes of the membership since the last call.
    fn take_changes(&mut self) -> Vec<Change>;
}

/// A machine that can say something to all.
pub trait Announces: Machine {
    /// Says a number to all.
    fn announce(&mut self, now: Time, number: u64);

    /// Whether it has heard a number, or said it.
    fn has_heard(&self, number: u64) -> bool;
}

/// What a member starts with.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Which member it is, counted from 0.
    pub index: usize,
    /// Where it is reached.
    pub address: SocketAddr,
    /// The how manieth start this is, counted from 1.
    pub life: u32,
    /// All its chance.
    pub seed: [u8; 32],
    /// The time on its clock.
    pub now: Time,
}

impl Birth {
    /// The name of the member, the same in each life.
    pub fn name(&self) -> Name {
        name(self.index)
    }
}

/// The name of a member.
pub(super) fn name(index: usize) -> Name {
    format!("m{index}").into()
}

/// Which member a name is of.
pub(super) fn index(name: &str) -> Option<usize> {
    name.strip_prefix('m')?.parse().ok()
}
