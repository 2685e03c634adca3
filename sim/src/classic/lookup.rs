//! Which host a login gets, and when it has to wait: `director-request.c` of Dovecot 2.3.

use std::net::IpAddr;

use super::machine::{Director, Output};
use super::messages::Message;
use super::users::UserKey;

/// Requests are looked through so often, and those that are older then fail.
const WAIT_MS: u64 = 30_000;

/// A login that waits.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    token: u64,
    key: UserKey,
    since_ms: u64,
}

impl Director {
    pub(super) fn login(&mut self, token: u64, tag: &str, hash: u32) {
        let tag = tag.to_owned();
        let key = UserKey { tag, hash };
        if self.is_answered(token, &key) {
            return;
        }
        self.requests_at_ms.get_or_insert(self.now_ms + WAIT_MS);
        self.pending.push(Pending {
            token,
            key,
            since_ms: self.now_ms,
        });
    }

    /// Tries the logins that wait, in their order, while the ring is synced.
    pub(super) fn try_pending(&mut self) {
        if !self.is_synced() || self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        for request in pending {
            if !self.is_answered(request.token, &request.key) {
                self.pending.push(request);
            }
        }
        if self.pending.is_empty() {
            self.requests_at_ms = None;
        }
    }

    pub(super) fn requests_are_late(&mut self) {
        let now_ms = self.now_ms;
        let (late, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|request| request.since_ms + WAIT_MS <= now_ms);
        self.pending = rest;
        for request in late {
            if let Some(user) = self.users.peek_mut(&request.key) {
                // Whoever began to ask the others has waited long enough for them.
                user.is_weak = false;
            }
            self.out.push(Output::Refuse { token: request.token });
        }
        self.requests_at_ms = (!self.pending.is_empty()).then_some(now_ms + WAIT_MS);
    }

    /// Answers the login if it may be answered now. The others are told, and not waited for.
    fn is_answered(&mut self, token: u64, key: &UserKey) -> bool {
        let Some(host) = self.host_for(key) else {
            return false;
        };
        let me = self.me();
        self.tell_user(me, key);
        self.out.push(Output::Route { token, host });
        true
    }

    /// The host for a login, once there is no reason to wait; the user is refreshed then.
    fn host_for(&mut self, key: &UserKey) -> Option<IpAddr> {
        if !self.is_handshaked {
            return None;
        }
        let (now_s, is_synced) = (self.now_s(), self.is_synced);
        let is_alone = self.right.is_none() && is_synced;
        let hashed = self.hosts.pick(&key.tag, key.hash);
        if self.users.find(key, now_s).is_none() {
            let host = hashed.filter(|_| is_synced)?;
            self.users.add(key.clone(), host, now_s, now_s);
            return Some(host);
        }
        let user = self.users.peek(key).expect("he was found");
        let is_near_expiring = self.users.is_near_expiring(user, now_s);
        if user.kill.is_some() || (user.is_weak && !is_alone) {
            return None;
        }
        if is_near_expiring && !is_alone {
            if !is_synced {
                return None;
            }
            if hashed != Some(user.host) {
                self.weaken(key);
                return None;
            }
        }
        let user = self.users.peek_mut(key).expect("he was found");
        user.is_weak = false;
        user.timestamp_s = now_s;
        Some(user.host)
    }

    /// The user may have expired elsewhere, and be somewhere else now: all are asked.
    fn weaken(&mut self, key: &UserKey) {
        let (me, origin) = (self.me(), self.own_origin());
        let Some(user) = self.users.peek_mut(key) else {
            return;
        };
        user.is_weak = true;
        let message = Message::UserWeak {
            origin,
            hash: key.hash,
            host: user.host,
        };
        self.broadcast(me, &message);
    }

    /// A session is still there, says a login process.
    pub(super) fn refresh(&mut self, hash: u32) {
        let (me, now_s) = (self.me(), self.now_s());
        for key in self.users.of_hash(hash) {
            if let Some(user) = self.users.find(&key, now_s) {
                user.timestamp_s = now_s;
                self.tell_user(me, &key);
            }
        }
    }
}
