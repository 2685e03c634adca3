//! The machine: the bytes are what happens to a ring of three directors, one step after another.

use std::time::Duration;

use maildirector::agreement::Whose;
use maildirector::director::{Door, Input};
use maildirector::ring::{decode, encode};
use maildirector::topology::{Change, HashFormat, Incarnation, Member, MemberId, TagId, UserId, UserKey};

use crate::ring::{MEMBERS, Ring, backend};

/// Longer inputs say nothing new and are slow.
const STEPS_MAX: usize = 400;

/// Whatever happens, in whatever order, no director panics or passes a limit; and no user is split while nobody lies.
pub fn run(bytes: &[u8]) {
    let mut ring = Ring::serving();
    let mut bytes = Bytes(bytes);
    for _ in 0..STEPS_MAX {
        let Some(kind) = bytes.take() else { break };
        step(&mut ring, kind, &mut bytes);
        ring.assert_limits();
        if ring.is_honest {
            ring.assert_invariants();
        }
    }
}

/// What is left of the input; zeros when it is used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn next(&mut self) -> u8 {
        self.take().unwrap_or(0)
    }

    /// A number below `end`, which is at least 1.
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.next()) % end
    }

    fn member(&mut self) -> MemberId {
        MemberId::from_index(u16::from(self.next()) % MEMBERS)
    }

    fn user(&mut self) -> UserId {
        UserId {
            key: key(self.next()),
            tag: TagId::from_index(u16::from(self.next()) % 2),
        }
    }
}

fn name(number: u8) -> String {
    format!("user{}", number % 24)
}

fn key(number: u8) -> UserKey {
    HashFormat::default().key(&name(number))
}

fn step(ring: &mut Ring, kind: u8, bytes: &mut Bytes<'_>) {
    match kind % 16 {
        0..=2 if !ring.wire.is_empty() => ring.deliver(0),
        3 if !ring.wire.is_empty() => ring.deliver(bytes.below(ring.wire.len())),
        4 if !ring.wire.is_empty() => {
            let copy = ring.wire[bytes.below(ring.wire.len())].clone();
            ring.wire.push(copy);
        }
        5 if !ring.wire.is_empty() => drop(ring.wire.remove(bytes.below(ring.wire.len()))),
        6 if kind < 64 => ring.is_slow = !ring.is_slow,
        6 => {
            let member = bytes.member();
            if !ring.cut.remove(&member) {
                ring.cut.insert(member);
            }
        }
        7 => drop(ring.tick_next(ring.now.plus(Duration::from_secs(3_600)))),
        8 => ring.now = ring.now.plus(Duration::from_millis(50) * u32::from(bytes.next())),
        9 => ring.run_calmly(Duration::from_millis(50) * u32::from(bytes.next())),
        10 => {
            let (at, name) = (bytes.member(), name(bytes.next()));
            ring.log_in(at, &name, if kind < 128 { Door::Exact } else { Door::Refreshing });
        }
        11 if !ring.demands.is_empty() => {
            let (at, demand) = ring.demands.remove(bytes.below(ring.demands.len()));
            ring.fulfil(at, demand);
        }
        12 if !ring.sessions.is_empty() => {
            let session = ring.sessions.remove(bytes.below(ring.sessions.len()));
            ring.give(
                session.at,
                Input::SessionEnded {
                    user: session.user,
                    serial: session.serial,
                },
            );
        }
        13 => {
            let at = bytes.member();
            let changes = (0..=bytes.below(3)).map(|_| change(bytes)).collect();
            ring.command(at, changes, kind >= 192);
        }
        14 => {
            let at = bytes.member();
            ring.start(at);
        }
        _ => stray(ring, bytes),
    }
}

/// An input that nobody expects: a front door or a disk that is late, confused or broken.
fn stray(ring: &mut Ring, bytes: &mut Bytes<'_>) {
    let (at, user, serial) = (bytes.member(), bytes.user(), u32::from(bytes.next()));
    let input = match bytes.below(8) {
        0 => Input::Refresh { user },
        1 => Input::Kick(Whose::User(user.key)),
        // Serials count up from 0: the high ones name nothing that was ever demanded.
        2 => Input::Evicted {
            user,
            serial: u32::MAX - serial,
        },
        3 => Input::SessionEnded {
            user,
            serial: u32::MAX - serial,
        },
        4 => Input::AllClosed {
            term: u32::MAX - serial,
        },
        5 => Input::Saved { number: 0 },
        6 => Input::SaveFailed {
            is_replaced: serial % 2 == 0,
        },
        _ => return forge(ring, at, bytes),
    };
    ring.give(at, input);
}

/// Delivers a message with one byte changed. From then on a member has lied, and users may be split, but nothing else.
fn forge(ring: &mut Ring, to: MemberId, bytes: &mut Bytes<'_>) {
    if ring.wire.is_empty() {
        return;
    }
    let (_, envelope) = &ring.wire[bytes.below(ring.wire.len())];
    let mut frame = encode(envelope).expect("small messages fit into a frame");
    let at = usize::from(u16::from_le_bytes([bytes.next(), bytes.next()])) % frame.len();
    frame[at] ^= bytes.next();
    if let Ok(forged) = decode(&frame) {
        ring.is_honest = false;
        ring.give(to, Input::Message(forged));
    }
}

/// A change of what is there or, as often, of what is not.
fn change(bytes: &mut Bytes<'_>) -> Change {
    let kind = bytes.next();
    let number = bytes.next();
    let last = number % 5 + 1;
    let ip = [10, 0, 0, last].into();
    let id = MemberId::from_index(u16::from(number) % (MEMBERS + 1));
    let incarnation = Incarnation::from_bits(u64::from(number) % 8);
    let tag = if number < 128 { "" } else { "b" };
    match kind % 16 {
        0 => Change::AddBackend(backend(last)),
        1 => Change::RemoveBackend { ip },
        2 => Change::SetVhosts {
            ip,
            vhosts: u32::from(number) * 5,
        },
        3 => Change::SetTag { ip, tag: tag.into() },
        4 => Change::Up { ip, at_unix_s: 0 },
        5 => Change::Down { ip, at_unix_s: 0 },
        6 => Change::Flush {
            ip: (number < 200).then_some(ip),
        },
        7 if kind < 128 => Change::Move {
            key: key(bytes.next()),
            ip,
        },
        7 => Change::Move {
            key: UserKey::everybody_of(key(bytes.next()).hash()),
            ip,
        },
        8 => Change::Unpin { user: bytes.user() },
        9 => Change::Release {
            users: (0..number % 4).map(|_| bytes.user()).collect(),
        },
        10 => Change::AddMember(Member {
            id,
            serves: kind < 128,
            votes: kind % 32 < 16,
            incarnation,
        }),
        11 => Change::RemoveMember { id },
        12 => Change::Unseat { id },
        13 => Change::Seat { id, incarnation },
        14 => Change::SetLease {
            lease: Duration::from_millis(250) * u32::from(number),
        },
        _ => Change::SetUserExpire {
            user_expire: Duration::from_millis(500) * u32::from(number),
        },
    }
}
