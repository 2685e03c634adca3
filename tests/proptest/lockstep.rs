//! Directors without surroundings: a ring in lockstep, with no network but a queue that may deliver things more than once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::timing::TIMING_DEFAULT;
use maildirector::agreement::{Boot, Committed, Envelope, Record, Rules};
use maildirector::director::{
    CommandError, CommandId, Director, Door, Gathered, Input, Limits, LoginToken, Output, Policy,
    RefuseReason, Settings, Start,
};
use maildirector::topology::{
    BackendId, Change, Epoch, HashFormat, HealthPolicy, Incarnation, Member, MemberId, NewBackend, Topology,
    TopologySeed, UserId,
};
use maildirector::world::Instant;

pub(crate) fn id(index: u16) -> MemberId {
    MemberId::from_index(index)
}

pub(crate) fn backend(last: u8) -> NewBackend {
    NewBackend {
        ip: [10, 0, 0, last].into(),
        hostname: None,
        vhosts: 100,
        tag: "".into(),
    }
}

/// Directors 1 to `directors`, all voters; backends 10.0.0.1 to 3.
pub(crate) fn configured(directors: u16) -> Arc<Topology> {
    let member = |index| Member {
        id: id(index),
        serves: true,
        votes: true,
        incarnation: Incarnation::from_bits(0),
    };
    let seed = TopologySeed {
        members: (1..=directors).map(member).collect(),
        backends: (1..=3).map(backend).collect(),
        timing: TIMING_DEFAULT,
        health: HealthPolicy::default(),
        hash_format: "%Lu".to_owned(),
    };
    Arc::new(Topology::new(seed).expect("a plain configuration"))
}

pub(crate) fn settings(me: MemberId, configured: &Arc<Topology>, limits: Limits) -> Settings {
    Settings {
        me,
        configured: Arc::clone(configured),
        policy: Policy::Consistent,
        close_bound: Duration::ZERO,
        limits,
        rules: Rules::default(),
    }
}

/// A start of member 1 with an empty storage; with `is_bootstrap` it is a voter of epoch 0 at once.
pub(crate) fn start(boot: u64, is_bootstrap: bool) -> Start {
    Start {
        boot: Boot::from_bits(boot),
        entropy: 1_000 + boot,
        record: None,
        journal: Gathered::default(),
        sessions: Vec::new(),
        is_bootstrap,
    }
}

/// What a member did with its inputs, as those outside see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Routed(LoginToken, BackendId),
    Refused(LoginToken, RefuseReason),
    Replied(CommandId, Result<Epoch, CommandError>),
}

/// The end of a run: what must not depend on how often messages came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub committed: Vec<Committed>,
    pub holds: Vec<Vec<(UserId, BackendId, u16)>>,
    pub seen: BTreeMap<MemberId, Vec<Seen>>,
}

pub(crate) struct Ring {
    now: Instant,
    members: BTreeMap<MemberId, Director>,
    disks: BTreeMap<MemberId, Record>,
    wire: VecDeque<(MemberId, Envelope)>,
    /// Copies that come when time has gone on.
    late: Vec<(MemberId, Envelope)>,
    /// From which the number and the places of copies are drawn; without it there are none.
    copies: Option<u64>,
    sent: u64,
    seen: BTreeMap<MemberId, Vec<Seen>>,
    serials: BTreeMap<(MemberId, UserId), u32>,
    tokens: u64,
}

impl Ring {
    pub(crate) fn serving(directors: u16, copies: Option<u64>) -> Ring {
        let mut ring = Ring {
            now: Instant::from_nanos(1_000_000_000),
            members: BTreeMap::new(),
            disks: BTreeMap::new(),
            wire: VecDeque::new(),
            late: Vec::new(),
            copies,
            sent: 0,
            seen: BTreeMap::new(),
            serials: BTreeMap::new(),
            tokens: 0,
        };
        let configured = configured(directors);
        for index in 1..=directors {
            let mut out = Vec::new();
            let settings = settings(id(index), &configured, Limits::default());
            let director = Director::start(settings, start(u64::from(index), false), ring.now, &mut out);
            ring.members.insert(id(index), director);
            ring.act(id(index), out);
        }
        ring.run(Duration::from_secs(3));
        assert!(ring.members.values().all(Director::is_serving));
        ring
    }

