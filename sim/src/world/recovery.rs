//! The end of a run: faults stop, a core of members heals, and must recover within stated bounds. Then everybody logs
//! out, and holds and pins must go. Who is in the core stands in `outsiders`, what is asked of it in `petitions`.

use std::time::Duration;

use maildirector::director::Door;
use maildirector::topology::TagId;

use super::configuration::{longest_expire, longest_lease, orders_of};
use super::happening::Happening;
use super::note::Note;
use super::outsiders::Outside;
use super::petitions::Petitions;
use super::scene::{MS, World};
use crate::checkers::{
    Broken, Circumstances, Core, Patience, healed_of_splits, holds_end, holds_end_bound_ns, pins_end,
    pins_end_bound_ns, quiet_ring, recovered_in_time,
};
use crate::entropy::Purpose;
use crate::fault::{Fault, FaultKind};
use crate::healing::{Healing, Wait};
use crate::marks::Mark;
use crate::plan::Ending;
use crate::work::Order;

/// Timers are late by so much now and then.
const TIMER_LATE_NS: u64 = 20 * MS;
/// How soon the health check asks again when it got no answer.
const HEALTH_AGAIN_NS: u64 = 1_000 * MS;
/// How long a process that halted stays away.
const HALTED_NS: u64 = 1_200 * MS;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    NotYet,
    /// The ring has to serve again.
    Settling,
    /// What is asked has to be answered.
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
    begun_ns: u64,
    lease: Duration,
    patience: Patience,
    outside: Outside,
    /// Members that must recover; `None`: all that the newest topology lists.
    core: Option<u128>,
    are_others_stopped: bool,
    pub(super) petitions: Petitions,
    settled_ns: Option<u64>,
    is_recovered: bool,
    /// When everybody left, and at which epoch.
    quiet_since: Option<(u64, u64)>,
}

impl Recovery {
    pub(super) fn has_begun(&self) -> bool {
        self.stage != Stage::NotYet
    }

    /// Whether this member's process may be started.
    pub(super) fn may_run(&self, member: u8) -> bool {
        !self.are_others_stopped || self.may_be_asked(member)
    }

    /// Whether this member can be expected to answer.
    pub(super) fn may_be_asked(&self, member: u8) -> bool {
        self.core.is_none_or(|core| core >> member & 1 == 1)
    }

    pub(super) fn has_core(&mut self, core: u128) {
        self.core = Some(core);
    }

    pub(super) fn core_members(&self) -> Option<u128> {
        self.core
    }

    pub(super) fn stops_others(&mut self) {
        self.are_others_stopped = true;
    }

    pub(super) fn begun_ns(&self) -> u64 {
        self.begun_ns
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// How long it took until the ring served again.
    pub(super) fn settled_ns(&self) -> Option<u64> {
        self.settled_ns
    }
}

impl World<'_> {
    pub(super) fn recovery_begins(&mut self) {
        self.recovery.lease = longest_lease(self.plan);
        self.recovery.begun_ns = self.now;
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
        self.recovery.outside = self.leave_others();
        if let Some(words) = self.recovery.outside.words() {
            self.note(Note::LeftBroken { words });
        }
        self.recovery.patience = Patience::of(&self.circumstances());
        self.health_gives_up_others();
        self.poll_again();
    }

    /// What decides how long this core may take.
    fn circumstances(&self) -> Circumstances {
        let knobs = self.knobs();
        let (outside, is_told) = (self.recovery.outside, self.is_health_settled());
        let is_drain = |order: &Order| matches!(order, Order::Drain { .. });
        let has_drains = self.plan.work.iter().flat_map(orders_of).any(is_drain);
        let close_ms = knobs.members.iter().map(|member| member.close_bound_ms).max();
        Circumstances {
            lease: self.recovery.lease,
            drift_ppm: knobs.drift_ppm,
            hop_ns: knobs.latency_max_us * 1_000 + TIMER_LATE_NS,
            sync_ns: 2 * knobs.disk_us * 1_000,
            close_ns: (close_ms.unwrap_or(0) * MS).max(self.keepers_close_ns()),
            flush_ns: if knobs.flushes_max > 0 {
                knobs.flush_ms * MS * u64::from(knobs.users)
            } else {
                0
            },
            late_ns: self.late_ns(),
            health_ns: if is_told {
                0
            } else {
                knobs.health_ms * MS + HEALTH_AGAIN_NS
            },
            has_silent_witnesses: matches!(
                outside,
                Outside::Deaf | Outside::Lossy | Outside::Flapping { .. }
            ),
            has_deaf: outside == Outside::Deaf,
            comes_and_goes_ns: match outside {
                // What is lost is chance: such a member may come to coordinate and be lost several times in a row.
                Outside::Lossy => Some(self.recovery.lease.as_nanos() as u64 * 3),
                Outside::Flapping { turn_ns } => Some(turn_ns),
                _ => None,
            },
            rounds_left: 1 + 2 * self.wiped() as u32 + u32::from(!is_told),
            members_change: self.members_change(),
            has_own_rounds: has_drains || self.has_probes(),
        }
    }

