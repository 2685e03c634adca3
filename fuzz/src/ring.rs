//! Three directors, the messages and demands between them and their surroundings, and what must hold of them.
//!
//! Nothing happens by itself: whoever drives the ring picks what arrives, what is closed, what is saved, and when
//! time passes. The clock is one for all; drift and pauses are left to the simulator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use maildirector::agreement::timing::TIMING_DEFAULT;
use maildirector::agreement::{Boot, Envelope, Record, Rules};
use maildirector::director::{
    CommandId, Director, Door, Gathered, Input, Limits, LoginToken, Output, Policy, Settings, Start,
};
use maildirector::topology::{
    BackendId, Change, HashFormat, HealthPolicy, Incarnation, Member, MemberId, NewBackend, Topology,
    TopologySeed, UserId,
};
use maildirector::world::Instant;

/// How many members the ring has.
pub const MEMBERS: u16 = 3;

/// Messages on their way; beyond that the oldest is lost.
const WIRE_MAX: usize = 256;

/// More events than that in a few calm seconds are a storm.
const EVENTS_MAX: usize = 20_000;

/// Small, so that they are reached.
const LIMITS: Limits = Limits {
    waiting_logins: 8,
    login_wait: Duration::from_secs(30),
    holds: 16,
    commands: 4,
    command_wait: Duration::from_secs(30),
    changes_per_command: 4,
    history: 8,
    flushes: 2,
    name_bytes: 64,
};

/// A session as its front door knows it.
#[derive(Clone, Debug)]
pub struct Session {
    pub at: MemberId,
    pub user: UserId,
    pub serial: u32,
    backend: BackendId,
}

/// Something that a director asked of its surroundings and that they have not done yet.
#[derive(Clone, Debug)]
pub enum Demand {
    Evict { user: UserId, serial: u32 },
    CloseAll { term: u32 },
    Flush { user: UserId, to: BackendId },
    Save { number: u64, record: Arc<Record> },
}

/// The ring and everything around it.
#[derive(Clone, Debug)]
pub struct Ring {
    pub now: Instant,
    pub members: BTreeMap<MemberId, Director>,
    pub wire: Vec<(MemberId, Envelope)>,
    pub demands: Vec<(MemberId, Demand)>,
    pub sessions: Vec<Session>,
    /// No member has said anything that it should not have said.
    pub is_honest: bool,
    /// Nothing reaches or leaves these members.
    pub cut: BTreeSet<MemberId>,
    /// Front doors take their time: no calm lets them close what they should.
    pub is_slow: bool,
    configured: Arc<Topology>,
    disks: BTreeMap<MemberId, Record>,
    logins: BTreeMap<LoginToken, MemberId>,
    commands: BTreeSet<CommandId>,
    named: u64,
}

impl Ring {
    /// Three voting directors that serve, and three backends.
    pub fn serving() -> Ring {
        static SERVING: OnceLock<Ring> = OnceLock::new();
        let start = || {
            let mut ring = Ring::starting();
            ring.run_calmly(Duration::from_secs(3));
            assert!(
                ring.members.values().all(Director::is_serving),
                "a calm ring starts"
            );
            ring
        };
        SERVING.get_or_init(start).clone()
    }

    /// The same in its first moment.
    pub fn starting() -> Ring {
        let member = |index| Member {
            id: MemberId::from_index(index),
            serves: true,
            votes: true,
            incarnation: Incarnation::from_bits(0),
        };
        let seed = TopologySeed {
            members: (0..MEMBERS).map(member).collect(),
            backends: (1..=3).map(backend).collect(),
            timing: TIMING_DEFAULT,
            health: HealthPolicy::default(),
            hash_format: "%Lu".to_owned(),
        };
        let mut ring = Ring {
            now: Instant::from_nanos(1_000_000_000),
            members: BTreeMap::new(),
            wire: Vec::new(),
            demands: Vec::new(),
            sessions: Vec::new(),
            is_honest: true,
            cut: BTreeSet::new(),
            is_slow: false,
            configured: Arc::new(Topology::new(seed).expect("a plain configuration")),
            disks: BTreeMap::new(),
            logins: BTreeMap::new(),
            commands: BTreeSet::new(),
            named: 0,
        };
        for index in 0..MEMBERS {
            ring.start(MemberId::from_index(index));
        }
        ring
    }

