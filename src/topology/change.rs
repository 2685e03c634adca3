//! What an operator or a prober can ask of a topology.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Drain, Incarnation, Member, MemberId, NewBackend, UserId, UserKey};

/// One wanted difference between a topology and the next. A round decides a batch of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// A new mail server takes its share of the users of its tag. A tag named for the first time is
    /// made.
    AddBackend(NewBackend),
    /// The backend goes; its sessions are closed and its pins dropped.
    RemoveBackend {
        /// Which.
        ip: IpAddr,
    },
    /// The backend gets another weight. Users who are there stay until they expire.
    SetVhosts {
        /// Which.
        ip: IpAddr,
        /// The new weight, 0 to [`VHOSTS_MAX`](super::VHOSTS_MAX).
        vhosts: u32,
    },
    /// The backend serves another tag from now on; its sessions are closed and its pins dropped.
    SetTag {
        /// Which.
        ip: IpAddr,
        /// The name of the tag; made when it is new.
        tag: Box<str>,
    },
    /// The backend takes new users again, whatever probes found before. Nothing happens when it worked.
    Up {
        /// Which.
        ip: IpAddr,
        /// When that was found, in Unix seconds.
        at_unix_s: u64,
    },
    /// The backend takes no new users. Users who are there stay. Nothing happens when it was down.
    Down {
        /// Which.
        ip: IpAddr,
        /// When that was found, in Unix seconds.
        at_unix_s: u64,
    },
    /// Probes found that the backend does not work: it takes no new users. Refused by the brake, and for a backend
    /// that an operator has taken down.
    Fail {
        /// Which.
        ip: IpAddr,
        /// When that was found, in Unix seconds.
        at_unix_s: u64,
        /// Whether its users are moved, also when it had failed before; else they stay.
        evicts: bool,
    },
    /// Probes found that the backend works. Whoever took it down, it stays down; nothing happens when it had not
    /// failed.
    Recover {
        /// Which.
        ip: IpAddr,
        /// When that was found, in Unix seconds.
        at_unix_s: u64,
    },
    /// The backend is emptied: it takes no new users, and who is left at the deadline is moved. One that is being emptied
    /// gets the new deadline and rate.
    Drain {
        /// Which.
        ip: IpAddr,
        /// Until when, and how fast then.
        drain: Drain,
    },
    /// The backend is not emptied any more. Nothing happens when it was not.
    CancelDrain {
        /// Which.
        ip: IpAddr,
    },
    /// The pins to the backend go, and whoever does not belong there by the ring is closed.
    Flush {
        /// Which; all backends when there is none.
        ip: Option<IpAddr>,
    },
    /// The user is pinned to the backend, under the backend's tag; his sessions elsewhere are closed. A
    /// move of everybody of a hash also drops the pins of single users of that hash and tag.
    Move {
        /// Who, or everybody of a hash.
        key: UserKey,
        /// Where to.
        ip: IpAddr,
    },
    /// The user's own pin goes and his sessions elsewhere than where he belongs then are closed.
    Unpin {
        /// Who, or everybody of a hash.
        user: UserId,
    },
    /// Pins that nobody seems to need go; who is found to be held all the same is pinned again, not
    /// closed.
    Release {
        /// Who. Users without a pin of their own are passed over.
        users: Box<[UserId]>,
    },
    /// A process joins the ring.
    AddMember(Member),
    /// A member leaves the ring.
    RemoveMember {
        /// Which.
        id: MemberId,
    },
    /// A voter loses its vote: its storage, and what it promised, is gone. As a director it goes on; a witness has
    /// nothing to do until it is seated again.
    Unseat {
        /// Which.
        id: MemberId,
    },
    /// A member gets a vote, with the storage that it has now.
    Seat {
        /// Which.
        id: MemberId,
        /// Names its storage.
        incarnation: Incarnation,
    },
    /// Leases get another length.
    SetLease {
        /// The new length.
        lease: Duration,
    },
    /// Users are remembered for another time.
    SetUserExpire {
        /// The new time.
        user_expire: Duration,
    },
    /// A director joins the ring at this address, without a vote: it is seated when it is there and says which storage it
    /// has. Nothing happens when it is in the ring already.
    Join {
        /// Its number, which no other address had before.
        id: MemberId,
        /// Where the others reach it.
        address: SocketAddr,
    },
    /// A member leaves the ring; its number stays that of its address.
    Leave {
        /// Which.
        id: MemberId,
        /// Where the others reached it.
        address: SocketAddr,
    },
}

impl Change {
    /// Whether users suffer while this waits: then it does not wait for the lease of a director that is
    /// lost.
    pub fn is_urgent(&self) -> bool {
        matches!(
            self,
            Change::Down { .. } | Change::Flush { .. } | Change::Fail { .. }
        )
    }
}
