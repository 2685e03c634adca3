//! Names for runs, askings and attempts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::topology::MemberId;

/// One run of one process, drawn at random at its start. Leases and confirmations belong to a boot, not to a
/// member, so that nothing an earlier run said is counted for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Boot(u64);

impl Boot {
    /// A boot from 64 random bits.
    pub const fn from_bits(bits: u64) -> Self {
        Boot(bits)
    }

    /// The bits it was made from.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One asking for a lease. Counts up within a boot; grants name it, so that a lease starts at the sending of
/// the very message that a majority answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nonce(pub u64);

/// One attempt to decide the next epoch. Ordered by counter, then member, then boot; never reused: the counter
/// only rises within a boot and two boots differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Rises with every attempt, above every counter seen.
    pub counter: u64,
    /// Who coordinates.
    pub member: MemberId,
    /// In which of its runs.
    pub boot: Boot,
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.counter, self.member, self.boot)
    }
}

/// Names a value for ever: the ballot under which it was first formed. A higher ballot that proposes it again
/// leaves the name, and so the confirmations, as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ValueId(pub Ballot);

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}
