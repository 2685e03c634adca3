//! A site at work: real directors on simulated hosts, the links between them, their users.
//!
//! Clocks run at one rate here and messages are not lost, as TCP on a local network has it: how drift and loss are
//! borne is tried by the worlds of `world`.

use std::collections::BTreeMap;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;

use maildirector::agreement::{Boot, Envelope};
use maildirector::director::{CommandId, Director, Event as Said, Input, Output, Start};
use maildirector::ring;
use maildirector::topology::{BackendId, Change, Topology};
use maildirector::world::Instant;

use super::agenda::{Agenda, Event};
use super::crowd::Crowd;
use super::seat::Seat;
use super::setup::{Setup, settings};
use super::wires::Wires;
use crate::entropy::{Entropy, Purpose, below};

/// A millisecond of simulated time.
pub(super) const MS: u64 = 1_000_000;
/// A second of simulated time.
pub(super) const SECOND: u64 = 1_000 * MS;
/// One link on a local network: the wire, two kernels, TLS, and a task that wakes up.
const HOP_NS: (u64, u64) = (100_000, 200_000);
/// A synced write to a solid-state disk.
const SYNC_NS: (u64, u64) = (MS, 5 * MS);
/// From the wish to close sessions until the login processes have closed them: two kicks, two seconds apart.
const CLOSING_NS: u64 = 2_050 * MS;
/// Every director has probed each backend twice when this has passed since its start.
const PROBED_NS: (u64, u64) = (5 * SECOND, 10 * SECOND);
/// The time of day when the scene begins: no drain here depends on it.
const UNIX_S: u64 = 1_800_000_000;

/// What is counted while a scene runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Inputs that directors took.
    pub inputs: u64,
    /// Messages that directors got.
    pub delivered: u64,
    /// Messages to all.
    pub floods: u64,
    /// Messages to one.
    pub sends: u64,
    /// Bytes of both as they lie on a link, head and all; only while they are weighed.
    pub flood_bytes: u64,
    /// The same of messages to one.
    pub send_bytes: u64,
    /// Epochs decided.
    pub epochs: u64,
}

/// Who has installed an epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Installed {
    pub members: usize,
    pub last_at: u64,
}

/// A site at work. A clone goes on from the same moment.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub now: u64,
    pub seats: Vec<Seat>,
    pub wires: Wires,
    pub crowd: Crowd,
    pub counts: Counts,
    pub is_weighed: bool,
    pub installed: BTreeMap<u64, Installed>,
    /// Answers to commands: when, and the epoch.
    pub replies: BTreeMap<u64, (u64, Option<u64>)>,
    /// The backend that is dead, if one is.
    pub dead_backend: Option<BackendId>,
    /// The user whose login a director is being given, and what it answers in the same breath.
    pub(super) asking: Option<(usize, u64)>,
    pub(super) answer: Option<Option<BackendId>>,
    pub(super) agenda: Agenda,
    entropy: Entropy,
    draws: u64,
}

impl Scene {
    /// A ring that has just been started for the first time; its users begin when they are let in.
    pub fn new(setup: &Setup, topology: &Arc<Topology>) -> Self {
        let directors = usize::from(setup.directors);
        let seats = (0..directors).map(|member| Seat::new(settings(member, topology)));
        let mut scene = Scene {
            now: SECOND,
            seats: seats.collect(),
            wires: Wires::new(directors),
            crowd: Crowd::new(directors),
            counts: Counts::default(),
            is_weighed: false,
            installed: BTreeMap::new(),
            replies: BTreeMap::new(),
            dead_backend: None,
            asking: None,
            answer: None,
            agenda: Agenda::default(),
            entropy: Entropy::new(setup.seed),
            draws: 0,
        };
        (0..directors).for_each(|member| scene.start(member));
        scene
    }

    /// A ring at work for half a minute, with its users.
    ///
    /// # Panics
    /// A director does not serve by then: the machine is broken.
    pub fn warm(setup: &Setup, topology: &Arc<Topology>) -> Self {
        let mut scene = Scene::new(setup, topology);
        scene.run_for(20 * SECOND);
        scene.begin_logins();
        scene.run_for(10 * SECOND);
        assert!(
            scene.is_settled(),
            "a ring without faults serves within half a minute"
        );
        scene
    }

    /// From here on, chance is another one.
    pub fn reseed(&mut self, seed: u64) {
        self.entropy = Entropy::new(seed);
        self.draws = 0;
    }

    pub fn run_for(&mut self, span: u64) {
        self.run_until(self.now + span);
    }

    pub fn run_until(&mut self, end: u64) {
        while self.step(end) {}
    }

