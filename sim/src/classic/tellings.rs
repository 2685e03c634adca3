//! What directors tell each other about users and hosts: who takes it, who passes it on, and what happens when two
//! have told different things of one user.

use std::net::IpAddr;

use super::connection::HostList;
use super::machine::{Director, Output};
use super::messages::{HostLine, Message, Origin, Place};
use super::users::UserKey;

/// A telling without a timestamp does not refresh a user who was refreshed so lately.
const DEAD_TIME_MAX_S: u32 = 15;

/// What a telling did to a user.
#[derive(Clone, Debug)]
struct Refreshed {
    key: UserKey,
    is_changed: bool,
    /// The sender has to hear of it too.
    is_forced: bool,
}

impl Director {
    /// A command of the ring in its everyday life.
    pub(super) fn told(&mut self, id: u32, message: Message) {
        let Some(from) = self.connection(id).and_then(|c| c.peer) else {
            return;
        };
        match message {
            Message::Director(place) => self.director_came(id, place),
            Message::DirectorRemove(place) => self.director_removed(from, place),
            Message::Sync(sync) => self.sync_came(sync),
            Message::User {
                hash,
                host,
                timestamp_s,
            } => self.user_told(from, hash, host, timestamp_s),
            Message::UserWeak { origin, hash, host } => self.user_weak_told(id, from, origin, hash, host),
            Message::Host { origin, host } => self.host_told(id, from, origin, host),
            Message::HostRemove { origin, ip } => {
                if let Some(origin) = self.unseen(origin)
                    && self.hosts.find(ip).is_some()
                {
                    self.remove_host(from, origin, ip);
                }
            }
            Message::HostFlush { origin, ip } => {
                if let Some(origin) = self.unseen(origin)
                    && self.hosts.find(ip).is_some()
                {
                    self.flush_host(from, origin, ip);
                }
            }
            Message::UserMove { origin, hash, host } => {
                if let Some(origin) = self.unseen(origin) {
                    self.move_user(from, origin, hash, host, false);
                }
            }
            Message::UserKickHash { origin, hash, except } => {
                if let Some(origin) = self.unseen(origin) {
                    self.kick(hash, Some(except));
                    self.broadcast(from, &Message::UserKickHash { origin, hash, except });
                }
            }
            Message::UserKilled { hash } => self.user_killed(hash),
            Message::UserKilledEverywhere { origin, hash } => {
                if let Some(origin) = self.unseen(origin) {
                    self.user_killed_everywhere(from, origin, hash);
                }
            }
            _ => {}
        }
    }

    /// The telling's origin as it is passed on, if it was not seen before. What comes from a director whom nobody here
    /// knows is passed on as one's own.
    fn unseen(&mut self, origin: Origin) -> Option<Origin> {
        let known = self.known.get_mut(&origin.director);
        match known.filter(|known| known.removed_ms.is_none()) {
            Some(known) if origin.seq <= known.last_seq => None,
            Some(known) => {
                known.last_seq = origin.seq;
                Some(origin)
            }
            None => Some(self.own_origin()),
        }
    }

    pub(super) fn own_origin(&mut self) -> Origin {
        Origin {
            director: self.me(),
            seq: self.next_seq(),
        }
    }

    /// Tells a user's host and time to everybody but one.
    pub(super) fn tell_user(&mut self, except: Place, key: &UserKey) {
        if let Some(user) = self.users.peek(key) {
            let message = Message::User {
                hash: key.hash,
                host: user.host,
                timestamp_s: Some(user.timestamp_s),
            };
            self.broadcast(except, &message);
        }
    }

    fn user_told(&mut self, from: Place, hash: u32, host: IpAddr, timestamp_s: Option<u32>) {
        let Some(refreshed) = self.refreshed(hash, host, timestamp_s, false) else {
            return;
        };
        if refreshed.is_changed {
            let except = if refreshed.is_forced { self.me() } else { from };
            self.tell_user(except, &refreshed.key);
        }
    }

    /// A user in the handshake of another director.
    pub(super) fn user_came(&mut self, hash: u32, host: IpAddr, timestamp_s: u32, is_weak: bool) {
        self.refreshed(hash, host, Some(timestamp_s), is_weak);
    }

