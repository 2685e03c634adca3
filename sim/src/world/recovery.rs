//! The end of a run: faults stop, a core of members heals, and must recover within stated bounds. Then everybody logs
//! out, and holds and pins must go.

use std::time::Duration;

use maildirector::director::Door;
use maildirector::topology::{Change, TagId, Topology};

use super::configuration::{longest_expire, longest_lease};
use super::doors::Login;
use super::happening::Happening;
use super::logins::Wish;
use super::network::Effect;
use super::note::Note;
use super::scene::{MS, World};
use crate::checkers::{
    Broken, Core, PROBE_LEASES, SETTLE_LEASES, healed_of_splits, holds_end, holds_end_bound_ns, pins_end,
    pins_end_bound_ns, quiet_ring, recovered_in_time,
};
use crate::entropy::{Purpose, below};
use crate::fault::FaultKind;
use crate::marks::Mark;
use crate::plan::Ending;
use crate::work::{Errand, Order};

/// Faults of the recovery itself are numbered from here.
const RECOVERY_FAULT: u32 = 1 << 20;
/// So many persons log in at each director to see whether it answers.
const PROBES_MAX: u32 = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    NotYet,
    /// The ring has to serve again.
    Settling,
    /// Probes have to be answered.
    Probing,
    /// Everybody has logged out, holds have to end.
    HoldsEnd,
    /// Holds have ended, pins have to.
    PinsEnd,
}

/// Where the recovery stands.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    stage: Stage,
    stage_began_ns: u64,
    lease: Duration,
    /// Members that must recover; `None`: all that the newest topology lists.
    core: Option<u128>,
    are_others_stopped: bool,
    probes_open: usize,
    commands_open: u128,
    commands_wanted: u128,
    settled_ns: Option<u64>,
    /// When everybody left, and at which epoch.
    quiet_since: Option<(u64, u64)>,
}

impl Recovery {
    pub(super) fn has_begun(&self) -> bool {
        self.stage != Stage::NotYet
    }

    /// Whether this member's process may be started.
    pub(super) fn may_run(&self, member: u8) -> bool {
        !self.are_others_stopped || self.core.is_none_or(|core| core >> member & 1 == 1)
    }

    /// Whether this member can be expected to answer.
    pub(super) fn may_be_asked(&self, member: u8) -> bool {
        self.core.is_none_or(|core| core >> member & 1 == 1)
    }

    pub(super) fn probe_routed(&mut self) {
        self.probes_open = self.probes_open.saturating_sub(1);
    }

    pub(super) fn probe_commanded(&mut self, member: u8, is_done: bool) {
        self.commands_open &= !(1 << member);
        if is_done {
            self.commands_wanted &= !(1 << member);
        }
    }

    /// How long it took until the ring served again.
    pub(super) fn settled_ns(&self) -> Option<u64> {
        self.settled_ns
    }
}

