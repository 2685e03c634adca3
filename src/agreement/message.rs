//! What members say to each other. How it travels is left to `ring`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::held_user::HeldUsers;
use super::ids::{Ballot, Boot, Nonce, ValueId};
use super::value::{Committed, Proposal, Request, Value};
use super::whose::Whose;
use crate::topology::{BackendId, Change, Epoch, Incarnation, MemberId, UserId};

/// A message with what every message carries. The epoch lets whoever is ahead bring the other up to date.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sent it.
    pub from: MemberId,
    /// In which of its runs.
    pub boot: Boot,
    /// The sender's epoch when it sent this.
    pub epoch: Epoch,
    /// What it says.
    pub body: Body,
}

/// A lease that a voter has granted and that may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stated {
    /// Whose it is, a member or a former one.
    pub member: MemberId,
    /// In which of its runs.
    pub boot: Boot,
    /// How long the voter's note still stands, by the voter's clock.
    pub remaining: Duration,
}

/// Leases that a voter knows, and for how long it must assume that there are others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Statement {
    /// Every lease noted and not run out.
    pub leases: Vec<Stated>,
    /// What is left of the voter's grace: leases of unknown holders.
    pub grace: Duration,
}

/// A director's request for a lease, heard by all: it doubles as the sign of life by which the coordinator is
/// found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Renew {
    /// Names this asking.
    pub nonce: Nonce,
    /// Values for the next epoch that the director has confirmed.
    pub confirmed: Vec<ValueId>,
    /// Whether it holds a lease now.
    pub is_leased: bool,
    /// Whether it keeps users waiting for a round that it has not heard of for the round bound.
    pub is_stuck: bool,
    /// The backends that its own probes find failing; nothing when it does not probe.
    pub failing: Option<Box<[BackendId]>>,
}

/// What a member without a seat says until it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hello {
    /// Of the configuration that it was started with; all must agree.
    pub fingerprint: u64,
    /// Which storage it has. `None`: it does not vote.
    pub incarnation: Option<Incarnation>,
    /// Whether it knows no topology at all.
    pub is_fresh: bool,
    /// The voters with whom it has bound itself to start the ring.
    pub bound: Option<BTreeMap<MemberId, Incarnation>>,
}

/// The message itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// From a member without a seat, to all.
    Hello(Hello),
    /// From a director to all, every fifth of a lease.
    Renew(Renew),
    /// From a voter: this asking of this run is granted.
    Grant {
        /// The run that asked.
        boot: Boot,
        /// Its asking.
        nonce: Nonce,
    },
    /// From a voter: not granted, you have not confirmed this.
    Lacks(Arc<Value>),
    /// Send me your topology, mine is older.
    Fetch,
    /// What is decided.
    Topology(Committed),
    /// From the coordinator before a round: which leases are noted, which pins are in use?
    Survey(u64),
    /// The answer. Voters state leases; directors name the pinned users whom they hold.
    Surveyed {
        /// The survey's number.
        number: u64,
        /// Of a voter only.
        statement: Option<Statement>,
        /// Of a director only.
        pins_held: Option<Vec<UserId>>,
    },
    /// Promise me this ballot; freeze for this proposal.
    Prepare {
        /// The attempt.
        ballot: Ballot,
        /// What it would change.
        proposal: Arc<Proposal>,
    },
    /// From a voter: nothing lower will be accepted here; this was accepted before.
    Promise {
        /// The attempt.
        ballot: Ballot,
        /// The value with the highest ballot accepted here, if any.
        accepted: Option<(Ballot, Arc<Value>)>,
    },
    /// From a voter: a higher ballot was promised here.
    Refused {
        /// The attempt that is refused.
        ballot: Ballot,
        /// The promise in its way.
        promised: Ballot,
    },
    /// From a director: users held where the proposal would not put them.
    Held {
        /// The attempt.
        ballot: Ballot,
        /// Who, and where.
        holds: Vec<(UserId, BackendId)>,
    },
    /// Accept this value; close what contradicts it and confirm.
    Propose {
        /// The attempt.
        ballot: Ballot,
        /// What it decides.
        value: Arc<Value>,
    },
    /// From a voter: accepted and synced.
    Accepted {
        /// The attempt.
        ballot: Ballot,
        /// Who may still be serving without having confirmed.
        statement: Statement,
    },
    /// From a director: I hold nothing against this value and admit nothing against it.
    Confirmed(ValueId),
    /// The value of the next epoch is decided.
    Commit(Arc<Value>),
    /// Commands for the coordinator.
    Request(Request),
    /// How many held users would these changes move?
    Count {
        /// The asker's number for it.
        number: u64,
        /// What would change.
        changes: Vec<Change>,
    },
    /// The answer of one director.
    Counted {
        /// The asker's number.
        number: u64,
        /// Held users who would change their backend.
        moved: u64,
        /// Held users who would be pinned where they are.
        pinned: u64,
    },
    /// To all: close these sessions. Nobody answers, and nobody asks again.
    Kick(Whose),
    /// From a director whose admin wants to know: whom do you hold here?
    ListHeld {
        /// The asker's number for it.
        number: u64,
        /// The lowest hash.
        first: u32,
        /// The highest hash.
        last: u32,
    },
    /// The answer.
    HeldListed {
        /// The asker's number.
        number: u64,
        /// The first of them.
        held: HeldUsers,
    },
}
