//! What a ring tells the process around it.

use std::fmt;
use std::net::SocketAddr;

use super::Refusal;
use crate::agreement::{Boot, Envelope};
use crate::topology::MemberId;
use crate::world::Instant;

/// Who made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// This member did: the other is on its right.
    Dialled,
    /// The other did.
    Accepted,
}

/// A setting of the ring about which two members differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the operator knows it.
    pub setting: String,
    /// This member's value; none when its release does not know the setting.
    pub here: Option<String>,
    /// The other's.
    pub there: Option<String>,
}

/// What a ring tells the process around it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingEvent {
    /// Another member says this, to all or to this one. Each saying comes once.
    Message(Envelope),
    /// A link stands.
    LinkUp {
        /// With whom.
        peer: MemberId,
        /// In which of its runs.
        boot: Boot,
        /// Who made it.
        direction: Direction,
        /// The version of the ring's protocol on it.
        version: u16,
    },
    /// A link is gone.
    LinkDown {
        /// With whom.
        peer: MemberId,
        /// Who had made it.
        direction: Direction,
        /// In words.
        why: String,
    },
    /// A connection that came to nothing: who was it, and why. Of a member that is dialled again and again it is told
    /// only when the reason changes.
    Refused {
        /// Who it is or says it is, if it came so far.
        peer: Option<MemberId>,
        /// What to call it in a message: number, name and address as far as known.
        who: String,
        /// The reason.
        why: Refusal,
    },
    /// A linked member has other values for settings that may differ, but should not for long.
    Differs {
        /// Who.
        peer: MemberId,
        /// Setting by setting.
        differences: Vec<Difference>,
    },
    /// A message that is none, or that can't be sent; it was dropped.
    Malformed {
        /// Who said it.
        origin: MemberId,
        /// What is wrong with it.
        why: String,
    },
}

/// A link as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// With whom.
    pub peer: MemberId,
    /// What the operator calls it.
    pub name: String,
    /// Where the others dial it.
    pub address: SocketAddr,
    /// In which of its runs it is.
    pub boot: Boot,
    /// Who made the link.
    pub direction: Direction,
    /// The version of the ring's protocol on it.
    pub version: u16,
    /// When it came to stand.
    pub since: Instant,
    /// When the last byte came over it.
    pub heard: Instant,
    /// What waits to be written.
    pub queued_bytes: usize,
    /// Messages dropped because too much waited.
    pub dropped: u64,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of others that came for the first time.
    pub received: u64,
    /// Messages that had come before, as every second one does on a whole ring.
    pub duplicates: u64,
    /// Messages from whom is no member, or that had gone round too often.
    pub stray: u64,
    /// Messages and events that the process around did not take in time.
    pub undelivered: u64,
    /// Messages of this member.
    pub sent: u64,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Dialled => "dialled",
            Direction::Accepted => "accepted",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ", self.setting)?;
        told(f, self.here.as_deref())?;
        f.write_str(" here, ")?;
        told(f, self.there.as_deref())?;
        f.write_str(" there")
    }
}

fn told(f: &mut fmt::Formatter<'_>, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) => write!(f, "\"{value}\""),
        None => f.write_str("unknown"),
    }
}