impl World<'_> {
    pub(super) fn recovery_begins(&mut self) {
        self.recovery.lease = longest_lease(self.plan);
        self.counted_messages = self.counters.messages_sent;
        self.enter(Stage::Settling, "faults end");
        for index in 0..self.is_fault_on.len() as u32 {
            self.fault_ends(index);
        }
        for member in 0..self.members.len() as u8 {
            if self.members[usize::from(member)].has_wrong_configuration {
                self.configuration_is_mended(member);
            }
        }
        if self.plan.ending == Ending::None || !self.can_recover() {
            self.finish();
            return;
        }
        self.leave_others();
        self.health_gives_up_others();
        self.poll_again();
    }

    fn enter(&mut self, stage: Stage, words: &'static str) {
        self.recovery.stage = stage;
        self.recovery.stage_began_ns = self.now;
        self.note(Note::Recovery { stage: words });
    }

    fn poll_again(&mut self) {
        let every_ns = (self.recovery.lease / 10).as_nanos() as u64;
        self.push(self.now + every_ns.max(MS), Happening::RecoveryIsPolled);
    }

    /// Whether a majority of the voters still has its storage. If not, only the operator can help.
    fn can_recover(&mut self) -> bool {
        let is_wipe = |kind: &FaultKind| matches!(kind, FaultKind::Wipe { .. });
        let has_wipes = self.plan.faults.iter().any(|fault| is_wipe(&fault.kind));
        let kept = self.members.iter().filter_map(kept_topology);
        let newest = self.agreement.newest().map(|newest| &newest.topology);
        let (Some(newest), Some(known)) = (newest, kept.max_by_key(|topology| topology.epoch())) else {
            // A voter that was wiped before the ring began may have been bound to by others.
            return !has_wipes;
        };
        // An epoch may be decided and its commit be lost with those that knew it: then the voters of the epoch before
        // have to find it out.
        if self.has_majority(newest) && self.has_majority(known) {
            return true;
        }
        self.mark(Mark::MajorityLost);
        false
    }

    fn has_majority(&self, topology: &Topology) -> bool {
        let is_there = |voter: &&maildirector::topology::Member| {
            let state = &self.members[usize::from(voter.id.index())];
            let kept = state.storage.kept();
            voter.votes && kept.is_some_and(|record| record.incarnation == voter.incarnation)
        };
        topology.members().filter(is_there).count() >= topology.majority()
    }

    /// Chooses who must recover, and leaves the others broken as the plan wants.
    fn leave_others(&mut self) {
        let is_membership =
            |order: &Order| matches!(order, Order::AddMember { .. } | Order::RemoveMember { .. });
        let changes_members = self.plan.work.iter().any(|work| match &work.errand {
            Errand::Command { orders } => orders.iter().any(is_membership),
            _ => false,
        });
        let wipes = self
            .plan
            .faults
            .iter()
            .any(|fault| matches!(fault.kind, FaultKind::Wipe { .. }));
        let Some(newest) = self.agreement.newest().filter(|_| !changes_members && !wipes) else {
            // Whose votes will count in a moment is not known here: all heal.
            self.mark(Mark::EndedHealed);
            return;
        };
        if self.plan.ending == Ending::AllHeal {
            self.mark(Mark::EndedHealed);
            return;
        }
        let core = self.choose_core(&newest.topology);
        let is_core = |member: usize| core >> member & 1 == 1;
        let mut members = self.members.iter().enumerate();
        if !members.any(|(at, member)| is_core(at) && kept_topology(member).is_some()) {
            // Who has bound himself to start the ring waits for those who may have started it: if they never come
            // back, the operator has to say so.
            self.mark(Mark::EndedHealed);
            return;
        }
        self.recovery.core = Some(core);
        match self.plan.ending {
            Ending::OthersCutOff => {
                self.mark(Mark::EndedCutOff);
                self.network.add(RECOVERY_FAULT, Effect::Cut, &[], |from, to| {
                    is_core(from) != is_core(to)
                });
            }
            Ending::OthersDeaf => {
                self.mark(Mark::EndedDeaf);
                self.network
                    .add(RECOVERY_FAULT, Effect::Cut, &[], |_, to| !is_core(to));
            }
            _ => {
                self.mark(Mark::EndedStopped);
                self.recovery.are_others_stopped = true;
                for member in 0..self.members.len() as u8 {
                    if !is_core(usize::from(member)) {
                        self.kill_member(member, "it is stopped for good");
                    }
                }
            }
        }
    }

    /// A random majority of the voters with a director among them, and perhaps some more.
    fn choose_core(&self, topology: &Topology) -> u128 {
        let mut members: Vec<_> = topology.members().collect();
        members.sort_by_key(|member| self.entropy.draw(Purpose::Core, 0, u64::from(member.id.index())));
        let (mut core, mut votes, mut has_director) = (0u128, 0, false);
        for member in members {
            let is_wanted = (member.votes && votes < topology.majority()) || (member.serves && !has_director);
            let bits = self.entropy.draw(Purpose::Core, 1, u64::from(member.id.index()));
            if is_wanted || below(bits, 4) == 0 {
                core |= 1 << member.id.index();
                votes += usize::from(member.votes);
                has_director |= member.serves;
            }
        }
        core
    }

    pub(super) fn recovery_is_polled(&mut self) {
        if !self.can_recover() {
            return self.finish();
        }
        let passed_ns = self.now - self.recovery.stage_began_ns;
        let lease = self.recovery.lease;
        if let Some((since_ns, epoch)) = self.recovery.quiet_since {
            let epochs = self.newest.number() - epoch;
            self.check(quiet_ring(epochs, self.now - since_ns, longest_expire(self.plan)));
        }
        match self.recovery.stage {
            Stage::NotYet => return,
            Stage::Settling => {
                let core = self.core();
                let patience_ns = passed_ns.saturating_sub(self.knobs().health_ms * MS);
                self.check(recovered_in_time(&core, patience_ns, SETTLE_LEASES, lease));
                if core.is_well() {
                    self.recovery.settled_ns = Some(passed_ns);
                    self.enter(Stage::Probing, "the ring serves");
                    self.probe();
                }
            }
            Stage::Probing => {
                self.probe_commands();
                let core = self.core();
                self.check(recovered_in_time(&core, passed_ns, PROBE_LEASES, lease));
                if core.is_well() {
                    self.mark(Mark::Recovered);
                    return self.everybody_leaves();
                }
            }
            Stage::HoldsEnd => {
                let bound_ns = holds_end_bound_ns(longest_expire(self.plan));
                let (result, left) = self.holds_left(passed_ns, bound_ns);
                self.check(result);
                if left == 0 {
                    if !self.are_all_directors_there() {
                        return self.finish();
                    }
                    self.enter(Stage::PinsEnd, "holds have ended");
                }
            }
            Stage::PinsEnd => {
                let bound_ns = pins_end_bound_ns(longest_expire(self.plan), lease);
                let pins = self.newest_topology().pins().len();
                self.check(pins_end(pins, passed_ns, bound_ns));
                if pins == 0 {
                    self.mark(Mark::PinsEnded);
                    return self.finish();
                }
            }
        }
        self.poll_again();
    }

    /// The members that must recover, with their processes.
    fn core_runs(&self) -> impl Iterator<Item = (u8, Option<u32>)> + '_ {
        let topology = self.newest_topology();
        let members = topology.members().map(|member| member.id.index() as u8);
        let core = self.recovery.core;
        let is_core = move |member: &u8| core.is_none_or(|core| core >> member & 1 == 1);
        members
            .filter(is_core)
            .map(|member| (member, self.members[usize::from(member)].runs().next()))
    }

    /// What is judged of the holds that are left, and how many there are.
    fn holds_left(&self, passed_ns: u64, bound_ns: u64) -> (Result<(), Broken>, usize) {
        let (mut result, mut left) = (Ok(()), 0);
        for (member, run) in self.core_runs() {
            if let Some(director) = run.and_then(|run| self.director(run)) {
                left += director.holds().len();
                result = result.and(holds_end(member, director.holds(), passed_ns, bound_ns));
            }
        }
        (result, left)
    }

    fn are_all_directors_there(&self) -> bool {
        let core = self.recovery.core;
        let mut directors = self.newest_topology().members().filter(|member| member.serves);
        directors.all(|member| core.is_none_or(|core| core >> member.id.index() & 1 == 1))
    }

    fn core(&self) -> Core {
        let mut core = Core::default();
        let has_begun = self.agreement.newest().is_some();
        for (member, run) in self.core_runs() {
            let Some(director) = run.and_then(|run| self.director(run)) else {
                core.behind.push(member);
                continue;
            };
            let topology = director.topology();
            if director.is_unseated() {
                core.unseated.push(member);
            }
            if !has_begun || director.is_fresh() || director.epoch() < self.newest {
                core.behind.push(member);
            }
            if !topology.member(director.me()).is_some_and(|member| member.serves) {
                continue;
            }
            if !director.is_serving() {
                core.not_serving.push(member);
            }
            core.frozen += self
                .people
                .users(topology)
                .filter(|user| director.is_frozen(*user))
                .count();
            core.waiting += director.limits_used().waiting_logins;
        }
        let directors = self.core_directors().into_iter();
        let asked = directors.fold(0, |asked: u128, member| asked | 1 << member);
        let wanted = self.recovery.commands_wanted & asked;
        core.unanswered =
            self.recovery.probes_open + wanted.count_ones() as usize + usize::from(!self.is_health_settled());
        core
    }

    /// Somebody logs in at each director that must have recovered, and an admin changes something there.
    fn probe(&mut self) {
        let persons = (self.people.len() as u32).min(PROBES_MAX);
        let directors: Vec<u8> = self.core_directors();
        self.recovery.probes_open = directors.len() * persons as usize;
        for member in &directors {
            for person in 0..persons {
                self.log_in(*member, probe_of(person));
            }
            self.recovery.commands_wanted |= 1 << member;
        }
        self.probe_commands();
    }

    fn core_directors(&self) -> Vec<u8> {
        let topology = self.newest_topology();
        let serves = |member: &u8| {
            let id = maildirector::topology::MemberId::from_index(u16::from(*member));
            topology.member(id).is_some_and(|member| member.serves)
        };
        self.core_runs()
            .map(|(member, _)| member)
            .filter(serves)
            .collect()
    }

    /// Commands that were not carried out are given again.
    fn probe_commands(&mut self) {
        let missing = self.recovery.commands_wanted & !self.recovery.commands_open;
        for member in (0..self.members.len() as u8).filter(|member| missing >> member & 1 == 1) {
            let user_expire = Duration::from_millis(self.knobs().user_expire_ms);
            let changes = vec![Change::SetUserExpire { user_expire }];
            self.recovery.commands_open |= 1 << member;
            if !self.command(member, changes, "a probe", super::admins::Asker::Probe { member }) {
                self.recovery.commands_open &= !(1 << member);
            }
        }
    }

    /// A probe that was refused: for good, or to be tried again. Whom a change of the last moment has removed from the ring
    /// answers nobody any more, as he should.
    pub(super) fn probe_refused(&mut self, login: &Login, is_lasting: bool) {
        if is_lasting || !self.core_directors().contains(&login.member) {
            self.recovery.probe_routed();
            return;
        }
        let bits = self.entropy.draw(Purpose::Retry, 2, u64::from(login.number));
        let at_ns = self.now + 100 * MS + below(bits, 100 * MS);
        self.push(
            at_ns,
            Happening::ProbeIsRetried {
                member: login.member,
                person: login.person,
            },
        );
    }

    pub(super) fn probe_is_retried(&mut self, member: u8, person: u32) {
        self.log_in(member, probe_of(person));
    }

    /// The users go; what is left of them must go too. Half of all runs look at that.
    fn everybody_leaves(&mut self) {
        self.look_at_splits();
        if self.counted.is_some() {
            return self.finish();
        }
        if self.entropy.draw(Purpose::Quiet, 0, 0) & 1 == 0 {
            return self.finish();
        }
        self.enter(Stage::HoldsEnd, "everybody logs out");
        self.recovery.quiet_since = Some((self.now, self.newest.number()));
        for member in 0..self.members.len() as u8 {
            for at in 0..self.doors.of_member(member).len() {
                let session = self.doors.of_member(member)[at];
                let number = self.doors.session(session).number;
                self.push(self.now, Happening::SessionEnds { session, number });
            }
        }
        self.poll_again();
    }

    /// With `partition = "available"`: is anybody still on two backends?
    fn look_at_splits(&mut self) {
        let is_split = |person: &u32| {
            let sessions = self.doors.of_person(*person);
            let counts = |slot: &&u32| {
                let session = self.doors.session(**slot);
                session.user.tag == TagId::DEFAULT
                    && self.recovery.may_be_asked(session.member)
                    && (session.door == Door::Refreshing || self.director(session.run).is_some())
            };
            let mut backends = sessions
                .iter()
                .filter(counts)
                .map(|slot| self.doors.session(*slot).backend_number);
            let first = backends.next();
            backends.any(|backend| Some(backend) != first)
        };
        let split = (0..self.people.len() as u32).filter(is_split).count();
        if !self.is_consistent() {
            self.check(healed_of_splits(split));
        }
    }

    /// The run is over: what can only be judged now is judged.
    fn finish(&mut self) {
        self.look_at_spread();
        let result = self.commands.settle(self.agreement.epochs());
        self.check(result);
        self.is_over = true;
    }
}

fn kept_topology(member: &super::member::Member) -> Option<&Topology> {
    let committed = member.storage.kept()?.committed.as_ref()?;
    Some(&committed.topology)
}

fn probe_of(person: u32) -> Wish {
    Wish {
        person,
        is_second_tag: false,
        session_ns: 3_000 * MS,
        tries: 0,
        is_probe: true,
    }
}
