//! The ground truth: which sessions are open, through which director, on which backend; and the logins that wait.

use maildirector::director::{Door, LoginToken};
use maildirector::topology::{BackendId, UserId};

use super::logins::Caller;
use crate::waits::Row;

/// A client with a connection to a backend.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Tells it from others that used the same place in the table.
    pub(crate) number: u32,
    pub(crate) is_open: bool,
    pub(crate) door: Door,
    pub(crate) member: u8,
    /// The run whose director holds its user: the one that answered the login, or one that took over since.
    pub(crate) run: u32,
    /// The process that it goes through: that of the run that answered the login, also when a new one took over.
    pub(crate) process: u32,
    pub(crate) person: u32,
    pub(crate) user: UserId,
    pub(crate) backend: BackendId,
    pub(crate) serial: u32,
    /// The door was told to forward nothing more.
    pub(crate) is_fenced: bool,
    /// The machine that the backend is, by its number in the plan.
    pub(crate) backend_number: u32,
    pub(crate) opened_ns: u64,
    pub(crate) bytes: u32,
}

/// A login that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login {
    pub(crate) number: u32,
    pub(crate) is_waiting: bool,
    pub(crate) member: u8,
    /// Once it has reached a process.
    pub(crate) run: Option<u32>,
    pub(crate) person: u32,
    pub(crate) is_second_tag: bool,
    pub(crate) door: Door,
    pub(crate) session_ns: u64,
    pub(crate) asked_ns: u64,
    pub(crate) asked_awake_ns: u64,
    pub(crate) row: Row,
    pub(crate) tries: u8,
    pub(crate) caller: Caller,
}

/// The closing of one hold's sessions, under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eviction {
    pub(crate) number: u32,
    pub(crate) is_pending: bool,
    pub(crate) run: u32,
    pub(crate) person: u32,
    pub(crate) user: UserId,
    pub(crate) backend: BackendId,
    pub(crate) serial: u32,
}

/// A refreshing door that knows of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresher {
    pub(crate) is_on: bool,
    pub(crate) member: u8,
    pub(crate) person: u32,
    pub(crate) user: UserId,
}

/// All doors of all members.
#[derive(Debug)]
pub(crate) struct Doors {
    sessions: Vec<Session>,
    free_sessions: Vec<u32>,
    by_person: Vec<Vec<u32>>,
    by_member: Vec<Vec<u32>>,
    logins: Vec<Login>,
    free_logins: Vec<u32>,
    pub(crate) evictions: Vec<Eviction>,
    pub(crate) refreshers: Vec<Refresher>,
    next_number: u32,
}

impl Doors {
    pub(crate) fn new(persons: usize, members: usize) -> Self {
        Doors {
            sessions: Vec::new(),
            free_sessions: Vec::new(),
            by_person: vec![Vec::new(); persons],
            by_member: vec![Vec::new(); members],
            logins: Vec::new(),
            free_logins: Vec::new(),
            evictions: Vec::new(),
            refreshers: Vec::new(),
            next_number: 0,
        }
    }

    pub(crate) fn next_number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn open(&mut self, session: Session) -> u32 {
        let slot = match self.free_sessions.pop() {
            Some(slot) => slot,
            None => {
                self.sessions.push(session.clone());
                (self.sessions.len() - 1) as u32
            }
        };
        self.by_person[session.person as usize].push(slot);
        self.by_member[usize::from(session.member)].push(slot);
        self.sessions[slot as usize] = session;
        slot
    }

    pub(crate) fn close(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        session.is_open = false;
        let lists = [
            &mut self.by_person[session.person as usize],
            &mut self.by_member[usize::from(session.member)],
        ];
        for list in lists {
            let at = list
                .iter()
                .position(|s| *s == slot)
                .expect("an open session is in both lists");
            list.swap_remove(at);
        }
        self.free_sessions.push(slot);
    }

    pub(crate) fn session(&self, slot: u32) -> &Session {
        &self.sessions[slot as usize]
    }

    pub(crate) fn session_mut(&mut self, slot: u32) -> &mut Session {
        &mut self.sessions[slot as usize]
    }

    /// The session, if it is still the one that was meant and open.
    pub(crate) fn find(&self, slot: u32, number: u32) -> Option<&Session> {
        Some(&self.sessions[slot as usize]).filter(|session| session.is_open && session.number == number)
    }

    pub(crate) fn of_person(&self, person: u32) -> &[u32] {
        &self.by_person[person as usize]
    }

    pub(crate) fn of_member(&self, member: u8) -> &[u32] {
        &self.by_member[usize::from(member)]
    }

    /// The name by which the director answers this login.
    pub(crate) fn ask(&mut self, login: Login) -> (u32, LoginToken) {
        let number = self.next_number();
        let login = Login {
            number,
            is_waiting: true,
            ..login
        };
        let slot = match self.free_logins.pop() {
            Some(slot) => {
                self.logins[slot as usize] = login;
                slot
            }
            None => {
                self.logins.push(login);
                (self.logins.len() - 1) as u32
            }
        };
        (slot, token(slot, number))
    }

    pub(crate) fn login(&self, slot: u32, number: u32) -> Option<&Login> {
        Some(&self.logins[slot as usize]).filter(|login| login.is_waiting && login.number == number)
    }

    pub(crate) fn login_mut(&mut self, slot: u32) -> &mut Login {
        &mut self.logins[slot as usize]
    }

    /// Takes the login that this token names, unless it was answered before or never asked.
    pub(crate) fn answer(&mut self, token: LoginToken) -> Option<Login> {
        let (slot, number) = (token.0 as u32, (token.0 >> 32) as u32);
        let login = self.logins.get_mut(slot as usize)?;
        if !login.is_waiting || login.number != number {
            return None;
        }
        login.is_waiting = false;
        self.free_logins.push(slot);
        Some(*login)
    }

    /// Every login that waits, with its name.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (LoginToken, &Login)> + '_ {
        let named = |(slot, login): (usize, _)| (slot as u32, login);
        let waiting = self
            .logins
            .iter()
            .enumerate()
            .map(named)
            .filter(|(_, login): &(u32, &Login)| login.is_waiting);
        waiting.map(|(slot, login)| (token(slot, login.number), login))
    }

    /// A place for an eviction; one that is no longer pending is used again.
    pub(crate) fn evict(&mut self, eviction: Eviction) -> u32 {
        match self.evictions.iter().position(|e| !e.is_pending) {
            Some(slot) => {
                self.evictions[slot] = eviction;
                slot as u32
            }
            None => {
                self.evictions.push(eviction);
                (self.evictions.len() - 1) as u32
            }
        }
    }
}

pub(crate) fn token(slot: u32, number: u32) -> LoginToken {
    LoginToken(u64::from(number) << 32 | u64::from(slot))
}
