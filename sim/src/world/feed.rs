//! The way into a machine and out of it: one input, then everything that it wants done.

use maildirector::agreement::{Body, Envelope};
use maildirector::director::{Input, Output};
use maildirector::topology::UserId;

use super::happening::{DiskAnswer, Happening};
use super::note::{Fate, Message, Note};
use super::scene::{MS, World};
use crate::bug::WorldBug;
use crate::checkers::{busy_loop, quiet_login};
use crate::coverage::State;
use crate::entropy::{Purpose, below};
use crate::marks::Mark;

impl World<'_> {
    /// Gives a living process one input and does what it wants.
    pub(super) fn give(&mut self, run: u32, input: Input<'_>, touched: Option<UserId>) {
        let member = self.runs[run as usize].member;
        let local = self.local(member);
        let is_quiet = matches!(
            input,
            Input::Login { .. } | Input::SessionEnded { .. } | Input::Refresh { .. }
        );
        let state = &mut self.runs[run as usize];
        let Some(director) = &mut state.director else {
            return;
        };
        self.events += 1;
        let mut out = std::mem::take(&mut self.out);
        director.handle(local, input, &mut out);
        if is_quiet && state.wake.is_none_or(|wake| wake > local) {
            let result = quiet_login(member, &out);
            self.check(result);
        }
        self.perform(run, &mut out);
        self.out = out;
        self.look(run, touched);
    }

    pub(super) fn tick(&mut self, run: u32) {
        let member = self.runs[run as usize].member;
        self.note(Note::Tick { member });
        self.give(run, Input::Tick, None);
        let local = self.local(member);
        let state = &mut self.runs[run as usize];
        if state.wake.is_none_or(|wake| wake > local) {
            state.idle_ticks = 0;
            return;
        }
        state.idle_ticks += 1;
        let idle_ticks = state.idle_ticks;
        self.check(busy_loop(member, idle_ticks));
        if let Some(timer) = self.timers.iter_mut().find(|timer| timer.run == run) {
            timer.at_ns = timer.at_ns.max(self.now + MS / 10);
        }
    }

    /// Does everything that a process wants, and leaves the list empty.
    pub(super) fn perform(&mut self, run: u32, out: &mut Vec<Output>) {
        let member = self.runs[run as usize].member;
        for output in out.drain(..) {
            match output {
                Output::Route {
                    token,
                    user,
                    backend,
                    serial,
                } => {
                    self.routed(run, token, user, backend, serial);
                }
                Output::Refuse { token, reason } => self.refused(run, token, reason),
                Output::Evict {
                    user,
                    backend,
                    serial,
                } => self.evict_wanted(run, user, backend, serial),
                Output::CloseAll { term } => self.close_all_wanted(run, term),
                Output::CloseStray { user } => self.close_stray_wanted(run, user),
                Output::Send { to, envelope } => {
                    self.state_by_sending(member, &envelope.body);
                    if usize::from(to.index()) < self.members.len() {
                        self.send(run, to.index() as u8, envelope);
                    }
                }
                Output::Flood(envelope) => {
                    self.state_by_sending(member, &envelope.body);
                    self.drain_is_proposed(run, &envelope);
                    self.flood(run, envelope);
                }
                Output::Save { number, record } => self.save_wanted(run, number, record),
                Output::Reply { id, result } => self.command_replied(run, id, result),
                Output::DryRunReply { id, result } => self.dry_run_replied(run, id, &result),
                Output::Event(event) => self.said(member, &event),
                Output::Halt => self.halted(run),
                // No admin here kicks by what a passdb said, or lists the users of others.
                Output::KickWith(_) | Output::HeldListed { .. } => {}
                Output::Flush { user, to, .. } => self.flush_wanted(run, user, to),
            }
        }
    }

    fn send(&mut self, run: u32, to: u8, envelope: Envelope) {
        self.counters.messages_sent += 1;
        let message = Message::of(&envelope);
        self.record_sending(&envelope);
        let queue = &mut self.queue;
        let fate = self
            .network
            .send(self.now, to, message, envelope, |at_ns, flight| {
                queue.push(at_ns, Happening::MessageArrives { flight });
            });
        debug_assert_eq!(
            message.from(),
            self.runs[run as usize].member,
            "a member speaks for itself"
        );
        match fate {
            Fate::Arrives => {}
            Fate::ArrivesTwice => self.mark(Mark::MessageDoubled),
            Fate::Held => self.mark(Mark::MessageHeld),
            Fate::Lost => self.mark(Mark::MessageLost),
        }
        self.note(Note::Sent { to, message, fate });
        self.record_sent(message.from(), to);
    }

    fn flood(&mut self, run: u32, envelope: Envelope) {
        let from = self.runs[run as usize].member;
        if let Body::Renew(renew) = &envelope.body {
            self.lease_asked(run, renew.nonce);
        }
        let mut others = (0..self.members.len() as u8).filter(|to| *to != from);
        let last = others.next_back();
        for to in others {
            self.send(run, to, envelope.clone());
        }
        if let Some(to) = last {
            self.send(run, to, envelope);
        }
    }

    /// A message is there: for the process of that member, or for one of two.
    pub(super) fn message_arrives(&mut self, flight: u32) {
        let Some(flight) = self.network.arrive(flight) else {
            self.mark(Mark::MessageLost);
            return;
        };
        let to = flight.to;
        if let Some(recorder) = &mut self.recorder {
            recorder.arriving(flight.from, to, flight.n);
        }
        let member = &self.members[usize::from(to)];
        if member.paused > 0 {
            let flight = self.network.keep(flight);
            self.members[usize::from(to)]
                .backlog
                .push(Happening::MessageArrives { flight });
            return;
        }
        let envelope = flight.envelope;
        match (member.current, member.old) {
            (Some(current), None) => self.hand_over(current, to, envelope),
            (Some(current), Some(old)) => {
                let coin = below(
                    self.entropy
                        .draw(Purpose::TwoProcesses, u64::from(to), self.events),
                    4,
                );
                match coin {
                    0 => self.hand_over(old, to, envelope),
                    1 => {
                        self.hand_over(old, to, envelope.clone());
                        self.hand_over(current, to, envelope);
                    }
                    _ => self.hand_over(current, to, envelope),
                }
            }
            (None, Some(old)) => self.hand_over(old, to, envelope),
            (None, None) => {}
        }
    }

    fn hand_over(&mut self, run: u32, to: u8, envelope: Envelope) {
        self.counters.messages_delivered += 1;
        self.note(Note::Arrived {
            to,
            message: Message::of(&envelope),
        });
        if let Body::Grant { boot, nonce } = envelope.body
            && boot == self.runs[run as usize].boot
        {
            self.leases[run as usize].granted(nonce, envelope.from);
        }
        self.state_by_hearing(to, &envelope.body);
        self.give(run, Input::Message(envelope), None);
    }

    fn save_wanted(
        &mut self,
        run: u32,
        number: u64,
        record: std::sync::Arc<maildirector::agreement::Record>,
    ) {
        self.counters.saves += 1;
        let member = self.runs[run as usize].member;
        self.note(Note::SaveWanted { member, number });
        self.states.enter(self.now, member, State::Saving);
        if self.members[usize::from(member)].disk_broken > 0 {
            let answer = DiskAnswer::Failed;
            self.push(self.now + MS, Happening::DiskAnswers { run, number, answer });
            return;
        }
        if self.bug == Some(WorldBug::UnsyncedStorageAnswered) {
            let answer = DiskAnswer::Saved;
            self.push(self.now + 1_000, Happening::DiskAnswers { run, number, answer });
        }
        if let Some(write) = self.members[usize::from(member)]
            .storage
            .save(run, number, record)
        {
            self.schedule_write(member, write);
        }
    }

    fn schedule_write(&mut self, member: u8, write: u32) {
        let slow_ns = self.members[usize::from(member)].disk_slow_ns;
        let usual_ns = self.knobs().disk_us * 1_000;
        let lazy_ns = if self.bug == Some(WorldBug::UnsyncedStorageAnswered) {
            5_000 * MS
        } else {
            0
        };
        let bits = self
            .entropy
            .draw(Purpose::Disk, u64::from(member), u64::from(write));
        let at_ns = self.now + 20_000 + below(bits, usual_ns + slow_ns + lazy_ns + 1);
        self.push(at_ns, Happening::DiskIsDone { member, write });
    }

    pub(super) fn disk_is_done(&mut self, member: u8, write: u32) {
        let storage = &mut self.members[usize::from(member)].storage;
        let runs = &self.runs;
        let Some((write, is_own, version)) = storage.done(write, |run| runs[run as usize].storage_version)
        else {
            return;
        };
        let next = storage.start_next();
        if is_own {
            self.runs[write.run as usize].storage_version = version;
        }
        let answer = if is_own {
            DiskAnswer::Saved
        } else {
            DiskAnswer::Replaced
        };
        if self.bug != Some(WorldBug::UnsyncedStorageAnswered) || !is_own {
            self.disk_answers(write.run, write.number, answer);
        }
        if let Some(next) = next {
            self.schedule_write(member, next);
        }
    }

    pub(super) fn disk_answers(&mut self, run: u32, number: u64, answer: DiskAnswer) {
        let member = self.runs[run as usize].member;
        if self.runs[run as usize].director.is_none() {
            return;
        }
        if self.is_put_off(member, Happening::DiskAnswers { run, number, answer }) {
            return;
        }
        self.states.leave(member, State::Saving.bit());
        let is_replaced = answer == DiskAnswer::Replaced;
        if answer == DiskAnswer::Saved {
            self.note(Note::Saved { member, number });
            self.give(run, Input::Saved { number }, None);
        } else {
            self.mark(if is_replaced {
                Mark::RunReplaced
            } else {
                Mark::SaveFailed
            });
            self.note(Note::SaveFailed { member, is_replaced });
            self.give(run, Input::SaveFailed { is_replaced }, None);
        }
    }

    /// A paused process takes nothing in; what reaches it is kept for later.
    pub(super) fn is_put_off(&mut self, member: u8, happening: Happening) -> bool {
        let member = &mut self.members[usize::from(member)];
        if member.paused > 0 {
            member.backlog.push(happening);
        }
        member.paused > 0
    }
}
