//! What commands of this machine may ask of a running member, and what they are answered. How it travels is left to
//! `control`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a member is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlRequest {
    /// Take over the configuration as its file is now.
    Reload,
    /// Hand over to a new process.
    Upgrade,
    /// Empty a backend.
    Drain {
        /// Which.
        ip: IpAddr,
        /// After so many seconds those who are left are moved.
        deadline_s: u64,
        /// So many a second.
        per_second: u32,
    },
    /// Let it be as it was.
    CancelDrain {
        /// Which.
        ip: IpAddr,
    },
    /// Tell who has sessions at this member's own proxies: a [`SessionReport`] in each line, as JSON.
    Who,
    /// Close a user's sessions at every director that can be reached.
    Kick {
        /// Whose.
        user: String,
    },
}

/// A session at one of a member's own proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// Whose.
    pub user: String,
    /// What he speaks.
    pub protocol: String,
    /// Where he comes from.
    pub client: String,
    /// The member.
    pub director: u16,
    /// Where his mailbox is.
    pub backend: String,
    /// Seconds since the login.
    pub age_s: u64,
    /// Bytes that went to the backend.
    pub bytes_in: u64,
    /// Bytes that went to the client.
    pub bytes_out: u64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlAnswer {
    /// Whether it was done, wholly.
    pub is_done: bool,
    /// What was done, or why not.
    pub lines: Vec<String>,
}

impl ControlAnswer {
    /// It was not done.
    pub fn refused(why: impl Into<String>) -> Self {
        ControlAnswer {
            is_done: false,
            lines: vec![why.into()],
        }
    }
}
