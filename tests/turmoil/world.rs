//! What all hosts of a test share: each member's process, disk and clock, the sessions as they truly are, and a trace.
//!
//! Everything goes through [`World::give`], so the truth is compared with at the very moment a login is routed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::{Boot, Envelope, Record};
use maildirector::director::{CommandError, CommandId, Director, Input, LoginToken, Output, Settings, Start};
use maildirector::ring;
use maildirector::topology::{BackendId, Epoch, MemberId, UserId};
use maildirector::world::Instant;
use tokio::sync::{Notify, mpsc};

/// How a member's clock differs from true time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub offset: Duration,
    pub ppm: i64,
}

impl Clock {
    pub fn at(self, true_time: Duration) -> Instant {
        let nanos = i128::try_from(true_time.as_nanos()).expect("a test lasts for seconds");
        let run = nanos + nanos * i128::from(self.ppm) / 1_000_000;
        let shown = self.offset.as_nanos() as i128 + run;
        Instant::from_nanos(u64::try_from(shown).expect("a test lasts for seconds"))
    }

    /// How long to sleep at `true_time` until the clock shows `at`; a millisecond at least, the grain of all timers.
    pub fn until(self, at: Instant, true_time: Duration) -> Duration {
        let ahead = at.since(self.at(true_time));
        Duration::from_millis(1 + (ahead.as_nanos() / 1_000_000) as u64)
    }
}

/// A record on its way to the disk.
pub type Saving = (u64, Arc<Record>);

/// Sessions that a front door must close.
#[derive(Clone, Copy, Debug)]
pub enum Closing {
    Hold { user: UserId, serial: u32 },
    All { term: u32 },
}

/// The ends of the channels to a process's own tasks.
pub struct Doorways {
    pub links: BTreeMap<MemberId, mpsc::Sender<Vec<u8>>>,
    pub disk: mpsc::UnboundedSender<Saving>,
    pub doors: mpsc::UnboundedSender<Closing>,
    pub wake: Rc<Notify>,
}

struct Process {
    director: Director,
    doorways: Doorways,
}

/// One member: what outlives its processes, and the process that runs.
pub struct Station {
    pub clock: Clock,
    settings: Settings,
    disk: Option<Record>,
    boots: u64,
    process: Option<Process>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    user: UserId,
    at: MemberId,
    backend: BackendId,
    serial: u32,
}

/// Where and whose a route was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Routed(BackendId),
    Refused,
}

pub type Shared = Rc<RefCell<World>>;

#[derive(Default)]
pub struct World {
    stations: BTreeMap<MemberId, Station>,
    sessions: BTreeMap<LoginToken, Session>,
    pub answers: BTreeMap<LoginToken, Answer>,
    pub replies: BTreeMap<CommandId, Result<Epoch, CommandError>>,
    /// What must never happen and did.
    pub violations: Vec<String>,
    /// A digest of everything after each input; two runs of one seed have equal ones.
    pub trace: Vec<u64>,
}

impl World {
    pub fn add(&mut self, settings: Settings, clock: Clock) {
        let station = Station {
            clock,
            settings,
            disk: None,
            boots: 0,
            process: None,
        };
        self.stations.insert(station.settings.me, station);
    }

    pub fn members(&self) -> Vec<MemberId> {
        self.stations.keys().copied().collect()
    }

    pub fn director(&self, member: MemberId) -> Option<&Director> {
        Some(&self.stations[&member].process.as_ref()?.director)
    }

    pub fn clock(&self, member: MemberId) -> Clock {
        self.stations[&member].clock
    }

    /// Begin a run of a member with what its disk kept.
    pub fn start(&mut self, me: MemberId, doorways: Doorways, true_time: Duration) {
        let station = self.stations.get_mut(&me).expect("every host is a member");
        station.boots += 1;
        let boot = u64::from(me.index()) * 1_000 + station.boots;
        let start = Start {
            boot: Boot::from_bits(boot),
            entropy: 77_000 + boot,
            record: station.disk.clone(),
            journal: Vec::new(),
            is_bootstrap: false,
        };
        let now = station.clock.at(true_time);
        let mut out = Vec::new();
        let director = Director::start(station.settings.clone(), start, now, &mut out);
        station.process = Some(Process { director, doorways });
        self.note(me, now, 0, &out);
        self.act(me, out, true_time);
    }

    /// The process is gone, and with it its sessions.
    pub fn died(&mut self, me: MemberId) {
        self.stations
            .get_mut(&me)
            .expect("every host is a member")
            .process = None;
        self.sessions.retain(|_, session| session.at != me);
    }

