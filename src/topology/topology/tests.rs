//! First topologies, epochs, and numbers that stand for a topology.

use super::*;
use crate::topology::samples::{
    changed, director, id_at, ip, new, seed, three_backends, user, user_of, witness,
};
use crate::topology::{Change, HashFormatError};

#[test]
fn the_order_of_a_configuration_does_not_matter() {
    let mut reversed = seed();
    reversed.members.reverse();
    reversed.backends.reverse();
    let (one, other) = (three_backends(), Topology::new(reversed).expect("a valid seed"));
    assert_eq!(one, other);
    assert_eq!(one.fingerprint(), other.fingerprint());
}

#[test]
fn a_first_topology_needs_somebody_to_decide_to_serve_and_to_be_served() {
    let refused = |seed| Topology::new(seed).expect_err("a seed that lacks something");
    let members = vec![Member {
        votes: false,
        ..director(1)
    }];
    assert_eq!(refused(TopologySeed { members, ..seed() }), ChangeError::NoVoter);
    assert_eq!(
        refused(TopologySeed {
            members: vec![witness(1)],
            ..seed()
        }),
        ChangeError::NoDirector
    );
    assert_eq!(
        refused(TopologySeed {
            backends: vec![],
            ..seed()
        }),
        ChangeError::NoBackends
    );
}

#[test]
fn what_is_named_twice_or_wrongly_is_refused() {
    let refused = |seed| Topology::new(seed).expect_err("a seed that is wrong");
    let members = vec![director(1), witness(1)];
    let id = MemberId::from_index(1);
    assert_eq!(
        refused(TopologySeed { members, ..seed() }),
        ChangeError::MemberExists { id }
    );
    let backends = vec![new(1, ""), new(1, "gold")];
    assert_eq!(
        refused(TopologySeed { backends, ..seed() }),
        ChangeError::BackendExists { ip: ip(1) }
    );
    let unknown = HashFormatError::UnknownVariable { name: "x".into() };
    assert_eq!(
        refused(TopologySeed {
            hash_format: "%x".into(),
            ..seed()
        }),
        ChangeError::HashFormat(unknown)
    );
    let timing = Timing {
        drift_ppm: 100_001,
        ..seed().timing
    };
    let too_much = ChangeError::DriftOutOfRange {
        drift_ppm: 100_001,
        max: 100_000,
    };
    assert_eq!(refused(TopologySeed { timing, ..seed() }), too_much);
    let members = (0..101).map(director).collect();
    let too_many = ChangeError::TooMany {
        what: Counted::Members,
        limit: 100,
    };
    assert_eq!(refused(TopologySeed { members, ..seed() }), too_many);
}

#[test]
fn backends_are_listed_by_address_with_ipv4_first() {
    let mut seed = seed();
    for ip in ["fd00::1", "::", "192.168.0.1", "9.255.0.1"] {
        seed.backends.push(NewBackend {
            ip: ip.parse().expect("an address"),
            ..new(0, "")
        });
    }
    let topology = Topology::new(seed).expect("a valid seed");
    let listed: Vec<String> = topology
        .backends()
        .map(|backend| backend.ip.to_string())
        .collect();
    assert_eq!(
        listed,
        [
            "9.255.0.1",
            "10.0.0.1",
            "10.0.0.2",
            "10.0.0.3",
            "192.168.0.1",
            "::",
            "fd00::1"
        ]
    );
}

#[test]
fn the_default_tag_is_always_there_and_unknown_tags_place_nobody() {
    let backends = vec![new(1, "gold")];
    let topology = Topology::new(TopologySeed { backends, ..seed() }).expect("a valid seed");
    assert_eq!(
        topology.tags().collect::<Vec<_>>(),
        [(TagId::DEFAULT, ""), (TagId::from_index(1), "gold")]
    );
    assert_eq!(topology.place(user(&topology, 7, "")), None);
    assert_eq!(
        topology.place(user(&topology, 7, "gold")),
        Some(id_at(&topology, 1))
    );
    let nowhere = UserId {
        tag: TagId::from_index(2),
        ..user(&topology, 7, "")
    };
    assert_eq!(topology.place(nowhere), None);
    assert!(topology.ring(nowhere.tag).is_none());
}

#[test]
fn a_pin_outweighs_the_ring() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let next = base.advanced(&[(user, id_at(&base, 2))]);
    assert_eq!(next.epoch().number(), 1);
    assert_eq!(next.place(user), Some(id_at(&base, 2)));
    assert_eq!(next.hashed(user), Some(id_at(&base, 1)));
}

#[test]
fn pins_that_say_what_the_ring_says_are_dropped() {
    let base = three_backends();
    let (user, other) = (user_of(&base, 0, 1), user_of(&base, 0, 2));
    let both = base.advanced(&[(user, id_at(&base, 2)), (other, id_at(&base, 2))]);
    assert_eq!(both.pins().collect::<Vec<_>>(), [(user, id_at(&base, 2))]);
    // An old pin too, once the ring agrees with it.
    let (down, _) = changed(
        &both,
        &[Change::Down {
            ip: ip(1),
            at_unix_s: 1,
        }],
    );
    assert_eq!(down.pins().len(), 1);
    assert_eq!(down.advanced(&[]).pins().len(), 0);
}

#[test]
fn pins_to_what_is_not_there_are_passed_over_and_the_later_of_two_counts() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let unknown = BackendId::from_index(77);
    assert_eq!(
        base.advanced(&[(user, unknown), (user, id_at(&base, 3))])
            .pins()
            .len(),
        0
    );
    let (one, two) = (id_at(&base, 1), id_at(&base, 2));
    assert_eq!(base.advanced(&[(user, one), (user, two)]).pin(user), Some(two));
    assert_eq!(
        base.advanced(&[(user, two)]).advanced(&[(user, one)]).pin(user),
        None
    );
}

#[test]
fn fingerprints_tell_configurations_apart_but_not_storage() {
    let base = three_backends();
    let mut seeds = vec![seed(); 8];
    seeds[0].members[0].serves = false;
    seeds[1].members.pop();
    seeds[2].backends[1].vhosts = 99;
    seeds[3].backends[1].hostname = Some("b".into());
    seeds[4].backends[2].tag = "silver".into();
    seeds[5].timing.lease = Duration::from_secs(6);
    seeds[6].timing.drift_ppm = 1;
    seeds[7].hash_format = "%u".into();
    for seed in seeds {
        let other = Topology::new(seed.clone()).expect("a valid seed");
        assert_ne!(other.fingerprint(), base.fingerprint(), "{seed:?}");
    }
    let filled = base.with_incarnations(&BTreeMap::from([(
        MemberId::from_index(2),
        Incarnation::from_bits(42),
    )]));
    assert_eq!(
        filled
            .member(MemberId::from_index(2))
            .map(|member| member.incarnation.to_bits()),
        Some(42)
    );
    assert_eq!(
        filled.member(MemberId::from_index(1)),
        base.member(MemberId::from_index(1))
    );
    assert_eq!(filled.fingerprint(), base.fingerprint());
    assert_ne!(filled, base);
}

#[test]
fn a_majority_is_more_than_half() {
    for (voters, majority) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        let members = (1..=voters).map(director).collect();
        let topology = Topology::new(TopologySeed { members, ..seed() }).expect("a valid seed");
        assert_eq!(topology.majority(), majority, "of {voters}");
    }
}