    /// Lays what was told over what is known of a user. None when it says nothing: too old, or of an unknown host.
    fn refreshed(
        &mut self,
        hash: u32,
        host: IpAddr,
        timestamp_s: Option<u32>,
        is_told_weak: bool,
    ) -> Option<Refreshed> {
        let key = self.key_on(hash, host)?;
        let now_s = self.now_s();
        let told_s = timestamp_s.unwrap_or(now_s);
        if told_s + self.users.expire_s() <= now_s {
            return None;
        }
        let mut refreshed = Refreshed {
            key: key.clone(),
            is_changed: true,
            is_forced: false,
        };
        if self.users.find(&key, now_s).is_none() {
            self.users.add(key, host, told_s, now_s).is_weak = is_told_weak;
            return Some(refreshed);
        }
        let dead_s = match timestamp_s {
            Some(_) => 0,
            None => (self.users.expire_s() / 4).min(DEAD_TIME_MAX_S),
        };
        let before = self.users.peek(&key).expect("he was found").clone();
        let is_recent = self.users.is_recently_updated(&before, now_s);
        let is_near_expiring = self.users.is_near_expiring(&before, now_s);
        let (mut host, mut is_weak, mut is_changed) = (host, before.is_weak, false);
        if before.is_weak {
            is_changed = !is_told_weak;
            is_weak = is_told_weak;
        } else if is_told_weak {
            is_changed = true;
            is_weak = !is_recent;
            if is_recent {
                host = before.host;
            }
        } else if before.host == host {
            // The same.
        } else if is_near_expiring {
            is_changed = true;
        } else if before.kill.is_some() {
            host = before.host;
        } else {
            is_changed = true;
            host = self.conflict(hash, before.host, host);
            refreshed.is_forced = host != before.host;
        }
        is_changed |= host != before.host;
        let user = self.users.peek_mut(&key).expect("he was found");
        user.is_weak = is_weak;
        user.host = host;
        if told_s > user.timestamp_s + dead_s {
            user.timestamp_s = told_s.min(now_s);
            is_changed = true;
        }
        if before.is_weak && !is_weak {
            self.is_state_changed = true;
        }
        refreshed.is_changed = is_changed;
        Some(refreshed)
    }

    /// Two directors have one user on two hosts: the lower address wins, and sessions elsewhere are kicked.
    fn conflict(&mut self, hash: u32, ours: IpAddr, theirs: IpAddr) -> IpAddr {
        let except = ours.min(theirs);
        self.out.push(Output::Conflict { hash });
        self.kick(hash, Some(except));
        let origin = self.own_origin();
        let me = self.me();
        self.broadcast(me, &Message::UserKickHash { origin, hash, except });
        except
    }

    /// Has local login processes close the sessions of a hash, without waiting for it.
    pub(super) fn kick(&mut self, hash: u32, except: Option<IpAddr>) {
        self.out.push(Output::Kick {
            tag: String::new(),
            hash,
            except,
            is_awaited: false,
        });
    }

    fn user_weak_told(&mut self, id: u32, from: Place, origin: Origin, hash: u32, host: IpAddr) {
        let me = self.me();
        let is_seen = self
            .known
            .get(&origin.director)
            .is_some_and(|known| origin.seq <= known.last_seq);
        let passed_on = match is_seen {
            true => origin,
            false => self.unseen(origin).unwrap_or(origin),
        };
        let Some(key) = self.key_on(hash, host) else {
            return;
        };
        if is_seen && origin.director == me {
            // It has been everywhere: nobody remembers the user better than this director does.
            if self.users.peek(&key).is_some_and(|user| user.is_weak) {
                let now_s = self.now_s();
                self.refreshed(hash, host, Some(now_s), false);
                self.tell_user(me, &key);
            }
            return;
        }
        if !is_seen {
            self.refreshed(hash, host, None, true);
        }
        let Some(user) = self.users.peek(&key) else {
            return;
        };
        let (host, is_weak) = (user.host, user.is_weak);
        if is_seen && !is_weak {
            return;
        }
        let message = match is_weak {
            true => Message::UserWeak {
                origin: passed_on,
                hash,
                host,
            },
            false => Message::User {
                hash,
                host,
                timestamp_s: Some(user.timestamp_s),
            },
        };
        self.pass_on_weak(id, from, is_weak, &message);
    }

