//! Sessions while they last: bytes, refreshes, and their end, by themselves or because a director wants it.

use maildirector::director::{Director, Door, Input};
use maildirector::topology::{BackendId, UserId};

use super::doors::{Eviction, Refresher, Session};
use super::happening::Happening;
use super::member::Closing;
use super::note::Note;
use super::scene::{MS, World};
use crate::bug::WorldBug;
use crate::checkers::{Broken, Seen, Side, no_split, split_explained};
use crate::coverage::State;
use crate::entropy::{Purpose, below};
use crate::knobs::PolicyKnob;
use crate::marks::Mark;
use crate::outcome::Invariant;

impl World<'_> {
    pub(super) fn director(&self, run: u32) -> Option<&Director> {
        self.runs[run as usize].director.as_deref()
    }

    /// How a session stands at this moment.
    fn seen(&self, session: &Session, is_unasked: bool) -> Seen {
        let keeper = self.keeper_of(session);
        let may_forward = match session.door {
            Door::Refreshing => true,
            Door::Exact => {
                let local = self.local(session.member);
                let may = match keeper {
                    Some(keeper) => local < keeper.until || self.bug == Some(WorldBug::KeeperOutlivesLease),
                    None => self
                        .director(session.run)
                        .is_some_and(|director| director.may_forward(local)),
                };
                !session.is_fenced && may
            }
        };
        let state = &self.members[usize::from(session.member)];
        let is_awake = session.door == Door::Refreshing
            || state.paused == 0
            || (keeper.is_some() && state.are_keepers_awake);
        Seen {
            member: session.member,
            backend: session.backend_number,
            is_able: (may_forward && is_awake) || is_unasked,
            is_open: may_forward || is_unasked,
        }
    }

    /// A session is there, or has a byte. `is_unasked`: its door forwards without asking for the lease.
    pub(super) fn session_forwards(&mut self, slot: u32, is_unasked: bool) {
        let session = self.doors.session(slot);
        let one = self.seen(session, is_unasked);
        let mut result = Ok(());
        for other in self.doors.of_person(session.person) {
            let other = self.doors.session(*other);
            if other.user != session.user || other.backend_number == session.backend_number {
                continue;
            }
            let seen = self.seen(other, false);
            let judged = match self.knobs().policy {
                PolicyKnob::Consistent => no_split(session.person, one, seen),
                PolicyKnob::Available => match no_split(session.person, one, seen) {
                    Ok(()) => Ok(()),
                    Err(_) => split_explained(session.user, self.side(session), self.side(other)),
                },
            };
            if judged.is_err() {
                result = judged;
            }
        }
        self.check(result);
    }

    fn side(&self, session: &Session) -> Side<'_> {
        let director = self.director(session.run);
        let is_closing = |director: &Director| {
            director
                .holds()
                .find(session.user)
                .is_none_or(|hold| hold.is_evicting || hold.backend != session.backend)
        };
        Side {
            member: session.member,
            backend: session.backend,
            topology: director
                .filter(|director| !is_closing(director))
                .map(|director| &**director.topology()),
        }
    }

    pub(super) fn schedule_byte(&mut self, session: u32, number: u32) {
        let count = self.doors.session(session).bytes;
        let gap_ns = (self.knobs().session_ms * MS / 2) << count.min(4);
        let bits = self
            .entropy
            .draw(Purpose::Byte, u64::from(number), u64::from(count));
        self.push(
            self.now + 1_000 + below(bits, gap_ns + 1),
            Happening::ByteComes { session, number },
        );
    }

    pub(super) fn byte_comes(&mut self, slot: u32, number: u32) {
        if self.doors.find(slot, number).is_none() {
            return;
        }
        self.forward(slot, false);
        self.doors.session_mut(slot).bytes += 1;
        self.schedule_byte(slot, number);
    }

    /// The client has sent something; its door forwards it if it may.
    pub(super) fn forward(&mut self, slot: u32, is_unasked: bool) {
        let session = self.doors.session(slot);
        let (run, member) = (session.run, session.member);
        let (person, backend, door) = (session.person, session.backend_number, session.door);
        let keeper = self.keeper_of(session).copied();
        if !self.seen(session, is_unasked).is_able {
            self.mark(Mark::ByteFenced);
            return;
        }
        self.counters.bytes_forwarded += 1;
        self.note(Note::Byte {
            member,
            person,
            backend,
        });
        self.session_forwards(slot, is_unasked);
        match keeper {
            Some(keeper) => self.kept_served(keeper, member),
            None => self.served(run, door),
        }
    }

    /// Every session of a process has something to forward at this moment.
    pub(super) fn forward_all(&mut self, run: u32, is_unasked: bool) {
        let member = self.runs[run as usize].member;
        for at in 0..self.doors.of_member(member).len() {
            let slot = self.doors.of_member(member)[at];
            let session = self.doors.session(slot);
            if session.run == run && session.door == Door::Exact && !session.is_fenced {
                self.forward(slot, is_unasked);
            }
        }
    }

    /// The client goes.
    pub(super) fn session_ends(&mut self, slot: u32, number: u32) {
        let Some(session) = self.doors.find(slot, number).cloned() else {
            return;
        };
        let Session {
            run, member, serial, ..
        } = session;
        if session.door == Door::Refreshing {
            self.close(slot, "the client goes");
            return;
        }
        if self.is_put_off(
            member,
            Happening::SessionEnds {
                session: slot,
                number,
            },
        ) {
            return;
        }
        self.close(slot, "the client goes");
        let is_evicting = self
            .doors
            .evictions
            .iter()
            .any(|e| e.is_pending && e.run == run && e.serial == serial);
        if session.is_fenced || is_evicting {
            return;
        }
        if self.keeper_of(&session).is_some() {
            return self.end_is_on_its_way(&session);
        }
        self.end_is_told(run, session.person, session.user, serial);
    }

    /// A process hears that a session has ended.
    pub(super) fn end_is_told(&mut self, run: u32, person: u32, user: UserId, serial: u32) {
        let member = self.runs[run as usize].member;
        let told = Happening::EndIsTold {
            run,
            person,
            user,
            serial,
        };
        if self.is_put_off(member, told) {
            return;
        }
        self.note(Note::SessionEnded { member, person });
        self.give(run, Input::SessionEnded { user, serial }, Some(user));
    }

    pub(super) fn close(&mut self, slot: u32, why: &'static str) {
        self.count_closed(slot, why);
        let session = self.doors.session(slot);
        let note = Note::SessionClosed {
            member: session.member,
            person: session.person,
            backend: session.backend_number,
            why,
        };
        self.note(note);
        if let Some(recorder) = &mut self.recorder {
            recorder.session_closed(self.now, self.doors.session(slot).number, why);
        }
        self.doors.close(slot);
    }

    /// Closes every session of a member for which `is_meant` holds.
    pub(super) fn close_where(&mut self, member: u8, why: &'static str, is_meant: impl Fn(&Session) -> bool) {
        let mut at = 0;
        while let Some(&slot) = self.doors.of_member(member).get(at) {
            if is_meant(self.doors.session(slot)) {
                self.close(slot, why);
            } else {
                at += 1;
            }
        }
    }

    /// A refreshing door says now and then that a user is there, as long as he is.
    pub(super) fn refresh_while_there(&mut self, member: u8, person: u32, user: UserId) {
        let refreshers = &mut self.doors.refreshers;
        if refreshers
            .iter()
            .any(|r| r.is_on && r.member == member && r.user == user)
        {
            return;
        }
        let refresher = Refresher {
            is_on: true,
            member,
            person,
            user,
        };
        let slot = match refreshers.iter().position(|r| !r.is_on) {
            Some(slot) => {
                refreshers[slot] = refresher;
                slot
            }
            None => {
                refreshers.push(refresher);
                refreshers.len() - 1
            }
        };
        let bits = self
            .entropy
            .draw(Purpose::Refresh, u64::from(member), self.events);
        let at_ns = self.now + 1 + below(bits, self.refresh_every_ns);
        self.push(
            at_ns,
            Happening::RefreshIsDue {
                refresher: slot as u32,
            },
        );
    }

    pub(super) fn refresh_is_due(&mut self, slot: u32) {
        let Refresher {
            member, person, user, ..
        } = self.doors.refreshers[slot as usize];
        let is_there = self.doors.of_person(person).iter().any(|session| {
            let session = self.doors.session(*session);
            session.member == member && session.user == user && session.door == Door::Refreshing
        });
        if !is_there {
            self.doors.refreshers[slot as usize].is_on = false;
            return;
        }
        self.push(
            self.now + self.refresh_every_ns,
            Happening::RefreshIsDue { refresher: slot },
        );
        let state = &self.members[usize::from(member)];
        if state.paused > 0 {
            return;
        }
        if let Some(run) = state.runs().next() {
            self.note(Note::Refresh { member, person });
            self.give(run, Input::Refresh { user }, Some(user));
        }
    }

    /// How long the doors of this member take to close something.
    fn closing_ns(&self, member: u8, is_refreshing: bool, is_exact: bool) -> u64 {
        let index = usize::from(member);
        let bits = self
            .entropy
            .draw(Purpose::Closing, u64::from(member), self.events);
        let knobs = &self.knobs().members[index];
        // As late as it may be by any clock within the bound.
        let bound_ns =
            knobs.close_bound_ms * MS / 1_000_000 * (1_000_000 - u64::from(self.knobs().drift_ppm));
        let kick_ns = if is_refreshing {
            below(bits, bound_ns + 1)
        } else {
            0
        };
        let slow_ns = self.members[index].evict_slow_ns;
        let slow_ns = if is_exact && slow_ns > 0 {
            below(bits, slow_ns + 1)
        } else {
            0
        };
        kick_ns.max(slow_ns)
    }

    pub(super) fn evict_wanted(&mut self, run: u32, user: UserId, backend: BackendId, serial: u32) {
        let member = self.runs[run as usize].member;
        let is_known = |e: &Eviction| e.is_pending && e.run == run && e.user == user && e.serial == serial;
        if self.doors.evictions.iter().any(is_known) {
            self.mark(Mark::EvictionRepeated);
            return;
        }
        let Some(person) = self.people.of_key(user.key) else {
            return;
        };
        self.counters.evictions += 1;
        self.note(Note::EvictWanted {
            member,
            person,
            backend: backend.index(),
            serial,
        });
        let (mut doors, mut is_kept) = ((false, false), false);
        for slot in self.doors.of_person(person) {
            let session = self.doors.session(*slot);
            if session.member == member && session.user == user {
                doors.0 |= session.door == Door::Refreshing;
                if session.door == Door::Exact && session.run == run && session.serial == serial {
                    doors.1 = true;
                    is_kept |= self.keeper_of(session).is_some();
                }
            }
        }
        let number = self.doors.next_number();
        let mut closing_ns = self.closing_ns(member, doors.0, doors.1);
        if is_kept {
            self.mark(Mark::KeeperEvicts);
            closing_ns = closing_ns.max(self.keeper_closing_ns(member));
        }
        if self.bug == Some(WorldBug::EvictionConfirmedEarly) && (doors.0 || doors.1) {
            closing_ns += 300 * MS;
        }
        let eviction = self.doors.evict(Eviction {
            number,
            is_pending: true,
            run,
            person,
            user,
            backend,
            serial,
        });
        if closing_ns == 0 {
            self.eviction_is_done(eviction, number);
            return;
        }
        self.mark(Mark::EvictionTakesTime);
        self.states.enter(self.now, member, State::Evicting);
        if self.bug == Some(WorldBug::EvictionConfirmedEarly) {
            self.push(self.now + 1_000, Happening::EvictedIsSaid { eviction, number });
        }
        self.push(
            self.now + closing_ns,
            Happening::EvictionIsDone { eviction, number },
        );
    }

    pub(super) fn eviction_is_done(&mut self, slot: u32, number: u32) {
        let eviction = self.doors.evictions[slot as usize];
        if eviction.number != number || !eviction.is_pending {
            return;
        }
        let Eviction {
            run,
            person,
            user,
            backend,
            serial,
            ..
        } = eviction;
        let member = self.runs[run as usize].member;
        let mut at = 0;
        while let Some(&slot) = self.doors.of_person(person).get(at) {
            let session = self.doors.session(slot);
            let is_meant = match session.door {
                Door::Exact => session.run == run && session.serial == serial,
                Door::Refreshing => session.backend == backend,
            };
            if session.member == member && session.user == user && is_meant {
                self.close(slot, "evicted");
            } else {
                at += 1;
            }
        }
        if self.bug == Some(WorldBug::EvictionConfirmedEarly) {
            self.doors.evictions[slot as usize].is_pending = false;
            self.evicted(eviction);
            return;
        }
        self.push(
            self.now + 1_000,
            Happening::EvictedIsSaid {
                eviction: slot,
                number,
            },
        );
    }

    pub(super) fn evicted_is_said(&mut self, slot: u32, number: u32) {
        let eviction = self.doors.evictions[slot as usize];
        if eviction.number != number || !eviction.is_pending {
            return;
        }
        let member = self.runs[eviction.run as usize].member;
        if self.is_put_off(
            member,
            Happening::EvictedIsSaid {
                eviction: slot,
                number,
            },
        ) {
            return;
        }
        if self.bug != Some(WorldBug::EvictionConfirmedEarly) {
            self.doors.evictions[slot as usize].is_pending = false;
        }
        self.evicted(eviction);
    }

    fn evicted(&mut self, eviction: Eviction) {
        let Eviction {
            run,
            person,
            user,
            serial,
            ..
        } = eviction;
        let member = self.runs[run as usize].member;
        self.states.leave(member, State::Evicting.bit());
        self.note(Note::EvictedSaid {
            member,
            person,
            serial,
        });
        self.give(run, Input::Evicted { user, serial }, Some(user));
    }

    pub(super) fn close_all_wanted(&mut self, run: u32, term: u32) {
        let member = self.runs[run as usize].member;
        if self.runs[run as usize]
            .closing
            .is_some_and(|closing| closing.term == term)
        {
            return;
        }
        self.note(Note::CloseAllWanted { member, term });
        self.states.enter(self.now, member, State::ClosingAll);
        self.runs[run as usize].closing = Some(Closing {
            term,
            demanded_ns: self.now,
        });
        let (mut doors, mut is_kept) = ((false, false), false);
        for at in 0..self.doors.of_member(member).len() {
            let slot = self.doors.of_member(member)[at];
            let session = self.doors.session(slot);
            if session.door == Door::Refreshing {
                doors.0 = true;
            } else if session.run == run {
                doors.1 = true;
                // An old process goes on until it has heard of it.
                if self.keeper_of(session).is_some() {
                    is_kept = true;
                } else {
                    self.doors.session_mut(slot).is_fenced = true;
                }
            }
        }
        let mut closing_ns = self.closing_ns(member, doors.0, doors.1);
        if is_kept {
            self.mark(Mark::KeeperClosesAll);
            closing_ns = closing_ns.max(self.keeper_closing_ns(member));
        }
        if closing_ns == 0 {
            self.close_all_is_done(run, term);
        } else {
            self.mark(Mark::CloseAllTakesTime);
            self.push(self.now + closing_ns, Happening::CloseAllIsDone { run, term });
        }
    }

    pub(super) fn close_all_is_done(&mut self, run: u32, term: u32) {
        let member = self.runs[run as usize].member;
        let Some(closing) = self.runs[run as usize]
            .closing
            .filter(|closing| closing.term == term)
        else {
            return;
        };
        self.close_where(member, "all closed", |session| {
            (session.door == Door::Refreshing || session.run == run)
                && session.opened_ns <= closing.demanded_ns
        });
        self.push(self.now + 1_000, Happening::AllClosedIsSaid { run, term });
    }

    pub(super) fn all_closed_is_said(&mut self, run: u32, term: u32) {
        let member = self.runs[run as usize].member;
        if self.is_put_off(member, Happening::AllClosedIsSaid { run, term }) {
            return;
        }
        let closing = &mut self.runs[run as usize].closing;
        if closing.is_some_and(|closing| closing.term == term) {
            *closing = None;
            self.states.leave(member, State::ClosingAll.bit());
            self.note(Note::AllClosedSaid { member, term });
            self.give(run, Input::AllClosed { term }, None);
        }
    }

    pub(super) fn close_stray_wanted(&mut self, run: u32, user: UserId) {
        let member = self.runs[run as usize].member;
        let Some(person) = self.people.of_key(user.key) else {
            return;
        };
        self.note(Note::StrayWanted { member, person });
        let words =
            format!("member {member} has forgotten user{person}, who has sessions in its login processes");
        self.check(Err(Broken::new(Invariant::Holds, words)));
        let after_ns = self.closing_ns(member, true, false);
        self.push(self.now + after_ns, Happening::StrayIsClosed { member, person });
    }

    pub(super) fn stray_is_closed(&mut self, member: u8, person: u32) {
        self.close_where(member, "stray", |session| {
            session.door == Door::Refreshing && session.person == person
        });
    }
}
