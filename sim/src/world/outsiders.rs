//! Who has to recover when the faults end, and what stays wrong for good with all others.

use maildirector::topology::{Member as Listed, Topology};

use super::configuration::{is_membership, orders_of};
use super::happening::Happening;
use super::network::Effect;
use super::scene::{MS, World};
use crate::entropy::{Purpose, below};
use crate::marks::Mark;
use crate::plan::Ending;
use crate::work::Work;

/// Faults of the recovery itself are numbered from here.
const RECOVERY_FAULT: u32 = 1 << 20;
/// What is lost on a lossy link that is never mended, of a thousand.
const LOST_PERMILLE: u32 = 300;

/// What goes on outside the core for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outside {
    /// Nothing: everybody has to recover.
    #[default]
    Nobody,
    /// The others are cut off.
    CutOff,
    /// The others are stopped.
    Stopped,
    /// The others can be heard and hear nothing.
    Deaf,
    /// Links to the others lose messages.
    Lossy,
    /// Links to the others fail and work in turns.
    Flapping {
        /// How long each turn is.
        turn_ns: u64,
    },
}

impl Outside {
    /// What stays broken, in words.
    pub(super) fn words(self) -> Option<&'static str> {
        match self {
            Outside::Nobody => None,
            Outside::CutOff => Some("all others are cut off from a majority of voters"),
            Outside::Stopped => Some("all but a majority of voters are stopped"),
            Outside::Deaf => Some("all others hear nothing from a majority of voters"),
            Outside::Lossy => {
                Some("nearly a third is lost of what a majority of voters and all others say to each other")
            }
            Outside::Flapping { .. } => {
                Some("the links between a majority of voters and all others fail and work in turns")
            }
        }
    }
}

