//! The world itself, and the way into a director and out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::admins::Admins;
use super::crowd::{Login, Session};
use super::wires::{Arrival, Parcel, SYN_AGAIN_NS, Wires};
use crate::classic::{Director, HostLine, INCOMING_FROM, Input, Output, Place, Settings};
use crate::compare::{Figures, Tally};
use crate::entropy::Entropy;
use crate::knobs::Knobs;
use crate::plan::Plan;
use crate::world::{Causes, Clock, People, Queue, backend_ip};

pub(super) const MS: u64 = 1_000_000;
/// Unix time at the beginning, in milliseconds.
const UNIX_MS: u64 = 1_795_436_984_000;
const RING_PORT: u16 = 9090;
/// After so many messages a plan is over: directors whose messages beget more than die would go on for ever.
const MESSAGES_MAX: u64 = 1_000_000;
/// A timer that is due again at once waits so long: nothing here happens twice in no time.
const TICK_MIN_NS: u64 = 100_000;

/// One thing that is due.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    ParcelArrives {
        wire: usize,
        end: usize,
        parcel: Parcel,
    },
    ConnectIsTried {
        run: u32,
        connection: u32,
        to: u8,
        tries: usize,
    },
    ConnectFails {
        run: u32,
        connection: u32,
    },
    TickIsDue {
        run: u32,
        at_ns: u64,
    },
    LoginIsGenerated {
        n: u64,
    },
    LoginArrives {
        token: u64,
    },
    LoginIsRetried {
        person: u32,
        tries: u8,
        is_second_tag: bool,
        session_ns: u64,
    },
    WorkIsDue {
        index: usize,
    },
    SessionEnds {
        number: u32,
    },
    RefreshIsDue {
        member: u8,
        person: u32,
        is_second_tag: bool,
    },
    KickIsDone {
        run: u32,
        kick: Kick,
    },
    FaultBegins {
        index: usize,
    },
    FaultEnds {
        index: usize,
    },
    FaultTurns {
        index: usize,
        is_on: bool,
    },
    MemberStarts {
        member: u8,
    },
    HealthActs {
        backend: usize,
    },
    RecoveryBegins,
    RecoveryIsPolled,
}

/// Sessions that login processes are closing.
#[derive(Clone, Debug)]
pub(super) struct Kick {
    pub(super) tag: String,
    pub(super) hash: u32,
    pub(super) except: Option<IpAddr>,
    pub(super) is_awaited: bool,
    pub(super) demanded_ns: u64,
}

/// A machine with its login processes.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) clock: Clock,
    /// The director's process, while it lives.
    pub(super) run: Option<u32>,
    /// Faults that keep it from running, from being started, and the machine from being on.
    pub(super) paused: u32,
    pub(super) down: u32,
    pub(super) off: u32,
    pub(super) backlog: Vec<Happening>,
}

/// One process of a director.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) member: u8,
    pub(super) director: Option<Director>,
    wake_ns: u64,
}

/// A world in which a plan happens to Dovecot's directors.
pub(crate) struct ClassicWorld<'p> {
    pub(super) plan: &'p Plan,
    pub(super) entropy: Entropy,
    pub(super) now: u64,
    pub(super) queue: Queue<Happening>,
    pub(super) wires: Wires,
    pub(super) members: Vec<Member>,
    pub(super) runs: Vec<Run>,
    connecting: BTreeSet<(u32, u32)>,
    next_incoming: u32,
    pub(super) people: People,
    pub(super) sessions: BTreeMap<u32, Session>,
    pub(super) refreshing: BTreeSet<(u8, u32, bool)>,
    pub(super) logins: BTreeMap<u64, Login>,
    pub(super) next_number: u32,
    pub(super) admins: Admins,
    pub(super) is_backend_dead: Vec<bool>,
    pub(super) is_fault_on: Vec<bool>,
    pub(super) causes: Causes,
    pub(super) tally: Tally,
    messages: u64,
    messages_at_recovery: u64,
    recovery_began_ns: Option<u64>,
    settled_ns: Option<u64>,
    is_storm: bool,
    is_over: bool,
}

