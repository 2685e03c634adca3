//! A director's part in rounds: freezing, telling its holds, confirming values, installing topologies.
//!
//! A *freeze* is a courtesy for a proposal: users without a hold here wait, so that whoever is admitted is among the
//! holds that were told and gets a pin. A *bound value* is an obligation: from the moment it is confirmed until the
//! next epoch is known, nobody is admitted whom it places elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::history::Moved;
use super::input::Policy;
use super::machine::Director;
use super::output::{Event, EvictReason, Output};
use super::serving::Standing;
use crate::agreement::{
    Ballot, Body, Committed, Proposal, Rule, Rules, Value, ValueId, Whose, timing::round_bound,
};
use crate::topology::{BackendId, Epoch, MemberId, Moves, Timing, Topology, UserId, UserKey, touched};
use crate::world::Instant;

/// Freezes kept at once; older ones give way. They are a courtesy, so a flood of ballots costs a closed session at worst.
const FREEZES_MAX: usize = 8;
/// Values kept at once. More would need as many coordinators to die, each after one voter had accepted.
const VALUES_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Freeze {
    ballot: Ballot,
    next: Arc<Topology>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Bound {
    value: Arc<Value>,
    next: Arc<Topology>,
    /// Users whose sessions must be closed first.
    waits: BTreeSet<UserId>,
    is_confirmed: bool,
    reply_to: BTreeSet<MemberId>,
}

/// Sessions that are being closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Eviction {
    serial: u32,
    backend: BackendId,
    why: EvictReason,
}

/// What rounds for the next epoch have laid upon this director.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Followed {
    freezes: Vec<Freeze>,
    values: Vec<Bound>,
    evicting: BTreeMap<UserId, Eviction>,
    contradictions: usize,
    evict_again_at: Option<Instant>,
    heard_at: Instant,
    /// Holds to be told as soon as the lease is of this epoch.
    held_due: Option<(Ballot, Arc<Proposal>)>,
}

impl Followed {
    /// Whether a user without a hold must wait. One who stands alone owes nothing to courtesies.
    pub fn freezes(&self, user: UserId, here: Option<BackendId>, is_alone: bool, rules: Rules) -> bool {
        (!is_alone && self.freezes.iter().any(|f| f.next.place(user) != here))
            || (rules.keep(Rule::ConfirmedFreezes) && self.values.iter().any(|v| v.next.place(user) != here))
    }

    pub fn is_quiet(&self) -> bool {
        self.freezes.is_empty() && self.values.is_empty()
    }

    pub fn confirmed_ids(&self) -> Vec<ValueId> {
        self.values
            .iter()
            .filter(|v| v.is_confirmed)
            .map(|v| v.value.id)
            .collect()
    }

    /// Each value that binds this director: its name, whether it is confirmed, and whose sessions must be closed first.
    pub fn bindings(&self) -> impl Iterator<Item = (ValueId, bool, Vec<UserId>)> + '_ {
        let waits = |v: &Bound| v.waits.iter().copied().collect();
        self.values
            .iter()
            .map(move |v| (v.value.id, v.is_confirmed, waits(v)))
    }

    /// The ballots whose Prepare freezes users here.
    pub fn freezing(&self) -> impl Iterator<Item = Ballot> + '_ {
        self.freezes.iter().map(|f| f.ballot)
    }

    /// Users whose sessions are being closed for a change.
    pub fn evicting(&self) -> impl Iterator<Item = UserId> + '_ {
        self.evicting.keys().copied()
    }

    pub fn is_stuck(&self, now: Instant, timing: Timing) -> bool {
        !self.is_quiet() && now.since(self.heard_at) > round_bound(timing)
    }

    pub fn has_contradictions(&self) -> bool {
        self.contradictions > 0
    }

    /// Values are not confirmed any more; whoever asks for them binds this director anew.
    pub fn unbind(&mut self) {
        self.values.clear();
        self.freezes.clear();
        self.held_due = None;
    }

    pub fn all_evicted(&mut self) {
        self.evicting.clear();
        self.contradictions = 0;
        self.evict_again_at = None;
        self.values.iter_mut().for_each(|v| v.waits.clear());
    }

    pub fn next_timer(&self, is_alone: bool, timing: Timing) -> Option<Instant> {
        let has_lapse = !self.is_quiet() && (self.values.is_empty() || is_alone);
        let lapse = has_lapse.then(|| self.heard_at.plus(round_bound(timing)));
        Instant::first_of([lapse, self.evict_again_at])
    }
}

