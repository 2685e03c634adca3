//! What a member keeps on disk, synced before it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{Ballot, Boot};
use super::value::{Committed, Value};
use crate::topology::{Incarnation, MemberId};

/// The durable state of one member. Saved whole, atomically; a member that can't read its own back must not
/// start as a voter: it would answer as somebody who never promised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Whose record it is.
    pub member: MemberId,
    /// Names this storage. A wiped one comes back with another.
    pub incarnation: Incarnation,
    /// The run that wrote it. A run that finds another's boot here has been replaced and must stop.
    pub boot: Boot,
    /// The voters with whom this member has bound itself to start the ring; bound at most once.
    pub bound: Option<BTreeMap<MemberId, Incarnation>>,
    /// The newest topology known.
    pub committed: Option<Committed>,
    /// The highest ballot promised for the next epoch.
    pub promised: Option<Ballot>,
    /// The value accepted for the next epoch, with its ballot.
    pub accepted: Option<(Ballot, Arc<Value>)>,
}