    /// Starts a member, ending its run if it has one: what it had not saved and all its sessions are lost.
    pub fn start(&mut self, me: MemberId) {
        self.demands.retain(|(at, _)| *at != me);
        self.sessions.retain(|session| session.at != me);
        self.logins.retain(|_, at| *at != me);
        let settings = Settings {
            me,
            configured: Arc::clone(&self.configured),
            policy: Policy::Consistent,
            close_bound: Duration::ZERO,
            limits: LIMITS,
            rules: Rules::default(),
        };
        let name = self.next_name();
        let start = Start {
            boot: Boot::from_bits(name),
            entropy: name,
            record: self.disks.get(&me).cloned(),
            journal: Gathered::default(),
            sessions: Vec::new(),
            is_bootstrap: false,
        };
        let mut out = Vec::new();
        let director = Director::start(settings, start, self.now, &mut out);
        self.members.insert(me, director);
        self.note(me, out);
    }

    pub fn give(&mut self, to: MemberId, input: Input<'_>) {
        let mut out = Vec::new();
        self.members
            .get_mut(&to)
            .expect("members never vanish")
            .handle(self.now, input, &mut out);
        self.note(to, out);
    }

    pub fn log_in(&mut self, at: MemberId, name: &str, door: Door) {
        let token = LoginToken(self.next_name());
        self.logins.insert(token, at);
        let key = HashFormat::default().key(name);
        self.give(
            at,
            Input::Login {
                token,
                key,
                tag: "",
                name,
                door,
            },
        );
    }

    pub fn command(&mut self, at: MemberId, changes: Vec<Change>, is_dry_run: bool) {
        let id = CommandId(self.next_name());
        self.commands.insert(id);
        match is_dry_run {
            true => self.give(at, Input::DryRun { id, changes }),
            false => self.give(at, Input::Command { id, changes }),
        }
    }

    /// Does what was demanded.
    pub fn fulfil(&mut self, at: MemberId, demand: Demand) {
        match demand {
            Demand::Evict { user, serial } => {
                self.sessions
                    .retain(|session| session.at != at || session.user != user);
                self.give(at, Input::Evicted { user, serial });
            }
            Demand::CloseAll { term } => {
                self.sessions.retain(|session| session.at != at);
                self.give(at, Input::AllClosed { term });
            }
            Demand::Flush { user, to } => self.give(at, Input::Flushed { user, to }),
            Demand::Save { number, record } => {
                self.disks.insert(at, (*record).clone());
                self.give(at, Input::Saved { number });
            }
        }
    }

    /// Takes the message at this place from the wire to its receiver, if nothing is cut between.
    pub fn deliver(&mut self, place: usize) {
        let (to, envelope) = self.wire.remove(place);
        if !self.cut.contains(&to) && !self.cut.contains(&envelope.from) {
            self.give(to, Input::Message(envelope));
        }
    }

    /// Lets `span` pass with every message and demand done at once, in order.
    pub fn run_calmly(&mut self, span: Duration) {
        let end = self.now.plus(span);
        let mut events = 0;
        while self.calm_event(end) {
            events += 1;
            assert!(
                events < EVENTS_MAX,
                "a storm: {events} events in {span:?}, the next is {:?}",
                self.wire.first()
            );
        }
        self.now = end;
    }

    /// Does the oldest demand, delivers the oldest message, or jumps to the next timer that is due by `end`.
    pub fn calm_event(&mut self, end: Instant) -> bool {
        let is_ready = |demand: &Demand| !self.is_slow || matches!(demand, Demand::Save { .. });
        if let Some(place) = self.demands.iter().position(|(_, demand)| is_ready(demand)) {
            let (at, demand) = self.demands.remove(place);
            self.fulfil(at, demand);
            return true;
        }
        if !self.wire.is_empty() {
            self.deliver(0);
            return true;
        }
        self.tick_next(end)
    }

