//! Mail on its way: what the mail server has to bring, what directors are giving to backends, and what backends have.
//!
//! A delivery is in progress from the first byte of the message that a director writes until the backend has answered for all of
//! its recipients. One that never got its end is over when its director lets go of the connection. What a director has given
//! whole and then can't wait for, since it was killed or its lease has run out, is excused: the backend has it, and nobody takes it
//! back. One that is not whole then must not go on, and each of its bytes is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::truth::{Facts, Truth, Who};

/// One of the times that a mail is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    pub mail: u32,
    pub number: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.mail, self.number)
    }
}

impl Attempt {
    /// Out of `17.2@mx`.
    pub fn of_sender(address: &str) -> Option<Attempt> {
        let (mail, number) = address.split_once('@')?.0.split_once('.')?;
        Some(Attempt {
            mail: mail.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// All mail of a run.
#[derive(Debug, Default)]
pub struct Mails {
    /// Whom each mail has still to be brought.
    waiting: BTreeMap<u32, BTreeSet<u32>>,
    carried: BTreeMap<(Attempt, IpAddr), Carried>,
    stored: BTreeSet<(Attempt, u32)>,
    /// Deliveries for which backends have answered.
    pub deliveries: usize,
    /// Recipients for whom the mail server has heard a yes.
    pub acknowledged: usize,
    /// Whole ones that their director did not wait for.
    pub excused: usize,
}

/// A delivery in progress.
#[derive(Debug)]
struct Carried {
    users: Vec<u32>,
    member: usize,
    /// Its end was written.
    is_whole: bool,
    is_excused: bool,
}

impl Mails {
    /// Whom this mail has still to be brought.
    pub fn waiting(&self, mail: u32) -> Vec<u32> {
        let waiting = self.waiting.get(&mail).into_iter().flatten();
        waiting.copied().collect()
    }

    pub fn is_all_brought(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Facts {
    /// Deliveries to this one at other backends, which their directors still answer for.
    fn delivered_elsewhere(&mut self, who: Who, backend: IpAddr) -> Vec<(Attempt, IpAddr, usize)> {
        let Facts { mails, gates, .. } = self;
        let Mails { carried, excused, .. } = mails;
        let mut found = Vec::new();
        for ((attempt, at), carried) in carried.iter_mut() {
            let is_his = !who.is_second_tag && carried.users.contains(&who.user);
            if !is_his || *at == backend || carried.is_excused {
                continue;
            }
            let has_lease = gates.get(&carried.member).is_some_and(|gate| gate.is_open());
            if has_lease {
                found.push((*attempt, *at, carried.member));
            } else if carried.is_whole {
                carried.is_excused = true;
                *excused += 1;
            }
        }
        found
    }
}

impl Truth {
    /// The mail server has a mail for these.
    pub fn mail_comes(&self, mail: u32, users: &[u32]) {
        self.trace.note("mx", format!("mail {mail} is for {users:?}"));
        self.facts()
            .mails
            .waiting
            .insert(mail, users.iter().copied().collect());
    }

    /// Somebody is about to be served at a backend: no delivery to him is in progress elsewhere.
    pub fn expect_no_mail_elsewhere(&self, who: Who, backend: IpAddr, member: usize) {
        let mut facts = self.facts();
        for (attempt, at, carrier) in facts.delivered_elsewhere(who, backend) {
            let words = format!(
                "member {member} has user {} served by {backend}, though member {carrier} is delivering mail {attempt} to him at {at}",
                who.user
            );
            if !facts.may_split {
                self.breaks(&mut facts, words);
            }
        }
    }

    /// A director has written the first byte of a message.
    pub fn delivery_begins(&self, attempt: Attempt, backend: IpAddr, member: usize, users: &[u32]) {
        let who = format!("m{member}/proxy");
        self.trace
            .note(&who, format!("mail {attempt} for {users:?} begins at {backend}"));
        let carried = Carried {
            users: users.to_vec(),
            member,
            is_whole: false,
            is_excused: false,
        };
        let before = self.facts().mails.carried.insert((attempt, backend), carried);
        if before.is_some() {
            let words = format!("mail {attempt} is offered to {backend} twice");
            self.breaks(&mut self.facts(), words);
        }
    }

    /// It has written the end.
    pub fn delivery_is_whole(&self, attempt: Attempt, backend: IpAddr, member: usize) {
        let who = format!("m{member}/proxy");
        self.trace
            .note(&who, format!("mail {attempt} is whole at {backend}"));
        if let Some(carried) = self.facts().mails.carried.get_mut(&(attempt, backend)) {
            carried.is_whole = true;
        }
    }

    /// A director has closed the connection: what had no end gets none.
    pub fn delivery_is_let_go(&self, attempt: Attempt, backend: IpAddr) {
        let carried = &mut self.facts().mails.carried;
        if carried
            .get(&(attempt, backend))
            .is_some_and(|carried| !carried.is_whole)
        {
            carried.remove(&(attempt, backend));
        }
    }

    /// A director's process is gone, with its connections.
    pub fn director_is_gone(&self, member: usize) {
        let mut facts = self.facts();
        facts.gates.remove(&member);
        let Mails { carried, excused, .. } = &mut facts.mails;
        carried.retain(|_, carried| carried.member != member || carried.is_whole);
        for carried in carried.values_mut().filter(|carried| carried.member == member) {
            *excused += usize::from(!carried.is_excused);
            carried.is_excused = true;
        }
    }

    /// A backend puts a message into a mailbox.
    pub fn stores(&self, attempt: Attempt, backend: IpAddr, user: u32, is_unchanged: bool) {
        self.trace.note(
            "mailbox",
            format!("mail {attempt} of user {user} is stored at {backend}"),
        );
        let mut facts = self.facts();
        let who = Who {
            user,
            is_second_tag: false,
        };
        let served_by = facts.served.get(&who).map(|(ip, _)| *ip);
        let carried = facts.mails.carried.get(&(attempt, backend));
        let is_known = carried.is_some_and(|carried| carried.is_whole && carried.users.contains(&user));
        let is_excused = facts.may_split || carried.is_some_and(|carried| carried.is_excused);
        let is_new = facts.mails.stored.insert((attempt, user));
        for (is_right, wrong) in [
            (is_known, "but nobody has given it whole"),
            (is_new, "for the second time"),
            (is_unchanged, "but not as it was sent"),
            (
                is_excused || served_by == Some(backend),
                "while he is served elsewhere",
            ),
        ] {
            if !is_right {
                let words = format!("mail {attempt} of user {user} is stored at {backend} {wrong}");
                self.breaks(&mut facts, words);
            }
        }
    }

    /// A backend has answered for all recipients.
    pub fn delivery_is_answered(&self, attempt: Attempt, backend: IpAddr) {
        let mails = &mut self.facts().mails;
        mails.carried.remove(&(attempt, backend));
        mails.deliveries += 1;
    }

    /// The mail server hears that a recipient has it.
    pub fn mail_is_acknowledged(&self, attempt: Attempt, user: u32) {
        self.trace
            .note("mx", format!("mail {attempt} of user {user} is acknowledged"));
        let mut facts = self.facts();
        let mails = &mut facts.mails;
        mails.acknowledged += 1;
        if let Some(waiting) = mails.waiting.get_mut(&attempt.mail) {
            waiting.remove(&user);
            if waiting.is_empty() {
                mails.waiting.remove(&attempt.mail);
            }
        }
        if !mails.stored.contains(&(attempt, user)) {
            let words = format!("mail {attempt} of user {user} was acknowledged and is at no backend");
            self.breaks(&mut facts, words);
        }
    }

    /// The mail server hears what it must not hear.
    pub fn mail_server_is_told(&self, attempt: Attempt, wrong: &str) {
        let words = format!("the mail server was told of mail {attempt}: {wrong}");
        self.breaks(&mut self.facts(), words);
    }
}
