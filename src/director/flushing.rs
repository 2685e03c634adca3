//! The flush hook: before a user whom a change moved is let in at his new backend for the first time, a program of the
//! operator may have to tell somebody. Who runs it, and how long it may take, is left to the daemon.
//!
//! Each director asks for it with the user's first login there, so a user who comes through several is flushed once for
//! each of them, and one who never comes back not at all. What was moved is remembered for `user_expire`, in memory: a
//! director that is started again in between lets the user in without it.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::machine::Director;
use super::output::Output;
use crate::agreement::Rule;
use crate::topology::{BackendId, Moves, Topology, UserId};
use crate::world::Instant;

/// Changes that are remembered; of older ones nobody is flushed.
const CHANGES_MAX: usize = 64;

/// The backend that a user was moved away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlushedFrom {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it takes users; false if it is gone.
    pub is_up: bool,
    /// Its weight; 0 if it is gone.
    pub vhosts: u32,
}

/// A change that moved users.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Moving {
    until: Instant,
    before: Arc<Topology>,
    /// `None`: it was missed, and whoever is placed elsewhere may have been moved.
    moves: Option<Moves>,
}

/// Who was moved lately, and for whom the hook runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Flushing {
    changes: VecDeque<Moving>,
    running: BTreeSet<UserId>,
    /// Whose turn comes when another's hook has ended.
    postponed: VecDeque<UserId>,
    is_postponed: BTreeSet<UserId>,
    /// Whose hook has just ended, and for which backend.
    ready: Option<(UserId, BackendId)>,
}

impl Director {
    /// A change is in force; `before` is what was before.
    pub(super) fn note_moves(&mut self, before: Arc<Topology>, moves: Option<Moves>, now: Instant) {
        if self.settings.limits.flushes == 0 || moves.as_ref().is_some_and(Moves::is_empty) {
            return;
        }
        let changes = &mut self.flushing.changes;
        changes.retain(|change| now < change.until);
        if changes.len() == CHANGES_MAX {
            changes.pop_front();
        }
        let until = now.plus(before.timing().user_expire);
        changes.push_back(Moving { until, before, moves });
    }

    /// Whether the hook runs for this user, so that he has to wait.
    pub(super) fn waits_for_hook(&self, user: UserId) -> bool {
        self.flushing.running.contains(&user) && self.settings.rules.keep(Rule::FlushFirst)
    }

    /// Where a user who is to be let in at a backend was moved from, if the hook has to run first.
    pub(super) fn moved_from(&self, user: UserId, to: BackendId, now: Instant) -> Option<BackendId> {
        if self.flushing.changes.is_empty() || self.flushing.ready == Some((user, to)) {
            return None;
        }
        if self.flushing.running.contains(&user) {
            // Comes this far only where the rule is broken that he waits.
            return None;
        }
        let mut changes = self.flushing.changes.iter().rev();
        changes.find_map(|change| {
            let from = change.before.place(user).filter(|from| *from != to)?;
            let is_moved = change.moves.as_ref().is_none_or(|moves| moves.covers(user, from));
            (now < change.until && is_moved).then_some(from)
        })
    }

    /// A login of the user waits for the hook: have it run, now or when there is room for it.
    pub(super) fn flush(&mut self, user: UserId, from: BackendId, to: BackendId, out: &mut Vec<Output>) {
        let flushing = &mut self.flushing;
        if flushing.running.len() >= self.settings.limits.flushes {
            // One who finds no room here is refused when he has waited too long, like all who wait.
            let has_room = flushing.postponed.len() < self.settings.limits.waiting_logins;
            if has_room && flushing.is_postponed.insert(user) {
                flushing.postponed.push_back(user);
            }
            return;
        }
        let topology = self.committed.topology.clone();
        let known = |topology: &Topology| topology.backend(from).map(|backend| backend.ip);
        let before = flushing.changes.iter().rev();
        let ip = known(&topology).or_else(|| before.map(|change| known(&change.before)).find_map(|ip| ip));
        let (Some(ip), Some(to_ip)) = (ip, topology.backend(to).map(|backend| backend.ip)) else {
            return;
        };
        let now_there = topology.backend(from);
        flushing.running.insert(user);
        out.push(Output::Flush {
            user,
            from: FlushedFrom {
                ip,
                is_up: now_there.is_some_and(|backend| backend.is_working()),
                vhosts: now_there.map_or(0, |backend| backend.vhosts),
            },
            to,
            to_ip,
        });
    }

    /// The hook has ended, well or not: its user may be let in at that backend, and another's may run.
    pub(super) fn flushed(&mut self, user: UserId, to: BackendId, now: Instant, out: &mut Vec<Output>) {
        if !self.flushing.running.remove(&user) {
            return;
        }
        self.flushing.ready = Some((user, to));
        self.retry_user(user, now, out);
        self.flushing.ready = None;
        while self.flushing.running.len() < self.settings.limits.flushes {
            let Some(next) = self.flushing.postponed.pop_front() else {
                break;
            };
            self.flushing.is_postponed.remove(&next);
            self.retry_user(next, now, out);
        }
    }

    /// How many hooks run.
    pub fn flushes_running(&self) -> usize {
        self.flushing.running.len()
    }
}
