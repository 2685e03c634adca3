//! Taking down a run as it happens: every event with its causes, every message from its sending to its arrival, leases,
//! epochs and sessions with their ends. What of it matters is left to `cone`.
//!
//! A recorder only listens. The world asks for one branch where there is none, and the trace is the same either way.

use std::collections::BTreeMap;
use std::sync::Arc;

use maildirector::agreement::{Body, Envelope, Value, ValueId};
use maildirector::topology::UserId;

use super::contents;
use crate::world::{Fate, Message, Note};

/// More events than these are not kept: the oldest go first, half of them at a time.
const NOTED_MAX: usize = 4_000_000;

/// The place of an event in the whole run, the forgotten ones counted.
pub(crate) type At = u32;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    /// True time.
    pub(crate) at_ns: u64,
    /// The number of the event that it was a part of, as in the trace.
    pub(crate) event: u64,
    pub(crate) note: Note,
    /// What happened before at the same member, and what else led to it.
    pub(crate) causes: [Option<At>; 2],
    /// The message of a `Sent` or `Arrived`, by its place in [`Recorder::flights`].
    pub(crate) flight: Option<u32>,
}

/// One message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) sent: At,
    pub(crate) sent_ns: u64,
    pub(crate) to: u8,
    pub(crate) message: Message,
    pub(crate) fate: Fate,
    pub(crate) contents: String,
    /// When it was taken in; twice, or by two processes, when there is more than one.
    pub(crate) arrived_ns: Vec<u64>,
}

/// The end of a run's lease has moved, or the lease is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseMove {
    pub(crate) at_ns: u64,
    pub(crate) member: u8,
    pub(crate) run: u32,
    /// In true time, by the rate of the clock at that moment.
    pub(crate) until_ns: Option<u64>,
    pub(crate) epoch: u64,
    /// The event before: the grant that brought it.
    pub(crate) by: Option<At>,
}

/// A run has another topology in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochMove {
    pub(crate) at_ns: u64,
    pub(crate) run: u32,
    pub(crate) epoch: u64,
}

/// A session from its opening to its end.
#[derive(Clone, Debug)]
pub(crate) struct SessionSpan {
    pub(crate) number: u32,
    pub(crate) member: u8,
    pub(crate) person: u32,
    pub(crate) user: UserId,
    /// By its number in the plan.
    pub(crate) backend: u32,
    /// It lives in the director's own process.
    pub(crate) is_exact: bool,
    /// Of the director that opened it.
    pub(crate) epoch: u64,
    pub(crate) opened_ns: u64,
    /// The routing that opened it.
    pub(crate) opened: At,
    pub(crate) closed: Option<(u64, &'static str)>,
}

/// A value that somebody proposed, and for the end of which epoch.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) epoch: u64,
    pub(crate) value: Arc<Value>,
}

/// What a question waits for, by what the answer will name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Login(u64),
    Command(u64),
    Eviction(u8, u32, u32),
    Closing(u8, u32),
    Save(u8, u64),
    Stray(u8, u32),
}

/// Everything of one run.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    noted: Vec<Noted>,
    forgotten: usize,
    pub(crate) flights: Vec<Flight>,
    pub(crate) leases: Vec<LeaseMove>,
    pub(crate) epochs: Vec<EpochMove>,
    pub(crate) sessions: Vec<SessionSpan>,
    pub(crate) values: BTreeMap<ValueId, Proposed>,
    /// The members of all runs, by their numbers.
    starts: Vec<u8>,
    last_of_member: BTreeMap<u8, At>,
    asked: BTreeMap<Asked, At>,
    /// By link and number, while they may still arrive.
    under_way: BTreeMap<(u8, u8, u64), u32>,
    open_sessions: BTreeMap<u32, usize>,
    sending: String,
    arriving: Option<(u8, u8, u64)>,
    /// The last fault that began or ended, with its event: what happens in the same event is its doing.
    fault: Option<(u64, At)>,
}

impl Recorder {
    /// Something happened at `at_ns`, as a part of this event.
    pub(crate) fn note(&mut self, at_ns: u64, event: u64, note: Note) {
        self.forget();
        let at = (self.forgotten + self.noted.len()) as At;
        let before = note
            .member()
            .and_then(|member| self.last_of_member.insert(member, at));
        let (other, flight) = self.other_cause(at, at_ns, &note);
        let fault = self.fault.filter(|(of, _)| *of == event).map(|(_, at)| at);
        self.noted.push(Noted {
            at_ns,
            event,
            note,
            causes: [before, other.or(fault)],
            flight,
        });
        match note {
            Note::FaultBegan { .. } | Note::FaultEnded { .. } => self.fault = Some((event, at)),
            Note::Started { member, .. } => self.starts.push(member),
            _ => {}
        }
    }

    /// The next `Sent` is this.
    pub(crate) fn sending(&mut self, envelope: &Envelope) {
        self.sending = contents::words(&envelope.body);
        if let Body::Propose { value, .. } = &envelope.body {
            let epoch = envelope.epoch.number();
            let value = Arc::clone(value);
            self.values.entry(value.id).or_insert(Proposed { epoch, value });
        }
    }

