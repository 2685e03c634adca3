//! Laying facts before the checkers: after every event what it may have changed, now and then everything.

use maildirector::agreement::Nonce;
use maildirector::director::{Director, Door};
use maildirector::topology::{BackendId, TagId, UserId, UserKey};
use maildirector::world::Instant;
use std::time::Duration;

use super::happening::Happening;
use super::note::Note;
use super::people::SECOND_TAG;
use super::scene::{MS, World};
use crate::bug::WorldBug;
use crate::checkers::{
    Broken, Usage, answers_only_grow, at_two_epochs, frozen_where_moved, hold_where_placed, login_wait,
    spread_by_weight, within_limits,
};
use crate::coverage::State;
use crate::entropy::Purpose;
use crate::knobs::PolicyKnob;
use crate::marks::Mark;
use crate::outcome::Invariant;

/// More events than this between two sweeps, half a second apart, are a storm.
const EVENTS_MAX: u64 = 100_000;
/// How long before and after the end of a lease sessions try to forward.
const EDGE_NS: u64 = 1_000;

impl World<'_> {
    pub(super) fn is_consistent(&self) -> bool {
        self.plan.knobs.policy == PolicyKnob::Consistent
    }

    /// Looks at a process after an event: at its timers, its lease, its epoch, and the hold of who was touched.
    pub(super) fn look(&mut self, run: u32, touched: Option<UserId>) {
        let member = self.runs[run as usize].member;
        let local = self.local(member);
        let state = &self.runs[run as usize];
        let Some(director) = state.director.as_deref() else {
            return;
        };
        let wake = director.next_wakeup();
        let lease_until = director.lease_until();
        let epoch = (!director.is_fresh()).then(|| director.epoch());
        let is_new_wake = wake != state.wake;
        let is_new_lease = lease_until != state.lease_until;
        let is_new_epoch = epoch != state.epoch;
        if let Some(user) = touched
            && let Some(hold) = director.holds().find(user)
        {
            let result = hold_where_placed(member, &hold, director.topology());
            self.check(result);
        }
        if is_new_wake {
            self.runs[run as usize].wake = wake;
            self.set_timer(run);
        }
        let mut is_gained = false;
        if is_new_lease {
            let before = std::mem::replace(&mut self.runs[run as usize].lease_until, lease_until);
            let is_live = |until: Option<Instant>| until.is_some_and(|until| until > local);
            is_gained = !is_live(before) && is_live(lease_until);
            self.lease_moved(run, lease_until);
            self.record_lease(run, lease_until, epoch);
        }
        if is_new_epoch {
            self.runs[run as usize].epoch = epoch;
            self.record_epoch(run, epoch);
            self.installed(run);
        }
        if is_gained || is_new_epoch {
            self.look_at_overlap(run);
            self.look_at_holds(run);
        }
        if is_gained {
            self.forward_all(run, false);
        }
        self.tell_keepers(run);
    }

    fn installed(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        let Some(director) = self.runs[run as usize].director.as_deref() else {
            return;
        };
        let committed = director.committed().clone();
        self.states
            .installed(self.now, member, committed.epoch(), self.newest);
        if committed.epoch() > self.newest {
            self.newest = committed.epoch();
            self.newest_since_ns = self.now;
        }
        let is_first = self.agreement.installed(member, &committed);
        if is_first == Ok(true)
            && let Some((_, before)) = self.agreement.epochs().range(..committed.epoch()).next_back()
        {
            let result = answers_only_grow(before, &committed);
            let before = std::sync::Arc::clone(&before.topology);
            if !before.members().eq(committed.topology.members()) {
                self.states.pass(self.now, member, State::MembersChange);
            }
            self.check(result);
            self.health_is_right(&before, &committed.topology);
        }
        self.check(is_first.map(|_| ()));
    }

    pub(super) fn look_at_holds(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        let Some(director) = self.director(run) else {
            return;
        };
        let topology = director.topology();
        let result = director
            .holds()
            .iter()
            .try_for_each(|hold| hold_where_placed(member, &hold, topology));
        self.check(result);
    }

    pub(super) fn is_live(&self, run: u32) -> bool {
        let member = self.runs[run as usize].member;
        let local = self.local(member);
        self.director(run)
            .is_some_and(|director| director.lease_until().is_some_and(|until| until > local))
    }

    /// This run has got a lease or another epoch: how does it stand to the others with leases?
    fn look_at_overlap(&mut self, run: u32) {
        if !self.is_consistent() || !self.is_live(run) {
            return;
        }
        for at in 0..self.timers.len() {
            let other = self.timers[at].run;
            if other == run || !self.is_live(other) {
                continue;
            }
            let (Some(one), Some(two)) = (self.director(run), self.director(other)) else {
                continue;
            };
            if one.epoch() == two.epoch() {
                continue;
            }
            let id = |director: &Director| director.me().index() as u8;
            let mut result = at_two_epochs((id(one), one.epoch()), (id(two), two.epoch()));
            let (older, newer) = if one.epoch() < two.epoch() {
                (one, two)
            } else {
                (two, one)
            };
            if result.is_ok() {
                let users = self.people.users(newer.topology());
                let is_frozen = |user| {
                    older.is_frozen(user) || older.holds().find(user).is_some_and(|hold| hold.is_evicting)
                };
                result = frozen_where_moved(id(older), older.topology(), newer.topology(), users, is_frozen);
            }
            self.mark(Mark::TwoEpochsServe);
            let member = self.runs[run as usize].member;
            self.states.pass(self.now, member, State::TwoEpochs);
            self.check(result);
        }
    }

    /// A login was answered with a backend: under a lease, with the right one, and with no other epoch against it.
    pub(super) fn route_is_right(&mut self, run: u32, user: UserId, backend: BackendId) {
        let member = self.runs[run as usize].member;
        let Some(director) = self.director(run) else {
            return;
        };
        let placed = director.topology().place(user);
        if placed != Some(backend) {
            let words =
                format!("member {member} routes {user} to {backend}, its topology places him on {placed:?}");
            self.check(Err(Broken::new(Invariant::Holds, words)));
        }
        self.served(run, Door::Exact);
        if self
            .director(run)
            .is_some_and(|director| director.epoch() < self.newest)
        {
            self.route_is_not_overtaken(run, user);
        }
    }

    fn route_is_not_overtaken(&mut self, run: u32, user: UserId) {
        if !self.is_consistent() {
            return;
        }
        for at in 0..self.timers.len() {
            let other = self.timers[at].run;
            let (Some(one), Some(two)) = (self.director(run), self.director(other)) else {
                continue;
            };
            if two.epoch() <= one.epoch() || !self.is_live(other) {
                continue;
            }
            let member = one.me().index() as u8;
            let users = std::iter::once(user);
            let result = frozen_where_moved(member, one.topology(), two.topology(), users, |_| false);
            self.mark(Mark::RoutedAtOlderEpoch);
            self.check(result);
        }
    }

    pub(super) fn lease_asked(&mut self, run: u32, nonce: Nonce) {
        let member = self.runs[run as usize].member;
        let local = self.local(member);
        let Some(director) = self.runs[run as usize].director.as_deref() else {
            return;
        };
        let topology = director.topology();
        let close_bound_ms = self.plan.knobs.members[usize::from(member)].close_bound_ms;
        let close_bound = Duration::from_millis(close_bound_ms).min(topology.timing().lease / 2);
        let leases = &mut self.leases[run as usize];
        leases.asked(director.me(), nonce, topology, close_bound, local);
    }

    /// A process forwards a byte or admits somebody: its lease must run, by its own books and by the ones kept here.
    pub(super) fn served(&mut self, run: u32, door: Door) {
        let is_removed = self.director(run).is_some_and(|director| {
            !director
                .topology()
                .member(director.me())
                .is_some_and(|member| member.serves)
        });
        if is_removed && door == Door::Exact {
            let words = format!("run {run} serves, and its own topology does not list it as a director");
            self.check(Err(Broken::new(Invariant::Leases, words)));
        }
        if !self.is_consistent() {
            return;
        }
        let member = self.runs[run as usize].member;
        let local = self.local(member);
        if door == Door::Refreshing {
            return self.login_process_served(member);
        }
        let Some(director) = self.director(run) else {
            return;
        };
        let result =
            self.leases[run as usize].serves(member, director.epoch(), director.lease_until(), local);
        self.check(result);
    }

    /// A login process forwards: it may outlive its director's lease by no more than the time that closing takes, which
    /// the lease had left for it.
    fn login_process_served(&mut self, member: u8) {
        let state = &self.members[usize::from(member)];
        let local_ns = state.clock.at(self.now);
        if local_ns > state.guard_until_ns {
            let words = format!("a login process of member {member} forwards after its director's lease");
            self.check(Err(Broken::new(Invariant::Leases, words)));
        }
    }

    /// A lease runs to another time than before.
    fn lease_moved(&mut self, run: u32, until: Option<Instant>) {
        let Some(until) = until.filter(|_| self.is_consistent()) else {
            return;
        };
        let member = self.runs[run as usize].member;
        let index = usize::from(member);
        let close_bound_ns = self.plan.knobs.members[index].close_bound_ms * MS;
        let guard_until_ns = until.as_nanos().saturating_add(close_bound_ns);
        let state = &mut self.members[index];
        state.guard_until_ns = state.guard_until_ns.max(guard_until_ns);
        self.arm_guard(member);
        if !self.runs[run as usize].is_lease_watched {
            let at_ns = self.when(member, until);
            if at_ns < u64::MAX {
                self.runs[run as usize].is_lease_watched = true;
                let at_ns = at_ns.saturating_sub(EDGE_NS).max(self.now);
                self.push(at_ns, Happening::LeaseEnds { run, is_over: false });
            }
        }
    }

    /// A lease is about to end, or has just ended: sessions have something to forward just then.
    pub(super) fn lease_ends(&mut self, run: u32, is_over: bool) {
        let state = &self.runs[run as usize];
        let member = state.member;
        let Some(until) = state.lease_until.filter(|_| state.director.is_some()) else {
            self.runs[run as usize].is_lease_watched = false;
            return;
        };
        let at_ns = self.when(member, until);
        if at_ns > self.now + 2 * EDGE_NS {
            self.runs[run as usize].is_lease_watched = at_ns < u64::MAX;
            if at_ns < u64::MAX {
                self.push(at_ns - EDGE_NS, Happening::LeaseEnds { run, is_over: false });
            }
            return;
        }
        if is_over {
            self.mark(Mark::LeaseRanOut);
            self.runs[run as usize].is_lease_watched = false;
        } else {
            self.push(at_ns.max(self.now), Happening::LeaseEnds { run, is_over: true });
        }
        self.forward_all(run, false);
    }

    /// The service manager stops login processes when their director's lease, with the time for closing, is over.
    pub(super) fn arm_guard(&mut self, member: u8) {
        let knobs = &self.plan.knobs.members[usize::from(member)];
        let state = &self.members[usize::from(member)];
        if state.is_guard_armed || knobs.doors == crate::knobs::Doors::Exact || !self.is_consistent() {
            return;
        }
        let at_ns = state.clock.when(state.guard_until_ns);
        if at_ns < u64::MAX && self.bug != Some(WorldBug::NoServiceGuard) {
            self.members[usize::from(member)].is_guard_armed = true;
            self.push(at_ns.max(self.now), Happening::GuardLooks { member });
        }
    }

    pub(super) fn guard_looks(&mut self, member: u8) {
        let state = &mut self.members[usize::from(member)];
        state.is_guard_armed = false;
        if state.clock.at(self.now) < state.guard_until_ns {
            self.arm_guard(member);
            return;
        }
        let is_there = |slot: &u32| self.doors.session(*slot).door == Door::Refreshing;
        if self.doors.of_member(member).iter().any(is_there) {
            self.mark(Mark::GuardStopped);
            self.close_where(member, "stopped by the guard", |session| {
                session.door == Door::Refreshing
            });
        }
    }

    /// A look at everything.
    pub(super) fn sweep(&mut self) {
        self.look_whether_well();
        self.dead_backends_are_out();
        self.drains_are_done();
        for at in 0..self.timers.len() {
            let run = self.timers[at].run;
            self.look_at_holds(run);
            self.kept_are_held(run);
            let Some(director) = self.director(run) else {
                continue;
            };
            let usage = Usage {
                member: director.me().index() as u8,
                used: director.limits_used(),
            };
            let result = within_limits(usage, &self.limits);
            self.check(result);
        }
        self.look_at_logins();
        self.look_at_commands();
        if self.events - self.events_at_sweep > EVENTS_MAX {
            let words = format!("{} events in half a second", self.events - self.events_at_sweep);
            self.check(Err(Broken::new(Invariant::Limits, words)));
        }
        self.events_at_sweep = self.events;
        self.schedule_sweep();
    }

    fn look_at_logins(&mut self) {
        let limit_ns = self.knobs().login_wait_ms * MS;
        let mut result = Ok(());
        for (_, login) in self.doors.waiting() {
            let awake_ns = self.members[usize::from(login.member)].awake_ns(self.now);
            let waited_ns = awake_ns - login.asked_awake_ns;
            result = result.and(login_wait(login.member, login.person, waited_ns, limit_ns));
        }
        self.check(result);
    }

    /// Whether the last topology spreads users as it should.
    pub(super) fn look_at_spread(&mut self) {
        let topology = self.newest_topology();
        let tags = [Some(TagId::DEFAULT), topology.tag(SECOND_TAG)];
        let mut result = Ok(());
        for tag in tags.into_iter().flatten() {
            let key = |n| UserKey::from_bits(self.entropy.draw(Purpose::Quiet, 1, n));
            let users = (0..400).map(|n| UserId { key: key(n), tag });
            result = result.and(spread_by_weight(topology, tag, users));
        }
        self.check(result);
    }

    /// What a machine tells its log.
    pub(super) fn said(&mut self, member: u8, event: &maildirector::director::Event) {
        let Some((mark, name, number)) = super::said::read(event) else {
            return;
        };
        self.mark(mark);
        self.state_by_word(member, mark);
        self.note(Note::Said {
            member,
            event: name,
            number,
        });
        if let maildirector::director::Event::Evicting { user, why } = event
            && self.is_faultless
            && let Some(person) = self.people.of_key(user.key)
        {
            self.check(crate::checkers::needless_closing(member, person, *why));
        }
    }
}
