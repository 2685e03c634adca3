//! What admins ask: the ring, the backends, one user, the users of a backend. Nothing here changes anything.

use super::history::Moved;
use super::holds::Hold;
use super::machine::Director;
use super::serving::Standing;
use crate::agreement::Boot;
use crate::topology::{Backend, BackendId, Epoch, MemberId, UserId};
use crate::world::Instant;

/// A member as this one sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Which.
    pub id: MemberId,
    /// Whether it is a director.
    pub serves: bool,
    /// Whether it is a voter.
    pub votes: bool,
    /// Its run and when it was last heard here; `None` for this member, and for one never heard.
    pub heard: Option<(Boot, Instant)>,
    /// Whether it said that it holds a lease, lately enough to be believed.
    pub is_leased: bool,
    /// Whether it seems to be the coordinator.
    pub is_coordinator: bool,
}

/// The ring as this member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingStatus {
    /// The epoch in force here.
    pub epoch: Epoch,
    /// Where this director stands.
    pub standing: Standing,
    /// Until when its lease runs, if it has one.
    pub lease_until: Option<Instant>,
    /// Whether its vote counts.
    pub is_seated: bool,
    /// Whether a change is under way that makes some users wait.
    pub is_changing: bool,
    /// All members, by number.
    pub members: Vec<MemberStatus>,
}

/// A backend with what this director knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendStatus<'a> {
    /// As agreed.
    pub backend: &'a Backend,
    /// Users held there by this director.
    pub held: u32,
    /// Users pinned there by all.
    pub pinned: usize,
}

/// Why a user belongs where he does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// By the vhost ring.
    Hashed,
    /// By an exception: he was there when the ring changed, or was moved.
    Pinned,
    /// His tag has no backend that is up and has weight.
    NoBackend,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserStatus {
    /// Where this director holds him, with his name and the count of his sessions here.
    pub current: Option<(BackendId, Box<str>, u16)>,
    /// Until when he is held if no session goes on; `None` if he is not held or has counted sessions.
    pub expires_at: Option<Instant>,
    /// Where he belongs.
    pub placed: Option<BackendId>,
    /// Where the vhost ring has him.
    pub hashed: Option<BackendId>,
    /// Where he would be by the configured list of backends, as `doveadm director status USER` shows it.
    pub configured: Option<BackendId>,
    /// Why he belongs there.
    pub why: Why,
    /// Whether his logins wait for a change.
    pub is_frozen: bool,
}

/// How much of what is limited is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsUsed {
    /// Logins that wait.
    pub waiting_logins: usize,
    /// Users held.
    pub holds: usize,
    /// Commands that wait.
    pub commands: usize,
    /// Moves remembered.
    pub history: usize,
    /// Messages that made no sense, since the start.
    pub nonsense: u64,
}

impl Director {
    /// The ring as seen from here at `now`.
    pub fn ring_status(&self, now: Instant) -> RingStatus {
        let coordinator = self.coordinator(now);
        let standing = self.standing();
        let members = self.topology().members().map(|m| {
            let heard = self.heard.get(&m.id);
            let is_leased = if m.id == self.me() {
                standing == Standing::Leased
            } else {
                self.is_heard(m.id, now) && heard.is_some_and(|h| h.is_leased)
            };
            MemberStatus {
                id: m.id,
                serves: m.serves,
                votes: m.votes,
                heard: heard.map(|h| (h.boot, h.at)),
                is_leased,
                is_coordinator: coordinator == Some(m.id),
            }
        });
        RingStatus {
            epoch: self.epoch(),
            standing,
            lease_until: self.lease_until(),
            is_seated: self.is_seated(),
            is_changing: !self.followed.is_quiet(),
            members: members.collect(),
        }
    }

    /// Whether this member is to vote by its configuration, and the ring has not given it a seat: its storage was wiped,
    /// or it is new.
    pub fn is_unseated(&self) -> bool {
        self.wants_vote() && !self.is_seated()
    }

    /// All backends, in the order of their addresses.
    pub fn backend_status(&self) -> Vec<BackendStatus<'_>> {
        let mut pinned = std::collections::BTreeMap::new();
        for (_, backend) in self.topology().pins() {
            *pinned.entry(backend).or_insert(0usize) += 1;
        }
        let backends = self.committed.topology.backends();
        backends
            .map(|backend| BackendStatus {
                backend,
                held: self.holds.count_on(backend.id),
                pinned: pinned.get(&backend.id).copied().unwrap_or(0),
            })
            .collect()
    }

    /// Where one user is and belongs, and why.
    pub fn user_status(&self, user: UserId) -> UserStatus {
        let topology = self.topology();
        let placed = topology.place(user);
        let hold = self.holds.find(user);
        let expire = self.timing().user_expire;
        let configured = &self.settings.configured;
        let initial = configured.hashed(user).and_then(|id| configured.backend(id));
        UserStatus {
            current: hold.as_ref().map(|h| (h.backend, h.name.into(), h.sessions)),
            expires_at: hold.filter(|h| h.sessions == 0).map(|h| h.touched.plus(expire)),
            placed,
            hashed: topology.hashed(user),
            configured: initial.and_then(|b| topology.backend_at(b.ip)).map(|b| b.id),
            why: match (topology.pin(user), placed) {
                (Some(_), _) => Why::Pinned,
                (None, Some(_)) => Why::Hashed,
                (None, None) => Why::NoBackend,
            },
            is_frozen: self.is_frozen(user),
        }
    }

    /// Users held by this director, on one backend or on all, in the order of their keys.
    pub fn users(&self, backend: Option<BackendId>) -> impl Iterator<Item = Hold<'_>> {
        self.holds
            .iter()
            .filter(move |h| backend.is_none_or(|b| h.backend == b))
    }

    /// Where a user was moved in this run, oldest first.
    pub fn history(&self, user: UserId) -> impl Iterator<Item = &Moved> {
        self.history.of(user)
    }

    /// How much of what is limited is in use.
    pub fn limits_used(&self) -> LimitsUsed {
        LimitsUsed {
            waiting_logins: self.queue.len(),
            holds: self.holds.len(),
            commands: self.commands.len(),
            history: self.history.iter().len(),
            nonsense: self.nonsense,
        }
    }
}
