//! What is asked of a core that must recover: logins that are tried until they are answered with a backend, and commands that
//! are given until they are carried out. Each has its own deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use maildirector::topology::{Change, MemberId};

use super::admins::Asker;
use super::doors::Login;
use super::happening::Happening;
use super::logins::{Caller, Wish};
use super::scene::{MS, World};
use crate::checkers::{Patience, answered_in_time};
use crate::entropy::{Purpose, below};
use crate::healing::Wait;

/// So many persons log in at each director to see whether it answers.
const PERSONS_MAX: u32 = 8;
/// How often each director of the core is asked for a change, one time after the other, while something goes on outside for ever.
const WAVES: u32 = 3;

/// What was asked and is not answered, with when it was asked first.
#[derive(Debug, Default)]
pub(crate) struct Petitions {
    logins: BTreeMap<(u8, u32), u64>,
    commands: BTreeMap<u8, u64>,
    /// Members whose command is on its way.
    commands_open: u128,
    waves_begun: u32,
    slowest_login: Wait,
    slowest_command: Wait,
}

impl Petitions {
    pub(super) fn are_answered(&self) -> bool {
        self.logins.is_empty() && self.commands.is_empty()
    }

    pub(super) fn is_last_wave(&self, is_disturbed: bool) -> bool {
        self.waves_begun == WAVES || !is_disturbed
    }

    /// The slowest login and the slowest command, of those that were asked of a settled core.
    pub(super) fn slowest(&self) -> (Wait, Wait) {
        (self.slowest_login, self.slowest_command)
    }
}

impl World<'_> {
    /// One more person comes to each director of the core.
    pub(super) fn somebody_logs_in(&mut self) {
        for member in self.core_directors() {
            let bits = self
                .entropy
                .draw(Purpose::Login, 1 << 32 | u64::from(member), self.now);
            let person = below(bits, self.people.len() as u64) as u32;
            self.petition(member, person);
        }
    }

    /// Many log in at each director of the core, and an admin changes something at each: the second time, whom every backend
    /// may keep is asked for anew, which moves users.
    pub(super) fn next_wave(&mut self) {
        self.recovery.petitions.waves_begun += 1;
        let persons = (self.people.len() as u32).min(PERSONS_MAX);
        for member in self.core_directors() {
            self.recovery.petitions.commands.insert(member, self.now);
            for person in 0..persons {
                self.petition(member, person);
            }
        }
        self.give_commands();
    }

    fn petition(&mut self, member: u8, person: u32) {
        let logins = &mut self.recovery.petitions.logins;
        if logins.contains_key(&(member, person)) {
            return;
        }
        logins.insert((member, person), self.now);
        self.log_in(member, wish_of(person));
    }

    /// Commands that were not carried out are given again.
    pub(super) fn give_commands(&mut self) {
        let open = self.recovery.petitions.commands_open;
        let missing = self.recovery.petitions.commands.keys().copied();
        let missing: Vec<u8> = missing.filter(|member| open >> member & 1 == 0).collect();
        for member in missing {
            let user_expire = Duration::from_millis(self.knobs().user_expire_ms);
            let mut changes = vec![Change::SetUserExpire { user_expire }];
            if self.recovery.petitions.waves_begun == 2 {
                changes.insert(0, Change::Flush { ip: None });
            }
            self.recovery.petitions.commands_open |= 1 << member;
            if !self.command(member, changes, "a probe", Asker::Probe { member }) {
                self.recovery.petitions.commands_open &= !(1 << member);
            }
        }
    }

    pub(super) fn probe_commanded(&mut self, member: u8, is_done: bool) {
        self.recovery.petitions.commands_open &= !(1 << member);
        // An admin whose limit is shorter than what the ring may take is answered in time with that nobody knows.
        let is_too_short = self.knobs().command_wait_ms * MS < self.recovery.patience().answer_ns;
        if !is_done && is_too_short {
            self.recovery.petitions.commands.remove(&member);
        } else if is_done && let Some(asked_ns) = self.recovery.petitions.commands.remove(&member) {
            let wait = self.wait_since(asked_ns);
            self.recovery.petitions.slowest_command.keep(wait);
        }
    }

    /// A login was answered with a backend.
    pub(super) fn probe_answered(&mut self, member: u8, person: u32) {
        if let Some(asked_ns) = self.recovery.petitions.logins.remove(&(member, person))
            && self.recovery.settled_ns().is_some()
        {
            let wait = self.wait_since(asked_ns);
            self.recovery.petitions.slowest_login.keep(wait);
        }
    }

    /// A login was refused: for good, or to be tried again. Whom a change of the last moment has removed from the ring answers
    /// nobody any more, as he should.
    pub(super) fn probe_refused(&mut self, login: &Login, is_lasting: bool) {
        if is_lasting || !self.core_directors().contains(&login.member) {
            self.recovery
                .petitions
                .logins
                .remove(&(login.member, login.person));
            return;
        }
        let gap_ns = self.recovery.patience().interval_ns / 4;
        let bits = self.entropy.draw(Purpose::Retry, 2, u64::from(login.number));
        let at_ns = self.now + gap_ns / 2 + below(bits, gap_ns / 2 + 1);
        let (member, person) = (login.member, login.person);
        self.push(at_ns, Happening::ProbeIsRetried { member, person });
    }

    pub(super) fn probe_is_retried(&mut self, member: u8, person: u32) {
        if self.recovery.petitions.logins.contains_key(&(member, person)) {
            self.log_in(member, wish_of(person));
        }
    }

    /// Whoever waits longer than he may is noticed. Of whom was removed from the ring nothing is expected.
    pub(super) fn petitions_are_in_time(&mut self) {
        let directors = self.core_directors();
        let is_there = |member: &u8| directors.contains(member);
        let petitions = &mut self.recovery.petitions;
        petitions.logins.retain(|(member, _), _| is_there(member));
        petitions.commands.retain(|member, _| is_there(member));
        let logins = petitions
            .logins
            .iter()
            .map(|((member, _), asked)| (*asked, *member));
        let (login, commands) = (logins.min(), petitions.commands.iter());
        let command = commands.map(|(member, asked)| (*asked, *member)).min();
        for (what, oldest) in [("a login", login), ("a command", command)] {
            let Some((asked_ns, member)) = oldest else {
                continue;
            };
            let Wait { took_ns, bound_ns } = self.wait_since(asked_ns);
            let Patience { interval_ns, .. } = self.recovery.patience();
            self.check(answered_in_time(what, member, took_ns, bound_ns, interval_ns));
        }
    }

    /// What was asked then, if it is answered now.
    fn wait_since(&self, asked_ns: u64) -> Wait {
        let begun_ns = self.recovery.begun_ns();
        let asked_ns = asked_ns - begun_ns;
        let answered_by_ns = self
            .recovery
            .patience()
            .answered_by_ns(asked_ns, self.recovery.settled_ns());
        Wait {
            took_ns: self.now - begun_ns - asked_ns,
            bound_ns: answered_by_ns - asked_ns,
        }
    }

    /// Directors by the newest topology that must recover.
    pub(super) fn core_directors(&self) -> Vec<u8> {
        let topology = self.newest_topology();
        let serves = |member: &u8| {
            let id = MemberId::from_index(u16::from(*member));
            topology.member(id).is_some_and(|member| member.serves)
        };
        self.core_runs()
            .map(|(member, _)| member)
            .filter(serves)
            .collect()
    }
}

fn wish_of(person: u32) -> Wish {
    Wish {
        person,
        is_second_tag: false,
        session_ns: 3_000 * MS,
        tries: 0,
        caller: Caller::Probe,
    }
}
