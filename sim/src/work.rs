//! What people do during a run beside their generated logins: admins' commands, and single logins of hand-made plans.

use serde::{Deserialize, Serialize};

use crate::knobs::Knobs;

/// Somebody does something at one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// When, in milliseconds of true time.
    pub at_ms: u64,
    /// At which member. Nothing happens when it is not running.
    pub member: usize,
    /// What.
    #[serde(flatten)]
    pub errand: Errand,
}

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "kebab-case")]
pub enum Errand {
    /// Change this, all or none.
    Command {
        /// What.
        orders: Vec<Order>,
    },
    /// How many users would this move?
    DryRun {
        /// What.
        orders: Vec<Order>,
    },
    /// Close the user's sessions everywhere, by the word of this member.
    Kick {
        /// Whose.
        user: u32,
    },
    /// Log in.
    Login {
        /// Who.
        user: u32,
        /// For the second tag.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_second_tag: bool,
        /// For how long.
        session_ms: u64,
    },
}

/// One change, with users, backends and members by number; some may be impossible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the changes of maildirector::topology::Change, by number"
)]
pub enum Order {
    AddBackend {
        backend: u32,
        vhosts: u32,
        tag: String,
    },
    RemoveBackend {
        backend: u32,
    },
    SetVhosts {
        backend: u32,
        vhosts: u32,
    },
    SetTag {
        backend: u32,
        tag: String,
    },
    Up {
        backend: u32,
    },
    Down {
        backend: u32,
    },
    Drain {
        backend: u32,
        deadline_ms: u64,
        per_second: u32,
    },
    CancelDrain {
        backend: u32,
    },
    Flush {
        backend: Option<u32>,
    },
    Move {
        user: u32,
        backend: u32,
    },
    MoveHash {
        user: u32,
        backend: u32,
    },
    Unpin {
        user: u32,
    },
    Release {
        users: Vec<u32>,
    },
    AddMember {
        member: usize,
    },
    RemoveMember {
        member: usize,
    },
    SetLease {
        lease_ms: u64,
    },
    SetUserExpire {
        user_expire_ms: u64,
    },
}

impl Errand {
    /// Whether every user that it names exists. Backends and members need not: orders may be impossible.
    pub(crate) fn fits(&self, knobs: &Knobs) -> bool {
        let is_user = |user: &u32| *user < knobs.users;
        let names_users = |order: &Order| match order {
            Order::Move { user, .. } | Order::MoveHash { user, .. } | Order::Unpin { user } => is_user(user),
            Order::Release { users } => users.iter().all(is_user),
            _ => true,
        };
        match self {
            Errand::Command { orders } | Errand::DryRun { orders } => orders.iter().all(names_users),
            Errand::Kick { user } | Errand::Login { user, .. } => is_user(user),
        }
    }
}