    /// The last `Sent` was the `n`-th message of its link.
    pub(crate) fn sent(&mut self, from: u8, to: u8, n: u64) {
        if let Some(last) = self.flights.len().checked_sub(1) {
            self.under_way.insert((from, to, n), last as u32);
        }
    }

    /// What arrives next is this message of this link.
    pub(crate) fn arriving(&mut self, from: u8, to: u8, n: u64) {
        self.arriving = Some((from, to, n));
    }

    /// A run's lease ends at another time.
    pub(crate) fn lease(&mut self, lease: LeaseMove) {
        let by = self.last_of_member.get(&lease.member).copied();
        self.leases.push(LeaseMove { by, ..lease });
    }

    /// A run has another topology in force.
    pub(crate) fn epoch(&mut self, epoch: EpochMove) {
        self.epochs.push(epoch);
    }

    /// The last `Routed` has opened this session.
    pub(crate) fn session_opened(&mut self, session: SessionSpan) {
        self.open_sessions.insert(session.number, self.sessions.len());
        let opened = self.end().saturating_sub(1);
        self.sessions.push(SessionSpan { opened, ..session });
    }

    /// It is closed.
    pub(crate) fn session_closed(&mut self, at_ns: u64, number: u32, why: &'static str) {
        if let Some(index) = self.open_sessions.remove(&number) {
            self.sessions[index].closed = Some((at_ns, why));
        }
    }

    /// The place after the last event.
    pub(crate) fn end(&self) -> At {
        (self.forgotten + self.noted.len()) as At
    }

    /// The place of the first event that is kept.
    pub(crate) fn start(&self) -> At {
        self.forgotten as At
    }

    /// What happened there, unless it is forgotten.
    pub(crate) fn find(&self, at: At) -> Option<&Noted> {
        self.noted.get((at as usize).checked_sub(self.forgotten)?)
    }

    /// Everything that is kept, with its places.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = (At, &Noted)> {
        let at = |(index, noted)| ((self.forgotten + index) as At, noted);
        self.noted.iter().enumerate().map(at)
    }

    /// The last event of a member.
    pub(crate) fn last_of(&self, member: u8) -> Option<At> {
        self.last_of_member.get(&member).copied()
    }

    /// Whose run it was.
    pub(crate) fn member_of_run(&self, run: u32) -> Option<u8> {
        self.starts.get(run as usize).copied()
    }

    /// The sessions that are open at the end.
    pub(crate) fn open(&self) -> impl Iterator<Item = &SessionSpan> {
        self.sessions.iter().filter(|session| session.closed.is_none())
    }

    fn forget(&mut self) {
        if self.noted.len() == NOTED_MAX {
            self.noted.drain(..NOTED_MAX / 2);
            self.forgotten += NOTED_MAX / 2;
        }
    }

    /// What led to this besides what happened before at its member; and its message, if it is about one.
    fn other_cause(&mut self, at: At, at_ns: u64, note: &Note) -> (Option<At>, Option<u32>) {
        match *note {
            Note::Sent { to, message, fate } => {
                self.flights.push(Flight {
                    sent: at,
                    sent_ns: at_ns,
                    to,
                    message,
                    fate,
                    contents: std::mem::take(&mut self.sending),
                    arrived_ns: Vec::new(),
                });
                (None, Some((self.flights.len() - 1) as u32))
            }
            Note::Arrived { .. } => {
                let link = self.arriving;
                let flight = link.and_then(|link| self.under_way.get(&link)).copied();
                let sent = flight.map(|flight| {
                    let flight = &mut self.flights[flight as usize];
                    flight.arrived_ns.push(at_ns);
                    flight.sent
                });
                (sent, flight)
            }
            _ => (self.answered(at, note), None),
        }
    }

    /// Remembers a question; finds the one that this answers.
    fn answered(&mut self, at: At, note: &Note) -> Option<At> {
        let (is_question, asked) = match *note {
            Note::LoginAsked { token, .. } => (true, Asked::Login(token)),
            Note::Routed { token, .. } => (false, Asked::Login(token)),
            Note::Commanded { id, .. } => (true, Asked::Command(id)),
            Note::Replied { id, .. } => (false, Asked::Command(id)),
            Note::EvictWanted {
                member,
                person,
                serial,
                ..
            } => (true, Asked::Eviction(member, person, serial)),
            Note::EvictedSaid {
                member,
                person,
                serial,
            } => (false, Asked::Eviction(member, person, serial)),
            Note::CloseAllWanted { member, term } => (true, Asked::Closing(member, term)),
            Note::AllClosedSaid { member, term } => (false, Asked::Closing(member, term)),
            Note::SaveWanted { member, number } => (true, Asked::Save(member, number)),
            Note::Saved { member, number } => (false, Asked::Save(member, number)),
            Note::StrayWanted { member, person } => (true, Asked::Stray(member, person)),
            Note::Byte { member, person, .. } => {
                let open = self
                    .open_sessions
                    .values()
                    .rev()
                    .map(|index| &self.sessions[*index]);
                let session = open
                    .into_iter()
                    .find(|session| session.member == member && session.person == person);
                return session.map(|session| session.opened);
            }
            _ => return None,
        };
        if is_question {
            self.asked.insert(asked, at);
            None
        } else {
            self.asked.get(&asked).copied()
        }
    }
}
