//! A ring of simulated hosts as a test drives it: time, users, admins, and what goes wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use maildirector::agreement::{Boot, Rules};
use maildirector::director::{
    CommandError, CommandId, Director, Door, Input, Limits, LoginToken, Policy, Settings,
};
use maildirector::topology::{
    BackendId, Change, Epoch, HashFormat, Incarnation, Member, MemberId, NewBackend, Timing, Topology,
    TopologySeed,
};

use crate::dice::Dice;
use crate::driver::{self, host};
use crate::world::{Answer, Clock, Shared, World};

/// Short, so that a test of many leases lasts for seconds of simulated time.
pub const LEASE: Duration = Duration::from_secs(2);
/// Far more than any change or recovery takes here.
pub const SOON: Duration = Duration::from_secs(20);

/// Who is in the ring. Members are numbered from 1, directors first.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub directors: u16,
    pub witnesses: u16,
}

pub struct Ring {
    sim: turmoil::Sim<'static>,
    pub world: Shared,
    /// How many faults cut each direction now; the network is told of the first and the last only.
    cuts: BTreeMap<(MemberId, MemberId), u32>,
    tokens: u64,
    commands: u64,
}

pub fn id(index: u16) -> MemberId {
    MemberId::from_index(index)
}

pub fn backend(last: u8) -> NewBackend {
    NewBackend {
        ip: [10, 0, 0, last].into(),
        hostname: None,
        vhosts: 100,
        tag: "".into(),
    }
}

fn configured(shape: Shape) -> Arc<Topology> {
    let member = |index| Member {
        id: id(index),
        serves: index <= shape.directors,
        votes: true,
        incarnation: Incarnation::from_bits(0),
    };
    let seed = TopologySeed {
        members: (1..=shape.directors + shape.witnesses).map(member).collect(),
        backends: (1..=3).map(backend).collect(),
        timing: Timing {
            lease: LEASE,
            drift_ppm: 10_000,
            user_expire: Duration::from_secs(5),
        },
        hash_format: "%Lu".to_owned(),
    };
    Arc::new(Topology::new(seed).expect("a plain configuration"))
}

impl Ring {
    pub fn new(seed: u64, shape: Shape) -> Ring {
        let mut builder = turmoil::Builder::new();
        builder
            .epoch(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .rng_seed(seed)
            .simulation_duration(Duration::from_secs(3_600))
            .tick_duration(Duration::from_millis(10))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(50))
            .tcp_capacity(4_096)
            .ephemeral_ports(1_024..=65_535)
            .enable_random_order();
        let configured = configured(shape);
        let mut dice = Dice::new(seed, 1);
        let world: Shared = Rc::new(RefCell::new(World::default()));
        for me in configured.members().map(|m| m.id) {
            let settings = Settings {
                me,
                configured: Arc::clone(&configured),
                policy: Policy::Consistent,
                close_bound: Duration::ZERO,
                limits: Limits::default(),
                rules: Rules::default(),
            };
            let clock = Clock {
                offset: Duration::from_secs(dice.below(1_000)),
                ppm: dice.below(19_001) as i64 - 9_500,
            };
            world.borrow_mut().add(settings, clock);
        }
        let mut sim = builder.build();
        for me in configured.members().map(|m| m.id) {
            let world = Rc::clone(&world);
            sim.host(host(me), move || driver::run(Rc::clone(&world), me, seed));
        }
        Ring {
            sim,
            world,
            cuts: BTreeMap::new(),
            tokens: 0,
            commands: 0,
        }
    }

