//! A whole ring at one moment. Two states that differ only in what was seen on the way count as one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use maildirector::agreement::Envelope;
use maildirector::world::Instant;

use super::member::{Sealed, digest};

/// What an exploration must come across, or it has proven nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Epoch 1 was committed by its coordinator.
    EpochOne,
    /// Epoch 2 was committed by its coordinator.
    EpochTwo,
    /// A director's lease ran out.
    LeaseRanOut,
    /// A coordinator took over a value that was accepted under another ballot.
    Takeover,
    /// A user was routed elsewhere than at first.
    UserMoved,
    /// A coordinator was outbid.
    Outbid,
}

/// A set of marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// Put one in.
    pub fn add(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u8;
    }

    /// Whether it is in.
    pub fn has(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u8) != 0
    }
}

/// A message on its way, which may arrive at any time or never.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The place of its receiver.
    pub to: usize,
    /// What it is.
    pub envelope: Arc<Envelope>,
    digest: u64,
}

impl Packet {
    /// For the member in place `to`.
    pub fn new(to: usize, envelope: Arc<Envelope>) -> Packet {
        let digest = digest(&envelope);
        Packet { to, envelope, digest }
    }

    fn order(&self) -> (usize, u64) {
        (self.to, self.digest)
    }
}

/// What is left of the budgets; bits and counts by the place in the world's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Used {
    /// Logins that came.
    pub logins: u32,
    /// Orders that were given.
    pub orders: u32,
    /// Restarts that happened.
    pub restarts: u32,
    /// Jumps in time so far.
    pub waits: usize,
    /// Messages delivered twice.
    pub duplicates: u8,
    /// Timers given, by member.
    pub ticks: Vec<u8>,
}

/// The ring.
#[derive(Clone, Debug)]
pub struct State {
    /// True time, which all clocks show.
    pub now: Instant,
    /// The members, in the order of the world's list.
    pub members: Vec<Arc<Sealed>>,
    /// Messages on their way, sorted, each once.
    pub wire: Vec<Packet>,
    /// The digest of the first table installed for each epoch from 1 on; 0 where none was.
    pub decided: Vec<u64>,
    /// Whether two tables were installed for one epoch.
    pub has_disagreed: bool,
    /// What happened.
    pub used: Used,
    /// What the last event showed. No part of what tells states apart.
    pub seen: Marks,
}

impl State {
    /// Put a message on the wire, unless its like is there.
    pub fn post(&mut self, packet: Packet) {
        if let Err(at) = self.wire.binary_search_by_key(&packet.order(), Packet::order) {
            self.wire.insert(at, packet);
        }
    }

    fn key(&self) -> impl Hash + PartialEq {
        let members: Vec<u64> = self.members.iter().map(|m| m.digest()).collect();
        let wire: Vec<(usize, u64)> = self.wire.iter().map(Packet::order).collect();
        (
            self.now,
            members,
            wire,
            self.decided.clone(),
            self.has_disagreed,
            self.used.clone(),
        )
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.key() == other.key()
    }
}
