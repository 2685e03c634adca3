//! Beginning and ending the faults of the plan: those that are none of [`crate::compare::fits`] do nothing.

use super::scene::{ClassicWorld, Happening, MS};
use super::wires::Effect;
use crate::compare::ClosedBy;
use crate::entropy::Purpose;
use crate::fault::{FaultKind, Links};
use crate::waits::Cause;
use crate::world::{Affected, Name, is_named};

impl ClassicWorld<'_> {
    pub(super) fn fault_begins(&mut self, index: usize) {
        let plan = self.plan;
        let kind = &plan.faults[index].kind;
        self.is_fault_on[index] = true;
        let affected = self.affected_by(kind);
        let name = Name::Fault(index as u32);
        self.causes.began(name, Cause::Fault(kind.name()), affected);
        match kind {
            FaultKind::Partition { side } => {
                let is_across = |from: usize, to: usize| side.contains(&from) != side.contains(&to);
                self.wires.add(index as u32, Effect::Cut, is_across);
            }
            FaultKind::Cut { links } | FaultKind::Hold { links } => self.strike(index, Effect::Cut, links),
            FaultKind::Loss { links, permille } => {
                self.strike(index, Effect::Lose { permille: *permille }, links);
            }
            FaultKind::Delay { links, up_to_ms } => {
                let up_to_ns = up_to_ms * MS;
                self.strike(index, Effect::Delay { up_to_ns }, links);
            }
            FaultKind::Flap { .. } | FaultKind::BackendFlap { .. } => self.fault_turns(index, true),
            FaultKind::Crash { member } => {
                self.members[*member].down += 1;
                self.kill(*member as u8, false);
            }
            FaultKind::PowerCut { member } => {
                self.members[*member].down += 1;
                self.members[*member].off += 1;
                self.kill(*member as u8, true);
                let member = *member as u8;
                self.close_where(ClosedBy::Itself, |session| session.member == member);
            }
            FaultKind::Pause { member } => self.members[*member].paused += 1,
            FaultKind::BackendDown { backend } => self.backend_turns(*backend, true),
            _ => {}
        }
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        if !std::mem::take(&mut self.is_fault_on[index]) {
            return;
        }
        let plan = self.plan;
        let traces_ns = self.now + 2 * self.knobs().lease_ms * MS;
        self.causes.ended(Name::Fault(index as u32), traces_ns);
        match &plan.faults[index].kind {
            FaultKind::Crash { member } => self.comes_up(*member as u8),
            FaultKind::PowerCut { member } => {
                let state = &mut self.members[*member];
                state.off = state.off.saturating_sub(1);
                self.reset_connections(*member as u8);
                self.comes_up(*member as u8);
            }
            FaultKind::Pause { member } => self.resume(*member as u8),
            FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => {
                self.backend_turns(*backend, false);
            }
            _ => self.relieve(index),
        }
    }

    pub(super) fn fault_turns(&mut self, index: usize, is_on: bool) {
        if !self.is_fault_on[index] {
            return;
        }
        let plan = self.plan;
        let period_ms = match &plan.faults[index].kind {
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

    fn strike(&mut self, index: usize, effect: Effect, links: &Links) {
        self.wires
            .add(index as u32, effect, |from, to| is_named(links, from, to));
    }

    fn relieve(&mut self, index: usize) {
        let queue = &mut self.queue;
        self.wires
            .remove(self.now, index as u32, |at_ns, wire, end, parcel| {
                queue.push(at_ns, Happening::ParcelArrives { wire, end, parcel });
            });
    }

    fn comes_up(&mut self, member: u8) {
        let state = &mut self.members[usize::from(member)];
        state.down = state.down.saturating_sub(1);
        self.start_if_due(member);
    }

    fn backend_turns(&mut self, backend: usize, is_dead: bool) {
        if self.is_backend_dead[backend] == is_dead {
            return;
        }
        self.is_backend_dead[backend] = is_dead;
        self.tally.backend_turned(backend, is_dead);
        if is_dead {
            let on_it: Vec<u32> = self
                .sessions
                .iter()
                .filter(|(_, session)| session.backend == backend as u32)
                .map(|(number, _)| *number)
                .collect();
            for number in on_it {
                let after_ns = self.entropy.draw(Purpose::Session, 0, u64::from(number)) % (20 * MS);
                self.push(self.now + after_ns, Happening::SessionEnds { number });
            }
        }
        self.push(
            self.now + self.knobs().health_ms * MS,
            Happening::HealthActs { backend },
        );
    }

    /// Whom a fault concerns, for the table of waits.
    fn affected_by(&self, kind: &FaultKind) -> Affected {
        let all = self.members.len();
        let bits =
            |members: &mut dyn Iterator<Item = usize>| members.fold(0u128, |bits, member| bits | 1 << member);
        let smaller = |side: &[usize]| {
            let is_small = side.len() * 2 <= all;
            bits(&mut (0..all).filter(|member| side.contains(member) == is_small))
        };
        match kind {
            FaultKind::Partition { side } => Affected::Members(smaller(side)),
            FaultKind::Crash { member } | FaultKind::PowerCut { member } | FaultKind::Pause { member } => {
                Affected::Members(1 << member)
            }
            FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => {
                let placed = crate::world::right_topology(self.plan);
                let is_there = |person: u32| {
                    let key = self.people.person(person).key;
                    let tag = maildirector::topology::TagId::DEFAULT;
                    let id = placed.place(maildirector::topology::UserId { key, tag });
                    let at = id.and_then(|id| placed.backend(id));
                    at.is_some_and(|at| crate::world::backend_number(at.ip) == *backend as u32)
                };
                Affected::Persons((0..self.people.len() as u32).map(is_there).collect())
            }
            FaultKind::Cut { links }
            | FaultKind::Flap { links, .. }
            | FaultKind::Loss { links, .. }
            | FaultKind::Delay { links, .. }
            | FaultKind::Hold { links } => {
                let named: Vec<usize> = links.from.iter().chain(&links.to).copied().collect();
                let is_named = |member: &usize| named.is_empty() || named.contains(member);
                Affected::Members(bits(&mut (0..all).filter(is_named)))
            }
            _ => Affected::Members(0),
        }
    }
}
