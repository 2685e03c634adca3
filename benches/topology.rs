//! Figures of the topology: placing a user, building rings, changing one backend, finding whom a change
//! touches.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use maildirector::topology::{
    BackendId, Change, Draft, HashFormat, HealthPolicy, Incarnation, Member, MemberId, NewBackend, TagId,
    Timing, Topology, TopologySeed, UserId, UserKey, touched,
};

const BACKENDS: u32 = 1_000;
const VHOSTS: u32 = 100;
const PINS: usize = 100_000;

criterion_group!(benches, key, place, rebuild, change_one, touch, advance);
criterion_main!(benches);

fn key(c: &mut Criterion) {
    let format = HashFormat::default();
    c.bench_function("key of a name by %Lu", |b| {
        b.iter(|| format.key(black_box("User.0001@example.com")))
    });
}

fn place(c: &mut Criterion) {
    let bare = Topology::new(seed()).expect("a valid seed");
    let pinned = bare.advanced(&pins(&bare));
    assert!(pinned.pins().len() > PINS / 2, "most pins contradict the ring");
    for (name, topology) in [("place", &bare), ("place beside 100,000 pins", &pinned)] {
        let mut users = users();
        c.bench_function(name, |b| {
            b.iter(|| topology.place(black_box(users.next().expect("endless"))))
        });
    }
    // The generator's own share of the figures above.
    let mut users = users();
    c.bench_function("a next user", |b| b.iter(|| black_box(users.next())));
}

fn rebuild(c: &mut Criterion) {
    c.bench_function("rings of 1,000 backends from scratch", |b| {
        b.iter_batched(
            seed,
            |seed| Topology::new(seed).expect("a valid seed"),
            BatchSize::LargeInput,
        );
    });
}

fn change_one(c: &mut Criterion) {
    let topology = Topology::new(seed()).expect("a valid seed");
    for (name, change) in changes() {
        c.bench_function(&format!("change: {name}"), |b| {
            b.iter(|| changed(&topology, &change))
        });
    }
}

fn touch(c: &mut Criterion) {
    let topology = Topology::new(seed()).expect("a valid seed");
    for (name, change) in changes() {
        let next = changed(&topology, &change);
        c.bench_function(&format!("touched: {name}"), |b| {
            b.iter(|| touched(&topology, &next))
        });
    }
}

fn advance(c: &mut Criterion) {
    let topology = Topology::new(seed()).expect("a valid seed");
    let pins = pins(&topology);
    c.bench_function("advance by 100,000 pins", |b| b.iter(|| topology.advanced(&pins)));
}

fn changes() -> [(&'static str, Change); 4] {
    let middle = ip(BACKENDS / 2);
    let new = NewBackend {
        ip: ip(BACKENDS),
        hostname: None,
        vhosts: VHOSTS,
        tag: "".into(),
    };
    [
        (
            "half the weight",
            Change::SetVhosts {
                ip: middle,
                vhosts: VHOSTS / 2,
            },
        ),
        (
            "down",
            Change::Down {
                ip: middle,
                at_unix_s: 1,
            },
        ),
        ("one more backend", Change::AddBackend(new)),
        ("flush", Change::Flush { ip: Some(middle) }),
    ]
}

fn changed(topology: &Topology, change: &Change) -> Topology {
    let mut draft = Draft::of(topology);
    draft
        .apply(std::slice::from_ref(change))
        .expect("a change that can be made");
    draft.finish().0
}

fn seed() -> TopologySeed {
    let backends = (0..BACKENDS).map(|i| NewBackend {
        ip: ip(i),
        hostname: None,
        vhosts: VHOSTS,
        tag: "".into(),
    });
    let id = MemberId::from_index(1);
    TopologySeed {
        members: vec![Member {
            id,
            serves: true,
            votes: true,
            incarnation: Incarnation::from_bits(1),
        }],
        backends: backends.collect(),
        timing: Timing {
            lease: Duration::from_secs(5),
            drift_ppm: 10_000,
            user_expire: Duration::from_secs(900),
        },
        health: HealthPolicy::default(),
        hash_format: "%Lu".into(),
    }
}

fn ip(i: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + i).into()
}

fn pins(topology: &Topology) -> Vec<(UserId, BackendId)> {
    let backend = topology.backend_at(ip(7)).expect("the eighth backend").id;
    users().take(PINS).map(|user| (user, backend)).collect()
}

/// Users all over the circle, by Knuth's generator MMIX.
fn users() -> impl Iterator<Item = UserId> {
    let next = |bits: &u64| {
        Some(
            bits.wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    };
    let bits = std::iter::successors(Some(1), next);
    bits.map(|bits| UserId {
        key: UserKey::from_bits(bits),
        tag: TagId::DEFAULT,
    })
}