    /// Where left and right are the same director, it goes on by the other connection: else it would never come back.
    fn pass_on_weak(&mut self, id: u32, from: Place, is_weak: bool, message: &Message) {
        let is_of_two = self.left_peer().is_some() && self.left_peer() == self.right_peer();
        if !is_of_two || !is_weak {
            return self.broadcast(from, message);
        }
        let other = if self.left == Some(id) {
            self.right
        } else {
            self.left
        };
        if let Some(other) = other {
            self.send(other, message);
        }
    }

    fn host_told(&mut self, id: u32, from: Place, origin: Option<Origin>, told: HostLine) {
        let origin = match origin {
            None => {
                let list = self.connection(id).and_then(|c| c.host_list);
                if list == Some(HostList::Ignored) {
                    return;
                }
                None
            }
            Some(origin) => match self.unseen(origin) {
                None => return,
                origin => origin,
            },
        };
        self.host_merged(from, origin, told);
    }

    /// Lays a host over the one that is known; two changes that meet before the ring was synced become a third.
    fn host_merged(&mut self, from: Place, origin: Option<Origin>, told: HostLine) {
        let Some(ours) = self.hosts.find(told.ip) else {
            return self.update_host(from, origin, told);
        };
        let line = &ours.line;
        let is_different = line.vhosts != told.vhosts || line.is_down != told.is_down || line.tag != told.tag;
        if !is_different {
            return;
        }
        let mut merged = told.clone();
        merged.hostname.clone_from(&line.hostname);
        let (mut from, mut origin) = (from, origin);
        if ours.is_desynced {
            if line.is_down != told.is_down && line.updown_changed_s > told.updown_changed_s {
                merged.is_down = line.is_down;
            }
            merged.vhosts = line.vhosts.min(told.vhosts);
            (from, origin) = (self.me(), None);
        }
        merged.updown_changed_s = match merged.is_down == line.is_down {
            true => line.updown_changed_s,
            false => told.updown_changed_s.max(line.updown_changed_s),
        };
        if merged.tag != line.tag {
            self.users.forget_host(merged.ip);
        }
        self.update_host(from, origin, merged);
    }

    /// Takes a host as it is now, and tells the others.
    pub(super) fn update_host(&mut self, from: Place, origin: Option<Origin>, line: HostLine) {
        let is_alone = self.left.is_none() && self.right.is_none();
        self.hosts.set(line.clone(), !is_alone);
        let origin = match origin {
            Some(origin) => origin,
            None => self.own_origin(),
        };
        let message = Message::Host {
            origin: Some(origin),
            host: line,
        };
        self.is_state_changed = true;
        self.broadcast(from, &message);
        self.sync();
    }

    pub(super) fn remove_host(&mut self, from: Place, origin: Origin, ip: IpAddr) {
        self.broadcast(from, &Message::HostRemove { origin, ip });
        self.users.forget_host(ip);
        self.hosts.remove(ip);
        self.sync();
    }

    /// Forgets the users of a host, whose connections stay.
    pub(super) fn flush_host(&mut self, from: Place, origin: Origin, ip: IpAddr) {
        self.broadcast(from, &Message::HostFlush { origin, ip });
        self.users.forget_host(ip);
        self.sync();
    }

    fn director_removed(&mut self, from: Place, place: Place) {
        let (me, now_ms) = (self.me(), self.now_ms);
        let is_known = self.known.get(&place).is_some_and(|k| k.removed_ms.is_none());
        if place == me || !is_known {
            return;
        }
        self.known(place).removed_ms = Some(now_ms);
        self.broadcast(from, &Message::DirectorRemove(place));
        let is_meant = |c: &&super::connection::Connection| c.peer == Some(place);
        let ids: Vec<u32> = self.connections.iter().filter(is_meant).map(|c| c.id).collect();
        for id in ids {
            self.drop_connection(id, "Removing from ring");
        }
        if self.right.is_none() {
            self.connect();
        }
        self.sync();
    }
}
