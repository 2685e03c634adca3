//! Users who come, the sessions that they have, and the login processes that close or refresh them.

use std::net::IpAddr;

use super::scene::{ClassicWorld, Happening, Kick, MS};
use crate::arrivals::Arrival;
use crate::classic::Input;
use crate::compare::ClosedBy;
use crate::entropy::{Purpose, below};
use crate::waits::{Fate, Row};
use crate::world::{SECOND_TAG, backend_ip, backend_number};

/// Users try so often elsewhere when they are refused, as in the other world.
const TRIES_MAX: u8 = 2;

/// A login that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login {
    member: u8,
    run: Option<u32>,
    person: u32,
    is_second_tag: bool,
    session_ns: u64,
    asked_ns: u64,
    row: Row,
    tries: u8,
}

/// A client with a connection to a backend, through a login process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) member: u8,
    person: u32,
    is_second_tag: bool,
    pub(super) backend: u32,
    opened_ns: u64,
}

/// A wish to log in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) person: u32,
    pub(super) is_second_tag: bool,
    pub(super) session_ns: u64,
    pub(super) tries: u8,
}

impl ClassicWorld<'_> {
    pub(super) fn login_is_generated(&mut self, n: u64) {
        if self.has_begun_to_recover() {
            return;
        }
        let knobs = self.knobs();
        let arrival = Arrival::draw(self.entropy, knobs, n);
        self.push(
            self.now + arrival.gap_ns,
            Happening::LoginIsGenerated { n: n + 1 },
        );
        for member in arrival.members(knobs) {
            let wish = Wish {
                person: arrival.person,
                is_second_tag: arrival.is_second_tag,
                session_ns: arrival.session_ns,
                tries: 0,
            };
            self.log_in(member, wish);
        }
    }

    /// Somebody connects to a member.
    pub(super) fn log_in(&mut self, member: u8, wish: Wish) {
        self.tally.asked();
        let token = u64::from(self.next_number());
        let login = Login {
            member,
            run: None,
            person: wish.person,
            is_second_tag: wish.is_second_tag,
            session_ns: wish.session_ns,
            asked_ns: self.now,
            row: self.causes.row(self.now, member, wish.person),
            tries: wish.tries,
        };
        self.logins.insert(token, login);
        self.login_arrives(token);
    }

    pub(super) fn login_arrives(&mut self, token: u64) {
        let Some(login) = self.logins.get_mut(&token) else {
            return;
        };
        let (member, person, is_second_tag) = (login.member, login.person, login.is_second_tag);
        let Some(run) = self.members[usize::from(member)].run else {
            return self.fails(token, Fate::Lost);
        };
        login.run = Some(run);
        if self.is_put_off(member, &Happening::LoginArrives { token }) {
            return;
        }
        let tag = if is_second_tag { SECOND_TAG } else { "" };
        let hash = self.people.person(person).key.hash();
        self.give(run, Input::Login { token, tag, hash });
    }

    fn fails(&mut self, token: u64, fate: Fate) {
        let Some(login) = self.logins.remove(&token) else {
            return;
        };
        self.tally.answered(login.row, fate);
        if login.tries >= TRIES_MAX || self.has_begun_to_recover() {
            return;
        }
        let after_ns = below(self.entropy.draw(Purpose::Retry, 0, token), 1_000 * MS);
        let retry = Happening::LoginIsRetried {
            person: login.person,
            tries: login.tries + 1,
            is_second_tag: login.is_second_tag,
            session_ns: login.session_ns,
        };
        self.push(self.now + after_ns, retry);
    }

    pub(super) fn login_is_retried(&mut self, person: u32, tries: u8, is_second_tag: bool, session_ns: u64) {
        if self.has_begun_to_recover() {
            return;
        }
        let bits = self.entropy.draw(Purpose::Retry, 1, u64::from(self.next_number));
        let member = below(bits, self.members.len() as u64) as u8;
        if self.knobs().members[usize::from(member)].serves {
            let wish = Wish {
                person,
                is_second_tag,
                session_ns,
                tries,
            };
            self.log_in(member, wish);
        }
    }

    pub(super) fn lose_logins_of(&mut self, run: u32) {
        let is_lost = |(_, login): &(&u64, &Login)| login.run == Some(run);
        let lost: Vec<u64> = self
            .logins
            .iter()
            .filter(is_lost)
            .map(|(token, _)| *token)
            .collect();
        for token in lost {
            self.fails(token, Fate::Lost);
        }
    }

    pub(super) fn refused(&mut self, token: u64) {
        self.fails(token, Fate::Refused);
    }

    pub(super) fn routed(&mut self, token: u64, host: IpAddr) {
        let Some(login) = self.logins.remove(&token) else {
            return;
        };
        let Login {
            member,
            person,
            is_second_tag,
            ..
        } = login;
        self.tally
            .answered(login.row, Fate::Routed(self.now - login.asked_ns));
        let number = self.next_number();
        let backend = backend_number(host);
        let session = Session {
            member,
            person,
            is_second_tag,
            backend,
            opened_ns: self.now,
        };
        self.sessions.insert(number, session);
        self.tally
            .opened(self.now, number, (person, is_second_tag), member, backend);
        let is_dead = self
            .is_backend_dead
            .get(backend as usize)
            .is_some_and(|dead| *dead);
        let ends_ns = if is_dead { MS } else { login.session_ns };
        self.push(self.now + ends_ns, Happening::SessionEnds { number });
        if self.refreshing.insert((member, person, is_second_tag)) {
            let bits = self
                .entropy
                .draw(Purpose::Refresh, u64::from(member), u64::from(number));
            let every_ns = self.knobs().user_expire_ms * MS / 2;
            let refresh = Happening::RefreshIsDue {
                member,
                person,
                is_second_tag,
            };
            self.push(self.now + 1 + below(bits, every_ns), refresh);
        }
    }

    pub(super) fn session_ends(&mut self, number: u32) {
        self.close(number, ClosedBy::Itself);
    }

    fn close(&mut self, number: u32, by: ClosedBy) {
        if let Some(session) = self.sessions.remove(&number) {
            let who = (session.person, session.is_second_tag);
            self.tally.closed(self.now, number, who, by);
        }
    }

    /// Closes every session for which `is_meant` holds.
    pub(super) fn close_where(&mut self, by: ClosedBy, is_meant: impl Fn(&Session) -> bool) {
        let meant: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, session)| is_meant(session))
            .map(|(number, _)| *number)
            .collect();
        for number in meant {
            self.close(number, by);
        }
    }

    pub(super) fn refresh_is_due(&mut self, member: u8, person: u32, is_second_tag: bool) {
        let is_there = self.sessions.values().any(|session| {
            session.member == member && session.person == person && session.is_second_tag == is_second_tag
        });
        if !is_there {
            self.refreshing.remove(&(member, person, is_second_tag));
            return;
        }
        let again = Happening::RefreshIsDue {
            member,
            person,
            is_second_tag,
        };
        self.push(self.now + self.knobs().user_expire_ms * MS / 2, again);
        let state = &self.members[usize::from(member)];
        if let (Some(run), 0) = (state.run, state.paused) {
            let hash = self.people.person(person).key.hash();
            self.give(run, Input::Refresh { hash });
        }
    }

    /// The director wants sessions closed: its login processes take as long for it as in the other world.
    pub(super) fn kick_wanted(&mut self, run: u32, kick: Kick) {
        let member = self.runs[run as usize].member;
        let bound_ns = self.knobs().members[usize::from(member)].close_bound_ms * MS;
        let has_any = self
            .sessions
            .values()
            .any(|session| self.is_kicked(session, member, &kick));
        let bits = self
            .entropy
            .draw(Purpose::Closing, u64::from(member), u64::from(self.next_number));
        let takes_ns = if has_any { below(bits, bound_ns + 1) } else { 0 };
        self.push(self.now + takes_ns + 1_000, Happening::KickIsDone { run, kick });
    }

    fn is_kicked(&self, session: &Session, member: u8, kick: &Kick) -> bool {
        session.member == member
            && session.opened_ns <= kick.demanded_ns
            && kick.except != Some(backend_ip(session.backend))
            && self.people.person(session.person).key.hash() == kick.hash
    }

    pub(super) fn kick_is_done(&mut self, run: u32, kick: Kick) {
        let member = self.runs[run as usize].member;
        let meant: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, session)| self.is_kicked(session, member, &kick))
            .map(|(number, _)| *number)
            .collect();
        for number in meant {
            self.close(number, ClosedBy::Director);
        }
        if !kick.is_awaited {
            return;
        }
        let done = Happening::KickIsDone {
            run,
            kick: kick.clone(),
        };
        if self.runs[run as usize].director.is_some() && !self.is_put_off(member, &done) {
            let (tag, hash) = (&*kick.tag, kick.hash);
            self.give(run, Input::Kicked { tag, hash });
        }
    }
}
