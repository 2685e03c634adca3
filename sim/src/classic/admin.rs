//! What an admin can want of a director, as `doveadm director` asks for it: when it waits for the ring, what it does, and
//! when it is answered.

use std::net::IpAddr;

use super::machine::{Director, Output};
use super::messages::{HostLine, Message};
use super::users::UserKey;

/// Wait for the ring to be synced, before and after a command.
const SYNC_WAIT_MS: u64 = 30_000;

/// A command, by the names of the admin protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HOST-SET` of an untagged host: adds it, or gives it another weight.
    HostSet {
        /// Which.
        ip: IpAddr,
        /// The weight.
        vhosts: u32,
    },
    /// `HOST-UP` and `HOST-DOWN`.
    HostUpDown {
        /// Which.
        ip: IpAddr,
        /// Whether it takes no new users from now on.
        is_down: bool,
    },
    /// `HOST-REMOVE`.
    HostRemove {
        /// Which.
        ip: IpAddr,
    },
    /// `HOST-FLUSH`, the flush that forgets users without killing their sessions.
    HostFlush {
        /// Which.
        ip: IpAddr,
    },
    /// `HOST-RESET-USERS`, what `doveadm director flush` does: users who do not belong there are moved.
    HostResetUsers {
        /// Which; all when there is none.
        ip: Option<IpAddr>,
    },
    /// `USER-MOVE`.
    UserMove {
        /// The hash of the user's name.
        hash: u32,
        /// Where to.
        ip: IpAddr,
    },
}

/// A command that is not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    id: u64,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The ring has to be synced first.
    Before { command: Command, until_ms: u64 },
    /// The change has to be known everywhere.
    After { until_ms: u64 },
    /// Users are being moved, a few at a time.
    Resetting { ip: Option<IpAddr>, left: Vec<UserKey> },
}

impl Director {
    pub(super) fn command(&mut self, id: u64, command: Command) {
        let until_ms = self.now_ms + SYNC_WAIT_MS;
        match command {
            Command::UserMove { hash, ip } => {
                let is_done = self.move_wanted(hash, ip);
                self.reply(id, is_done);
            }
            Command::HostResetUsers { ip } => {
                let is_there = |host: IpAddr| ip.is_none_or(|ip| ip == host);
                let living = self.users.living(self.now_s());
                let mut left: Vec<UserKey> = living
                    .filter(|(_, user)| is_there(user.host))
                    .map(|(key, _)| key.clone())
                    .collect();
                left.reverse();
                let stage = Stage::Resetting { ip, left };
                self.commands.push(Waiting { id, stage });
                self.try_commands();
            }
            _ => {
                let stage = Stage::Before { command, until_ms };
                self.commands.push(Waiting { id, stage });
                self.try_commands();
            }
        }
    }

    fn reply(&mut self, id: u64, is_done: bool) {
        self.out.push(Output::Reply { id, is_done });
    }

    fn move_wanted(&mut self, hash: u32, ip: IpAddr) -> bool {
        let (me, now_s) = (self.me(), self.now_s());
        let Some(key) = self.key_on(hash, ip) else {
            return false;
        };
        match self.users.find(&key, now_s) {
            Some(user) if user.kill.is_some() => return false,
            Some(user) if user.host == ip => {
                user.timestamp_s = now_s;
                self.tell_user(me, &key);
                return true;
            }
            _ => {}
        }
        let origin = self.own_origin();
        self.move_user(me, origin, hash, ip, true);
        true
    }

    /// Goes on with every command that can go on, and gives up those that have waited too long.
    pub(super) fn try_commands(&mut self) {
        let waiting = std::mem::take(&mut self.commands);
        for Waiting { id, stage } in waiting {
            let next = match stage {
                Stage::Before { command, until_ms } => self.before(id, command, until_ms),
                Stage::After { until_ms } => self.after(id, until_ms),
                Stage::Resetting { ip, left } => self.reset(id, ip, left),
            };
            self.commands.extend(next.map(|stage| Waiting { id, stage }));
        }
    }

    fn before(&mut self, id: u64, command: Command, until_ms: u64) -> Option<Stage> {
        if !self.is_synced() {
            if until_ms <= self.now_ms {
                self.reply(id, false);
                return None;
            }
            return Some(Stage::Before { command, until_ms });
        }
        if !self.is_carried_out(command) {
            self.reply(id, false);
            return None;
        }
        self.after(id, self.now_ms + SYNC_WAIT_MS)
    }

    fn after(&mut self, id: u64, until_ms: u64) -> Option<Stage> {
        if !self.is_synced() && until_ms > self.now_ms {
            return Some(Stage::After { until_ms });
        }
        let is_done = self.is_synced();
        self.reply(id, is_done);
        None
    }

    fn is_carried_out(&mut self, command: Command) -> bool {
        let (me, now_s) = (self.me(), self.now_s());
        let host = |ip: IpAddr| self.hosts.find(ip).cloned();
        match command {
            Command::HostSet { ip, vhosts } => {
                let line = match host(ip) {
                    Some(host) if host.is_desynced => return false,
                    Some(host) => HostLine { vhosts, ..host.line },
                    None => HostLine {
                        ip,
                        vhosts,
                        tag: String::new(),
                        is_down: false,
                        updown_changed_s: 0,
                        hostname: String::new(),
                    },
                };
                self.update_host(me, None, line);
            }
            Command::HostUpDown { ip, is_down } => {
                let Some(host) = host(ip) else {
                    return false;
                };
                if host.line.is_down == is_down {
                    return true;
                }
                if host.is_desynced {
                    return false;
                }
                let line = HostLine {
                    is_down,
                    updown_changed_s: now_s,
                    ..host.line
                };
                self.update_host(me, None, line);
            }
            Command::HostRemove { ip } | Command::HostFlush { ip } => {
                if host(ip).is_none() {
                    return false;
                }
                let origin = self.own_origin();
                match command {
                    Command::HostRemove { .. } => self.remove_host(me, origin, ip),
                    _ => self.flush_host(me, origin, ip),
                }
            }
            Command::HostResetUsers { .. } | Command::UserMove { .. } => {}
        }
        true
    }

    /// Moves users who do not belong on a host, as many at a time as the settings allow. Answered when all moves have
    /// begun.
    fn reset(&mut self, id: u64, ip: Option<IpAddr>, mut left: Vec<UserKey>) -> Option<Stage> {
        let (me, now_s) = (self.me(), self.now_s());
        while self.is_synced() && self.moving.len() < self.settings.max_parallel_moves {
            let Some(key) = left.pop() else {
                self.reply(id, true);
                return None;
            };
            let current = self.users.find(&key, now_s).map(|user| user.host);
            let Some(current) = current.filter(|host| ip.is_none_or(|ip| ip == *host)) else {
                continue;
            };
            match self.hosts.pick(&key.tag, key.hash) {
                None => {
                    self.kick(key.hash, None);
                    let origin = self.own_origin();
                    self.broadcast(me, &Message::HostFlush { origin, ip: current });
                    self.users.forget_host(current);
                    self.sync();
                }
                Some(host) if host != current => {
                    let origin = self.own_origin();
                    self.move_user(me, origin, key.hash, host, true);
                }
                Some(_) => {}
            }
        }
        Some(Stage::Resetting { ip, left })
    }

    /// When a command next has to be looked at.
    pub(super) fn next_command_ms(&self) -> Option<u64> {
        let until = |waiting: &Waiting| match waiting.stage {
            Stage::Before { until_ms, .. } | Stage::After { until_ms } => Some(until_ms),
            Stage::Resetting { .. } => None,
        };
        self.commands.iter().filter_map(until).min()
    }
}
