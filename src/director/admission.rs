//! Logins: who is routed at once, who waits, who is refused; and the sessions that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::holds::{NAME_BYTES_MAX, OpenError, SESSIONS_MAX};
use super::input::{Door, LoginToken};
use super::machine::Director;
use super::output::{Event, Output, RefuseReason};
use super::serving::Standing;
use crate::topology::{BackendId, TagId, UserId, UserKey};
use crate::world::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    token: LoginToken,
    user: UserId,
    name: Box<str>,
    door: Door,
    since: Instant,
}

/// Logins that wait, in the order of their arrival and by user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    next: u64,
    by_arrival: BTreeMap<u64, Waiting>,
    by_user: BTreeSet<(UserId, u64)>,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.by_arrival.len()
    }

    /// Who waits and since when, in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, Instant)> + '_ {
        self.by_arrival.values().map(|w| (w.user, w.since))
    }

    pub fn next_timeout(&self, login_wait: Duration) -> Option<Instant> {
        self.by_arrival
            .first_key_value()
            .map(|(_, w)| w.since.plus(login_wait))
    }

    fn push(&mut self, waiting: Waiting) {
        self.by_user.insert((waiting.user, self.next));
        self.by_arrival.insert(self.next, waiting);
        self.next += 1;
    }

    fn take(&mut self, arrival: u64) -> Option<Waiting> {
        let waiting = self.by_arrival.remove(&arrival)?;
        self.by_user.remove(&(waiting.user, arrival));
        Some(waiting)
    }
}

enum Admission {
    Route {
        backend: BackendId,
        serial: u32,
    },
    Wait,
    /// The flush hook has to run before.
    Flush {
        from: BackendId,
        to: BackendId,
    },
    Refuse(RefuseReason),
}

