//! What a director holds in memory: the table of holds at its true size, and the topology.

use maildirector::agreement::{Ballot, Body, Boot, Committed, Envelope};
use maildirector::director::Holds;
use maildirector::ring;
use maildirector::topology::{BackendId, Epoch, MemberId, Point, TagId, UserId, UserKey};
use maildirector::world::Instant;

use super::setup::Setup;
use crate::entropy::{Entropy, Purpose};

/// What a name takes beside the table, `user0000000@example.com`.
const NAME_BYTES: u64 = 23;
/// Copies of the topology in the worst moment of a change: in force, frozen for, bound to, and the next.
const TOPOLOGIES: u64 = 4;
/// Per run of a member that is told apart, four runs of each: which of the last 16,384 messages came.
const SEEN_BYTES: u64 = 4 * 16_384 / 8;

/// Memory of one director, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Users held by one director, all users of the site spread evenly.
    pub users: u64,
    /// The table of holds and the names.
    pub holds_bytes: u64,
    /// The points of the ring of vhosts, in as many copies as a change can need.
    pub rings_bytes: u64,
    /// Which messages of the others came before.
    pub seen_bytes: u64,
    /// The topology as it is sent, without pins.
    pub topology_frame_bytes: u64,
}

impl Memory {
    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.holds_bytes + self.rings_bytes + self.seen_bytes
    }
}

/// What a pinned user takes in a message, in bytes: a key, a tag, a backend.
pub fn pin_bytes() -> f64 {
    const COUNT: u64 = 10_000;
    let entropy = Entropy::new(1);
    let held = |number| {
        let user = UserId {
            key: UserKey::from_bits(entropy.draw(Purpose::Scale, 2, number)),
            tag: TagId::DEFAULT,
        };
        (user, BackendId::from_index((number % 1_000) as u32))
    };
    let boot = Boot::from_bits(u64::MAX);
    let member = MemberId::from_index(0);
    let envelope = Envelope {
        from: member,
        boot,
        epoch: Epoch::ZERO,
        body: Body::Held {
            ballot: Ballot {
                counter: 1,
                member,
                boot,
            },
            holds: (0..COUNT).map(held).collect(),
        },
    };
    let frame = ring::encode(&envelope).expect("ten thousand users fit into a frame");
    frame.len() as f64 / COUNT as f64
}

/// Fills the table of holds of one director with its share of the users and weighs it.
pub fn memory(setup: &Setup) -> Memory {
    let topology = setup.topology();
    let users = setup.users.div_ceil(u64::from(setup.directors));
    let entropy = Entropy::new(setup.seed);
    let mut holds = Holds::default();
    let mut place = topology.placing();
    for number in 0..users {
        let user = UserId {
            key: UserKey::from_bits(entropy.draw(Purpose::Scale, 1, number)),
            tag: TagId::DEFAULT,
        };
        if let Some(backend) = place(user) {
            // Names are counted, not kept: they take their bytes and nothing else.
            holds.insert(user, "", backend, 1, Instant::ORIGIN);
        }
    }
    let points = topology
        .ring(TagId::DEFAULT)
        .map_or(0, |ring| ring.points().len());
    let envelope = Envelope {
        from: MemberId::from_index(0),
        boot: Boot::from_bits(u64::MAX),
        epoch: topology.epoch(),
        body: Body::Topology(Committed::genesis((*topology).clone())),
    };
    let frame = ring::encode(&envelope).expect("a topology without pins fits into a frame");
    Memory {
        users,
        holds_bytes: holds.bytes() as u64 + users * NAME_BYTES,
        rings_bytes: TOPOLOGIES * (points * size_of::<Point>()) as u64,
        seen_bytes: SEEN_BYTES * u64::from(setup.directors),
        topology_frame_bytes: (frame.len() + ring::FRAME_HEAD_BYTES) as u64,
    }
}
