//! Users, rings and host lists hash as they did in running Dovecot 2.3.19 directors; see
//! `vectors/hash-vectors.json`.

use std::net::IpAddr;
use std::time::Duration;

use maildirector::topology::{
    Change, Draft, HashFormat, HealthPolicy, Incarnation, Member, MemberId, NewBackend, Timing, Topology,
    TopologySeed, UserId,
};
use serde_json::Value;

/// How many vectors were read, so that a test that reads none of them fails.
#[derive(Default)]
struct Count(usize);

impl Count {
    fn each<'a>(&mut self, list: &'a Value) -> &'a [Value] {
        let list = list.as_array().expect("a list");
        self.0 += list.len();
        list
    }
}

#[test]
fn usernames_hash_as_in_dovecot() {
    let vectors = vectors();
    let format = HashFormat::parse(text(&vectors["director_username_hash"])).expect("a format");
    assert_eq!(format, HashFormat::default());
    let mut count = Count::default();
    for vector in count.each(&vectors["username_hash"]) {
        assert_eq!(
            format.key(text(&vector["username"])).hash(),
            number(&vector["hash"]),
            "{vector}"
        );
    }
    assert_eq!(count.0, 31);
}

#[test]
fn every_username_format_hashes_as_in_dovecot() {
    let vectors = vectors();
    let mut count = Count::default();
    for vector in count.each(&vectors["username_hash_formats"]) {
        let format = HashFormat::parse(text(&vector["director_username_hash"])).expect("a format");
        assert_eq!(
            format.key(text(&vector["username"])).hash(),
            number(&vector["hash"]),
            "{vector}"
        );
    }
    assert_eq!(count.0, 48);
}

#[test]
fn users_of_every_host_list_are_placed_as_in_dovecot() {
    let (vectors, format) = (vectors(), HashFormat::default());
    let mut count = Count::default();
    for list in vectors["host_lists"].as_array().expect("lists") {
        let topology = topology(&list["hosts"]);
        for vector in count.each(&list["users"]) {
            let key = format.key(text(&vector["username"]));
            let tag = topology.tag(text(&vector["tag"])).expect("a tag");
            let backend = topology
                .place(UserId { key, tag })
                .and_then(|id| topology.backend(id))
                .expect("a backend");
            assert_eq!(key.hash(), number(&vector["hash"]), "{vector}");
            assert_eq!(backend.ip, ip(&vector["host"]), "{vector}");
            // Where the host has a name the reply carries it, and the address apart.
            let replied = vector
                .get("login_reply_hostip")
                .unwrap_or(&vector["login_reply_host"]);
            assert_eq!(backend.ip, ip(replied), "{vector}");
        }
    }
    assert_eq!(count.0, 31 + 93 + 62);
}

#[test]
fn probes_of_every_ring_meet_the_same_host_as_in_dovecot() {
    let vectors = vectors();
    let mut count = Count::default();
    for list in vectors["host_lists"].as_array().expect("lists") {
        let topology = topology(&list["hosts"]);
        for vector in count.each(&list["ring_probes"]) {
            let tag = topology.tag(text(&vector["tag"])).expect("a tag");
            let picked = topology
                .ring(tag)
                .and_then(|ring| ring.pick(number(&vector["hash"])));
            let backend = picked.and_then(|id| topology.backend(id)).expect("a backend");
            assert_eq!(backend.ip, ip(&vector["host"]), "{vector}");
        }
    }
    assert_eq!(count.0, 27 + 81 + 54);
}

#[test]
fn every_ring_begins_with_the_same_points_as_in_dovecot() {
    let vectors = vectors();
    let mut count = Count::default();
    for list in vectors["host_lists"].as_array().expect("lists") {
        let topology = topology(&list["hosts"]);
        for (tag, points) in list["vhost_ring_first8"].as_object().expect("tags") {
            let ring = topology.ring(topology.tag(tag).expect("a tag")).expect("a ring");
            for (place, vector) in count.each(points).iter().enumerate() {
                let point = ring.points()[place];
                assert_eq!(point.hash, number(&vector["hash"]), "{vector}");
                assert_eq!(
                    topology.backend(point.backend).map(|backend| backend.ip),
                    Some(ip(&vector["host"]))
                );
            }
        }
    }
    assert_eq!(count.0, 8 + 24 + 16);
}

#[test]
fn every_host_list_hashes_as_in_dovecot() {
    let vectors = vectors();
    let mut count = Count::default();
    let lists = count.each(&vectors["host_lists"]).iter();
    for list in lists.chain(count.each(&vectors["hosts_hash_from_ring_SYNC"])) {
        assert_eq!(
            topology(&list["hosts"]).hosts_hash(),
            number(&list["hosts_hash"]),
            "{list}"
        );
    }
    assert_eq!(count.0, 3 + 4);
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/hash-vectors.json")).expect("the vectors are JSON")
}

fn topology(hosts: &Value) -> Topology {
    let hosts = hosts.as_array().expect("hosts");
    let backends = hosts.iter().map(|host| NewBackend {
        ip: ip(&host["ip"]),
        hostname: None,
        vhosts: number(&host["vhosts"]),
        tag: text(&host["tag"]).into(),
    });
    let member = Member {
        id: MemberId::from_index(1),
        serves: true,
        votes: true,
        incarnation: Incarnation::from_bits(1),
    };
    let topology = Topology::new(TopologySeed {
        members: vec![member],
        backends: backends.collect(),
        timing: Timing {
            lease: Duration::from_secs(5),
            drift_ppm: 10_000,
            user_expire: Duration::from_secs(900),
        },
        health: HealthPolicy::default(),
        hash_format: "%Lu".into(),
    })
    .expect("a topology");
    let mut draft = Draft::of(&topology);
    for host in hosts.iter().filter(|host| host["down"] == Value::Bool(true)) {
        draft
            .apply(&[Change::Down {
                ip: ip(&host["ip"]),
                at_unix_s: 1,
            }])
            .expect("a host that was listed");
    }
    draft.finish().0
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .expect("a number of 32 bits")
}

fn ip(value: &Value) -> IpAddr {
    text(value).parse().expect("an address")
}
