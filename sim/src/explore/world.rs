//! What may happen in one small ring.

use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::{Rule, Rules};
use maildirector::director::{Limits, Policy, Settings};
use maildirector::topology::{
    BackendId, Change, HealthPolicy, Incarnation, Member, MemberId, NewBackend, TagId, Timing, Topology,
    TopologySeed, UserId, UserKey,
};

use super::state::Mark;

/// The lease of every world; other spans follow from it.
pub const LEASE: Duration = Duration::from_secs(1);

/// The backends: the first is drained or flushed, the second takes over.
const FIRST: [u8; 4] = [10, 0, 0, 1];
const SECOND: [u8; 4] = [10, 0, 0, 2];

/// What a member does in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Serves and votes.
    Director,
    /// Only serves.
    Server,
    /// Only votes.
    Witness,
}

/// The two users of every world, by where they belong at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// On the first backend.
    Ann,
    /// On the second backend.
    Bob,
}

/// What an admin may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first backend takes no new users: moves Ann, unless she is held.
    DrainFirst,
    /// The first backend is down and flushed: moves Ann and closes her sessions.
    FlushFirst,
    /// Bob is moved to the first backend, his sessions are closed.
    MoveBob,
    /// The director of this place leaves the ring; a backend is flushed too, so that nothing waits.
    Remove(usize),
}

/// A jump in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For so many hundredths of a lease.
    Percent(u32),
    /// Until the first lease that runs has run out.
    LeaseEnd,
}

/// A small ring and the budgets of what may happen in it. Members are named by their place in `duties`.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// For the command line.
    pub name: &'static str,
    /// In words.
    pub about: &'static str,
    /// The members.
    pub duties: &'static [Duty],
    /// Sessions that are open when the exploration begins.
    pub opened: &'static [(usize, Who)],
    /// Time since the leases were got, in hundredths of a lease; nothing was heard meanwhile.
    pub idle_percent: u32,
    /// Directors that got a lease from the last member alone, after the idle time; nobody else knows of these leases.
    pub apart: &'static [usize],
    /// Logins that may come, each once, at any time.
    pub logins: &'static [(usize, Who)],
    /// Orders that were just given when the exploration begins.
    pub ordered: &'static [(usize, Order)],
    /// Orders that may be given, each once, at any time.
    pub orders: &'static [(usize, Order)],
    /// Jumps in time, in this order, each at any time.
    pub waits: &'static [Wait],
    /// How often each member may be given its due timers; this bounds the renewals on their way.
    pub ticks: u8,
    /// Members that may crash and come back with what their disk has, each entry once.
    pub restarts: &'static [usize],
    /// Deliveries that leave the message on the wire.
    pub duplicates: u8,
    /// Whether saving takes time; else every record is on disk at once.
    pub has_slow_disks: bool,
    /// Whether closing sessions takes time; else they are closed at once.
    pub has_slow_doors: bool,
    /// Whether a member notices the time only when something is given to it, as after a pause.
    pub is_sleepy: bool,
    /// Where all members are at this epoch, nothing more is of interest.
    pub epochs: u64,
    /// What must be seen somewhere, else the exploration proves nothing.
    pub reaches: &'static [Mark],
}

impl World {
    /// A ring in which nothing happens, to be changed field by field. Without idle time no director asks for a lease again
    /// before the first jump: askings come at least an eightieth of a lease apart.
    pub const QUIET: World = World {
        name: "",
        about: "",
        duties: &[],
        opened: &[],
        idle_percent: 0,
        apart: &[],
        logins: &[],
        ordered: &[],
        orders: &[],
        waits: &[],
        ticks: 0,
        restarts: &[],
        duplicates: 0,
        has_slow_disks: false,
        has_slow_doors: false,
        is_sleepy: false,
        epochs: 1,
        reaches: &[],
    };

