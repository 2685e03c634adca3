//! In which states of the protocol the members are, by what they send, say and ask for; which faults strike them there.
//! It only listens: nothing that happens depends on it.

use maildirector::agreement::Body;
use maildirector::topology::Epoch;

use super::causes::Affected;
use super::scene::World;
use crate::coverage::{Moment, Reached, State};
use crate::fault::{FaultKind, KINDS};
use crate::marks::Mark;

/// What a coordinator is doing.
const COORDINATING: u32 = State::Surveying.bit() | State::Preparing.bit() | State::Proposing.bit();
/// What ends with a coordinator's round.
const OF_ROUND: u32 = COORDINATING | State::TakingOver.bit() | State::Adopting.bit() | State::Duelling.bit();
/// What ends when a topology comes into force.
const UNTIL_INSTALLED: u32 = State::Promised.bit()
    | State::Accepted.bit()
    | State::Frozen.bit()
    | State::Confirmed.bit()
    | State::ConfirmedSeveral.bit()
    | State::CatchingUp.bit()
    | State::InGrace.bit()
    | State::Queueing.bit()
    | State::FirstStart.bit()
    | State::Unseated.bit();

/// The states of all members.
#[derive(Debug)]
pub(crate) struct States {
    /// By member; the last one is the ring.
    of_member: Vec<u32>,
    /// Kinds of faults that strike each of them, as bits.
    striking: Vec<u32>,
    in_force: u32,
    /// Faults in force: number, kind, members as bits.
    faults: Vec<(u32, usize, u128)>,
    pub(crate) reached: Reached,
}

impl States {
    pub(crate) fn new(members: usize) -> Self {
        States {
            of_member: vec![0; members + 1],
            striking: vec![0; members + 1],
            in_force: 0,
            faults: Vec::new(),
            reached: Reached::default(),
        }
    }

    /// A member is in a state from now on.
    pub(crate) fn enter(&mut self, now: u64, member: u8, state: State) {
        let index = usize::from(member);
        if self.of_member[index] & state.bit() == 0 {
            self.pass(now, member, state);
            self.of_member[index] |= state.bit();
        }
    }

    /// A member is in a state for this moment only.
    pub(crate) fn pass(&mut self, now: u64, member: u8, state: State) {
        let index = usize::from(member);
        let ring = self.of_member.len() - 1;
        let mut others = 0;
        for (other, states) in self.of_member[..ring].iter().enumerate() {
            others |= if other == index { 0 } else { *states };
        }
        let moment = Moment {
            state,
            member: member.min(ring as u8 - 1),
            at_us: now / 1_000,
        };
        let own = self.of_member[index];
        self.reached
            .entered(moment, self.striking[index], self.in_force, own, others);
    }

    pub(crate) fn leave(&mut self, member: u8, states: u32) {
        self.of_member[usize::from(member)] &= !states;
    }

    /// The ring as a whole is in a state, or not.
    pub(crate) fn set_of_ring(&mut self, now: u64, state: State, is_on: bool) {
        let ring = self.of_member.len() as u8 - 1;
        if is_on {
            self.enter(now, ring, state);
        } else {
            self.leave(ring, state.bit());
        }
    }

    pub(crate) fn fault_began(&mut self, now: u64, index: u32, kind: &FaultKind, affected: &Affected) {
        let Some(place) = KINDS.iter().position(|name| *name == kind.name()) else {
            return;
        };
        self.reached.in_force(place, self.in_force);
        let members = match affected {
            Affected::Members(members) => *members,
            Affected::Persons(_) => 0,
        };
        self.faults.push((index, place, members));
        self.count_faults();
        if self
            .of_member
            .iter()
            .all(|states| *states & !State::Saving.bit() == 0)
        {
            let ring = self.of_member.len() as u8 - 1;
            self.pass(now, ring, State::Calm);
        }
        for (states, striking) in self.of_member.iter().zip(&self.striking) {
            for state in State::ALL.iter().filter(|state| states & state.bit() != 0) {
                self.reached.lasted(*state, *striking, self.in_force);
            }
        }
    }

    pub(crate) fn fault_ended(&mut self, index: u32) {
        self.faults.retain(|(other, ..)| *other != index);
        self.count_faults();
    }

    fn count_faults(&mut self) {
        self.in_force = self
            .faults
            .iter()
            .fold(0, |kinds, (_, kind, _)| kinds | 1 << kind);
        let ring = self.striking.len() - 1;
        for (member, striking) in self.striking[..ring].iter_mut().enumerate() {
            let strikes = self
                .faults
                .iter()
                .filter(|(.., members)| members >> member & 1 == 1);
            *striking = strikes.fold(0, |kinds, (_, kind, _)| kinds | 1 << kind);
        }
    }

    /// A member coordinates; if another one does, too, they are rivals.
    fn coordinate(&mut self, now: u64, member: u8, state: State) {
        self.leave(member, COORDINATING & !state.bit());
        self.enter(now, member, state);
        let ring = self.of_member.len() as u8 - 1;
        for other in (0..ring).filter(|other| *other != member) {
            if self.of_member[usize::from(other)] & COORDINATING != 0 {
                self.enter(now, member, State::Duelling);
                self.enter(now, other, State::Duelling);
            }
        }
    }

    fn round_ended(&mut self, member: u8) {
        self.leave(member, OF_ROUND);
        let is_coordinating = |states: &&mut u32| **states & COORDINATING != 0;
        if self.of_member.iter_mut().filter(is_coordinating).count() < 2 {
            for states in &mut self.of_member {
                *states &= !State::Duelling.bit();
            }
        }
    }