impl Director {
    /// The director's part of Prepare: freeze, close what the proposal itself moves, tell the rest.
    pub(super) fn freeze(
        &mut self,
        ballot: Ballot,
        proposal: &Arc<Proposal>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        self.followed.heard_at = now;
        let outcome = self.committed.with(proposal, self.settings.rules);
        let next = Arc::new(outcome.topology);
        if !self.settings.rules.keep(Rule::FreezesAddUp) {
            self.followed.freezes.retain(|f| f.ballot == ballot);
        }
        if !self.followed.freezes.iter().any(|f| f.ballot == ballot) && !proposal.is_empty() {
            if self.followed.freezes.len() == FREEZES_MAX {
                self.followed.freezes.remove(0);
            }
            self.followed.freezes.push(Freeze {
                ballot,
                next: Arc::clone(&next),
            });
        }
        // A director whose lease is of the epoch before can't confirm, and once voters have accepted, they don't renew it:
        // it would have to let its lease run out. So it is not ready for a value before it has renewed; and one without a
        // lease gets none any more by what it asked for in the epoch before.
        if !self.serving.lease.is_ready(self.epoch(), now) {
            self.followed.held_due = Some((ballot, Arc::clone(proposal)));
            return;
        }
        let mut holds = Vec::new();
        for (user, backend) in self.displaced(&next) {
            if outcome.moves.covers(user, backend) {
                self.evict(user, EvictReason::Moved, now, out);
            } else {
                holds.push((user, backend));
            }
        }
        self.send(ballot.member, Body::Held { ballot, holds }, out);
    }

    /// Tell the holds that a Prepare has asked for, now that the lease is of this epoch.
    pub(super) fn tell_holds_if_due(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Some((ballot, proposal)) = self.followed.held_due.take() {
            self.freeze(ballot, &proposal, now, out);
        }
    }

    /// Bind this director to a value for the next epoch: close what it would place elsewhere, then confirm.
    pub(super) fn bind(
        &mut self,
        value: Arc<Value>,
        reply_to: Option<MemberId>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if !self.serves() {
            return;
        }
        self.followed.heard_at = now;
        if let Some(bound) = self.followed.values.iter_mut().find(|v| v.value.id == value.id) {
            bound.reply_to.extend(reply_to);
            let is_confirmed = bound.is_confirmed;
            if let (true, Some(to)) = (is_confirmed, reply_to) {
                self.send(to, Body::Confirmed(value.id), out);
            }
            return;
        }
        if !self.serving.lease.may_confirm(self.epoch(), now) {
            // The lease in use was asked for an epoch ago. The sender asks again when this one has been renewed or is over.
            return;
        }
        if !self.settings.rules.keep(Rule::AllConfirmedAreKept) {
            self.followed.values.clear();
        }
        if self.followed.values.len() == VALUES_MAX {
            return;
        }
        let moves = self.committed.with(&value.proposal, self.settings.rules).moves;
        let next = self.committed.next(&value, self.settings.rules).topology;
        let mut waits = BTreeSet::new();
        for (user, backend) in self.displaced(&next) {
            let is_moved = moves.covers(user, backend);
            self.evict(
                user,
                if is_moved {
                    EvictReason::Moved
                } else {
                    EvictReason::Unpinned
                },
                now,
                out,
            );
            if self.settings.rules.keep(Rule::CloseBeforeConfirm) {
                waits.insert(user);
            }
        }
        let reply_to = reply_to.into_iter().collect();
        self.followed.values.push(Bound {
            value,
            next,
            waits,
            is_confirmed: false,
            reply_to,
        });
        self.confirm_if_closed(now, out);
    }

    /// Confirm every bound value that no open session contradicts any more.
    pub(super) fn confirm_if_closed(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.serving.is_closing() {
            return;
        }
        let mut confirmed = Vec::new();
        for bound in &mut self.followed.values {
            if !bound.is_confirmed && bound.waits.is_empty() {
                bound.is_confirmed = true;
                confirmed.push((bound.value.id, bound.reply_to.clone()));
            }
        }
        for (id, reply_to) in confirmed {
            out.push(Output::Event(Event::Confirmed {
                values: self.followed.values.len(),
            }));
            for to in reply_to {
                self.send(to, Body::Confirmed(id), out);
            }
            self.serving.renew_soon(now);
        }
    }

