//! Upgrades: a new process becomes the director on the same storage, and the one before keeps only its sessions. It closes
//! them when the new one wants that, tells it of each that ends, and forwards no longer than it was told to.

use maildirector::director::{Door, Gathered, Journalled};
use maildirector::topology::UserId;
use maildirector::world::Instant;

use super::doors::{Eviction, Session};
use super::happening::Happening;
use super::note::Note;
use super::scene::{MS, World};
use crate::bug::WorldBug;
use crate::checkers::Broken;
use crate::entropy::{Purpose, below};
use crate::fault::{Fault, FaultKind};
use crate::marks::Mark;
use crate::outcome::Invariant;

/// How often a process that can't be upgraded yet is looked at again.
const AGAIN_NS: u64 = 10 * MS;
/// The longest from the end of the old process as a director to the start of the new one, without its last syncs.
const HANDOVER_NS: u64 = 20 * MS;
/// How long an old process takes to close a session and to say so: mostly, and now and then.
const CLOSES_NS: u64 = 5 * MS;
const CLOSES_SLOWLY_NS: u64 = 200 * MS;
/// How late an old process may learn until when it may forward, and a new one that a session has ended.
const TOLD_NS: u64 = 100 * MS;
/// How long before the end of its time an old process forwards once more.
const EDGE_NS: u64 = 1_000;
/// Why a run ends that is no director any more and keeps its sessions.
pub(crate) const HANDS_OVER: &str = "it hands over to a new process and keeps its sessions";

/// An old process that keeps sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeper {
    /// Until when it may forward, by its clock: what it knew as a director, or was told later, whichever is later.
    pub(crate) until: Instant,
    /// The same, by the books that the checkers keep.
    due: Instant,
    /// A happening for the end of that time is in the queue.
    is_watched: bool,
    /// The process that it answers to is dead, and it has not noticed.
    is_lost: bool,
}

/// A member between two processes.
#[derive(Debug)]
pub(crate) struct Handover {
    /// The one that has stopped.
    pub(crate) run: u32,
    holds: Gathered,
}

/// What a run that starts finds of earlier ones.
pub(super) struct Outlived {
    pub(super) journal: Gathered,
    /// How many sessions of whom an old process keeps.
    pub(super) sessions: Vec<(UserId, u16)>,
    /// The run that it takes over from.
    pub(super) from: Option<u32>,
}