/// Where the director of a member listens.
fn place_of(member: u8) -> Place {
    Place {
        ip: IpAddr::V4(Ipv4Addr::new(10, 255, 0, member + 1)),
        port: RING_PORT,
    }
}

impl<'p> ClassicWorld<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let (knobs, entropy) = (&plan.knobs, Entropy::new(plan.seed));
        let member = |m: &crate::knobs::MemberKnobs| Member {
            clock: Clock::new(0, i64::from(m.clock_ppm)),
            run: None,
            paused: 0,
            down: 0,
            off: 0,
            backlog: Vec::new(),
        };
        let mut world = ClassicWorld {
            plan,
            entropy,
            now: 0,
            queue: Queue::default(),
            wires: Wires::new(knobs, entropy),
            members: knobs.members.iter().map(member).collect(),
            runs: Vec::new(),
            connecting: BTreeSet::new(),
            next_incoming: INCOMING_FROM,
            people: People::of(plan),
            sessions: BTreeMap::new(),
            refreshing: BTreeSet::new(),
            logins: BTreeMap::new(),
            next_number: 0,
            admins: Admins::new(knobs.backends.len()),
            is_backend_dead: vec![false; knobs.backends.len()],
            is_fault_on: vec![false; plan.faults.len()],
            causes: Causes::default(),
            tally: Tally::new(plan),
            messages: 0,
            messages_at_recovery: 0,
            recovery_began_ns: None,
            settled_ns: None,
            is_storm: false,
            is_over: false,
        };
        world.schedule();
        world
    }

    fn schedule(&mut self) {
        let plan = self.plan;
        for (member, m) in (0..).zip(&plan.knobs.members) {
            self.push(m.starts_at_ms * MS, Happening::MemberStarts { member });
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            if fault.from_ms < plan.duration_ms {
                self.push(fault.from_ms * MS, Happening::FaultBegins { index });
                self.push(fault.to_ms * MS, Happening::FaultEnds { index });
            }
        }
        for (index, work) in plan.work.iter().enumerate() {
            if work.at_ms < plan.duration_ms {
                self.push(work.at_ms * MS, Happening::WorkIsDue { index });
            }
        }
        if plan.knobs.login_gap_ms > 0 {
            self.push(0, Happening::LoginIsGenerated { n: 0 });
        }
        self.push(plan.duration_ms * MS, Happening::RecoveryBegins);
    }

    /// Lets things happen until the plan is over.
    pub(crate) fn play(&mut self) {
        while !self.is_over {
            let Some((at_ns, happening)) = self.queue.pop() else {
                break;
            };
            self.now = self.now.max(at_ns);
            self.happen(happening);
            if self.messages > MESSAGES_MAX {
                self.messages_at_recovery = self.messages;
                self.is_storm = true;
                self.is_over = true;
            }
        }
    }

    /// What was counted.
    pub(crate) fn figures(self) -> Figures {
        Figures {
            settled_ns: self.settled_ns,
            is_storm: self.is_storm,
            ..self.tally.finish(self.now, self.messages_at_recovery)
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ParcelArrives { wire, end, parcel } => self.parcel_arrives(wire, end, parcel),
            Happening::ConnectIsTried {
                run,
                connection,
                to,
                tries,
            } => self.connect_is_tried(run, connection, to, tries),
            Happening::ConnectFails { run, connection } => {
                if self.connecting.remove(&(run, connection)) {
                    self.give_or_keep(run, Happening::ConnectFails { run, connection });
                }
            }
            Happening::TickIsDue { run, at_ns } => {
                if self.runs[run as usize].wake_ns == at_ns {
                    self.runs[run as usize].wake_ns = u64::MAX;
                    self.give_or_keep(run, Happening::TickIsDue { run, at_ns });
                }
            }
            Happening::LoginIsGenerated { n } => self.login_is_generated(n),
            Happening::LoginArrives { token } => self.login_arrives(token),
            Happening::LoginIsRetried {
                person,
                tries,
                is_second_tag,
                session_ns,
            } => self.login_is_retried(person, tries, is_second_tag, session_ns),
            Happening::WorkIsDue { index } => self.work_is_due(index),
            Happening::SessionEnds { number } => self.session_ends(number),
            Happening::RefreshIsDue {
                member,
                person,
                is_second_tag,
            } => self.refresh_is_due(member, person, is_second_tag),
            Happening::KickIsDone { run, kick } => self.kick_is_done(run, kick),
            Happening::FaultBegins { index } => self.fault_begins(index),
            Happening::FaultEnds { index } => self.fault_ends(index),
            Happening::FaultTurns { index, is_on } => self.fault_turns(index, is_on),
            Happening::MemberStarts { member } => self.start_if_due(member),
            Happening::HealthActs { backend } => self.health_acts(backend),
            Happening::RecoveryBegins => self.recovery_begins(),
            Happening::RecoveryIsPolled => self.recovery_is_polled(),
        }
    }

    pub(super) fn push(&mut self, at_ns: u64, happening: Happening) {
        self.queue.push(at_ns, happening);
    }

    pub(super) fn knobs(&self) -> &'p Knobs {
        &self.plan.knobs
    }

    pub(super) fn has_begun_to_recover(&self) -> bool {
        self.recovery_began_ns.is_some()
    }

    pub(super) fn next_number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number
    }

    /// The Unix time that a member's machine shows, in milliseconds.
    fn unix_ms(&self, member: u8) -> u64 {
        UNIX_MS + self.members[usize::from(member)].clock.at(self.now) / MS
    }

    pub(super) fn start_if_due(&mut self, member: u8) {
        let state = &self.members[usize::from(member)];
        let is_due =
            state.run.is_none() && state.down == 0 && self.knobs().members[usize::from(member)].serves;
        if !is_due || self.now < self.knobs().members[usize::from(member)].starts_at_ms * MS {
            return;
        }
        let directors = (0..).zip(&self.knobs().members).filter(|(_, m)| m.serves);
        let host = |(number, backend): (u32, &crate::knobs::BackendKnobs)| HostLine {
            ip: backend_ip(number),
            vhosts: backend.vhosts,
            tag: backend.tag.clone(),
            is_down: false,
            updown_changed_s: 0,
            hostname: String::new(),
        };
        let settings = Settings {
            user_expire_s: (self.knobs().user_expire_ms / 1_000) as u32,
            ..Settings::new(
                place_of(member),
                directors.map(|(at, _)| place_of(at)).collect(),
                (0..).zip(&self.knobs().backends).map(host).collect(),
            )
        };
        let director = Director::new(settings, self.unix_ms(member));
        let run = self.runs.len() as u32;
        self.runs.push(Run {
            member,
            director: Some(director),
            wake_ns: u64::MAX,
        });
        self.members[usize::from(member)].run = Some(run);
        self.give(run, Input::Start);
    }

    /// The process dies; its connections end, unless the machine is off and can't say so.
    pub(super) fn kill(&mut self, member: u8, is_machine_off: bool) {
        let Some(run) = self.members[usize::from(member)].run.take() else {
            return;
        };
        self.runs[run as usize].director = None;
        self.connecting.retain(|(of, _)| *of != run);
        self.members[usize::from(member)].backlog.clear();
        for wire in 0..self.wires.wires.len() {
            for end in 0..2 {
                let at = &mut self.wires.wires[wire].ends[end];
                if at.run == run && std::mem::take(&mut at.is_open) && !is_machine_off {
                    self.send(wire, 1 - end, Parcel::Closed);
                }
            }
        }
        self.lose_logins_of(run);
        self.lose_commands_of(run);
    }

    /// A machine is on again: who still sends to connections of before is told that there are none.
    pub(super) fn reset_connections(&mut self, member: u8) {
        for wire in 0..self.wires.wires.len() {
            for end in 0..2 {
                let ends = &self.wires.wires[wire].ends;
                if ends[end].member == member && !ends[end].is_open && ends[1 - end].is_open {
                    self.send(wire, 1 - end, Parcel::Closed);
                }
            }
        }
    }

    /// Gives a living process one input and does what it wants.
    pub(super) fn give(&mut self, run: u32, input: Input<'_>) {
        let member = self.runs[run as usize].member;
        let unix_ms = self.unix_ms(member);
        let mut out = Vec::new();
        let Some(director) = &mut self.runs[run as usize].director else {
            return;
        };
        director.handle(unix_ms, input, &mut out);
        let wake_ms = director.next_wakeup_ms();
        for output in out {
            self.perform(run, output);
        }
        let clock = &self.members[usize::from(member)].clock;
        let at_ns = clock.when(wake_ms.saturating_sub(UNIX_MS) * MS);
        let at_ns = at_ns.max(self.now + TICK_MIN_NS);
        if self.runs[run as usize].wake_ns != at_ns {
            self.runs[run as usize].wake_ns = at_ns;
            self.push(at_ns, Happening::TickIsDue { run, at_ns });
        }
    }

    /// What concerns a process waits while it is paused.
    fn give_or_keep(&mut self, run: u32, happening: Happening) {
        let member = self.runs[run as usize].member;
        if self.is_put_off(member, &happening) {
            return;
        }
        match happening {
            Happening::ConnectFails { connection, .. } => self.give(run, Input::Closed { connection }),
            _ => self.give(run, Input::Tick),
        }
    }

    pub(super) fn is_put_off(&mut self, member: u8, happening: &Happening) -> bool {
        let member = &mut self.members[usize::from(member)];
        if member.paused > 0 {
            member.backlog.push(happening.clone());
        }
        member.paused > 0
    }

    pub(super) fn resume(&mut self, member: u8) {
        let state = &mut self.members[usize::from(member)];
        state.paused = state.paused.saturating_sub(1);
        if state.paused > 0 {
            return;
        }
        for happening in std::mem::take(&mut state.backlog) {
            match happening {
                Happening::ConnectFails { run, connection } => self.give(run, Input::Closed { connection }),
                Happening::TickIsDue { run, .. } => self.give(run, Input::Tick),
                other => self.happen(other),
            }
        }
    }

    fn perform(&mut self, run: u32, output: Output) {
        match output {
            Output::Connect { connection, to } => {
                let to = (0..self.members.len() as u8).find(|member| place_of(*member) == to);
                let to = to.expect("directors connect to members");
                self.connecting.insert((run, connection));
                let tried = Happening::ConnectIsTried {
                    run,
                    connection,
                    to,
                    tries: 0,
                };
                self.push(self.now, tried);
            }
            Output::Send { connection, line } => {
                self.messages += 1;
                if let Some((wire, end)) = self.wires.find(run, connection) {
                    self.send(wire, 1 - end, Parcel::Line(line));
                }
            }
            Output::Close { connection } => {
                self.connecting.remove(&(run, connection));
                if let Some((wire, end)) = self.wires.find(run, connection) {
                    self.wires.wires[wire].ends[end].is_open = false;
                    self.send(wire, 1 - end, Parcel::Closed);
                }
            }
            Output::Route { token, host } => self.routed(token, host),
            Output::Refuse { token } => self.refused(token),
            Output::Kick {
                tag,
                hash,
                except,
                is_awaited,
            } => {
                let kick = Kick {
                    tag,
                    hash,
                    except,
                    is_awaited,
                    demanded_ns: self.now,
                };
                self.kick_wanted(run, kick);
            }
            Output::Reply { id, is_done } => self.replied(id, is_done),
            Output::Conflict { .. } => {}
        }
    }

    fn send(&mut self, wire: usize, end: usize, parcel: Parcel) {
        if let Some((at_ns, parcel)) = self.wires.send(self.now, wire, end, parcel) {
            self.push(at_ns, Happening::ParcelArrives { wire, end, parcel });
        }
    }

    fn connect_is_tried(&mut self, run: u32, connection: u32, to: u8, tries: usize) {
        if !self.connecting.contains(&(run, connection)) {
            return;
        }
        let from = self.runs[run as usize].member;
        let is_off = self.members[usize::from(to)].off > 0;
        if is_off || self.wires.is_cut(from, to) || self.wires.is_cut(to, from) {
            if let Some(after_ns) = SYN_AGAIN_NS.get(tries) {
                let again = Happening::ConnectIsTried {
                    run,
                    connection,
                    to,
                    tries: tries + 1,
                };
                self.push(self.now + after_ns, again);
            }
            return;
        }
        let there_ns = self.wires.latency_ns(from, to);
        let back_ns = self.wires.latency_ns(to, from);
        let Some(other) = self.members[usize::from(to)].run else {
            let failed = Happening::ConnectFails { run, connection };
            return self.push(self.now + there_ns + back_ns, failed);
        };
        self.connecting.remove(&(run, connection));
        let incoming = self.next_incoming;
        self.next_incoming += 1;
        let wire = self.wires.open((from, run, connection), (to, other, incoming));
        self.send(wire, 1, Parcel::Accepted);
        // The answer to the SYN is the first that comes back.
        self.send(wire, 0, Parcel::Connected);
    }

    fn parcel_arrives(&mut self, wire: usize, end: usize, parcel: Parcel) {
        match self.wires.arrive(self.now, wire, end, &parcel) {
            Arrival::Now => {}
            Arrival::Stalled => return,
            Arrival::Later(at_ns) => return self.push(at_ns, Happening::ParcelArrives { wire, end, parcel }),
        }
        let at = self.wires.wires[wire].ends[end];
        if !at.is_open || self.runs[at.run as usize].director.is_none() {
            return;
        }
        let happening = Happening::ParcelArrives { wire, end, parcel };
        if self.is_put_off(at.member, &happening) {
            return;
        }
        let Happening::ParcelArrives { parcel, .. } = happening else {
            return;
        };
        let connection = at.connection;
        match parcel {
            Parcel::Accepted => self.give(at.run, Input::Accepted { connection }),
            Parcel::Connected => self.give(at.run, Input::Connected { connection }),
            Parcel::Line(line) => {
                let line = &line;
                self.give(at.run, Input::Line { connection, line });
            }
            Parcel::Closed => {
                self.wires.wires[wire].ends[end].is_open = false;
                self.give(at.run, Input::Closed { connection });
            }
        }
    }

    fn recovery_begins(&mut self) {
        self.messages_at_recovery = self.messages;
        self.recovery_began_ns = Some(self.now);
        for index in 0..self.is_fault_on.len() {
            self.fault_ends(index);
        }
        self.push(self.now, Happening::RecoveryIsPolled);
    }

    fn recovery_is_polled(&mut self) {
        const EVERY_NS: u64 = 100 * MS;
        const PATIENCE_NS: u64 = 300_000 * MS;
        let began_ns = self.recovery_began_ns.unwrap_or(self.now);
        if self.is_whole() {
            self.settled_ns = Some(self.now - began_ns);
            self.is_over = true;
        } else if self.now - began_ns > PATIENCE_NS {
            self.is_over = true;
        } else {
            self.push(self.now + EVERY_NS, Happening::RecoveryIsPolled);
        }
    }

    /// Whether all directors serve, in one ring with one host list.
    fn is_whole(&self) -> bool {
        let serving: Vec<u8> = (0..self.members.len() as u8)
            .filter(|member| self.knobs().members[usize::from(*member)].serves)
            .collect();
        let director = |member: u8| {
            let run = self.members[usize::from(member)].run?;
            self.runs[run as usize].director.as_ref()
        };
        let mut hashes = BTreeSet::new();
        for (at, member) in serving.iter().enumerate() {
            let right = serving[(at + 1) % serving.len()];
            let Some(director) = director(*member) else {
                return false;
            };
            let is_linked = serving.len() == 1 || director.neighbours().1 == Some(place_of(right));
            if !director.is_synced() || !is_linked {
                return false;
            }
            hashes.insert(director.hosts_hash());
        }
        hashes.len() == 1
    }
}