    /// When the last of what the faults have left on its way is there.
    fn late_ns(&self) -> u64 {
        let end_ms = self.plan.duration_ms;
        let delays = || {
            let faults = self.plan.faults.iter();
            faults.filter_map(|fault| match fault.kind {
                FaultKind::Delay { up_to_ms, .. } => Some((fault, up_to_ms)),
                _ => None,
            })
        };
        let left_ms = |fault: &Fault| {
            let late_ms = match fault.kind {
                // One message may be late by several of them.
                FaultKind::Delay { .. } => {
                    let others = delays()
                        .filter(|(other, _)| other.from_ms <= fault.to_ms && fault.to_ms <= other.to_ms);
                    others.map(|(_, up_to_ms)| up_to_ms).sum()
                }
                FaultKind::SlowDisk { up_to_ms, .. } | FaultKind::SlowEvict { up_to_ms, .. } => up_to_ms,
                FaultKind::Duplicate { .. } => 1_000,
                FaultKind::Hold { .. } => 50,
                FaultKind::SecondProcess { .. } => HALTED_NS / MS,
                FaultKind::Upgrade { member } => self.handover_ms(member),
                // Saving is tried again after a renew interval.
                FaultKind::BrokenDisk { .. } => self.recovery.lease.as_millis() as u64 / 5,
                _ => return 0,
            };
            (fault.to_ms.min(end_ms) + late_ms).saturating_sub(end_ms)
        };
        let faults = self.plan.faults.iter().filter(|fault| fault.from_ms < end_ms);
        faults.map(left_ms).max().unwrap_or(0) * MS
    }

    /// How it went, if the core recovered.
    pub(super) fn healing(&self) -> Option<Healing> {
        let recovery = &self.recovery;
        let (login, command) = recovery.petitions.slowest();
        recovery.is_recovered.then(|| Healing {
            kind: match recovery.outside {
                Outside::Nobody if self.wiped() > 0 => "all heal, a voter was wiped",
                Outside::Nobody if self.changes_members() => "all heal, members come and go",
                Outside::Nobody => "all heal",
                Outside::CutOff | Outside::Stopped => "others are silent",
                Outside::Deaf => "others are deaf",
                Outside::Lossy => "others lose messages",
                Outside::Flapping { .. } => "others come and go",
            },
            interval_ns: recovery.patience.interval_ns,
            settling: Wait {
                took_ns: recovery.settled_ns.unwrap_or(0),
                bound_ns: recovery.patience.settle_ns,
            },
            login,
            command,
        })
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
                let Patience {
                    settle_ns,
                    interval_ns,
                    ..
                } = self.recovery.patience;
                self.check(recovered_in_time(&core, passed_ns, settle_ns, interval_ns));
                if core.is_well() && self.has_orders_left() {
                    self.recovery.stage_began_ns = self.now;
                    self.check(self.orders_left_in_time());
                } else if core.is_well() {
                    self.recovery.settled_ns = Some(passed_ns);
                    if self.insistent.is_some() {
                        // What is compared is what the orders made of the ring, before probes order more.
                        self.note_end();
                    }
                    self.enter(Stage::Probing, "the ring serves");
                    self.next_wave();
                } else if self.insistent.is_none() {
                    self.somebody_logs_in();
                }
                self.petitions_are_in_time();
            }
            Stage::Probing => {
                self.petitions_are_in_time();
                if !self.recovery.petitions.are_answered() {
                    self.give_commands();
                } else if !self.recovery.petitions.is_last_wave(self.recovery.core.is_some()) {
                    self.next_wave();
                } else if self.core().is_well() {
                    self.mark(Mark::Recovered);
                    self.recovery.is_recovered = true;
                    if self.insistent.is_some() {
                        return self.finish();
                    }
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
    pub(super) fn core_runs(&self) -> impl Iterator<Item = (u8, Option<u32>)> + '_ {
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
        core.untold = usize::from(!self.is_health_settled());
        core
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