    pub(crate) fn login(&mut self, at: MemberId, name: &str) {
        self.tokens += 1;
        let login = Input::Login {
            token: LoginToken(self.tokens),
            key: HashFormat::default().key(name),
            tag: "",
            name,
            door: Door::Exact,
        };
        self.give(at, login);
    }

    /// A session of this user ends, if one was opened at this director.
    pub(crate) fn end(&mut self, at: MemberId, user: UserId) {
        if let Some(&serial) = self.serials.get(&(at, user)) {
            self.give(at, Input::SessionEnded { user, serial });
        }
    }

    pub(crate) fn command(&mut self, at: MemberId, changes: Vec<Change>) {
        self.tokens += 1;
        let id = CommandId(self.tokens);
        self.give(at, Input::Command { id, changes });
    }

    /// Deliver what is on the wire, then jump to the next timer, until `span` has passed.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.plus(span);
        loop {
            while let Some((to, envelope)) = self.wire.pop_front() {
                self.give(to, Input::Message(envelope));
            }
            let timers = self.members.iter();
            let next = timers.filter_map(|(id, d)| Some((d.next_wakeup()?, *id))).min();
            match next {
                Some((at, who)) if at <= end => {
                    self.now = self.now.max(at);
                    self.wire.extend(std::mem::take(&mut self.late));
                    self.give(who, Input::Tick);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    pub(crate) fn ending(self) -> Ending {
        let holds = |director: &Director| {
            let holds = director.holds().iter();
            holds.map(|h| (h.user, h.backend, h.sessions)).collect()
        };
        Ending {
            committed: self.members.values().map(|d| d.committed().clone()).collect(),
            holds: self.members.values().map(holds).collect(),
            seen: self.seen,
        }
    }

    fn give(&mut self, to: MemberId, input: Input<'_>) {
        let mut out = Vec::new();
        if let Some(director) = self.members.get_mut(&to) {
            director.handle(self.now, input, &mut out);
            self.act(to, out);
        }
    }

    fn act(&mut self, who: MemberId, out: Vec<Output>) {
        for output in out {
            let seen = match output {
                Output::Send { to, envelope } => {
                    self.send(to, envelope);
                    continue;
                }
                Output::Flood(envelope) => {
                    let others: Vec<MemberId> =
                        self.members.keys().copied().filter(|to| *to != who).collect();
                    for to in others {
                        self.send(to, envelope.clone());
                    }
                    continue;
                }
                Output::Save { number, record } => {
                    self.disks.insert(who, (*record).clone());
                    self.give(who, Input::Saved { number });
                    continue;
                }
                Output::Evict { user, serial, .. } => {
                    self.give(who, Input::Evicted { user, serial });
                    continue;
                }
                Output::Flush { user, to, .. } => {
                    self.give(who, Input::Flushed { user, to });
                    continue;
                }
                Output::CloseAll { term } => {
                    self.give(who, Input::AllClosed { term });
                    continue;
                }
                Output::Route {
                    token,
                    user,
                    backend,
                    serial,
                } => {
                    self.serials.insert((who, user), serial);
                    Seen::Routed(token, backend)
                }
                Output::Refuse { token, reason } => Seen::Refused(token, reason),
                Output::Reply { id, result } => Seen::Replied(id, result),
                _ => continue,
            };
            self.seen.entry(who).or_default().push(seen);
        }
    }

    /// A message goes to the end of the wire, and up to two copies of it anywhere else, or later.
    fn send(&mut self, to: MemberId, envelope: Envelope) {
        self.wire.push_back((to, envelope.clone()));
        let Some(seed) = self.copies else {
            return;
        };
        self.sent += 1;
        let drawn = mixed(seed ^ mixed(self.sent));
        for copy in 0..drawn % 3 {
            let place = mixed(drawn ^ copy) as usize;
            if place.is_multiple_of(4) {
                self.late.push((to, envelope.clone()));
            } else {
                let place = place % (self.wire.len() + 1);
                self.wire.insert(place, (to, envelope.clone()));
            }
        }
    }
}

/// The finisher of splitmix64: near numbers become unrelated ones.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
