//! What the trace says, small and without allocation; turned into words only when somebody reads it.

use std::fmt;

use maildirector::agreement::{Ballot, Body, Envelope, Whose};

use crate::fault::MessageKind;

/// One thing that happened. Members, persons, backends and faults by their numbers in the plan.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Note {
    Tick {
        member: u8,
    },
    Arrived {
        to: u8,
        message: Message,
    },
    Sent {
        to: u8,
        message: Message,
        fate: Fate,
    },
    LoginAsked {
        member: u8,
        person: u32,
        token: u64,
    },
    Routed {
        member: u8,
        person: u32,
        backend: u32,
        serial: u32,
        token: u64,
    },
    Refused {
        member: u8,
        person: u32,
        why: &'static str,
    },
    LoginLost {
        member: u8,
        person: u32,
    },
    SessionClosed {
        member: u8,
        person: u32,
        backend: u32,
        why: &'static str,
    },
    SessionEnded {
        member: u8,
        person: u32,
    },
    Byte {
        member: u8,
        person: u32,
        backend: u32,
    },
    Refresh {
        member: u8,
        person: u32,
    },
    EvictWanted {
        member: u8,
        person: u32,
        backend: u32,
        serial: u32,
    },
    EvictedSaid {
        member: u8,
        person: u32,
        serial: u32,
    },
    CloseAllWanted {
        member: u8,
        term: u32,
    },
    AllClosedSaid {
        member: u8,
        term: u32,
    },
    StrayWanted {
        member: u8,
        person: u32,
    },
    SaveWanted {
        member: u8,
        number: u64,
    },
    Saved {
        member: u8,
        number: u64,
    },
    SaveFailed {
        member: u8,
        is_replaced: bool,
    },
    Commanded {
        member: u8,
        id: u64,
        what: &'static str,
    },
    Replied {
        member: u8,
        id: u64,
        result: &'static str,
        epoch: u64,
    },
    Said {
        member: u8,
        event: &'static str,
        number: u64,
    },
    Started {
        member: u8,
        run: u32,
        epoch: u64,
    },
    Died {
        member: u8,
        run: u32,
        why: &'static str,
    },
    TookOver {
        member: u8,
        run: u32,
        kept: u32,
    },
    FaultBegan {
        index: u32,
        kind: &'static str,
    },
    FaultEnded {
        index: u32,
        kind: &'static str,
    },
    Recovery {
        stage: &'static str,
    },
    LeftBroken {
        words: &'static str,
    },
}

/// A message without its contents.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Message {
    from: u8,
    kind: MessageKind,
    epoch: u64,
    /// The round that it belongs to: counter and member of its ballot; zeroes when it belongs to none.
    round: (u64, u16),
}

/// What the network does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Arrives,
    ArrivesTwice,
    Held,
    Lost,
}

impl Message {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let round = |ballot: &Ballot| (ballot.counter, ballot.member.index());
        let (kind, round) = match &envelope.body {
            Body::Hello(_) => (MessageKind::Hello, (0, 0)),
            Body::Renew(renew) => (MessageKind::Renew, (renew.nonce.0, 0)),
            Body::Grant { nonce, .. } => (MessageKind::Grant, (nonce.0, 0)),
            Body::Lacks(value) => (MessageKind::Lacks, round(&value.id.0)),
            Body::Fetch => (MessageKind::Fetch, (0, 0)),
            Body::Topology(committed) => (MessageKind::Topology, (committed.epoch().number(), 0)),
            Body::Survey(number) => (MessageKind::Survey, (*number, 0)),
            Body::Surveyed { number, .. } => (MessageKind::Surveyed, (*number, 0)),
            Body::Prepare { ballot, .. } => (MessageKind::Prepare, round(ballot)),
            Body::Promise { ballot, .. } => (MessageKind::Promise, round(ballot)),
            Body::Refused { ballot, .. } => (MessageKind::Refused, round(ballot)),
            Body::Held { ballot, .. } => (MessageKind::Held, round(ballot)),
            Body::Propose { ballot, .. } => (MessageKind::Propose, round(ballot)),
            Body::Accepted { ballot, .. } => (MessageKind::Accepted, round(ballot)),
            Body::Confirmed(value) => (MessageKind::Confirmed, round(&value.0)),
            Body::Commit(value) => (MessageKind::Commit, round(&value.id.0)),
            Body::Request(request) => (MessageKind::Request, (request.first, 0)),
            Body::Count { number, .. } => (MessageKind::Count, (*number, 0)),
            Body::Counted { number, .. } => (MessageKind::Counted, (*number, 0)),
            Body::Kick(Whose::User(key)) => (MessageKind::Kick, (u64::from(key.hash()), 0)),
            Body::Kick(Whose::With(_)) => (MessageKind::Kick, (0, 0)),
            Body::ListHeld { number, .. } => (MessageKind::ListHeld, (*number, 0)),
            Body::HeldListed { number, .. } => (MessageKind::HeldListed, (*number, 0)),
        };
        let from = u8::try_from(envelope.from.index()).unwrap_or(u8::MAX);
        Message {
            from,
            kind,
            epoch: envelope.epoch.number(),
            round,
        }
    }

    pub(crate) fn kind(self) -> MessageKind {
        self.kind
    }

    pub(crate) fn from(self) -> u8 {
        self.from
    }

    /// The epoch of who sent it.
    pub(crate) fn epoch(self) -> u64 {
        self.epoch
    }

    /// The round that it belongs to, or the asking or survey: counter and member.
    pub(crate) fn round(self) -> (u64, u16) {
        self.round
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, member) = self.round;
        write!(
            f,
            "{:?} {number}.{member} of {} at epoch {}",
            self.kind, self.from, self.epoch
        )
    }
}

