//! One member with everything around it: its machine, its disk, the doors in front of it, and what it was granted.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use maildirector::agreement::{Ballot, Body, Envelope, Nonce, Record};
use maildirector::director::{Director, Event};
use maildirector::topology::{BackendId, Epoch, MemberId, UserId};
use maildirector::world::Instant;

use super::world::LEASE;

/// A session at an exact door, open from the route until the door has closed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// Whose.
    pub user: UserId,
    /// Where to.
    pub backend: BackendId,
    /// The hold's name.
    pub serial: u32,
}

/// A member at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The machine.
    pub director: Director,
    /// What a new run would read.
    pub disk: Option<Arc<Record>>,
    /// What was to be saved and is not yet.
    pub unsaved: Option<(u64, Arc<Record>)>,
    /// Open sessions.
    pub sessions: BTreeSet<Session>,
    /// Holds whose sessions are to be closed.
    pub evicting: BTreeSet<(UserId, u32)>,
    /// All sessions are to be closed, under this name.
    pub closing: Option<u32>,
    /// Runs so far.
    pub boots: u64,
    /// The round that it coordinates.
    pub round: Option<(Ballot, Phase)>,
    /// What it was granted, by the books of the explorer.
    pub grants: Grants,
}

/// What a coordinator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Promises and holds.
    Preparing,
    /// Acceptances and confirmations.
    Proposing,
}

/// Leases as an onlooker counts them: from the askings sent and the grants that arrived, not from the machine's word.
/// Its own vote counts as given with the asking; it can't be seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    asked: BTreeMap<Nonce, Asked>,
    until: BTreeMap<Epoch, Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    epoch: Epoch,
    until: Instant,
    voters: BTreeSet<MemberId>,
    granted: BTreeSet<MemberId>,
}

/// A member with the digest by which states are told apart.
#[derive(Clone, Debug)]
pub struct Sealed {
    member: Member,
    digest: u64,
}

/// The digest of a value: the same in every run and process.
pub fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Member {
    /// Whether a byte of a session may go through now.
    pub fn may_forward(&self, now: Instant) -> bool {
        self.director.may_forward(now)
    }

    /// The machine sends this: keep account of askings and rounds.
    pub fn note_sent(&mut self, envelope: &Envelope, now: Instant) {
        if let Body::Propose { ballot, .. } = &envelope.body {
            self.round = Some((*ballot, Phase::Proposing));
        }
        if let Body::Renew(renew) = &envelope.body {
            let voters = self.director.topology().members().filter(|m| m.votes);
            let asked = Asked {
                epoch: self.director.epoch(),
                until: now.plus(LEASE),
                voters: voters.map(|m| m.id).collect(),
                granted: BTreeSet::new(),
            };
            self.grants.asked.insert(renew.nonce, asked);
            let me = self.director.me();
            self.grants.note_granted(renew.nonce, me);
        }
    }

    /// The machine is about to be given this.
    pub fn note_received(&mut self, envelope: &Envelope) {
        if let Body::Grant { boot, nonce } = &envelope.body
            && *boot == self.director.boot()
        {
            self.grants.note_granted(*nonce, envelope.from);
        }
    }

    /// The machine says this of itself.
    pub fn note_event(&mut self, event: &Event) {
        match event {
            Event::RoundStarted { ballot, .. } => self.round = Some((*ballot, Phase::Preparing)),
            Event::RoundLeft { .. } => self.round = None,
            Event::Installed { epoch, .. } => {
                self.round = None;
                self.grants.advanced_to(*epoch);
            }
            Event::Isolated { .. } => self.grants.void(),
            _ => {}
        }
    }

    /// With the digest by which it is told from others.
    pub fn sealed(self) -> Arc<Sealed> {
        let digest = digest(&self);
        Arc::new(Sealed { member: self, digest })
    }
}

impl Grants {
    fn note_granted(&mut self, nonce: Nonce, voter: MemberId) {
        let Some(asked) = self.asked.get_mut(&nonce) else {
            return;
        };
        if asked.voters.contains(&voter) {
            asked.granted.insert(voter);
        }
        if asked.granted.len() * 2 > asked.voters.len() {
            let until = self.until.entry(asked.epoch).or_insert(asked.until);
            *until = asked.until.max(*until);
        }
        let until = &self.until;
        self.asked
            .retain(|_, asked| until.get(&asked.epoch).is_none_or(|until| asked.until > *until));
    }

    /// The epoch in force is this one now: leases of before the last one are void.
    pub fn advanced_to(&mut self, epoch: Epoch) {
        self.until.retain(|asked_at, _| asked_at.next() >= epoch);
        self.asked.retain(|_, asked| asked.epoch.next() >= epoch);
    }

    /// The lease ran out or was given up.
    pub fn void(&mut self) {
        *self = Grants::default();
    }

    /// Whether a grant of this asking could make the lease longer.
    pub fn waits_for(&self, nonce: Nonce) -> bool {
        self.asked.contains_key(&nonce)
    }

    /// Until when it may serve at most.
    pub fn until(&self) -> Option<Instant> {
        self.until.values().max().copied()
    }
}

impl Sealed {
    /// Tells members apart.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The epoch in force there.
    pub fn epoch(&self) -> Epoch {
        self.member.director.epoch()
    }
}

impl std::ops::Deref for Sealed {
    type Target = Member;

    fn deref(&self) -> &Member {
        &self.member
    }
}