    /// Holds on another backend than `next` gives their users. All others are where the topology in force has them, and
    /// so only users whom the two topologies place differently need a look.
    fn displaced(&self, next: &Topology) -> Vec<(UserId, BackendId)> {
        let mut displaced = Vec::new();
        if self.holds.is_empty() {
            return displaced;
        }
        let touched = touched(self.topology(), next);
        for span in &touched.spans {
            for hold in self.holds.scan(span.first, span.last) {
                if hold.user.tag == span.tag && next.place(hold.user) != Some(hold.backend) {
                    displaced.push((hold.user, hold.backend));
                }
            }
        }
        for user in touched.users {
            if user.key.is_everybody() && self.settings.rules.keep(Rule::EverybodyIsLookedAt) {
                let hash = user.key.hash();
                let of_hash = self
                    .holds
                    .scan(hash, hash)
                    .filter(|hold| hold.user.tag == user.tag);
                let elsewhere = of_hash.filter(|hold| next.place(hold.user) != Some(hold.backend));
                displaced.extend(elsewhere.map(|hold| (hold.user, hold.backend)));
            } else if let Some(hold) = self.holds.find(user)
                && next.place(user) != Some(hold.backend)
            {
                displaced.push((user, hold.backend));
            }
        }
        displaced.sort_unstable();
        displaced.dedup();
        displaced
    }

    /// Have a user's sessions closed; logins wait until they are.
    pub(super) fn evict(&mut self, user: UserId, why: EvictReason, now: Instant, out: &mut Vec<Output>) {
        if let Some(eviction) = self.followed.evicting.get_mut(&user) {
            if why == EvictReason::Contradicts && eviction.why != why {
                eviction.why = why;
                self.followed.contradictions += 1;
            }
            return;
        }
        let Some(hold) = self.holds.find(user) else {
            return;
        };
        let eviction = Eviction {
            serial: hold.serial,
            backend: hold.backend,
            why,
        };
        out.push(Output::Event(Event::Evicting { user, why }));
        out.push(Output::Evict {
            user,
            backend: eviction.backend,
            serial: eviction.serial,
        });
        self.holds.set_evicting(user, true);
        self.followed.contradictions += usize::from(why == EvictReason::Contradicts);
        self.followed.evicting.insert(user, eviction);
        let again_at = now.plus(round_bound(self.timing()));
        self.followed.evict_again_at.get_or_insert(again_at);
    }

    pub(super) fn evicted(&mut self, user: UserId, serial: u32, now: Instant, out: &mut Vec<Output>) {
        if self
            .followed
            .evicting
            .get(&user)
            .is_none_or(|e| e.serial != serial)
        {
            return;
        }
        let Some(eviction) = self.followed.evicting.remove(&user) else {
            return;
        };
        self.followed.contradictions -= usize::from(eviction.why == EvictReason::Contradicts);
        if self.followed.evicting.is_empty() {
            self.followed.evict_again_at = None;
        }
        if self.settings.rules.keep(Rule::HoldGoesWithItsSessions) || self.followed.values.is_empty() {
            if let Some(removed) = self.holds.remove(user) {
                let to = self
                    .followed
                    .values
                    .last()
                    .map_or(self.topology(), |v| &v.next)
                    .place(user);
                let (epoch, why) = (self.epoch(), eviction.why);
                let limit = self.settings.limits.history;
                let moved = Moved {
                    at: now,
                    user,
                    name: removed.name,
                    from: eviction.backend,
                    to,
                    epoch,
                    why,
                };
                self.history.push(moved, limit);
            }
        } else {
            self.holds.set_evicting(user, false);
        }
        for bound in &mut self.followed.values {
            bound.waits.remove(&user);
        }
        if eviction.why == EvictReason::Contradicts {
            out.push(Output::Event(Event::SplitEnded { user }));
            if !self.followed.has_contradictions() {
                self.serving.renew_soon(now);
            }
        }
        self.confirm_if_closed(now, out);
        self.retry_user(user, now, out);
        self.serving_timers(now, out);
    }