impl World<'_> {
    /// A fault wants a member upgraded. That waits until nothing is being closed, until the fault's end.
    pub(super) fn upgrade_is_tried(&mut self, index: u32) {
        let plan = self.plan;
        let FaultKind::Upgrade { member } = plan.faults[index as usize].kind else {
            return;
        };
        if !self.is_fault_on[index as usize] {
            return;
        }
        match self.members[member]
            .current
            .filter(|run| self.may_hand_over(*run))
        {
            Some(run) => self.stop_as_director(run),
            None => {
                self.mark(Mark::UpgradePutOff);
                self.push(self.now + AGAIN_NS, Happening::UpgradeIsTried { index });
            }
        }
    }

    fn may_hand_over(&self, run: u32) -> bool {
        let state = &self.members[usize::from(self.runs[run as usize].member)];
        let is_closing = self.runs[run as usize].closing.is_some()
            || self.doors.evictions.iter().any(|e| e.is_pending && e.run == run)
            || self
                .director(run)
                .is_none_or(|director| !director.evicting_users().is_empty());
        state.old.is_none() && state.paused == 0 && state.down == 0 && !is_closing
    }

    /// The process is a director no longer. What it writes is written to the end, and of what waits for that, some.
    fn stop_as_director(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        let Some(director) = self.runs[run as usize].director.take() else {
            return;
        };
        self.note(Note::Died {
            member,
            run,
            why: HANDS_OVER,
        });
        self.timers.retain(|timer| timer.run != run);
        let mut holds = Gathered::default();
        for hold in director.holds().iter() {
            holds.held(Journalled {
                user: hold.user,
                name: hold.name,
                backend: hold.backend,
            });
        }
        let due = self.leases[run as usize].until(director.epoch());
        let state = &mut self.runs[run as usize];
        state.keeper = Some(Keeper {
            until: director.forwards_until(),
            due: due.unwrap_or(Instant::ORIGIN),
            is_watched: false,
            is_lost: false,
        });
        state.keepers.push(run);
        let bits = self.entropy.draw(Purpose::Upgrade, 0, u64::from(run));
        let state = &mut self.members[usize::from(member)];
        if bits & 1 == 0 {
            state.storage.withdraw(run);
        }
        state.current = None;
        state.handover = Some(Handover { run, holds });
        self.lose_logins_of(run);
        self.lose_commands_of(run);
        self.states.died(self.now, member, true, false);
        self.watch_keeper(run);
        let starts_ns = self.now + below(bits, HANDOVER_NS);
        self.push(starts_ns, Happening::NewProcessStarts { member, from: run });
    }

    /// The new process starts, once the storage has all that the old one wanted.
    pub(super) fn new_process_starts(&mut self, member: u8, from: u32) {
        let happening = Happening::NewProcessStarts { member, from };
        let state = &self.members[usize::from(member)];
        if state
            .handover
            .as_ref()
            .is_none_or(|handover| handover.run != from)
        {
            return;
        }
        if state.storage.is_writing() {
            return self.push(self.now + MS, happening);
        }
        if self.is_put_off(member, happening) {
            return;
        }
        let Some(Handover { holds, .. }) = self.members[usize::from(member)].handover.take() else {
            return;
        };
        self.mark(Mark::Upgraded);
        let outlived = match self.bug {
            Some(WorldBug::UpgradeForgetsSessions) => Outlived {
                journal: self.journal(member),
                sessions: Vec::new(),
                from: Some(from),
            },
            Some(WorldBug::UpgradeCountsNoSessions) => Outlived {
                journal: holds,
                sessions: Vec::new(),
                from: Some(from),
            },
            _ => Outlived {
                journal: holds,
                sessions: self.sessions_left(member, from),
                from: Some(from),
            },
        };
        self.start_after(member, outlived);
    }

    /// How many exact sessions of whom a run had.
    fn sessions_left(&self, member: u8, run: u32) -> Vec<(UserId, u16)> {
        let sessions = self
            .doors
            .of_member(member)
            .iter()
            .map(|slot| self.doors.session(*slot));
        let mut users: Vec<UserId> = sessions
            .filter(|session| session.door == Door::Exact && session.run == run)
            .map(|session| session.user)
            .collect();
        users.sort_unstable();
        let of_user = |users: &[UserId]| (users[0], u16::try_from(users.len()).unwrap_or(u16::MAX));
        users.chunk_by(|one, other| one == other).map(of_user).collect()
    }

    /// A run that has just started answers for the sessions of the one before. Those of users whom it does not hold are
    /// closed before it says anything.
    pub(super) fn sessions_are_taken_over(&mut self, from: u32, run: u32) {
        let member = self.runs[run as usize].member;
        self.runs[run as usize].keepers = std::mem::take(&mut self.runs[from as usize].keepers);
        let is_forgetful = self.bug == Some(WorldBug::UpgradeForgetsSessions);
        let mut kept = 0;
        for at in 0..self.doors.of_member(member).len() {
            let slot = self.doors.of_member(member)[at];
            let session = self.doors.session(slot);
            if session.door != Door::Exact || session.run != from {
                continue;
            }
            let hold = self
                .director(run)
                .and_then(|director| director.holds().find(session.user));
            let serial = hold.map(|hold| hold.serial);
            if serial.is_some() || is_forgetful {
                let session = self.doors.session_mut(slot);
                session.run = run;
                session.serial = serial.unwrap_or(session.serial);
                kept += 1;
            }
        }
        if kept > 0 {
            self.mark(Mark::SessionsKept);
        }
        self.note(Note::TookOver { member, run, kept });
        self.close_where(member, "the new process does not hold its user", |session| {
            session.door == Door::Exact && session.run == from
        });
    }

    /// The old process in which a session lives, where another one is its director now.
    pub(super) fn keeper_of(&self, session: &Session) -> Option<&Keeper> {
        self.runs[session.process as usize]
            .keeper
            .as_ref()
            .filter(|_| session.door == Door::Exact)
    }

    /// After an event of a run: its old processes are told when they may forward for longer than they know.
    pub(super) fn tell_keepers(&mut self, run: u32) {
        let state = &self.runs[run as usize];
        let member = state.member;
        let Some(director) = state.director.as_deref().filter(|_| !state.keepers.is_empty()) else {
            return;
        };
        let until = director.forwards_until();
        if until <= state.told {
            return;
        }
        let due = self.leases[run as usize]
            .until(director.epoch())
            .unwrap_or(Instant::ORIGIN);
        self.runs[run as usize].told = until;
        let bits = self
            .entropy
            .draw(Purpose::Upgrade, 1 + u64::from(member), self.events);
        for at in 0..self.runs[run as usize].keepers.len() {
            let keeper = self.runs[run as usize].keepers[at];
            let at_ns = self.now + 1_000 + below(bits.rotate_left(at as u32 * 7), TOLD_NS);
            self.push(at_ns, Happening::KeeperIsTold { keeper, until, due });
        }
    }

    pub(super) fn keeper_is_told(&mut self, run: u32, until: Instant, due: Instant) {
        let local = self.local(self.runs[run as usize].member);
        let Some(keeper) = &mut self.runs[run as usize].keeper else {
            return;
        };
        let was_over = keeper.until <= local;
        keeper.until = keeper.until.max(until);
        keeper.due = keeper.due.max(due);
        let is_more = was_over && keeper.until > local;
        self.watch_keeper(run);
        if is_more {
            self.forward_kept(run);
        }
    }

    fn watch_keeper(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        let Some(keeper) = &self.runs[run as usize].keeper else {
            return;
        };
        let at_ns = self.when(member, keeper.until);
        if keeper.is_watched || at_ns == u64::MAX || at_ns <= self.now {
            return;
        }
        if let Some(keeper) = &mut self.runs[run as usize].keeper {
            keeper.is_watched = true;
        }
        let at_ns = at_ns.saturating_sub(EDGE_NS).max(self.now);
        self.push(at_ns, Happening::KeeperLooks { keeper: run });
    }

    /// An old process is about to reach the end of the time for which it may forward, or has just reached it: its sessions
    /// have something to forward just then. One that is lost closes them at the end.
    pub(super) fn keeper_looks(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        let Some(keeper) = &mut self.runs[run as usize].keeper else {
            return;
        };
        keeper.is_watched = false;
        let (until, is_lost) = (keeper.until, keeper.is_lost);
        let at_ns = self.when(member, until);
        let has_sessions = self
            .doors
            .of_member(member)
            .iter()
            .any(|slot| self.doors.session(*slot).process == run);
        if !has_sessions {
            return;
        }
        if at_ns > self.now + 2 * EDGE_NS {
            return self.watch_keeper(run);
        }
        self.forward_kept(run);
        if at_ns > self.now {
            if let Some(keeper) = &mut self.runs[run as usize].keeper {
                keeper.is_watched = at_ns < u64::MAX;
            }
            return self.push(at_ns, Happening::KeeperLooks { keeper: run });
        }
        if is_lost {
            self.close_where(member, "its process has lost the director", |session| {
                session.door == Door::Exact && session.process == run
            });
        }
    }

    fn forward_kept(&mut self, process: u32) {
        let member = self.runs[process as usize].member;
        for at in 0..self.doors.of_member(member).len() {
            let slot = self.doors.of_member(member)[at];
            let session = self.doors.session(slot);
            if session.process == process && session.door == Door::Exact && !session.is_fenced {
                self.forward(slot, false);
            }
        }
    }

    /// A byte passes through an old process: it may, as long as a lease ran of which it knew.
    pub(super) fn kept_served(&mut self, keeper: Keeper, member: u8) {
        let local = self.local(member);
        if self.is_consistent() && local >= keeper.due {
            let due = keeper.due;
            let words = format!(
                "a session that an old process of member {member} keeps forwards at {local} of its clock, leases of which \
                 the process knew ended at {due}"
            );
            self.check(Err(Broken::new(Invariant::Leases, words)));
        }
    }

    /// A director knows of every session that an old process keeps for it, but for those that are being closed.
    pub(super) fn kept_are_held(&mut self, run: u32) {
        let state = &self.runs[run as usize];
        let Some(director) = state
            .director
            .as_deref()
            .filter(|_| !state.keepers.is_empty() && state.closing.is_none())
        else {
            return;
        };
        let is_forgotten = |session: &&Session| {
            let is_closing = |e: &Eviction| e.is_pending && e.run == run && e.serial == session.serial;
            session.run == run
                && self.keeper_of(session).is_some()
                && director
                    .holds()
                    .find(session.user)
                    .is_none_or(|hold| hold.serial != session.serial)
                && !self.doors.evictions.iter().any(is_closing)
        };
        let sessions = self.doors.of_member(state.member).iter();
        let forgotten = sessions.map(|slot| self.doors.session(*slot)).find(is_forgotten);
        if let Some(session) = forgotten {
            let words = format!(
                "member {} has forgotten user{}, who has a session in an old process",
                session.member, session.person
            );
            self.check(Err(Broken::new(Invariant::Holds, words)));
        }
    }

    /// The process that old ones answer to is dead. They close what they keep when they notice: at once, or, having stood
    /// still, when they may not forward any more.
    pub(super) fn keepers_are_lost(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        for keeper in std::mem::take(&mut self.runs[run as usize].keepers) {
            let bits = self
                .entropy
                .draw(Purpose::Upgrade, 100 + u64::from(keeper), u64::from(run));
            let is_late = bits & 1 == 0;
            let state = &mut self.runs[keeper as usize].keeper;
            if let Some(state) = state.as_mut().filter(|state| state.is_watched && is_late) {
                state.is_lost = true;
                self.mark(Mark::KeeperLost);
                continue;
            }
            self.close_where(member, "its director is dead", |session| {
                session.door == Door::Exact && session.process == keeper
            });
        }
    }

    /// A member dies between two processes.
    pub(super) fn handover_fails(&mut self, member: u8) {
        if let Some(Handover { run, .. }) = self.members[usize::from(member)].handover.take() {
            self.keepers_are_lost(run);
        }
    }

    /// How long an old process takes to close what its director wants closed.
    pub(super) fn keeper_closing_ns(&self, member: u8) -> u64 {
        let bits = self
            .entropy
            .draw(Purpose::Upgrade, 1_000 + u64::from(member), self.events);
        let most_ns = if bits & 7 == 0 {
            CLOSES_SLOWLY_NS
        } else {
            CLOSES_NS
        };
        1 + below(bits, most_ns)
    }

    /// The most that an old process takes to close something, where there may be any.
    pub(super) fn keepers_close_ns(&self) -> u64 {
        let is_upgrade = |fault: &Fault| matches!(fault.kind, FaultKind::Upgrade { .. });
        if self.plan.faults.iter().any(is_upgrade) {
            CLOSES_SLOWLY_NS
        } else {
            0
        }
    }

    /// How long a member may be without a director when it is upgraded, its last syncs among it.
    pub(super) fn handover_ms(&self, member: usize) -> u64 {
        let slow_ms = |fault: &Fault| match fault.kind {
            FaultKind::SlowDisk {
                member: slow,
                up_to_ms,
            } if slow == member => up_to_ms,
            _ => 0,
        };
        let sync_ms = self.knobs().disk_us / 1_000 + self.plan.faults.iter().map(slow_ms).max().unwrap_or(0);
        HANDOVER_NS / MS + 2 * sync_ms + 2
    }

    /// A session has ended in an old process, which tells its director.
    pub(super) fn end_is_on_its_way(&mut self, session: &Session) {
        let Session {
            run,
            person,
            user,
            serial,
            number,
            ..
        } = *session;
        let bits = self.entropy.draw(Purpose::Upgrade, 2_000, u64::from(number));
        let at_ns = self.now + below(bits, TOLD_NS);
        self.push(
            at_ns,
            Happening::EndIsTold {
                run,
                person,
                user,
                serial,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::{Fault, FaultKind};
    use crate::knobs::{BackendKnobs, Knobs, MemberKnobs};
    use crate::marks::Mark;
    use crate::outcome::{Outcome, Verdict};
    use crate::plan::{Ending, FORMAT, Plan};
    use crate::run::{Options, look};
    use crate::state::MemberState;
    use crate::work::{Errand, Order, Work};

    /// A ring of one, upgraded at 2 s while a user has a session from 1 s to 9 s; and more that goes wrong or is ordered.
    fn upgraded(faults: &[Fault], orders: &[Order]) -> Plan {
        let upgrade = Fault {
            from_ms: 2_000,
            to_ms: 2_000,
            kind: FaultKind::Upgrade { member: 0 },
        };
        let work = |at_ms, errand| Work {
            at_ms,
            member: 0,
            errand,
        };
        let login = Errand::Login {
            user: 0,
            is_second_tag: false,
            session_ms: 8_000,
        };
        let mut all = vec![work(1_000, login)];
        if !orders.is_empty() {
            let orders = orders.to_vec();
            all.push(work(4_000, Errand::Command { orders }));
        }
        Plan {
            format: FORMAT,
            note: String::new(),
            expect: None,
            seed: 1,
            duration_ms: 12_000,
            ending: Ending::None,
            knobs: Knobs {
                members: vec![MemberKnobs::default()],
                backends: vec![BackendKnobs::default(); 2],
                ..Knobs::default()
            },
            faults: [&[upgrade], faults].concat(),
            work: all,
        }
    }

    fn after(plan: &Plan, ms: u64) -> (Outcome, MemberState) {
        plan.check().expect("a world can be made of it");
        let options = Options {
            stop_at_ns: Some(ms * 1_000_000),
            ..Options::default()
        };
        let (outcome, mut members) = look(plan, &options);
        assert!(matches!(outcome.verdict, Verdict::Ok), "{:?}", outcome.verdict);
        (outcome, members.remove(0))
    }

    #[test]
    fn a_session_outlives_an_upgrade_and_its_end_reaches_the_new_process() {
        let plan = upgraded(&[], &[]);
        let (outcome, member) = after(&plan, 8_000);
        assert_eq!(outcome.marks.count(Mark::SessionsKept), 1);
        let session = &member.sessions.first[0];
        assert_eq!((session.process, session.run), (0, 1));
        assert_eq!(member.processes[0].run, 1);
        assert_eq!(member.processes[0].holds.first[0].sessions, 1);
        let (_, member) = after(&plan, 10_000);
        assert_eq!(member.sessions.count, 0);
        assert_eq!(member.processes[0].holds.first[0].sessions, 0);
    }

    #[test]
    fn an_old_process_closes_the_sessions_of_a_user_who_is_moved() {
        let (_, member) = after(&upgraded(&[], &[]), 3_000);
        let backend = member.sessions.first[0].backend;
        let moved = Order::Move {
            user: 0,
            backend: 1 - backend,
        };
        let plan = upgraded(&[], &[moved]);
        let (outcome, member) = after(&plan, 5_000);
        assert_eq!(outcome.marks.count(Mark::KeeperEvicts), 1);
        assert_eq!((member.sessions.count, member.processes[0].holds.count), (0, 0));
    }

    #[test]
    fn sessions_of_an_old_process_end_with_the_lease_of_a_new_one_that_dies() {
        let death = Fault {
            from_ms: 5_000,
            to_ms: 5_100,
            kind: FaultKind::Crash { member: 0 },
        };
        let (_, member) = after(&upgraded(&[death], &[]), 6_200);
        assert_eq!(member.sessions.count, 0);
        assert_eq!(member.processes[0].run, 2);
    }
}
