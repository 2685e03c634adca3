//! Which kick closes what: from the machine's demands to kicks of Dovecot's processes, and back when they are done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tracing::error;

use crate::agreement::PassdbField;
use crate::director::{Director, Input};
use crate::dovecot::{Kick, Kicks};
use crate::topology::{UserId, UserKey};

/// What a kick is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    Evict { user: UserId, serial: u32 },
    All { term: u32 },
    Stray { user: UserId },
}

/// Kicks under way and what they are for.
pub(super) struct Closing {
    kicks: Kicks,
    tokens: BTreeMap<Demand, u64>,
    demands: BTreeMap<u64, Demand>,
    next: u64,
    users: Option<Users>,
}

/// Users who may have sessions, where a service can't kick by backend.
#[derive(Debug, Default)]
struct Users {
    /// Who was held when it was last looked, in order: a list of a million is made faster than a set.
    held: Vec<UserKey>,
    /// Who was admitted since.
    admitted: BTreeSet<UserKey>,
}

impl Closing {
    /// `knows_users`: kicks of all need the users' keys.
    pub fn new(kicks: Kicks, knows_users: bool) -> Self {
        Closing {
            kicks,
            tokens: BTreeMap::new(),
            demands: BTreeMap::new(),
            next: 1,
            users: knows_users.then(Users::default),
        }
    }

    pub fn admitted(&mut self, key: UserKey) {
        if let Some(users) = &mut self.users {
            users.admitted.insert(key);
        }
    }

    /// Forget users who are held no more.
    pub fn keep_held(&mut self, director: &Director) {
        if let Some(users) = &mut self.users {
            users.held = director.holds().iter().map(|hold| hold.user.key).collect();
            users.admitted = BTreeSet::new();
        }
    }

    pub fn evict(&mut self, user: UserId, serial: u32) {
        self.begin(Demand::Evict { user, serial }, |token| Kick::User {
            token,
            key: user.key,
        });
    }

    pub fn stray(&mut self, user: UserId) {
        self.begin(Demand::Stray { user }, |token| Kick::User {
            token,
            key: user.key,
        });
    }

    /// Nobody waits for it, so two of the same are two.
    pub fn kick_with(&mut self, field: PassdbField) {
        let token = self.next;
        self.next += 1;
        if let Err(refused) = self.kicks.kick(Kick::With { token, field }) {
            error!("{refused}; an admin's kick by a passdb field is not carried out");
        }
    }

    pub fn all(&mut self, term: u32, backends: Vec<IpAddr>) {
        let mut keys = Vec::new();
        if let Some(users) = &self.users {
            keys.extend(&users.held);
            keys.extend(&users.admitted);
            keys.sort_unstable();
            keys.dedup();
        }
        self.begin(Demand::All { term }, |token| Kick::All {
            token,
            backends,
            keys,
        });
    }

    fn begin(&mut self, demand: Demand, kick: impl FnOnce(u64) -> Kick) {
        if self.tokens.contains_key(&demand) {
            return;
        }
        let token = self.next;
        if let Err(refused) = self.kicks.kick(kick(token)) {
            // The machine demands it again.
            error!("{refused}; sessions that have to be closed stay open until Dovecot answers");
            return;
        }
        self.next += 1;
        self.tokens.insert(demand, token);
        self.demands.insert(token, demand);
    }

    /// What to tell the machine when a kick is done.
    pub fn done(&mut self, token: u64) -> Option<Input<'static>> {
        let demand = self.demands.remove(&token)?;
        self.tokens.remove(&demand);
        match demand {
            Demand::Evict { user, serial } => Some(Input::Evicted { user, serial }),
            Demand::All { term } => Some(Input::AllClosed { term }),
            Demand::Stray { .. } => None,
        }
    }
}
