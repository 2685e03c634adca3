//! Processes: how they start, die, pause and come back.

use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::Boot;
use maildirector::director::{Director, Door, Gathered, Journalled, Settings, Start};
use maildirector::topology::{MemberId, UserId};
use maildirector::world::Instant;

use super::configuration::{self, Variant};
use super::happening::{DiskAnswer, Happening};
use super::member::Run;
use super::note::Note;
use super::scene::{MS, Timer, World};
use super::storage::CrashedWrite;
use super::upgrades::Outlived;
use crate::bug::WorldBug;
use crate::checkers::Leases;
use crate::coverage::State;
use crate::entropy::{Purpose, below};
use crate::marks::Mark;

impl World<'_> {
    /// Starts a member's process, unless something keeps it down or it runs.
    pub(super) fn start_if_due(&mut self, member: u8) {
        let state = &self.members[usize::from(member)];
        if state.down > 0
            || state.current.is_some()
            || state.handover.is_some()
            || !self.recovery.may_run(member)
        {
            return;
        }
        if self.is_put_off(member, Happening::MemberStarts { member }) {
            return;
        }
        self.start(member);
    }

    pub(super) fn start(&mut self, member: u8) {
        let journal = self.journal(member);
        self.start_after(
            member,
            Outlived {
                journal,
                sessions: Vec::new(),
                from: None,
            },
        );
    }

    pub(super) fn start_after(&mut self, member: u8, outlived: Outlived) {
        let index = usize::from(member);
        let local = self.local(member);
        let is_torn_accepted = self.bug == Some(WorldBug::TornRecordAccepted);
        let (record, storage_version) = self.members[index].storage.load(is_torn_accepted);
        let (boot, entropy) = self.names(member);
        let is_bootstrap = self.knobs().members[index].is_bootstrap && !self.members[index].was_bootstrapped;
        self.members[index].was_bootstrapped = true;
        let start = Start {
            boot,
            entropy,
            record: record.map(|record| (*record).clone()),
            journal: outlived.journal,
            sessions: outlived.sessions,
            is_bootstrap,
        };
        if !start.journal.is_empty() {
            self.mark(Mark::Journalled);
        }
        let settings = self.settings(member);
        let mut out = std::mem::take(&mut self.out);
        let director = Director::start(settings, start, local, &mut out);
        let run = self.runs.len() as u32;
        self.events += 1;
        self.counters.starts += 1;
        self.note(Note::Started {
            member,
            run,
            epoch: director.epoch().number(),
        });
        self.runs.push(Run {
            member,
            boot,
            director: Some(Box::new(director)),
            storage_version,
            wake: None,
            lease_until: None,
            epoch: None,
            idle_ticks: 0,
            is_lease_watched: false,
            closing: None,
            keeper: None,
            keepers: Vec::new(),
            told: Instant::ORIGIN,
        });
        self.leases.push(Leases::default());
        self.timers.push(Timer { at_ns: u64::MAX, run });
        self.members[index].current = Some(run);
        let is_fresh = self.director(run).is_some_and(Director::is_fresh);
        self.states.started(self.now, member, is_fresh);
        if self.members[index].old.is_some() {
            self.states.enter(self.now, member, State::TwoProcesses);
        }
        if let Some(from) = outlived.from {
            self.sessions_are_taken_over(from, run);
        }
        self.perform(run, &mut out);
        self.out = out;
        self.look(run, None);
        let unix_s = self.now / (1_000 * super::scene::MS);
        self.give(run, maildirector::director::Input::WallClock { unix_s }, None);
    }

    /// The name of the next run, and bits for a new storage.
    fn names(&mut self, member: u8) -> (Boot, u64) {
        let state = &mut self.members[usize::from(member)];
        state.boots += 1;
        let n = match self.bug {
            Some(WorldBug::BootReused) => 0,
            _ => u64::from(state.boots),
        };
        let boot = self.entropy.draw(Purpose::Boot, u64::from(member), n);
        (
            Boot::from_bits(boot),
            self.entropy
                .draw(Purpose::Storage, u64::from(member), u64::from(state.boots)),
        )
    }

    fn settings(&self, member: u8) -> Settings {
        let index = usize::from(member);
        let knobs = &self.knobs().members[index];
        let configured = if self.members[index].has_wrong_configuration {
            Arc::new(configuration::topology(self.knobs(), Variant::Wrong))
        } else if !knobs.is_configured {
            Arc::new(configuration::topology(
                self.knobs(),
                Variant::Joining { member: index },
            ))
        } else {
            Arc::clone(&self.right)
        };
        Settings {
            me: MemberId::from_index(u16::from(member)),
            configured,
            policy: self.policy,
            close_bound: Duration::from_millis(knobs.close_bound_ms),
            limits: self.limits,
            rules: self.rules,
        }
    }

    /// Users of login processes that outlived the run before.
    pub(super) fn journal(&self, member: u8) -> Gathered {
        let mut journal = Gathered::default();
        if self.bug == Some(WorldBug::NoJournal) {
            return journal;
        }
        let mut users: Vec<(UserId, u32, maildirector::topology::BackendId)> = self
            .doors
            .of_member(member)
            .iter()
            .map(|slot| self.doors.session(*slot))
            .filter(|session| session.door == Door::Refreshing)
            .map(|session| (session.user, session.person, session.backend))
            .collect();
        users.sort_unstable();
        users.dedup_by_key(|(user, ..)| *user);
        for (user, person, backend) in users {
            let name = &self.people.person(person).name;
            journal.held(Journalled { user, name, backend });
        }
        journal
    }

    /// A process is gone, with all that was in its memory.
    pub(super) fn kill(&mut self, run: u32, why: &'static str) {
        let member = self.runs[run as usize].member;
        if self.runs[run as usize].director.take().is_none() {
            return;
        }
        self.note(Note::Died { member, run, why });
        self.timers.retain(|timer| timer.run != run);
        let index = usize::from(member);
        let bits = self
            .entropy
            .draw(Purpose::DiskAtCrash, u64::from(member), u64::from(run));
        let fate = match below(bits, 3) {
            0 => CrashedWrite::Lost,
            1 => CrashedWrite::Landed,
            _ => CrashedWrite::Torn,
        };
        if self.members[index].storage.crashed(run, fate) {
            self.mark(match fate {
                CrashedWrite::Lost => Mark::WriteLost,
                CrashedWrite::Landed => Mark::WriteLanded,
                CrashedWrite::Torn => Mark::WriteTorn,
            });
            if let Some(write) = self.members[index].storage.start_next() {
                self.push(self.now + MS, Happening::DiskIsDone { member, write });
            }
        }
        let state = &mut self.members[index];
        if state.old == Some(run) {
            state.old = None;
        } else if state.current == Some(run) {
            state.current = state.old.take();
        }
        self.runs[run as usize].closing = None;
        self.close_where(member, "its process is dead", |session| {
            session.door == Door::Exact && session.process == run
        });
        self.keepers_are_lost(run);
        for eviction in self.doors.evictions.iter_mut().filter(|e| e.run == run) {
            eviction.is_pending = false;
        }
        self.lose_logins_of(run);
        self.lose_commands_of(run);
        let is_alone = self.members[index].current.is_none();
        let mut left = self.doors.of_member(member).iter();
        let has_sessions = left.any(|slot| self.doors.session(*slot).door == Door::Refreshing);
        self.states.died(self.now, member, is_alone, has_sessions);
    }

    pub(super) fn kill_member(&mut self, member: u8, why: &'static str) {
        let runs: Vec<u32> = self.members[usize::from(member)].runs().collect();
        for run in runs {
            self.kill(run, why);
        }
        self.handover_fails(member);
    }

    /// A process ends itself; the service manager starts it again a second later, unless another one is there.
    pub(super) fn halted(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        self.mark(Mark::Halted);
        self.kill(run, "it halts");
        if self.members[usize::from(member)].current.is_none() {
            self.push(self.now + 1_000 * MS, Happening::MemberStarts { member });
        }
    }

    pub(super) fn pause(&mut self, member: u8) {
        let now = self.now;
        let is_clock_stopped = self.bug == Some(WorldBug::ClockStopsInPause);
        let state = &mut self.members[usize::from(member)];
        state.paused += 1;
        if state.paused > 1 {
            return;
        }
        state.paused_since_ns = now;
        state.are_keepers_awake = self
            .entropy
            .draw(Purpose::Upgrade, 3_000 + u64::from(member), now)
            & 1
            == 0;
        if is_clock_stopped {
            state.clock.set_stopped(now, true);
        }
        self.set_timers(member);
    }

    /// The process goes on. What it had read is forwarded first; then, in an order that nobody knows, come its timers and
    /// what reached it meanwhile.
    pub(super) fn resume(&mut self, member: u8) {
        let now = self.now;
        let state = &mut self.members[usize::from(member)];
        if state.paused == 0 {
            return;
        }
        state.paused -= 1;
        if state.paused > 0 {
            return;
        }
        state.paused_ns += now - state.paused_since_ns;
        if self.bug == Some(WorldBug::ClockStopsInPause) {
            state.clock.set_stopped(now, false);
        }
        let backlog = std::mem::take(&mut state.backlog);
        // Whether its storage is still its own is the first thing that a process looks at.
        let (claims, backlog): (Vec<Happening>, Vec<Happening>) = backlog
            .into_iter()
            .partition(|happening| is_replacement(*happening));
        for claim in claims {
            self.happen(claim);
        }
        let runs: Vec<u32> = self.members[usize::from(member)].runs().collect();
        let is_unasked = self.bug == Some(WorldBug::NoLeaseCheckAfterPause);
        for run in runs {
            self.forward_all(run, is_unasked);
        }
        let bits = self.entropy.draw(Purpose::PauseEnd, u64::from(member), now);
        let is_buffer_lost = below(bits, 4) == 0;
        for happening in backlog {
            match happening {
                Happening::MessageArrives { flight } if is_buffer_lost => {
                    self.network.arrive(flight);
                }
                _ => self.push(now, happening),
            }
        }
        self.set_timers(member);
        if bits & 1 == 0 {
            let runs: Vec<u32> = self.members[usize::from(member)].runs().collect();
            self.timers
                .iter_mut()
                .filter(|t| runs.contains(&t.run))
                .for_each(|t| t.at_ns = t.at_ns.max(now + 1));
        }
        self.arm_guard(member);
    }

    /// Sets the timers of a member's processes anew: its clock or its state has changed.
    pub(super) fn set_timers(&mut self, member: u8) {
        let runs: Vec<u32> = self.members[usize::from(member)].runs().collect();
        for run in runs {
            self.set_timer(run);
        }
    }

    pub(super) fn set_timer(&mut self, run: u32) {
        let state = &self.runs[run as usize];
        let member = state.member;
        let at_ns = match state.wake {
            Some(wake) if self.members[usize::from(member)].paused == 0 => {
                let bits = self.entropy.draw(Purpose::Timer, u64::from(run), wake.as_nanos());
                let late_ns = if bits & 31 == 0 { 20 * MS } else { MS };
                self.when(member, wake).saturating_add(below(bits, late_ns))
            }
            _ => u64::MAX,
        };
        if let Some(timer) = self.timers.iter_mut().find(|timer| timer.run == run) {
            timer.at_ns = at_ns;
        }
    }

    pub(super) fn configuration_is_mended(&mut self, member: u8) {
        self.members[usize::from(member)].has_wrong_configuration = false;
        self.kill_member(member, "its configuration is mended");
        self.start_if_due(member);
    }
}

fn is_replacement(happening: Happening) -> bool {
    matches!(
        happening,
        Happening::DiskAnswers {
            answer: DiskAnswer::Replaced,
            ..
        }
    )
}