    /// Tell a member's machine something and do what it wants done. A member without a process hears nothing.
    pub fn give(&mut self, me: MemberId, input: Input<'_>, true_time: Duration) {
        let station = self.stations.get_mut(&me).expect("every host is a member");
        let now = station.clock.at(true_time);
        let Some(process) = &mut station.process else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(&input).hash(&mut hasher);
        if let Input::Message(envelope) = &input {
            envelope.hash(&mut hasher);
        }
        let mut out = Vec::new();
        process.director.handle(now, input, &mut out);
        process.doorways.wake.notify_one();
        self.note(me, now, hasher.finish(), &out);
        self.act(me, out, true_time);
    }

    /// The disk has this record now.
    pub fn saved(&mut self, me: MemberId, saving: Saving, true_time: Duration) {
        let (number, record) = saving;
        let station = self.stations.get_mut(&me).expect("every host is a member");
        station.disk = Some((*record).clone());
        self.give(me, Input::Saved { number }, true_time);
    }

    /// A front door has closed what it was told to.
    pub fn closed(&mut self, me: MemberId, closing: Closing, true_time: Duration) {
        let input = match closing {
            Closing::Hold { user, serial } => {
                self.sessions
                    .retain(|_, s| s.at != me || s.user != user || s.serial != serial);
                Input::Evicted { user, serial }
            }
            Closing::All { term } => {
                self.sessions.retain(|_, s| s.at != me);
                Input::AllClosed { term }
            }
        };
        self.give(me, input, true_time);
    }

    /// A client has gone away by itself.
    pub fn ended(&mut self, token: LoginToken, true_time: Duration) {
        if let Some(Session { user, at, serial, .. }) = self.sessions.remove(&token) {
            self.give(at, Input::SessionEnded { user, serial }, true_time);
        }
    }

    pub fn open_sessions(&self) -> Vec<LoginToken> {
        self.sessions.keys().copied().collect()
    }

    /// Note a violation when a user has sessions on two backends that may both forward now.
    pub fn check_nobody_is_split(&mut self, true_time: Duration) {
        let mut backends: BTreeMap<UserId, BTreeSet<BackendId>> = BTreeMap::new();
        for session in self.sessions.values() {
            let may_forward = self
                .director(session.at)
                .is_some_and(|director| director.may_forward(self.stations[&session.at].clock.at(true_time)));
            if may_forward {
                backends.entry(session.user).or_default().insert(session.backend);
            }
        }
        for (user, backends) in backends.into_iter().filter(|(_, b)| b.len() > 1) {
            let words = format!("user {user:?} is on {backends:?} at {true_time:?}");
            self.violations.push(words);
        }
    }

    fn act(&mut self, me: MemberId, out: Vec<Output>, true_time: Duration) {
        for output in out {
            match output {
                Output::Send { to, envelope } => self.send(me, Some(to), &envelope),
                Output::Flood(envelope) => self.send(me, None, &envelope),
                Output::Save { number, record } => {
                    let _ = self.doorways(me).disk.send((number, record));
                }
                Output::Evict { user, serial, .. } => {
                    let _ = self.doorways(me).doors.send(Closing::Hold { user, serial });
                }
                Output::CloseAll { term } => {
                    let _ = self.doorways(me).doors.send(Closing::All { term });
                }
                Output::Route {
                    token,
                    user,
                    backend,
                    serial,
                } => {
                    let (at, session) = (me, token);
                    let opened = Session {
                        user,
                        at,
                        backend,
                        serial,
                    };
                    self.sessions.insert(session, opened);
                    self.answer(token, Answer::Routed(backend));
                    self.check_nobody_is_split(true_time);
                }
                Output::Refuse { token, .. } => self.answer(token, Answer::Refused),
                Output::Reply { id, result } => {
                    if self.replies.insert(id, result).is_some() {
                        self.violations.push(format!("{id:?} was answered twice"));
                    }
                }
                Output::Halt => self.violations.push(format!("{me} halted")),
                Output::CloseStray { .. } | Output::DryRunReply { .. } | Output::Event(_) => {}
            }
        }
    }

    fn answer(&mut self, token: LoginToken, answer: Answer) {
        if self.answers.insert(token, answer).is_some() {
            self.violations.push(format!("{token:?} was answered twice"));
        }
    }

    /// Queue a frame on one link or on all. A full link loses it, as a network would.
    fn send(&mut self, me: MemberId, to: Option<MemberId>, envelope: &Envelope) {
        let bytes = ring::encode(envelope).expect("what a director sends fits a frame");
        for (peer, link) in &self.doorways(me).links {
            if to.is_none_or(|to| to == *peer) {
                let _ = link.try_send(bytes.clone());
            }
        }
    }

    fn doorways(&self, me: MemberId) -> &Doorways {
        let process = self.stations[&me].process.as_ref();
        &process.expect("only a running process has outputs").doorways
    }

    fn note(&mut self, me: MemberId, now: Instant, input: u64, out: &[Output]) {
        let mut hasher = DefaultHasher::new();
        (self.trace.last(), me, now, input, out).hash(&mut hasher);
        self.trace.push(hasher.finish());
    }
}
