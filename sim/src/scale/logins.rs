//! Users who want in: through their own director, and where it does not answer, through the others.

use maildirector::director::{Door, Input, LoginToken};
use maildirector::topology::BackendId;

use super::agenda::Event;
use super::crowd::{BALANCER_NS, STEP_NS, Wait};
use super::scene::Scene;
use crate::entropy::below;

/// What a director made of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The user is in.
    In,
    /// The user is sent to a backend that is dead.
    ToTheDead,
    Waits,
    /// Refused, or nobody listens: known at once.
    Refused,
    /// No answer comes.
    Silent,
}

impl Scene {
    /// From now on all users want in, each at moments of his own.
    pub fn begin_logins(&mut self) {
        self.begin_logins_from(0);
    }

    pub fn begin_logins_from(&mut self, first: usize) {
        for user in first..self.crowd.persons.len() {
            let at = self.now + below(self.draw(), STEP_NS);
            self.agenda.push(at, Event::Login { user });
        }
    }

    pub(super) fn login_is_due(&mut self, user: usize) {
        self.agenda.push(self.now + STEP_NS, Event::Login { user });
        if self.crowd.persons[user].waits.is_some() {
            return;
        }
        let home = self.crowd.persons[user].home;
        let (fixed_ns, retry_ns) = match self.try_at(user, home) {
            Answer::In => (0, 0),
            Answer::Waits => return,
            Answer::ToTheDead => (STEP_NS, STEP_NS),
            Answer::Silent if self.is_still_believed(home) => (STEP_NS, STEP_NS),
            Answer::Refused | Answer::Silent => match self.try_others(user, home) {
                Answer::In => (STEP_NS, 0),
                Answer::Waits => return,
                Answer::ToTheDead | Answer::Refused | Answer::Silent => (STEP_NS, STEP_NS),
            },
        };
        self.crowd.add(user, fixed_ns, retry_ns);
        if retry_ns > 0 {
            self.crowd.out(user, self.now);
        } else {
            self.crowd.back(user, self.now);
        }
    }

    /// Whether a balancer still sends users to a host that says nothing.
    fn is_still_believed(&self, member: usize) -> bool {
        let since = self.wires.silent_since(member).or(self.seats[member].paused_at);
        since.is_some_and(|since| self.now < since + BALANCER_NS)
    }

    fn try_others(&mut self, user: usize, home: usize) -> Answer {
        let count = self.seats.len();
        for step in 1..count {
            let answer = self.try_at(user, (home + step) % count);
            if matches!(answer, Answer::In | Answer::Waits | Answer::ToTheDead) {
                return answer;
            }
        }
        Answer::Refused
    }

    fn try_at(&mut self, user: usize, member: usize) -> Answer {
        if self.wires.silent_since(member).is_some() || self.seats[member].paused_at.is_some() {
            return Answer::Silent;
        }
        if self.seats[member].director.is_none() {
            return Answer::Refused;
        }
        self.crowd.logins += 1;
        self.crowd.tokens += 1;
        let token = self.crowd.tokens;
        let person = &mut self.crowd.persons[user];
        person.waits = Some(Wait {
            token,
            member,
            since: self.now,
        });
        let (key, name) = (person.key, person.name.clone());
        self.answer = None;
        self.asking = Some((user, token));
        let input = Input::Login {
            token: LoginToken(token),
            key,
            tag: "",
            name: &name,
            door: Door::Refreshing,
        };
        self.give(member, input);
        self.asking = None;
        let answer = match self.answer.take() {
            None => return Answer::Waits,
            Some(None) => Answer::Refused,
            Some(Some(backend)) if self.dead_backend == Some(backend) => Answer::ToTheDead,
            Some(Some(_)) => Answer::In,
        };
        self.crowd.persons[user].waits = None;
        answer
    }

    pub(super) fn routed(&mut self, member: usize, token: LoginToken, backend: BackendId) {
        let Some(user) = self.user_of(token) else {
            return;
        };
        self.crowd.session(user, member, backend);
        if self.asking == Some((user, token.0)) {
            self.answer = Some(Some(backend));
        } else {
            let is_in = self.dead_backend != Some(backend);
            self.crowd.waited(user, self.now, is_in);
        }
    }

    pub(super) fn refused(&mut self, token: LoginToken) {
        let Some(user) = self.user_of(token) else {
            return;
        };
        if self.asking == Some((user, token.0)) {
            self.answer = Some(None);
        } else {
            self.crowd.waited(user, self.now, false);
        }
    }

    /// Whose login it is; nobody's whose director died before it answered.
    fn user_of(&self, token: LoginToken) -> Option<usize> {
        if let Some((user, asked)) = self.asking
            && asked == token.0
        {
            return Some(user);
        }
        let is_it = |wait: Wait| wait.token == token.0;
        self.crowd
            .persons
            .iter()
            .position(|person| person.waits.is_some_and(is_it))
    }
}