impl World<'_> {
    /// Whether a majority of the voters still has its storage. If not, only the operator can help.
    pub(super) fn can_recover(&mut self) -> bool {
        let kept = self.members.iter().filter_map(kept_topology);
        let newest = self.agreement.newest().map(|newest| &newest.topology);
        let (Some(newest), Some(known)) = (newest, kept.max_by_key(|topology| topology.epoch())) else {
            // A voter that was wiped before the ring began may have been bound to by others.
            return self.wiped() == 0;
        };
        // An epoch may be decided and its commit be lost with those that knew it: then the voters of the epoch before
        // have to find it out.
        if self.has_majority(newest, u128::MAX) && self.has_majority(known, u128::MAX) {
            return true;
        }
        self.mark(Mark::MajorityLost);
        false
    }

    /// Whether a majority of the voters is among these members and has the storage that the ring knows.
    fn has_majority(&self, topology: &Topology, members: u128) -> bool {
        let is_there = |voter: &&Listed| {
            let state = &self.members[usize::from(voter.id.index())];
            let kept = state.storage.kept();
            let is_meant = members >> voter.id.index() & 1 == 1;
            voter.votes && is_meant && kept.is_some_and(|record| record.incarnation == voter.incarnation)
        };
        topology.members().filter(is_there).count() >= topology.majority()
    }

    /// How many wipes the plan has.
    pub(super) fn wiped(&self) -> usize {
        self.plan
            .faults
            .iter()
            .filter(|fault| fault.kind.is_wipe())
            .count()
    }

    /// How many members may still come, go or be seated when the faults have ended. An order that is older than what its
    /// command may wait is decided or forgotten.
    pub(super) fn members_change(&self) -> u32 {
        let knobs = self.knobs();
        let is_open = |work: &&Work| work.at_ms + knobs.command_wait_ms >= self.plan.duration_ms;
        let open = self.plan.work.iter().filter(is_open);
        let changes = open
            .flat_map(orders_of)
            .filter(|order| is_membership(order))
            .count();
        let is_any = self.changes_members() || self.wiped() > 0;
        (changes as u32).max(u32::from(is_any))
    }

    /// Whether anybody wants members to come or go.
    pub(super) fn changes_members(&self) -> bool {
        self.plan.work.iter().flat_map(orders_of).any(is_membership)
    }

    /// Chooses who must recover, and leaves the others broken as the plan wants.
    pub(super) fn leave_others(&mut self) -> Outside {
        let is_certain = !self.changes_members() && self.wiped() == 0;
        let Some(newest) = self.agreement.newest().filter(|_| is_certain) else {
            // Whose votes will count in a moment is not known here: all heal.
            self.mark(Mark::EndedHealed);
            return Outside::Nobody;
        };
        let core = self.choose_core(&newest.topology);
        let is_core = |member: usize| core >> member & 1 == 1;
        let mut members = self.members.iter().enumerate();
        // A crash before the first record was synced is as good as a wiped disk: without that voter it may be no majority.
        let is_started = members.any(|(at, member)| is_core(at) && kept_topology(member).is_some())
            && self.has_majority(&newest.topology, core);
        if self.plan.ending == Ending::AllHeal || !is_started {
            // Who has bound himself to start the ring waits for those who may have started it: if they never come
            // back, the operator has to say so.
            self.mark(Mark::EndedHealed);
            return Outside::Nobody;
        }
        self.recovery.has_core(core);
        self.is_faultless = false;
        match self.plan.ending {
            Ending::OthersCutOff => {
                self.mark(Mark::EndedCutOff);
                self.network.add(RECOVERY_FAULT, Effect::Cut, &[], |from, to| {
                    is_core(from) != is_core(to)
                });
                Outside::CutOff
            }
            Ending::OthersDeaf => {
                self.mark(Mark::EndedDeaf);
                self.network
                    .add(RECOVERY_FAULT, Effect::Cut, &[], |_, to| !is_core(to));
                Outside::Deaf
            }
            Ending::OthersLossy => {
                self.mark(Mark::EndedLossy);
                let effect = Effect::Lose {
                    permille: LOST_PERMILLE,
                };
                self.network.add(RECOVERY_FAULT, effect, &[], |from, to| {
                    !(is_core(from) && is_core(to))
                });
                Outside::Lossy
            }
            Ending::OthersFlapping => {
                self.mark(Mark::EndedFlapping);
                self.outsiders_turn(true);
                Outside::Flapping {
                    turn_ns: self.turn_ns(),
                }
            }
            Ending::OthersStopped | Ending::AllHeal | Ending::None => {
                self.mark(Mark::EndedStopped);
                self.recovery.stops_others();
                for member in 0..self.members.len() as u8 {
                    if !is_core(usize::from(member)) {
                        self.kill_member(member, "it is stopped for good");
                    }
                }
                Outside::Stopped
            }
        }
    }

    /// How long flapping links fail, and then work.
    fn turn_ns(&self) -> u64 {
        let lease_ms = self.knobs().lease_ms;
        let turns_ms = [lease_ms / 10, lease_ms / 2, lease_ms * 3 / 2];
        let bits = self.entropy.draw(Purpose::Core, 2, 0);
        turns_ms[below(bits, turns_ms.len() as u64) as usize].max(1) * MS
    }

    /// The links to members outside the core fail, or work again.
    pub(super) fn outsiders_turn(&mut self, is_cut: bool) {
        let Some(core) = self.recovery.core_members() else {
            return;
        };
        if is_cut {
            let is_core = |member: usize| core >> member & 1 == 1;
            self.network.add(RECOVERY_FAULT, Effect::Cut, &[], |from, to| {
                !(is_core(from) && is_core(to))
            });
        } else {
            let queue = &mut self.queue;
            self.network.remove(self.now, RECOVERY_FAULT, |at_ns, flight| {
                queue.push(at_ns, Happening::MessageArrives { flight });
            });
        }
        let at_ns = self.now + self.turn_ns();
        self.push(at_ns, Happening::OutsidersTurn { is_cut: !is_cut });
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
}

fn kept_topology(member: &super::member::Member) -> Option<&Topology> {
    let committed = member.storage.kept()?.committed.as_ref()?;
    Some(&committed.topology)
}