    /// Lets the next thing happen; false when nothing does before `end`, which it is then.
    pub fn step(&mut self, end: u64) -> bool {
        let Some((at, event)) = self.agenda.pop_before(end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = at;
        self.happen(event);
        true
    }

    /// Whether all directors run, serve, and are at one epoch with nothing under way.
    pub fn is_settled(&self) -> bool {
        let newest = self
            .seats
            .iter()
            .filter_map(|seat| seat.director.as_ref())
            .map(|d| d.epoch())
            .max();
        self.seats.iter().all(|seat| {
            let director = seat.director.as_ref().filter(|_| seat.is_awake());
            director.is_some_and(|d| d.is_serving() && Some(d.epoch()) == newest && !d.is_unseated())
        })
    }

    /// Directors that run and are not cut off.
    pub fn awake(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_awake()).count()
    }

    pub fn command(&mut self, member: usize, id: u64, changes: Vec<Change>) {
        let id = CommandId(id);
        self.give(member, Input::Command { id, changes });
    }

    pub fn draw(&mut self) -> u64 {
        self.draws += 1;
        self.entropy.draw(Purpose::Scale, 0, self.draws)
    }

    pub fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + below(self.draw(), high - low + 1)
    }

    pub fn start(&mut self, member: usize) {
        if self.seats[member].director.is_some() {
            return;
        }
        let journal = self.crowd.journal(member);
        let (boot, entropy) = (Boot::from_bits(self.draw()), self.draw());
        let seat = &mut self.seats[member];
        seat.boots += 1;
        seat.tick_at = u64::MAX;
        let start = Start {
            boot,
            entropy,
            record: seat.record.as_deref().cloned(),
            journal,
            sessions: Vec::new(),
            is_bootstrap: false,
        };
        let mut out = Vec::new();
        let now = Instant::from_nanos(self.now);
        let director = Director::start(seat.settings.clone(), start, now, &mut out);
        seat.director = Some(Box::new(director));
        self.wires.here(member);
        self.perform(member, &mut out);
        self.schedule(member);
        self.give(
            member,
            Input::WallClock {
                unix_s: UNIX_S + self.now / SECOND,
            },
        );
        let at = self.now + self.between(PROBED_NS);
        let failing = self.seats[member].failing;
        self.agenda.push(at, Event::Probed { member, failing });
    }

    /// The process dies. Its login processes and its guard live on.
    pub fn kill(&mut self, member: usize) {
        self.watch_guard(member);
        self.seats[member].director = None;
        self.wires.closed(member);
        self.crowd.lost(member, self.now);
    }

    /// The host is gone with everything on it.
    pub fn vanish(&mut self, member: usize) {
        self.seats[member].director = None;
        self.wires.silent(member, self.now);
        self.crowd.lost(member, self.now);
        self.crowd.drop_sessions_of(member);
    }

    pub fn pause(&mut self, member: usize) {
        self.watch_guard(member);
        self.seats[member].paused_at = Some(self.now);
        self.wires.silent(member, self.now);
    }

    /// It goes on, with what reached it meanwhile.
    pub fn resume(&mut self, member: usize) {
        self.seats[member].paused_at = None;
        self.wires.here(member);
        for event in take(&mut self.seats[member].backlog) {
            self.happen(event);
        }
        self.schedule(member);
    }

    /// All directors' probes find it failing, or nothing failing any more, within the time that probing takes.
    pub fn probe_all(&mut self, failing: Option<IpAddr>, within: (u64, u64)) {
        for member in 0..self.seats.len() {
            let at = self.now + self.between(within);
            self.agenda.push(at, Event::Probed { member, failing });
        }
    }

    /// The guard beside a process that does not renew its lease any more closes the sessions when that has run out.
    fn watch_guard(&mut self, member: usize) {
        let seat = &self.seats[member];
        let Some(until) = seat.director.as_ref().and_then(|director| director.lease_until()) else {
            return;
        };
        let event = Event::GuardLooks {
            member,
            boots: seat.boots,
        };
        self.agenda.push(until.as_nanos().max(self.now), event);
    }

    fn happen(&mut self, event: Event) {
        if let Some(member) = event.process()
            && self.seats[member].paused_at.is_some()
        {
            self.seats[member].backlog.push(event);
            return;
        }
        match event {
            Event::Arrives { to, envelope } => self.arrive(to, envelope),
            Event::Tick { member } => self.tick(member),
            Event::Saved {
                member,
                boots,
                number,
                record,
            } if self.is_now(member, boots) => {
                self.seats[member].record = Some(record);
                self.give(member, Input::Saved { number });
            }
            Event::Evicted {
                member,
                boots,
                user,
                serial,
            } if self.is_now(member, boots) => {
                self.crowd.drop_session(member, user);
                self.give(member, Input::Evicted { user, serial });
            }
            Event::AllClosed { member, boots, term } if self.is_now(member, boots) => {
                self.crowd.drop_sessions_of(member);
                self.give(member, Input::AllClosed { term });
            }
            Event::Saved { .. } | Event::Evicted { .. } | Event::AllClosed { .. } => {}
            Event::GuardLooks { member, boots } => {
                let seat = &self.seats[member];
                if !seat.is_awake() && seat.boots == boots {
                    self.crowd.drop_sessions_of(member);
                }
            }
            Event::Probed { member, failing } => {
                self.seats[member].failing = failing;
                self.give(
                    member,
                    Input::Probed {
                        failing: failing.as_slice(),
                    },
                );
            }
            Event::Starts { member } => self.start(member),
            Event::Login { user } => self.login_is_due(user),
        }
    }

    fn is_now(&self, member: usize, boots: u64) -> bool {
        self.seats[member].boots == boots
    }

    fn arrive(&mut self, to: usize, envelope: Envelope) {
        let from = usize::from(envelope.from.index());
        if self.wires.hops(from, to, self.now).is_none() {
            return;
        }
        self.counts.delivered += 1;
        self.give(to, Input::Message(envelope));
    }

    fn tick(&mut self, member: usize) {
        let seat = &mut self.seats[member];
        if seat.tick_at > self.now {
            return;
        }
        seat.tick_at = u64::MAX;
        let due = seat.director.as_ref().and_then(|director| director.next_wakeup());
        if due.is_some_and(|due| due.as_nanos() <= self.now) {
            self.give(member, Input::Tick);
        }
        self.schedule(member);
    }

    /// Gives a process one input, unless there is none.
    pub(super) fn give(&mut self, member: usize, input: Input<'_>) {
        let now = Instant::from_nanos(self.now);
        let seat = &mut self.seats[member];
        let Some(director) = &mut seat.director else {
            return;
        };
        self.counts.inputs += 1;
        let mut out = Vec::new();
        director.handle(now, input, &mut out);
        self.perform(member, &mut out);
        self.schedule(member);
    }

    fn schedule(&mut self, member: usize) {
        let seat = &mut self.seats[member];
        if seat.paused_at.is_some() {
            return;
        }
        let due = seat.director.as_ref().and_then(|director| director.next_wakeup());
        let Some(due) = due else { return };
        let at = due.as_nanos().max(self.now + 1_000);
        if at < seat.tick_at {
            seat.tick_at = at;
            self.agenda.push(at, Event::Tick { member });
        }
    }

    fn perform(&mut self, member: usize, out: &mut Vec<Output>) {
        let boots = self.seats[member].boots;
        for output in out.drain(..) {
            match output {
                Output::Send { to, envelope } => self.send(member, usize::from(to.index()), envelope),
                Output::Flood(envelope) => self.flood(member, &envelope),
                Output::Save { number, record } => {
                    let at = self.now + self.between(SYNC_NS);
                    self.agenda.push(
                        at,
                        Event::Saved {
                            member,
                            boots,
                            number,
                            record,
                        },
                    );
                }
                Output::Route { token, backend, .. } => self.routed(member, token, backend),
                Output::Refuse { token, .. } => self.refused(token),
                Output::Evict { user, serial, .. } => {
                    let event = Event::Evicted {
                        member,
                        boots,
                        user,
                        serial,
                    };
                    self.agenda.push(self.now + CLOSING_NS, event);
                }
                Output::CloseAll { term } => {
                    let event = Event::AllClosed { member, boots, term };
                    self.agenda.push(self.now + CLOSING_NS, event);
                }
                Output::CloseStray { user } => self.crowd.drop_session(member, user),
                Output::Reply { id, result } => {
                    let epoch = result.ok().map(|epoch| epoch.number());
                    self.replies.insert(id.0, (self.now, epoch));
                }
                Output::Event(Said::Installed { epoch, .. }) => {
                    let installed = self.installed.entry(epoch.number()).or_default();
                    self.counts.epochs += u64::from(installed.members == 0);
                    installed.members += 1;
                    installed.last_at = self.now;
                }
                // No admin here asks or kicks, and no flush hook is configured.
                Output::Event(_)
                | Output::KickWith(_)
                | Output::HeldListed { .. }
                | Output::DryRunReply { .. }
                | Output::Flush { .. }
                | Output::Halt => {}
            }
        }
    }

    fn flood(&mut self, from: usize, envelope: &Envelope) {
        self.counts.floods += 1;
        if self.is_weighed {
            self.counts.flood_bytes += framed_bytes(envelope);
        }
        for to in (0..self.seats.len()).filter(|to| *to != from) {
            self.bring(from, to, envelope.clone());
        }
    }

    fn send(&mut self, from: usize, to: usize, envelope: Envelope) {
        self.counts.sends += 1;
        if self.is_weighed {
            self.counts.send_bytes += framed_bytes(&envelope);
        }
        self.bring(from, to, envelope);
    }

    fn bring(&mut self, from: usize, to: usize, envelope: Envelope) {
        let Some(hops) = self.wires.hops(from, to, self.now) else {
            return;
        };
        let (low, high) = HOP_NS;
        let hops = u64::from(hops);
        let at = self.now + self.between((low * hops, high * hops));
        self.agenda.push(at, Event::Arrives { to, envelope });
    }
}

/// What a message takes on a link.
fn framed_bytes(envelope: &Envelope) -> u64 {
    let payload = ring::encode(envelope).expect("nothing here is larger than a frame");
    (ring::FRAME_HEAD_BYTES + payload.len()) as u64
}
