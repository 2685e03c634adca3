//! Moving a user: his host changes at once, and nobody lets him in until every director has killed his sessions, or
//! half a minute has passed.
//!
//! ```text
//! killing ──own kick done, began it──▶ USER-KILLED to the right ──▶ waiting for everyone
//!    │  └────own kick done, others────▶ waiting for notify ──USER-KILLED──▶ waiting for everyone
//!    └──USER-KILLED──▶ notify received ──own kick done──▶ waiting for everyone
//! waiting for everyone ──USER-KILLED came round, or USER-KILLED-EVERYWHERE──▶ delay ──▶ over
//! ```
//! There is no flush program here: Dovecot has none by default.

use std::net::IpAddr;

use super::machine::{Director, Output};
use super::messages::{Message, Origin, Place};
use super::users::UserKey;

/// A move that is not done by then is taken for done, except in its last delay.
const MOVE_MAX_MS: u64 = 30_000;

/// Sessions of a user are being killed everywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kill {
    state: KillState,
    is_self_initiated: bool,
    /// The end of the move timer, or of the delay.
    until_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KillState {
    Killing,
    NotifyReceived,
    WaitingForNotify,
    WaitingForEveryone,
    Delay,
}

impl Director {
    /// Moves a user, by an admin's word or by another director's. Nothing happens where the host is unknown.
    pub(super) fn move_user(
        &mut self,
        from: Place,
        origin: Origin,
        hash: u32,
        host: IpAddr,
        is_self_initiated: bool,
    ) {
        let Some(key) = self.key_on(hash, host) else {
            return;
        };
        let (now_ms, now_s) = (self.now_ms, self.now_s());
        let old_host = self.users.find(&key, now_s).map(|user| user.host);
        let user = match old_host {
            None => self.users.add(key.clone(), host, now_s, now_s),
            Some(_) => self.users.peek_mut(&key).expect("he was found"),
        };
        user.host = host;
        user.timestamp_s = now_s;
        let is_moving = user.kill.is_some();
        user.kill.get_or_insert(Kill {
            state: KillState::Killing,
            is_self_initiated,
            until_ms: now_ms + MOVE_MAX_MS,
        });
        self.broadcast(from, &Message::UserMove { origin, hash, host });
        self.moving.insert(key.clone());
        if is_moving {
            return;
        }
        if old_host.is_some_and(|old| old != host) {
            self.out.push(Output::Kick {
                tag: key.tag,
                hash,
                except: None,
                is_awaited: true,
            });
        } else {
            self.kicked(&key);
        }
    }

    /// Own login processes have closed the user's sessions.
    pub(super) fn kicked(&mut self, key: &UserKey) {
        let has_right = self.right.is_some();
        let Some(kill) = self.kill(key) else {
            return;
        };
        match kill.state {
            KillState::Killing | KillState::NotifyReceived if !has_right => self.delay(key),
            KillState::Killing if !kill.is_self_initiated => kill.state = KillState::WaitingForNotify,
            KillState::Killing | KillState::NotifyReceived => self.pass_on_killed(key),
            _ => {}
        }
    }

    fn kill(&mut self, key: &UserKey) -> Option<&mut Kill> {
        self.users.peek_mut(key).and_then(|user| user.kill.as_mut())
    }

    fn pass_on_killed(&mut self, key: &UserKey) {
        if let Some(kill) = self.kill(key) {
            kill.state = KillState::WaitingForEveryone;
        }
        if let Some(right) = self.right {
            self.send(right, &Message::UserKilled { hash: key.hash });
        }
    }

    fn delay(&mut self, key: &UserKey) {
        let until_ms = self.now_ms + self.settings.user_kick_delay_ms;
        if let Some(kill) = self.kill(key) {
            kill.state = KillState::Delay;
            kill.until_ms = until_ms;
        }
    }

    /// USER-KILLED: the left neighbour and everybody before it have killed the user.
    pub(super) fn user_killed(&mut self, hash: u32) {
        for key in self.users.of_hash(hash) {
            let state = self.kill(&key).map(|kill| kill.state);
            match state {
                Some(KillState::Killing) => {
                    if let Some(kill) = self.kill(&key) {
                        kill.state = KillState::NotifyReceived;
                    }
                }
                Some(KillState::NotifyReceived) => {}
                Some(KillState::WaitingForNotify) => self.pass_on_killed(&key),
                Some(KillState::WaitingForEveryone) => {
                    self.delay(&key);
                    self.tell_killed_everywhere(hash);
                }
                Some(KillState::Delay) | None => self.tell_killed_everywhere(hash),
            }
        }
    }

    fn tell_killed_everywhere(&mut self, hash: u32) {
        let (me, origin) = (self.me(), self.own_origin());
        self.broadcast(me, &Message::UserKilledEverywhere { origin, hash });
    }

    pub(super) fn user_killed_everywhere(&mut self, from: Place, origin: Origin, hash: u32) {
        for key in self.users.of_hash(hash) {
            let state = self.kill(&key).map(|kill| kill.state);
            if state == Some(KillState::WaitingForEveryone) {
                self.delay(&key);
                self.broadcast(from, &Message::UserKilledEverywhere { origin, hash });
            }
        }
    }

    /// Ends what is due of the moves.
    pub(super) fn look_at_moves(&mut self) {
        let moving: Vec<UserKey> = self.moving.iter().cloned().collect();
        for key in moving {
            let now_ms = self.now_ms;
            let is_over = self.kill(&key).is_none_or(|kill| kill.until_ms <= now_ms);
            if !is_over {
                continue;
            }
            if let Some(user) = self.users.peek_mut(&key) {
                user.kill = None;
            }
            self.moving.remove(&key);
            self.is_state_changed = true;
        }
    }

    /// When the next move ends.
    pub(super) fn next_move_ends_ms(&self) -> Option<u64> {
        let until = |key| match self.users.peek(key).and_then(|user| user.kill) {
            Some(kill) => kill.until_ms,
            // The record is gone, and the move with it.
            None => self.now_ms,
        };
        self.moving.iter().map(until).min()
    }
}
