//! Users who come: when, where, with how many others of themselves; and what they are told.

use maildirector::director::{Door, Input, LoginToken, RefuseReason};
use maildirector::topology::{BackendId, TagId, UserId};

use super::doors::{Login, Session};
use super::happening::Happening;
use super::note::Note;
use super::people::{SECOND_TAG, backend_number};
use super::scene::{MS, World};
use crate::arrivals::Arrival;
use crate::checkers::{Usage, answered_once, flush_first, within_limits};
use crate::entropy::{Purpose, below};
use crate::knobs::Doors;
use crate::marks::Mark;
use crate::waits::Fate;

/// Users try so often elsewhere when they are refused.
const TRIES_MAX: u8 = 2;

/// Who it is that logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody, once.
    Anybody,
    /// Somebody who wants to see whether a core that must recover answers.
    Probe,
    /// Somebody who comes again and again, to see how long he is without service.
    Patron,
}

/// A wish to log in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) person: u32,
    pub(super) is_second_tag: bool,
    pub(super) session_ns: u64,
    pub(super) tries: u8,
    pub(super) caller: Caller,
}

impl World<'_> {
    /// The n-th generated login, and the time of the next one.
    pub(super) fn login_is_generated(&mut self, n: u64) {
        if self.recovery.has_begun() {
            return;
        }
        let knobs = self.knobs();
        let arrival = Arrival::draw(self.entropy, knobs, n);
        self.queue.push(
            self.now + arrival.gap_ns,
            Happening::LoginIsGenerated { n: n + 1 },
        );
        let wish = Wish {
            person: arrival.person,
            is_second_tag: arrival.is_second_tag,
            session_ns: arrival.session_ns,
            tries: 0,
            caller: Caller::Anybody,
        };
        for member in arrival.members(knobs) {
            self.log_in(member, wish);
        }
    }

    /// Somebody connects to a member.
    pub(super) fn log_in(&mut self, member: u8, wish: Wish) {
        self.counters.logins += 1;
        if let (Some(tally), false) = (&mut self.counted, wish.caller == Caller::Probe) {
            tally.asked();
        }
        let door = self.door_of(member);
        let login = Login {
            number: 0,
            is_waiting: true,
            member,
            run: None,
            person: wish.person,
            is_second_tag: wish.is_second_tag,
            door,
            session_ns: wish.session_ns,
            asked_ns: self.now,
            asked_awake_ns: self.members[usize::from(member)].awake_ns(self.now),
            row: self.causes.row(self.now, member, wish.person),
            tries: wish.tries,
            caller: wish.caller,
        };
        let (slot, token) = self.doors.ask(login);
        self.note(Note::LoginAsked {
            member,
            person: wish.person,
            token: token.0,
        });
        let number = (token.0 >> 32) as u32;
        self.login_arrives(slot, number);
    }

    fn door_of(&self, member: u8) -> Door {
        match self.knobs().members[usize::from(member)].doors {
            Doors::Exact => Door::Exact,
            Doors::Refreshing => Door::Refreshing,
            Doors::Both => {
                let coin = self.entropy.draw(Purpose::Login, 0, self.counters.logins);
                if coin & 1 == 0 {
                    Door::Exact
                } else {
                    Door::Refreshing
                }
            }
        }
    }

    pub(super) fn login_arrives(&mut self, slot: u32, number: u32) {
        let Some(login) = self.doors.login(slot, number).copied() else {
            return;
        };
        if self.is_put_off(login.member, Happening::LoginArrives { login: slot, number }) {
            return;
        }
        let mut runs = self.members[usize::from(login.member)].runs();
        let (newest, older) = (runs.next(), runs.next());
        let coin = self.entropy.draw(Purpose::TwoProcesses, 1, u64::from(number));
        let Some(run) = older.filter(|_| coin & 1 == 0).or(newest) else {
            self.doors.answer(super::doors::token(slot, number));
            self.login_is_lost(&login);
            return;
        };
        self.doors.login_mut(slot).run = Some(run);
        let person = self.people.person(login.person).clone();
        let tag = if login.is_second_tag { SECOND_TAG } else { "" };
        let input = Input::Login {
            token: super::doors::token(slot, number),
            key: person.key,
            tag,
            name: &person.name,
            door: login.door,
        };
        let tag = match &self.runs[run as usize].director {
            Some(director) if login.is_second_tag => director.topology().tag(SECOND_TAG),
            _ => Some(TagId::DEFAULT),
        };
        self.give(run, input, tag.map(|tag| UserId { key: person.key, tag }));
        if let Some(director) = &self.runs[run as usize].director {
            let usage = Usage {
                member: login.member,
                used: director.limits_used(),
            };
            let result = within_limits(usage, &self.limits);
            self.check(result);
        }
    }

    fn login_is_lost(&mut self, login: &Login) {
        self.note(Note::LoginLost {
            member: login.member,
            person: login.person,
        });
        self.mark(Mark::LoginLost);
        self.count_wait(login, Fate::Lost);
        self.was_refused(login, false);
    }

    /// Every login that waits for a dead process is lost with it.
    pub(super) fn lose_logins_of(&mut self, run: u32) {
        let lost: Vec<LoginToken> = self
            .doors
            .waiting()
            .filter(|(_, login)| login.run == Some(run))
            .map(|(token, _)| token)
            .collect();
        for token in lost {
            if let Some(login) = self.doors.answer(token) {
                self.login_is_lost(&login);
            }
        }
    }

    pub(super) fn routed(
        &mut self,
        run: u32,
        token: LoginToken,
        user: UserId,
        backend: BackendId,
        serial: u32,
    ) {
        let login = self.doors.answer(token);
        self.check(answered_once(token, run, login.map(|login| login.run)));
        let Some(login) = login else {
            return;
        };
        let Login { member, person, .. } = login;
        self.counters.routed += 1;
        let waited_ns = self.now - login.asked_ns;
        if waited_ns > 0 {
            self.mark(Mark::WaitedThenRouted);
        }
        self.count_wait(&login, Fate::Routed(waited_ns));
        self.note(Note::Routed {
            member,
            person,
            backend: backend.index(),
            serial,
            token: token.0,
        });
        self.route_is_right(run, user, backend);
        self.check(flush_first(user, self.flushing.contains(&(run, user))));
        let backend_number = self.number_of(run, backend);
        let number = self.doors.next_number();
        let session = Session {
            number,
            is_open: true,
            door: login.door,
            member,
            run,
            process: run,
            person,
            user,
            backend,
            serial,
            is_fenced: false,
            backend_number,
            opened_ns: self.now,
            bytes: 0,
        };
        self.count_opened(&session);
        let slot = self.doors.open(session);
        self.record_session(slot);
        self.session_forwards(slot, false);
        let is_dead = self
            .is_backend_dead
            .get(backend_number as usize)
            .is_some_and(|is_dead| *is_dead);
        let ends_ns = if is_dead { MS } else { login.session_ns };
        self.push(
            self.now + ends_ns,
            Happening::SessionEnds {
                session: slot,
                number,
            },
        );
        self.schedule_byte(slot, number);
        if login.door == Door::Refreshing {
            self.refresh_while_there(member, person, user);
        }
        match login.caller {
            Caller::Anybody => {}
            Caller::Probe => self.probe_answered(member, person),
            Caller::Patron => {
                let is_reached = !is_dead && self.members[usize::from(member)].cables_broken == 0;
                self.patron_is_told(person, login.asked_ns, is_reached);
            }
        }
    }

    fn count_wait(&mut self, login: &Login, fate: Fate) {
        self.waits.count(login.row, fate);
        if let (Some(tally), false) = (&mut self.counted, login.caller == Caller::Probe) {
            tally.answered(login.row, fate);
        }
    }

    fn number_of(&self, run: u32, backend: BackendId) -> u32 {
        let director = self.runs[run as usize].director.as_ref();
        let backend = director.and_then(|director| director.topology().backend(backend));
        backend.map_or(u32::MAX, |backend| backend_number(backend.ip))
    }

    pub(super) fn refused(&mut self, run: u32, token: LoginToken, reason: RefuseReason) {
        let login = self.doors.answer(token);
        self.check(answered_once(token, run, login.map(|login| login.run)));
        let Some(login) = login else {
            return;
        };
        self.counters.refused += 1;
        self.count_wait(&login, Fate::Refused);
        let (mark, why) = match reason {
            RefuseReason::UnknownTag => (Mark::RefusedTag, "unknown tag"),
            RefuseReason::NoBackend { .. } => (Mark::RefusedNoBackend, "no backend"),
            RefuseReason::Isolated { .. } | RefuseReason::NotADirector => (Mark::RefusedIsolated, "isolated"),
            RefuseReason::Frozen { .. } => (Mark::RefusedFrozen, "frozen"),
            _ => (Mark::RefusedTooMany, "too many"),
        };
        self.mark(mark);
        self.note(Note::Refused {
            member: login.member,
            person: login.person,
            why,
        });
        let is_lasting = !matches!(
            reason,
            RefuseReason::Isolated { .. } | RefuseReason::NotADirector | RefuseReason::Frozen { .. }
        );
        self.was_refused(&login, is_lasting);
    }

    fn was_refused(&mut self, login: &Login, is_lasting: bool) {
        match login.caller {
            Caller::Anybody => self.try_again(login),
            Caller::Probe => self.probe_refused(login, is_lasting),
            Caller::Patron => self.patron_is_told(login.person, login.asked_ns, false),
        }
    }

    fn try_again(&mut self, login: &Login) {
        if login.tries >= TRIES_MAX || self.recovery.has_begun() {
            return;
        }
        let after_ns = below(
            self.entropy.draw(Purpose::Retry, 0, u64::from(login.number)),
            1_000 * MS,
        );
        let retry = Happening::LoginIsRetried {
            person: login.person,
            tries: login.tries + 1,
            is_second_tag: login.is_second_tag,
            session_ms: (login.session_ns / MS) as u32,
        };
        self.push(self.now + after_ns, retry);
    }

    pub(super) fn login_is_retried(&mut self, person: u32, tries: u8, is_second_tag: bool, session_ms: u32) {
        if self.recovery.has_begun() {
            return;
        }
        let bits = self.entropy.draw(Purpose::Retry, 1, self.events);
        let member = below(bits, self.members.len() as u64) as u8;
        if self.knobs().members[usize::from(member)].serves {
            let session_ns = u64::from(session_ms) * MS;
            self.log_in(
                member,
                Wish {
                    person,
                    is_second_tag,
                    session_ns,
                    tries,
                    caller: Caller::Anybody,
                },
            );
        }
    }
}
