//! Whose bytes a director's own proxies give to which backend: read off the login or the recipients, and from then on counted as theirs.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use sim::Knobs;

use crate::mails::Attempt;
use crate::settings::backend;
use crate::stubs::{BACKEND_PORT, Ears, Heard, MAILBOX_PORT, user_of_address};
use crate::truth::{Truth, Who};
use crate::world::{Tap, Taps};

/// Hears a member's connections to backends.
pub fn listen_to_users(truth: &Truth, knobs: &Rc<Knobs>, member: usize) -> Taps {
    let second_tag: Vec<IpAddr> = (0..)
        .zip(&knobs.backends)
        .filter(|(_, backend)| !backend.tag.is_empty())
        .map(|(number, _)| backend(number))
        .collect();
    let truth = truth.clone();
    Taps::new(move |to: SocketAddr| {
        let (truth, ip) = (truth.clone(), to.ip());
        match to.port() {
            _ if ip.is_loopback() => None,
            BACKEND_PORT => Some(session(truth, ip, member, second_tag.contains(&ip))),
            MAILBOX_PORT => {
                let mut carrying = Carrying::new(truth, ip, member);
                Some(Box::new(move |bytes: &[u8]| carrying.hear(bytes)))
            }
            _ => None,
        }
    })
}

fn session(truth: Truth, ip: IpAddr, member: usize, is_second_tag: bool) -> Tap {
    let mut said = Vec::new();
    let mut who = None;
    Box::new(move |bytes| match who {
        Some(who) => truth.forwards(who, ip, member, bytes.len()),
        None => {
            said.extend_from_slice(bytes);
            who = user_of(&said).map(|user| Who { user, is_second_tag });
            if let Some(who) = who {
                truth.serves(who, ip, member);
            }
        }
    })
}

/// Who logs in by the lines so far.
fn user_of(said: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(said).ok()?;
    let name = text.split_once(" LOGIN \"user")?.1;
    name.split_once('"')?.0.parse().ok()
}

/// A connection with mail. All that is written there belongs to all recipients so far.
struct Carrying {
    truth: Truth,
    ip: IpAddr,
    member: usize,
    ears: Ears,
    attempt: Option<Attempt>,
    users: Vec<u32>,
}

impl Carrying {
    fn new(truth: Truth, ip: IpAddr, member: usize) -> Self {
        Carrying {
            truth,
            ip,
            member,
            ears: Ears::default(),
            attempt: None,
            users: Vec::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Carrying {
            truth, ip, member, ..
        } = self;
        for user in &self.users {
            truth.forwards(who(*user), *ip, *member, bytes.len());
        }
        for heard in self.ears.hear(bytes) {
            match (heard, self.attempt) {
                (Heard::Line(line), _) => self.understand(&line),
                (Heard::Begin, Some(attempt)) => {
                    self.truth
                        .delivery_begins(attempt, self.ip, self.member, &self.users);
                }
                (Heard::End, Some(attempt)) => {
                    self.truth.delivery_is_whole(attempt, self.ip, self.member);
                }
                _ => {}
            }
        }
    }

    fn understand(&mut self, line: &str) {
        let Some(address) = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')) else {
            return;
        };
        if line.starts_with("MAIL ") {
            self.attempt = Attempt::of_sender(address.0);
        } else if let Some(user) = user_of_address(address.0) {
            self.truth.serves(who(user), self.ip, self.member);
            self.users.push(user);
        }
    }
}

impl Drop for Carrying {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt {
            self.truth.delivery_is_let_go(attempt, self.ip);
        }
    }
}

fn who(user: u32) -> Who {
    Who {
        user,
        is_second_tag: false,
    }
}