    pub(super) fn follow_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        let bound = round_bound(self.timing());
        if self.followed.evict_again_at.is_some_and(|at| now >= at) {
            for (user, e) in &self.followed.evicting {
                out.push(Output::Evict {
                    user: *user,
                    backend: e.backend,
                    serial: e.serial,
                });
            }
            self.followed.evict_again_at = Some(now.plus(bound));
        }
        let is_alone = self.is_alone();
        let is_left = now.since(self.followed.heard_at) >= bound;
        let may_lapse = self.followed.values.is_empty() || is_alone;
        if is_left && may_lapse && !self.followed.is_quiet() {
            self.followed.unbind();
            if is_alone {
                // An asking that named a value as confirmed may not bring a lease any more.
                self.serving.lease.void();
            }
            out.push(Output::Event(Event::FreezeLapsed));
            self.retry_waiting(now, out);
        }
    }

    pub(super) fn topology_received(
        &mut self,
        from: MemberId,
        committed: Committed,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let is_newer = committed.epoch() > self.epoch() || self.first_start.is_some();
        if is_newer || !self.settings.rules.keep(Rule::NewerTopologyOnly) {
            if self.first_start.is_none() {
                self.note_moves(Arc::clone(self.topology()), None, now);
            }
            self.install(committed, None, now, out);
        } else if committed.epoch() == self.epoch() && committed != self.committed {
            self.note_nonsense(from, out);
        }
    }

    pub(super) fn commit_received(&mut self, value: &Value, now: Instant, out: &mut Vec<Output>) {
        let next = self.committed.next(value, self.settings.rules);
        if self.settings.limits.flushes > 0 {
            let moves = self.committed.with(&value.proposal, self.settings.rules).moves;
            self.note_moves(Arc::clone(self.topology()), Some(moves), now);
        }
        self.install(next, Some(value.id), now, out);
    }

    /// A newer topology is in force. `decided_by` is the value that led to it, when that is what arrived.
    pub(super) fn install(
        &mut self,
        next: Committed,
        decided_by: Option<ValueId>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let was_seated = self.is_seated();
        let was_removed = self.is_removed();
        let was_fresh = self.first_start.is_some();
        let is_kept = decided_by.is_some_and(|id| {
            self.followed
                .values
                .iter()
                .any(|v| v.value.id == id && v.is_confirmed)
        });
        let displaced = if is_kept {
            Vec::new()
        } else {
            self.displaced(&next.topology)
        };
        if was_fresh {
            self.first_start = None;
            self.listens_since = now;
        }
        let answered = Arc::clone(&self.committed.answered);
        self.committed = next;
        self.voter.installed();
        self.voter.prune(now);
        self.followed.unbind();
        self.serving.lease.advanced_to(self.epoch());
        let is_caught_up = decided_by.is_none() && !was_fresh;
        out.push(Output::Event(Event::Installed {
            epoch: self.epoch(),
            is_caught_up,
        }));
        // The voters of a first start have granted nothing yet; every other new voter may have been preceded.
        let is_first = was_fresh && self.epoch() == Epoch::ZERO;
        if self.is_seated() && !was_seated && !is_first {
            self.voter
                .start_grace(self.topology().lease_wait(), self.timing().drift_ppm, now);
        }
        self.save(out);
        if self.is_removed() && !was_removed {
            out.push(Output::Event(Event::Removed { epoch: self.epoch() }));
        }
        if !self.serves() && self.is_serving() {
            self.isolate(now, out);
        }
        self.drop_displaced(displaced, now, out);
        self.end_lease_if_due(now, out);
        self.hello_at.get_or_insert(now);
        self.coordination_after_install(&answered, now, out);
        self.answer_commands(now, out);
        self.retry_waiting(now, out);
        self.serving.renew_soon(now);
        self.serving_timers(now, out);
    }

    /// Close what the topology in force contradicts. Under a lease there can be nothing: the epoch did not end before
    /// this director had confirmed it. What is left are sessions of a time without a lease, or of an earlier run.
    fn drop_displaced(&mut self, displaced: Vec<(UserId, BackendId)>, now: Instant, out: &mut Vec<Output>) {
        if displaced.is_empty() {
            return;
        }
        let is_consistent = self.settings.policy == Policy::Consistent;
        if is_consistent && self.serving.standing == Standing::Leased {
            self.isolate(now, out);
            return;
        }
        self.serving.lease.void();
        for (user, _) in displaced {
            self.evict(user, EvictReason::Contradicts, now, out);
        }
    }

    /// Close sessions at an admin's word, at every door of every director that hears of it; where their users belong
    /// does not change.
    pub(super) fn kick(&mut self, whose: Whose, out: &mut Vec<Output>) {
        self.flood(Body::Kick(whose), out);
    }

    /// Any member's admin wants sessions closed. Whatever epoch the sender is at: no placement depends on it.
    pub(super) fn kick_received(&mut self, whose: Whose, now: Instant, out: &mut Vec<Output>) {
        match whose {
            Whose::User(key) => self.kick_user(key, now, out),
            Whose::With(field) if self.serves() => out.push(Output::KickWith(field)),
            Whose::With(_) => {}
        }
    }

    fn kick_user(&mut self, key: UserKey, now: Instant, out: &mut Vec<Output>) {
        let of_hash = self.holds.scan(key.hash(), key.hash());
        let users: Vec<UserId> = of_hash
            .map(|hold| hold.user)
            .filter(|user| user.key == key)
            .collect();
        for user in users {
            self.evict(user, EvictReason::Kicked, now, out);
        }
    }

    /// How many holds a proposal would move, and how many it would pin.
    pub(super) fn count_displaced(&self, next: &Topology, moves: &Moves) -> (u64, u64) {
        let displaced = self.displaced(next);
        let moved = displaced
            .iter()
            .filter(|(user, backend)| moves.covers(*user, *backend))
            .count();
        (moved as u64, (displaced.len() - moved) as u64)
    }
}