impl Director {
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one input, taken apart without a copy"
    )]
    pub(super) fn login(
        &mut self,
        token: LoginToken,
        key: UserKey,
        tag: &str,
        name: &str,
        door: Door,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let tag = if tag.is_empty() {
            Some(TagId::DEFAULT)
        } else {
            self.topology().tag(tag)
        };
        let user = UserId {
            key,
            tag: tag.unwrap_or(TagId::DEFAULT),
        };
        let admission = match (self.serving.standing, tag) {
            (Standing::Isolated { since }, _) => Admission::Refuse(self.isolation(since)),
            (_, None) => Admission::Refuse(RefuseReason::UnknownTag),
            _ => self.admit(user, name, door, now),
        };
        match admission {
            Admission::Route { backend, serial } => out.push(Output::Route {
                token,
                user,
                backend,
                serial,
            }),
            Admission::Refuse(reason) => out.push(Output::Refuse { token, reason }),
            Admission::Wait | Admission::Flush { .. } => {
                let waiting = Waiting {
                    token,
                    user,
                    name: name.into(),
                    door,
                    since: now,
                };
                let is_queued = self.enqueue(waiting, out);
                if let (true, Admission::Flush { from, to }) = (is_queued, admission) {
                    self.flush(user, from, to, out);
                }
            }
        }
    }

    fn admit(&mut self, user: UserId, name: &str, door: Door, now: Instant) -> Admission {
        // A hold that has run out but is still in the table was told to every round since, and is as good as new.
        let is_counted = door == Door::Exact;
        let opened = if is_counted {
            self.holds.open_session(user, now)
        } else {
            self.holds.open_uncounted(user, now)
        };
        match opened {
            Ok(opened) => {
                return Admission::Route {
                    backend: opened.backend,
                    serial: opened.serial,
                };
            }
            Err(OpenError::NoHold) => {}
            Err(OpenError::Evicting) => return Admission::Wait,
            Err(OpenError::TooManySessions) => {
                let limit = usize::from(SESSIONS_MAX);
                return Admission::Refuse(RefuseReason::TooMany {
                    what: "sessions of one user",
                    limit,
                });
            }
        }
        let here = self.topology().place(user);
        let (is_alone, rules) = (self.is_alone(), self.settings.rules);
        if !self.followed.is_quiet() && self.followed.freezes(user, here, is_alone, rules) {
            return Admission::Wait;
        }
        let Some(backend) = here else {
            return Admission::Refuse(RefuseReason::NoBackend { tag: user.tag });
        };
        let limits = &self.settings.limits;
        let limit = limits.name_bytes.min(NAME_BYTES_MAX);
        if name.len() > limit {
            return Admission::Refuse(RefuseReason::TooMany {
                what: "bytes in the user's name",
                limit,
            });
        }
        if self.holds.len() >= limits.holds {
            return Admission::Refuse(RefuseReason::TooMany {
                what: "users held",
                limit: limits.holds,
            });
        }
        if self.waits_for_hook(user) {
            return Admission::Wait;
        }
        if let Some(from) = self.moved_from(user, backend, now) {
            return Admission::Flush { from, to: backend };
        }
        let serial = self.holds.insert(user, name, backend, u16::from(is_counted), now);
        Admission::Route { backend, serial }
    }

    /// False if the login was refused because too many wait.
    fn enqueue(&mut self, waiting: Waiting, out: &mut Vec<Output>) -> bool {
        let limit = self.settings.limits.waiting_logins;
        if self.queue.len() >= limit {
            let reason = RefuseReason::TooMany {
                what: "logins waiting",
                limit,
            };
            out.push(Output::Refuse {
                token: waiting.token,
                reason,
            });
            return false;
        }
        out.push(Output::Event(Event::Queued { user: waiting.user }));
        self.queue.push(waiting);
        true
    }

    /// Try every waiting login again: a freeze has ended.
    pub(super) fn retry_waiting(&mut self, now: Instant, out: &mut Vec<Output>) {
        let arrivals: Vec<u64> = self.queue.by_arrival.keys().copied().collect();
        self.retry(&arrivals, now, out);
    }

    /// Try the waiting logins of one user again: an eviction has ended.
    pub(super) fn retry_user(&mut self, user: UserId, now: Instant, out: &mut Vec<Output>) {
        let arrivals: Vec<u64> = self
            .queue
            .by_user
            .range((user, 0)..=(user, u64::MAX))
            .map(|(_, arrival)| *arrival)
            .collect();
        self.retry(&arrivals, now, out);
    }

    fn retry(&mut self, arrivals: &[u64], now: Instant, out: &mut Vec<Output>) {
        for arrival in arrivals {
            let Some(waiting) = self.queue.by_arrival.get(arrival) else {
                continue;
            };
            let (token, user, door) = (waiting.token, waiting.user, waiting.door);
            let admission = match self.serving.standing {
                Standing::Isolated { since } => Admission::Refuse(self.isolation(since)),
                _ => {
                    let name = waiting.name.clone();
                    self.admit(user, &name, door, now)
                }
            };
            let output = match admission {
                Admission::Wait => continue,
                Admission::Flush { from, to } => {
                    self.flush(user, from, to, out);
                    continue;
                }
                Admission::Route { backend, serial } => Output::Route {
                    token,
                    user,
                    backend,
                    serial,
                },
                Admission::Refuse(reason) => Output::Refuse { token, reason },
            };
            self.queue.take(*arrival);
            out.push(output);
        }
    }

    pub(super) fn refuse_waiting(&mut self, now: Instant, out: &mut Vec<Output>) {
        let since = match self.serving.standing {
            Standing::Isolated { since } => since,
            _ => now,
        };
        let reason = self.isolation(since);
        self.queue.by_user.clear();
        for waiting in std::mem::take(&mut self.queue.by_arrival).into_values() {
            out.push(Output::Refuse {
                token: waiting.token,
                reason,
            });
        }
    }

    /// Why nobody is let in without a lease.
    fn isolation(&self, since: Instant) -> RefuseReason {
        if self.first_start.is_none() && !self.serves() {
            return RefuseReason::NotADirector;
        }
        RefuseReason::Isolated { since }
    }

    /// Refuse logins that have waited too long.
    pub(super) fn expire_logins(&mut self, now: Instant, out: &mut Vec<Output>) {
        let login_wait = self.settings.limits.login_wait;
        while let Some((&arrival, first)) = self.queue.by_arrival.first_key_value() {
            let waited = now.since(first.since);
            if waited < login_wait {
                break;
            }
            if let Some(waiting) = self.queue.take(arrival) {
                let reason = RefuseReason::Frozen {
                    epoch: self.epoch(),
                    waited,
                };
                out.push(Output::Refuse {
                    token: waiting.token,
                    reason,
                });
            }
        }
    }

    /// A door says that the user still has sessions. If nobody here admitted them, they are closed: where they are is
    /// not known, and so not that they are where they belong.
    pub(super) fn refresh(&mut self, user: UserId, now: Instant, out: &mut Vec<Output>) {
        if !self.holds.touch(user, now) && !self.serving.is_closing() {
            out.push(Output::CloseStray { user });
        }
    }
}