    /// A ring in which every director serves.
    pub fn serving(seed: u64, shape: Shape) -> Ring {
        let mut ring = Ring::new(seed, shape);
        ring.expect_within(SOON, "every director serves", Ring::does_everybody_serve);
        ring
    }

    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.elapsed() + span;
        while self.elapsed() < end {
            self.step();
        }
    }

    fn step(&mut self) {
        self.sim.step().expect("no host fails");
        let mut world = self.world.borrow_mut();
        world.check_nobody_is_split(self.sim.elapsed());
        assert!(world.violations.is_empty(), "{:#?}", world.violations);
    }

    pub fn expect_within(&mut self, span: Duration, what: &str, holds: impl Fn(&Ring) -> bool) {
        let end = self.elapsed() + span;
        while !holds(self) {
            assert!(
                self.elapsed() < end,
                "not within {span:?}: {what}; epochs {:?}",
                self.epochs()
            );
            self.step();
        }
    }

    pub fn members(&self) -> Vec<MemberId> {
        self.world.borrow().members()
    }

    /// Something about each member's machine; members without a process are left out.
    pub fn each<T>(&self, of: impl Fn(&Director) -> T) -> Vec<T> {
        let world = self.world.borrow();
        let members = world.members();
        members
            .into_iter()
            .filter_map(|m| world.director(m).map(&of))
            .collect()
    }

    pub fn epochs(&self) -> Vec<u64> {
        self.each(|director| director.epoch().number())
    }

    pub fn is_serving(&self, member: u16) -> bool {
        self.world
            .borrow()
            .director(id(member))
            .is_some_and(Director::is_serving)
    }

    /// The run of a member's process, if one runs.
    pub fn boot(&self, member: MemberId) -> Option<Boot> {
        self.world.borrow().director(member).map(Director::boot)
    }

    /// Whether all processes run and every director has a lease.
    pub fn does_everybody_serve(&self) -> bool {
        let world = self.world.borrow();
        let members = world.members();
        members.into_iter().all(|member| {
            world.director(member).is_some_and(|director| {
                let serves = director.topology().member(member).is_some_and(|m| m.serves);
                !serves || director.is_serving()
            })
        })
    }

    /// Whether all members, of whom none is missing, know the same decision and are about nothing.
    pub fn does_everybody_agree(&self) -> bool {
        let committed = self.each(|director| director.committed().clone());
        committed.len() == self.members().len() && committed.windows(2).all(|pair| pair[0] == pair[1])
    }

    pub fn send_login(&mut self, member: MemberId, name: &str) -> LoginToken {
        self.tokens += 1;
        let token = LoginToken(self.tokens);
        let login = Input::Login {
            token,
            key: HashFormat::default().key(name),
            tag: "",
            name,
            door: Door::Exact,
        };
        self.world.borrow_mut().give(member, login, self.sim.elapsed());
        token
    }

    pub fn answer(&self, token: LoginToken) -> Option<Answer> {
        self.world.borrow().answers.get(&token).copied()
    }

    /// Where a login is routed; `None` when it is refused.
    pub fn login(&mut self, member: u16, name: &str) -> Option<BackendId> {
        let token = self.send_login(id(member), name);
        self.expect_within(SOON, "the login is answered", |ring| ring.answer(token).is_some());
        match self.answer(token) {
            Some(Answer::Routed(backend)) => Some(backend),
            Some(Answer::Refused) | None => None,
        }
    }

    pub fn send_command(&mut self, member: MemberId, changes: Vec<Change>) -> CommandId {
        self.commands += 1;
        let id = CommandId(self.commands);
        let command = Input::Command { id, changes };
        self.world.borrow_mut().give(member, command, self.sim.elapsed());
        id
    }

    pub fn reply(&self, id: CommandId) -> Option<Result<Epoch, CommandError>> {
        self.world.borrow().replies.get(&id).cloned()
    }

    /// A command that succeeds soon.
    pub fn command(&mut self, member: u16, changes: Vec<Change>) -> Epoch {
        let command = self.send_command(id(member), changes);
        self.expect_within(SOON, "the command is answered", |ring| {
            ring.reply(command).is_some()
        });
        let reply = self.reply(command).expect("it was waited for");
        reply.expect("nothing is in its way")
    }

    /// End a session, if it is still open.
    pub fn end(&mut self, token: LoginToken) {
        self.world.borrow_mut().ended(token, self.sim.elapsed());
    }

    pub fn cut_oneway(&mut self, from: MemberId, to: MemberId) {
        let count = self.cuts.entry((from, to)).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.sim.partition_oneway(host(from), host(to));
        }
    }

    pub fn heal_oneway(&mut self, from: MemberId, to: MemberId) {
        let count = self.cuts.get_mut(&(from, to)).expect("healed as often as cut");
        *count -= 1;
        if *count == 0 {
            self.sim.repair_oneway(host(from), host(to));
        }
    }

    /// Cut one member off from all others.
    pub fn isolate(&mut self, member: MemberId) {
        for other in self.others(member) {
            self.cut_oneway(member, other);
            self.cut_oneway(other, member);
        }
    }

    pub fn rejoin(&mut self, member: MemberId) {
        for other in self.others(member) {
            self.heal_oneway(member, other);
            self.heal_oneway(other, member);
        }
    }

    /// Nothing to or from this member arrives, and nothing is lost, until [`Ring::release`].
    pub fn hold(&mut self, member: MemberId) {
        for other in self.others(member) {
            self.sim.hold(host(member), host(other));
        }
    }

    pub fn release(&mut self, member: MemberId) {
        for other in self.others(member) {
            self.sim.release(host(member), host(other));
        }
    }

    /// The process dies; its connections are closed by the system.
    pub fn crash(&mut self, member: MemberId) {
        self.sim.crash(host(member));
    }

    /// A new process starts, with what the disk kept.
    pub fn bounce(&mut self, member: MemberId) {
        self.sim.bounce(host(member));
    }

    pub fn others(&self, member: MemberId) -> Vec<MemberId> {
        let members = self.members();
        members.into_iter().filter(|other| *other != member).collect()
    }
}