    /// A process is there: a member that runs is not down, and has all before it.
    pub(crate) fn started(&mut self, now: u64, member: u8, is_fresh: bool) {
        self.leave(member, State::Down.bit() | State::Orphaned.bit());
        self.enter(now, member, State::Starting);
        if is_fresh {
            self.enter(now, member, State::FirstStart);
        }
    }

    /// A process is gone. What it was in is entered first as struck by its end.
    pub(crate) fn died(&mut self, now: u64, member: u8, is_alone: bool, has_sessions: bool) {
        self.round_ended(member);
        if !is_alone {
            return self.leave(member, State::TwoProcesses.bit());
        }
        self.leave(member, !0);
        self.enter(now, member, State::Down);
        if has_sessions {
            self.enter(now, member, State::Orphaned);
        }
    }

    /// An epoch came into force at a member.
    pub(crate) fn installed(&mut self, now: u64, member: u8, epoch: Epoch, newest: Epoch) {
        self.leave(member, UNTIL_INSTALLED);
        if epoch < newest {
            return;
        }
        self.leave(member, State::Behind.bit());
        let ring = self.of_member.len() as u8 - 1;
        let is_away = State::Down.bit() | State::FirstStart.bit();
        if epoch > newest {
            for other in (0..ring).filter(|other| *other != member) {
                if self.of_member[usize::from(other)] & is_away == 0 {
                    self.enter(now, other, State::Behind);
                }
            }
        }
    }
}

impl World<'_> {
    /// A member says this to one or to all.
    #[inline]
    pub(super) fn state_by_sending(&mut self, member: u8, body: &Body) {
        let now = self.now;
        let states = &mut self.states;
        match body {
            Body::Renew(_) | Body::Grant { .. } | Body::Hello(_) => {}
            Body::Survey(_) => states.coordinate(now, member, State::Surveying),
            Body::Prepare { .. } => states.coordinate(now, member, State::Preparing),
            Body::Propose { .. } => states.coordinate(now, member, State::Proposing),
            Body::Promise { .. } => states.enter(now, member, State::Promised),
            Body::Accepted { .. } => {
                states.leave(member, State::Promised.bit());
                states.enter(now, member, State::Accepted);
            }
            Body::Fetch => states.enter(now, member, State::CatchingUp),
            _ => {}
        }
    }

    /// A member hears this.
    #[inline]
    pub(super) fn state_by_hearing(&mut self, member: u8, body: &Body) {
        match body {
            Body::Prepare { .. } => self.states.enter(self.now, member, State::Frozen),
            Body::Topology(_) => self.states.leave(member, State::CatchingUp.bit()),
            _ => {}
        }
    }

    /// A member tells its log what has this mark.
    pub(super) fn state_by_word(&mut self, member: u8, mark: Mark) {
        let now = self.now;
        let states = &mut self.states;
        match mark {
            Mark::Serving => states.leave(member, State::Isolated.bit() | State::Starting.bit()),
            Mark::Isolated | Mark::IsolatedIdle => states.enter(now, member, State::Isolated),
            Mark::Installed | Mark::CaughtUp => states.leave(member, UNTIL_INSTALLED),
            Mark::Queued => states.enter(now, member, State::Queueing),
            Mark::RoundTakenOver => states.enter(now, member, State::TakingOver),
            Mark::RoundAdopted => states.enter(now, member, State::Adopting),
            Mark::RoundOutbid
            | Mark::RoundOvertaken
            | Mark::RoundHandedOver
            | Mark::Committed
            | Mark::CommittedWithPins => states.round_ended(member),
            Mark::Confirmed => states.enter(now, member, State::Confirmed),
            Mark::ConfirmedSeveral => states.enter(now, member, State::ConfirmedSeveral),
            Mark::FreezeLapsed => states.leave(member, State::Frozen.bit()),
            Mark::InGrace => states.enter(now, member, State::InGrace),
            Mark::FirstStarted => states.leave(member, State::FirstStart.bit()),
            Mark::Unseated => states.enter(now, member, State::Unseated),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::Point;
    use crate::marks::MarkSet;

    fn place(name: &str) -> usize {
        KINDS.iter().position(|kind| *kind == name).expect("a kind")
    }

    #[test]
    fn a_fault_strikes_who_is_in_a_state_and_goes_on_beside_the_others() {
        let mut states = States::new(3);
        states.coordinate(1, 0, State::Preparing);
        states.enter(1, 1, State::Promised);
        let kind = FaultKind::Crash { member: 0 };
        states.fault_began(2, 0, &kind, &Affected::Members(0b1));
        states.fault_ended(0);
        states.enter(3, 2, State::Promised);
        let points = states.reached.points(&MarkSet::default());
        let crash = place("crash");
        assert!(points.contains(&Point::Struck(crash, State::Preparing)));
        assert!(points.contains(&Point::Meanwhile(crash, State::Promised)));
        assert!(!points.contains(&Point::Struck(crash, State::Promised)));
    }

    #[test]
    fn two_who_coordinate_are_rivals_until_one_leaves() {
        let mut states = States::new(2);
        states.coordinate(1, 0, State::Preparing);
        states.coordinate(2, 1, State::Surveying);
        assert!(states.of_member[0] & State::Duelling.bit() != 0);
        states.round_ended(0);
        assert!(states.of_member[1] & State::Duelling.bit() == 0);
    }

    #[test]
    fn whoever_did_not_install_the_newest_epoch_is_behind() {
        let mut states = States::new(2);
        states.installed(1, 0, Epoch::ZERO.next(), Epoch::ZERO);
        assert!(states.of_member[1] & State::Behind.bit() != 0);
        states.installed(2, 1, Epoch::ZERO.next(), Epoch::ZERO.next());
        assert!(states.of_member[1] & State::Behind.bit() == 0);
    }
}
