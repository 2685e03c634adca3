//! Beginning and ending the faults of the plan.

use super::causes::{Affected, Name};
use super::happening::{DiskAnswer, Happening};
use super::network::{Effect, is_named};
use super::note::Note;
use super::scene::{MS, World, rate};
use crate::bug::WorldBug;
use crate::entropy::{Purpose, below};
use crate::fault::{FaultKind, Links};
use crate::marks::Mark;
use crate::waits::Cause;

/// How often a process looks whether its storage is still its own.
const STORAGE_WATCH_NS: u64 = 100 * MS;

impl World<'_> {
    pub(super) fn fault_begins(&mut self, index: u32) {
        let plan = self.plan;
        let fault = &plan.faults[index as usize];
        self.note(Note::FaultBegan {
            index,
            kind: fault.kind.name(),
        });
        self.is_fault_on[index as usize] = true;
        self.mark(mark_of(&fault.kind));
        let affected = self.affected_by(&fault.kind);
        self.states.fault_began(self.now, index, &fault.kind, &affected);
        self.causes
            .began(Name::Fault(index), Cause::Fault(fault.kind.name()), affected);
        match &fault.kind {
            FaultKind::Partition { side } => {
                let is_across = |from: usize, to: usize| side.contains(&from) != side.contains(&to);
                self.network.add(index, Effect::Cut, &[], is_across);
            }
            FaultKind::Cut { links } => self.strike(index, Effect::Cut, links),
            FaultKind::Flap { .. } => self.fault_turns(index, true),
            FaultKind::Loss { links, permille } => {
                self.strike(index, Effect::Lose { permille: *permille }, links);
            }
            FaultKind::Duplicate { links, permille } => {
                self.strike(index, Effect::Duplicate { permille: *permille }, links);
            }
            FaultKind::Delay { links, up_to_ms } => {
                self.strike(
                    index,
                    Effect::Delay {
                        up_to_ns: up_to_ms * MS,
                    },
                    links,
                );
            }
            FaultKind::Hold { links } => self.strike(index, Effect::Hold, links),
            FaultKind::Crash { member } => self.goes_down(*member as u8, "it crashes"),
            FaultKind::PowerCut { member } => {
                let member = *member as u8;
                self.goes_down(member, "its machine is off");
                self.close_where(member, "its machine is off", |_| true);
                let local_ns = self
                    .entropy
                    .draw(Purpose::Boot, u64::from(member), u64::from(index))
                    >> 24;
                let now = self.now;
                let state = &mut self.members[usize::from(member)];
                state.clock.reset(now, local_ns);
                state.guard_until_ns = 0;
            }
            FaultKind::Wipe { member } => {
                self.goes_down(*member as u8, "its disk is wiped");
                self.members[*member].storage.wipe();
            }
            FaultKind::Pause { member } => self.pause(*member as u8),
            FaultKind::Drift { member, ppm } => self.set_rate(*member as u8, *ppm),
            FaultKind::WallJump { member, by_ms } => {
                self.members[*member].wall_offset_ns += by_ms * MS as i64;
                self.set_timers(*member as u8);
            }
            FaultKind::SlowEvict { member, up_to_ms } => self.members[*member].evict_slow_ns = up_to_ms * MS,
            FaultKind::SlowDisk { member, up_to_ms } => self.members[*member].disk_slow_ns = up_to_ms * MS,
            FaultKind::BrokenDisk { member } => self.members[*member].disk_broken += 1,
            FaultKind::BackendDown { backend } => self.backend_turns(*backend, true),
            FaultKind::BackendFlap { .. } => self.fault_turns(index, true),
            FaultKind::Cable { member } => self.members[*member].cables_broken += 1,
            FaultKind::SecondProcess { member } => self.second_process(*member as u8),
            FaultKind::Upgrade { .. } => self.upgrade_is_tried(index),
        }
    }

    pub(super) fn fault_ends(&mut self, index: u32) {
        if !std::mem::take(&mut self.is_fault_on[index as usize]) {
            return;
        }
        let plan = self.plan;
        let fault = &plan.faults[index as usize];
        self.note(Note::FaultEnded {
            index,
            kind: fault.kind.name(),
        });
        self.states.fault_ended(index);
        let traces_ns = self.now + 2 * self.knobs().lease_ms * MS;
        self.causes.ended(Name::Fault(index), traces_ns);
        match &fault.kind {
            FaultKind::Partition { .. }
            | FaultKind::Cut { .. }
            | FaultKind::Flap { .. }
            | FaultKind::Loss { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Delay { .. }
            | FaultKind::Hold { .. } => self.relieve(index),
            FaultKind::Crash { member } | FaultKind::PowerCut { member } | FaultKind::Wipe { member } => {
                let state = &mut self.members[*member];
                state.down = state.down.saturating_sub(1);
                self.start_if_due(*member as u8);
            }
            FaultKind::Pause { member } => self.resume(*member as u8),
            FaultKind::Drift { member, .. } => {
                self.set_rate(*member as u8, self.knobs().members[*member].clock_ppm);
            }
            FaultKind::WallJump { member, by_ms } => {
                self.members[*member].wall_offset_ns -= by_ms * MS as i64;
                self.set_timers(*member as u8);
            }
            FaultKind::SlowEvict { member, .. } => self.members[*member].evict_slow_ns = 0,
            FaultKind::SlowDisk { member, .. } => self.members[*member].disk_slow_ns = 0,
            FaultKind::BrokenDisk { member } => {
                let state = &mut self.members[*member];
                state.disk_broken = state.disk_broken.saturating_sub(1);
            }
            FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => {
                self.backend_turns(*backend, false);
            }
            FaultKind::Cable { member } => {
                let state = &mut self.members[*member];
                state.cables_broken = state.cables_broken.saturating_sub(1);
            }
            FaultKind::SecondProcess { member } => {
                if let Some(old) = self.members[*member].old {
                    self.kill(old, "it is stopped at last");
                }
            }
            FaultKind::Upgrade { .. } => {}
        }
    }

    pub(super) fn fault_turns(&mut self, index: u32, is_on: bool) {
        if !self.is_fault_on[index as usize] {
            return;
        }
        let plan = self.plan;
        let period_ms = match &plan.faults[index as usize].kind {
            FaultKind::Flap { links, period_ms } => {
                if is_on {
                    self.strike(index, Effect::Cut, links);
                } else {
                    self.relieve(index);
                }
                *period_ms
            }
            FaultKind::BackendFlap { backend, period_ms } => {
                self.backend_turns(*backend, is_on);
                *period_ms
            }
            _ => return,
        };
        let at_ns = self.now + (period_ms * MS / 2).max(MS);
        self.push(at_ns, Happening::FaultTurns { index, is_on: !is_on });
    }

    fn strike(&mut self, index: u32, effect: Effect, links: &Links) {
        self.network
            .add(index, effect, &links.only, |from, to| is_named(links, from, to));
    }

    fn relieve(&mut self, index: u32) {
        let queue = &mut self.queue;
        self.network.remove(self.now, index, |at_ns, flight| {
            queue.push(at_ns, Happening::MessageArrives { flight });
        });
    }

    fn goes_down(&mut self, member: u8, why: &'static str) {
        self.members[usize::from(member)].down += 1;
        self.kill_member(member, why);
    }

    fn set_rate(&mut self, member: u8, ppm: i32) {
        let (now, ppm) = (self.now, rate(ppm, self.bug));
        self.members[usize::from(member)].clock.set_rate(now, ppm);
        self.set_timers(member);
    }

    /// A mail server dies, or comes back.
    fn backend_turns(&mut self, backend: usize, is_dead: bool) {
        if self.is_backend_dead[backend] == is_dead {
            return;
        }
        self.is_backend_dead[backend] = is_dead;
        self.backend_was_seen(backend, is_dead);
        if let Some(tally) = &mut self.counted {
            tally.backend_turned(backend, is_dead);
        }
        if is_dead {
            for member in 0..self.members.len() as u8 {
                for at in 0..self.doors.of_member(member).len() {
                    let session = self.doors.of_member(member)[at];
                    let (number, its) = {
                        let session = self.doors.session(session);
                        (session.number, session.backend_number)
                    };
                    if its == backend as u32 {
                        let after_ns = self.entropy.draw(Purpose::Session, 0, u64::from(number)) % (20 * MS);
                        self.push(self.now + after_ns, Happening::SessionEnds { session, number });
                    }
                }
            }
        }
        if self.has_probes() {
            return;
        }
        let at_ns = self.now + self.knobs().health_ms * MS;
        self.push(
            at_ns,
            Happening::HealthActs {
                backend: backend as u32,
            },
        );
    }

    /// A new process is to be started while the old one lives. It takes the storage first and then waits until the old
    /// one, which looks at that now and then, has surely seen it.
    fn second_process(&mut self, member: u8) {
        let state = &mut self.members[usize::from(member)];
        if state.old.is_some() || state.paused > 0 || state.down > 0 {
            return;
        }
        let Some(current) = state.current.take() else {
            return;
        };
        state.old = Some(current);
        if self.bug == Some(WorldBug::StorageNotClaimed) {
            return self.start(member);
        }
        state.storage.claim();
        let bits = self.entropy.draw(Purpose::TwoProcesses, 2, u64::from(current));
        let seen_ns = self.now + below(bits, STORAGE_WATCH_NS);
        self.push(seen_ns, Happening::ClaimIsSeen { run: current });
        let sure_ns = STORAGE_WATCH_NS + STORAGE_WATCH_NS / 2;
        self.push(self.now + sure_ns, Happening::MemberStarts { member });
    }

    /// A process sees that another one has taken its storage.
    pub(super) fn claim_is_seen(&mut self, run: u32) {
        self.disk_answers(run, 0, DiskAnswer::Replaced);
    }

    /// Whom a fault concerns, for the table of waits.
    fn affected_by(&self, kind: &FaultKind) -> Affected {
        let all = self.members.len();
        let bits =
            |members: &mut dyn Iterator<Item = usize>| members.fold(0u128, |bits, member| bits | 1 << member);
        let of_links = |links: &Links| {
            if links.from.is_empty() && links.to.is_empty() {
                bits(&mut (0..all))
            } else {
                bits(&mut links.from.iter().chain(&links.to).copied())
            }
        };
        match kind {
            FaultKind::Partition { side } => {
                let voters = |is_inside: bool| {
                    let votes = |member: &usize| self.knobs().members[*member].votes;
                    (0..all)
                        .filter(votes)
                        .filter(|member| side.contains(member) == is_inside)
                        .count()
                };
                let (inside, outside) = (voters(true), voters(false));
                let majority = (inside + outside) / 2 + 1;
                let is_isolated = |member: &usize| {
                    if side.contains(member) {
                        inside < majority
                    } else {
                        outside < majority
                    }
                };
                Affected::Members(bits(&mut (0..all).filter(is_isolated)))
            }
            FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => {
                Affected::Persons(self.persons_on(*backend as u32))
            }
            _ => {
                let of_member = kind.member().map(|member| 1 << member);
                Affected::Members(of_member.or(kind.links().map(of_links)).unwrap_or(0))
            }
        }
    }
}