impl Note {
    /// At which member it happened; at none, where it happened to the world.
    pub(crate) fn member(&self) -> Option<u8> {
        match *self {
            Note::Arrived { to, .. } => Some(to),
            Note::Sent { message, .. } => Some(message.from),
            Note::Tick { member }
            | Note::LoginAsked { member, .. }
            | Note::Routed { member, .. }
            | Note::Refused { member, .. }
            | Note::LoginLost { member, .. }
            | Note::SessionClosed { member, .. }
            | Note::SessionEnded { member, .. }
            | Note::Byte { member, .. }
            | Note::Refresh { member, .. }
            | Note::EvictWanted { member, .. }
            | Note::EvictedSaid { member, .. }
            | Note::CloseAllWanted { member, .. }
            | Note::AllClosedSaid { member, .. }
            | Note::StrayWanted { member, .. }
            | Note::SaveWanted { member, .. }
            | Note::Saved { member, .. }
            | Note::SaveFailed { member, .. }
            | Note::Commanded { member, .. }
            | Note::Replied { member, .. }
            | Note::Said { member, .. }
            | Note::Started { member, .. }
            | Note::TookOver { member, .. }
            | Note::Died { member, .. } => Some(member),
            Note::FaultBegan { .. }
            | Note::FaultEnded { .. }
            | Note::Recovery { .. }
            | Note::LeftBroken { .. } => None,
        }
    }

    /// Whom it is about.
    pub(crate) fn person(&self) -> Option<u32> {
        match *self {
            Note::LoginAsked { person, .. }
            | Note::Routed { person, .. }
            | Note::Refused { person, .. }
            | Note::LoginLost { person, .. }
            | Note::SessionClosed { person, .. }
            | Note::SessionEnded { person, .. }
            | Note::Byte { person, .. }
            | Note::Refresh { person, .. }
            | Note::EvictWanted { person, .. }
            | Note::EvictedSaid { person, .. }
            | Note::StrayWanted { person, .. } => Some(person),
            _ => None,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Note::Tick { member } => write!(f, "{member}: tick"),
            Note::Arrived { to, message } => write!(f, "{to}: <- {message}"),
            Note::Sent { to, message, fate } => write!(f, "{}: -> {to} {message}: {fate:?}", message.from),
            Note::LoginAsked {
                member,
                person,
                token,
            } => {
                write!(f, "{member}: user{person} logs in ({token:x})")
            }
            Note::Routed {
                member,
                person,
                backend,
                serial,
                token,
            } => {
                write!(
                    f,
                    "{member}: user{person} is routed to backend {backend}, hold {serial} ({token:x})"
                )
            }
            Note::Refused { member, person, why } => write!(f, "{member}: user{person} is refused: {why}"),
            Note::LoginLost { member, person } => write!(f, "{member}: user{person} finds nobody"),
            Note::SessionClosed {
                member,
                person,
                backend,
                why,
            } => {
                write!(
                    f,
                    "{member}: session of user{person} on backend {backend} is closed: {why}"
                )
            }
            Note::SessionEnded { member, person } => write!(f, "{member}: user{person} logs out"),
            Note::Byte {
                member,
                person,
                backend,
            } => {
                write!(f, "{member}: user{person} to backend {backend}: a byte")
            }
            Note::Refresh { member, person } => write!(f, "{member}: user{person} is still there"),
            Note::EvictWanted {
                member,
                person,
                backend,
                serial,
            } => {
                write!(
                    f,
                    "{member}: evict user{person} from backend {backend}, hold {serial}"
                )
            }
            Note::EvictedSaid {
                member,
                person,
                serial,
            } => {
                write!(f, "{member}: user{person} is evicted, hold {serial}")
            }
            Note::CloseAllWanted { member, term } => write!(f, "{member}: close all, term {term}"),
            Note::AllClosedSaid { member, term } => write!(f, "{member}: all closed, term {term}"),
            Note::StrayWanted { member, person } => write!(f, "{member}: close the stray user{person}"),
            Note::SaveWanted { member, number } => write!(f, "{member}: save {number}"),
            Note::Saved { member, number } => write!(f, "{member}: saved {number}"),
            Note::SaveFailed { member, is_replaced } => {
                write!(
                    f,
                    "{member}: save failed{}",
                    if is_replaced {
                        ", another run's record is there"
                    } else {
                        ""
                    }
                )
            }
            Note::Commanded { member, id, what } => write!(f, "{member}: admin wants {what} ({id})"),
            Note::Replied {
                member,
                id,
                result,
                epoch,
            } => {
                write!(f, "{member}: admin is told {result}, epoch {epoch} ({id})")
            }
            Note::Said {
                member,
                event,
                number,
            } => write!(f, "{member}: {event} {number}"),
            Note::Started { member, run, epoch } => write!(f, "{member}: run {run} starts at epoch {epoch}"),
            Note::Died { member, run, why } => write!(f, "{member}: run {run} ends: {why}"),
            Note::TookOver { member, run, kept } => {
                write!(
                    f,
                    "{member}: run {run} answers for {kept} sessions that older processes keep"
                )
            }
            Note::FaultBegan { index, kind } => write!(f, "fault {index}, {kind}, begins"),
            Note::FaultEnded { index, kind } => write!(f, "fault {index}, {kind}, ends"),
            Note::Recovery { stage } => write!(f, "recovery: {stage}"),
            Note::LeftBroken { words } => write!(f, "left broken: {words}"),
        }
    }
}
