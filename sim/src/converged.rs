//! What a ring has come to when all is over, in words that do not depend on the world it ran in: numbers of plans
//! instead of addresses and ids, no epochs, no times of day. Two worlds that ran one plan are compared by it.

use maildirector::topology::{TagId, Topology, UserId, UserKey};
use serde::{Deserialize, Serialize};

use crate::world::{SECOND_TAG, backend_number};

/// The state that all directors serve by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converged {
    /// The length of leases.
    pub lease_ms: u64,
    /// How long users are remembered.
    pub user_expire_ms: u64,
    /// The members, by number.
    pub members: Vec<MemberState>,
    /// The backends, by number.
    pub backends: Vec<BackendState>,
    /// Every user of the plan, first without a tag, then with the second one.
    pub users: Vec<UserState>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the plan's knobs")]
pub struct MemberState {
    pub member: usize,
    pub serves: bool,
    pub votes: bool,
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in maildirector::topology::Backend")]
pub struct BackendState {
    pub backend: u32,
    pub vhosts: u32,
    pub tag: String,
    pub is_up: bool,
    pub is_failed: bool,
    /// Whether it is being emptied, and then how fast.
    pub drained_per_second: Option<u32>,
}

/// Where a user belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// Who.
    pub user: u32,
    /// By which of his tags.
    pub is_second_tag: bool,
    /// To which backend; none when no backend of the tag takes users.
    pub backend: Option<u32>,
    /// Whether a pin says so, his own or that of everybody of his hash.
    pub is_pinned: bool,
}

/// Two states beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What differs, in words.
    pub differences: Vec<String>,
    /// Users who are not compared: in one world a session kept them where they were, and when somebody is logged in is
    /// another matter in each world.
    pub left_out: usize,
}

impl Converged {
    /// What the topology says of so many users. `first_member` is the id of the plan's member 0.
    pub fn of(topology: &Topology, users: u32, first_member: u16) -> Converged {
        let members = topology.members().map(|member| MemberState {
            member: usize::from(member.id.index() - first_member),
            serves: member.serves,
            votes: member.votes,
        });
        let backends = topology.backends().map(|backend| BackendState {
            backend: backend_number(backend.ip),
            vhosts: backend.vhosts,
            tag: topology.tag_name(backend.tag).unwrap_or_default().to_owned(),
            is_up: backend.is_up,
            is_failed: backend.is_failed,
            drained_per_second: backend.drain.map(|drain| drain.per_second),
        });
        let second = topology.tag(SECOND_TAG);
        let tags = [(false, Some(TagId::DEFAULT)), (true, second)];
        let users = tags.into_iter().flat_map(|(is_second_tag, tag)| {
            (0..users).map(move |user| user_state(topology, user, is_second_tag, tag))
        });
        Converged {
            lease_ms: topology.timing().lease.as_millis() as u64,
            user_expire_ms: topology.timing().user_expire.as_millis() as u64,
            members: members.collect(),
            backends: backends.collect(),
            users: users.collect(),
        }
    }

    /// This state, `name`, beside what the orders alone would have made of the configuration. Users whom a session
    /// kept where they were are left out.
    pub fn compared(&self, name: &str, ordered: &Converged) -> Compared {
        let mut compared = Compared::default();
        let mut differ = |what: &str, here: String, there: String| {
            if here != there {
                let words = format!("{what}: {here} {name}, {there} by the orders");
                compared.differences.push(words);
            }
        };
        differ(
            "lease_ms",
            self.lease_ms.to_string(),
            ordered.lease_ms.to_string(),
        );
        let expire = (self.user_expire_ms, ordered.user_expire_ms);
        differ("user_expire_ms", expire.0.to_string(), expire.1.to_string());
        differ(
            "members",
            format!("{:?}", self.members),
            format!("{:?}", ordered.members),
        );
        let numbers = self.backends.iter().chain(&ordered.backends);
        let mut numbers: Vec<u32> = numbers.map(|backend| backend.backend).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let shown = |state: &Converged| {
                let found = state.backends.iter().find(|backend| backend.backend == number);
                found.map_or("is not there".to_owned(), |backend| format!("{backend:?}"))
            };
            differ(&format!("backend {number}"), shown(self), shown(ordered));
        }
        for (user, by_orders) in self.users.iter().zip(&ordered.users) {
            if user == by_orders {
                continue;
            }
            if user.is_pinned && !by_orders.is_pinned {
                compared.left_out += 1;
                continue;
            }
            let words = format!("{user:?} {name}, {by_orders:?} by the orders");
            compared.differences.push(words);
        }
        compared
    }
}

fn user_state(topology: &Topology, user: u32, is_second_tag: bool, tag: Option<TagId>) -> UserState {
    let key = UserKey::of_expanded(format!("user{user}").as_bytes());
    let id = tag.map(|tag| UserId { key, tag });
    let backend = id.and_then(|id| topology.backend(topology.place(id)?));
    UserState {
        user,
        is_second_tag,
        backend: backend.map(|backend| backend_number(backend.ip)),
        is_pinned: id.is_some_and(|id| topology.pin(id).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Converged {
        Converged {
            lease_ms: 2_000,
            user_expire_ms: 600_000,
            members: Vec::new(),
            backends: vec![BackendState {
                backend: 1,
                vhosts: 100,
                tag: String::new(),
                is_up: true,
                is_failed: false,
                drained_per_second: None,
            }],
            users: vec![UserState {
                user: 0,
                is_second_tag: false,
                backend: Some(1),
                is_pinned: false,
            }],
        }
    }

    #[test]
    fn what_differs_is_named() {
        let mut other = state();
        other.backends[0].is_up = false;
        other.users[0].backend = None;
        let differences = other.compared("there", &state()).differences;
        assert_eq!(differences.len(), 2, "{differences:?}");
        assert!(differences[0].starts_with("backend 1: "), "{differences:?}");
        assert_eq!(state().compared("here", &state()), Compared::default());
    }

    #[test]
    fn a_user_whom_a_session_kept_is_left_out() {
        let mut other = state();
        other.users[0].backend = Some(7);
        other.users[0].is_pinned = true;
        let compared = other.compared("there", &state());
        assert_eq!((compared.differences.len(), compared.left_out), (0, 1));
        // A pin that was ordered is never lost.
        assert_eq!(state().compared("there", &other).differences.len(), 1);
    }
}