    fn topology(&self) -> Topology {
        let member = |(place, duty): (usize, &Duty)| Member {
            id: member_id(place),
            serves: *duty != Duty::Witness,
            votes: *duty != Duty::Server,
            incarnation: Incarnation::from_bits(0),
        };
        let backend = |ip: [u8; 4]| NewBackend {
            ip: ip.into(),
            hostname: None,
            vhosts: 2,
            tag: "".into(),
        };
        let seed = TopologySeed {
            members: self.duties.iter().enumerate().map(member).collect(),
            backends: vec![backend(FIRST), backend(SECOND)],
            timing: Timing {
                lease: LEASE,
                drift_ppm: 0,
                user_expire: Duration::from_secs(1000),
            },
            health: HealthPolicy::default(),
            hash_format: "%u".to_owned(),
        };
        Topology::new(seed).expect("two backends and a few members")
    }

    fn settings(&self, rules: Rules) -> Vec<Settings> {
        let configured = Arc::new(self.topology());
        let settings = |place| Settings {
            me: member_id(place),
            configured: Arc::clone(&configured),
            policy: Policy::Consistent,
            close_bound: Duration::ZERO,
            limits: Limits::default(),
            rules,
        };
        (0..self.duties.len()).map(settings).collect()
    }
}

impl Order {
    /// The changes of the command.
    pub fn changes(self, users: &Users) -> Vec<Change> {
        let down = Change::Down {
            ip: FIRST.into(),
            at_unix_s: 1,
        };
        let flush = |ip: [u8; 4]| Change::Flush { ip: Some(ip.into()) };
        match self {
            Order::DrainFirst => vec![down],
            Order::FlushFirst => vec![down, flush(FIRST)],
            Order::MoveBob => vec![
                flush(SECOND),
                Change::Move {
                    key: users.bob.key,
                    ip: FIRST.into(),
                },
            ],
            Order::Remove(place) => vec![flush(SECOND), Change::RemoveMember { id: member_id(place) }],
        }
    }
}

/// A world with what follows from it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The world.
    pub world: World,
    /// Its users.
    pub users: Users,
    /// What each member is told by its configuration.
    pub settings: Vec<Settings>,
}

impl Stage {
    /// The world with this rule broken.
    pub fn new(world: World, broken: Option<Rule>) -> Stage {
        let rules = broken.map_or(Rules::default(), Rules::breaking);
        Stage {
            world,
            users: Users::of(&world.topology()),
            settings: world.settings(rules),
        }
    }
}

/// Ann and Bob.
#[derive(Clone, Copy, Debug)]
pub struct Users {
    /// Belongs on the first backend.
    pub ann: UserId,
    /// Belongs on the second backend.
    pub bob: UserId,
    homes: [Option<BackendId>; 2],
}

impl Users {
    /// The first two of a row of names that this topology places so.
    pub fn of(topology: &Topology) -> Users {
        let homes = [FIRST, SECOND].map(|ip| topology.backend_at(ip.into()).map(|b| b.id));
        let on = |home: Option<BackendId>| {
            (0..1000)
                .map(|number: u32| UserId {
                    key: UserKey::of_expanded(format!("user{number}").as_bytes()),
                    tag: TagId::DEFAULT,
                })
                .find(|user| topology.place(*user) == home)
                .expect("both backends have their share of a thousand users")
        };
        Users {
            ann: on(homes[0]),
            bob: on(homes[1]),
            homes,
        }
    }

    /// Which user.
    pub fn id(&self, who: Who) -> UserId {
        match who {
            Who::Ann => self.ann,
            Who::Bob => self.bob,
        }
    }

    /// Whether that is where the user belonged at first.
    pub fn is_home(&self, user: UserId, backend: BackendId) -> bool {
        self.homes[usize::from(user != self.ann)] == Some(backend)
    }

    /// Both.
    pub fn both(&self) -> [UserId; 2] {
        [self.ann, self.bob]
    }
}

/// The name of the member in this place.
pub fn member_id(place: usize) -> MemberId {
    MemberId::from_index(u16::try_from(place).map_or(u16::MAX, |place| place.saturating_add(1)))
}

/// The place of the member with this name, the inverse of [`member_id`].
pub fn place_of(id: MemberId) -> usize {
    usize::from(id.index()).saturating_sub(1)
}