fn mark_of(kind: &FaultKind) -> Mark {
    match kind {
        FaultKind::Partition { .. } => Mark::FaultPartition,
        FaultKind::Cut { .. } => Mark::FaultCut,
        FaultKind::Flap { .. } => Mark::FaultFlap,
        FaultKind::Loss { .. } => Mark::FaultLoss,
        FaultKind::Duplicate { .. } => Mark::FaultDuplicate,
        FaultKind::Delay { .. } => Mark::FaultDelay,
        FaultKind::Hold { .. } => Mark::FaultHold,
        FaultKind::Crash { .. } => Mark::FaultCrash,
        FaultKind::PowerCut { .. } => Mark::FaultPowerCut,
        FaultKind::Wipe { .. } => Mark::FaultWipe,
        FaultKind::Pause { .. } => Mark::FaultPause,
        FaultKind::Drift { .. } => Mark::FaultDrift,
        FaultKind::WallJump { .. } => Mark::FaultWallJump,
        FaultKind::SlowEvict { .. } => Mark::FaultSlowEvict,
        FaultKind::SlowDisk { .. } => Mark::FaultSlowDisk,
        FaultKind::BrokenDisk { .. } => Mark::FaultBrokenDisk,
        FaultKind::BackendDown { .. } => Mark::FaultBackendDown,
        FaultKind::BackendFlap { .. } => Mark::FaultBackendFlap,
        FaultKind::Cable { .. } => Mark::FaultCable,
        FaultKind::SecondProcess { .. } => Mark::FaultSecondProcess,
        FaultKind::Upgrade { .. } => Mark::FaultUpgrade,
    }
}