    /// Jumps to the next timer, if it is due by `end`.
    pub fn tick_next(&mut self, end: Instant) -> bool {
        let timers = self
            .members
            .iter()
            .filter_map(|(id, director)| Some((director.next_wakeup()?, *id)));
        let Some((at, who)) = timers.min().filter(|(at, _)| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        self.give(who, Input::Tick);
        true
    }

    fn note(&mut self, who: MemberId, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send { to, envelope } => self.post(to, envelope),
                Output::Flood(envelope) => {
                    for index in (0..MEMBERS).filter(|index| *index != who.index()) {
                        self.post(MemberId::from_index(index), envelope.clone());
                    }
                }
                Output::Route {
                    token,
                    user,
                    backend,
                    serial,
                } => {
                    assert_eq!(
                        self.logins.remove(&token),
                        Some(who),
                        "a login is answered once, where it came"
                    );
                    assert!(
                        self.members[&who].may_forward(self.now),
                        "S3: nobody is admitted without a lease"
                    );
                    self.sessions.push(Session {
                        at: who,
                        user,
                        serial,
                        backend,
                    });
                }
                Output::Refuse { token, .. } => {
                    assert_eq!(
                        self.logins.remove(&token),
                        Some(who),
                        "a login is answered once, where it came"
                    );
                }
                Output::Reply { id, .. } | Output::DryRunReply { id, .. } => {
                    assert!(self.commands.remove(&id), "a command is answered once");
                }
                Output::Evict { user, serial, .. } => {
                    self.demands.push((who, Demand::Evict { user, serial }))
                }
                Output::Flush { user, to, .. } => self.demands.push((who, Demand::Flush { user, to })),
                Output::CloseAll { term } => self.demands.push((who, Demand::CloseAll { term })),
                Output::Save { number, record } => self.demands.push((who, Demand::Save { number, record })),
                Output::CloseStray { user } => {
                    self.sessions
                        .retain(|session| session.at != who || session.user != user);
                }
                Output::Event(_) | Output::KickWith(_) | Output::HeldListed { .. } => {}
                Output::Halt => self.sessions.retain(|session| session.at != who),
            }
        }
    }

    fn post(&mut self, to: MemberId, envelope: Envelope) {
        if !self.members.contains_key(&to) {
            return;
        }
        if self.wire.len() == WIRE_MAX {
            self.wire.remove(0);
        }
        self.wire.push((to, envelope));
    }

    fn next_name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    /// No limit is passed, whatever was sent to a director.
    pub fn assert_limits(&self) {
        for (id, director) in &self.members {
            let used = director.limits_used();
            let within = used.waiting_logins <= LIMITS.waiting_logins
                && used.holds <= LIMITS.holds
                && used.commands <= LIMITS.commands
                && used.history <= LIMITS.history;
            assert!(within, "director {id} is over a limit: {used:?}");
        }
    }

    /// The invariants that honest members keep: no split, one topology for each epoch, holds where they belong.
    pub fn assert_invariants(&self) {
        let mut serving = BTreeMap::new();
        for session in &self.sessions {
            if self.members[&session.at].may_forward(self.now) {
                let first = serving.entry(session.user).or_insert(session);
                assert_eq!(first.backend, session.backend, "S1: {first:?} and {session:?}");
            }
        }
        for (id, director) in &self.members {
            let topology = director.topology();
            for hold in director.users(None).filter(|hold| !hold.is_evicting) {
                assert_eq!(
                    topology.place(hold.user),
                    Some(hold.backend),
                    "S5: at director {id}"
                );
            }
            for other in self
                .members
                .values()
                .filter(|other| other.epoch() == director.epoch())
            {
                assert_eq!(topology, other.topology(), "S2: two topologies of one epoch");
            }
        }
    }
}

/// The backend 10.0.0.`last`.
pub fn backend(last: u8) -> NewBackend {
    NewBackend {
        ip: [10, 0, 0, last].into(),
        hostname: None,
        vhosts: 10,
        tag: "".into(),
    }
}
