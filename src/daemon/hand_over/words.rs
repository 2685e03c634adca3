//! What the old process and the new one say to each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::topology::{TagId, UserId, UserKey};

/// What a process keeps that hands over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The number of the process.
    pub pid: i32,
    /// Until when it forwards if it hears nothing, in nanoseconds of this machine's clock since its start.
    pub until_ns: u64,
    /// Its sessions.
    pub sessions: Vec<KeptSession>,
}

impl Kept {
    /// How many sessions of whom.
    pub(in crate::daemon) fn counts(&self) -> Vec<(UserId, u16)> {
        let mut counts = BTreeMap::new();
        for session in &self.sessions {
            let count: &mut u16 = counts.entry(session.user()).or_default();
            *count = count.saturating_add(1);
        }
        counts.into_iter().collect()
    }
}

/// One session that goes on in the old process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    pub(in crate::daemon) id: u64,
    pub(in crate::daemon) key: u64,
    pub(in crate::daemon) tag: u16,
    pub(in crate::daemon) name: String,
    pub(in crate::daemon) backend: IpAddr,
    pub(in crate::daemon) protocol: String,
    pub(in crate::daemon) client: SocketAddr,
    pub(in crate::daemon) since_ns: u64,
}

impl KeptSession {
    /// Whose it is.
    pub(in crate::daemon) fn user(&self) -> UserId {
        UserId {
            key: UserKey::from_bits(self.key),
            tag: TagId::from_index(self.tag),
        }
    }
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToSuccessor {
    /// Bytes of sessions to their backends and to their clients, of those where they changed. Said again and again, to be
    /// heard.
    Forwarded(Vec<(u64, u64, u64)>),
    /// A session has ended.
    Ended(u64),
    /// Somebody who is connected to the old process wants in; when he is let in his session has this number.
    Wants {
        id: u64,
        user: String,
        tag: String,
        protocol: String,
        client: SocketAddr,
    },
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToPredecessor {
    /// Until when it may forward, in nanoseconds of this machine's clock. Said again and again, to be heard.
    Until(u64),
    /// From now on it serves whoever comes.
    Serving,
    /// A session has to end.
    Close(u64),
    /// Who wanted in is in.
    Admitted {
        id: u64,
        ip: IpAddr,
        hostname: Option<String>,
        port: Option<u16>,
    },
    /// He is not.
    Refused(u64),
}
