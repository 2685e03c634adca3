//! What is written can be read, and what nobody would write is refused.

use serde_json::{Value, json};

use super::*;
use crate::topology::samples::{changed, id_at, ip, new, three_backends, user_of};
use crate::topology::{Change, Topology};

#[test]
fn what_is_written_reads_as_the_same_topology() {
    let topology = busy();
    let read: Topology = serde_json::from_value(written()).expect("a topology");
    assert_eq!(read, topology);
    assert_eq!(read.lease_wait(), topology.lease_wait());
    for (tag, _) in topology.tags() {
        let points = |topology: &Topology| topology.ring(tag).map(|ring| ring.points().to_vec());
        assert_eq!(points(&read), points(&topology), "{tag}");
    }
}

#[test]
fn ids_go_on_where_they_stood() {
    let read: Topology = serde_json::from_value(written()).expect("a topology");
    let (next, _) = changed(&read, &[Change::AddBackend(new(50, ""))]);
    assert_eq!(id_at(&next, 50), BackendId::from_index(4));
}

#[test]
fn every_broken_rule_is_refused() {
    let limit = u32::MAX;
    let cases: [(&str, Value, &str); 24] = [
        ("/timing/lease/secs", json!(0), "lease"),
        ("/timing/drift_ppm", json!(limit), "drift"),
        ("/lease_begun/secs", json!(0), "lease"),
        ("/lease_before/secs", json!(1_000_000), "lease"),
        ("/members", json!([]), "no member votes"),
        ("/members/1/id", json!(1), "members is out of order"),
        (
            "/addresses",
            json!([[2, "10.0.0.1:1"], [1, "10.0.0.2:1"]]),
            "members is out of order",
        ),
        (
            "/addresses",
            json!([[1, "10.0.0.1:1"], [2, "10.0.0.1:1"]]),
            "has the address 10.0.0.1:1",
        ),
        ("/tags", json!([]), "first tag"),
        ("/tags/0", json!("x"), "first tag"),
        ("/tags/1", json!(""), "tags is out of order"),
        ("/tags/1", json!("a@b"), "a@b"),
        ("/backends", json!([]), "no backend"),
        ("/backends/0/ip", json!("10.0.0.9"), "backends is out of order"),
        ("/backends/0/ip", json!("nowhere"), "IP address"),
        ("/backends/0/id", json!(2), "listed twice"),
        ("/backends/0/id", json!(limit), "never given"),
        ("/backends/0/vhosts", json!(limit), "vhosts"),
        ("/backends/0/tag", json!(9), "tag 9"),
        ("/backends/0/hostname", json!("a\nb"), "hostname"),
        ("/next_backend", json!(1), "never given"),
        ("/pins/0/1", json!(77), "pinned"),
        ("/pins/0/0/tag", json!(1), "pinned"),
        ("/hash_format", json!("%x"), "unknown variable"),
    ];
    for (place, value, said) in cases {
        let mut broken = written();
        *broken.pointer_mut(place).expect(place) = value;
        let error = serde_json::from_value::<Topology>(broken)
            .expect_err(place)
            .to_string();
        assert!(error.contains(said), "{place}: {error}");
    }
}

#[test]
fn pins_out_of_order_are_refused() {
    let mut broken = written();
    let pins = broken["pins"].as_array_mut().expect("pins");
    pins.swap(0, 1);
    let error = serde_json::from_value::<Topology>(broken)
        .expect_err("pins out of order")
        .to_string();
    assert!(error.contains("pins is out of order"), "{error}");
}

#[test]
fn when_the_ids_of_backends_are_used_up_no_more_are_added() {
    let mut last = written();
    last["next_backend"] = json!(u32::MAX);
    let topology: Topology = serde_json::from_value(last).expect("a topology");
    let mut draft = crate::topology::Draft::of(&topology);
    let too_many = ChangeError::TooMany {
        what: Counted::Backends,
        limit: u32::MAX as usize,
    };
    assert_eq!(draft.apply(&[Change::AddBackend(new(50, ""))]), Err(too_many));
}

/// A topology in which every list has something and ids have gaps.
fn busy() -> Topology {
    let base = three_backends();
    let (base, _) = changed(
        &base,
        &[
            Change::AddBackend(new(4, "")),
            Change::RemoveBackend { ip: ip(2) },
            Change::Down {
                ip: ip(4),
                at_unix_s: 9,
            },
            Change::SetLease {
                lease: Duration::from_secs(2),
            },
        ],
    );
    let to = id_at(&base, 4);
    base.advanced(&[(user_of(&base, 0, 1), to), (user_of(&base, 1 << 31, 1), to)])
}

fn written() -> Value {
    serde_json::to_value(busy()).expect("a topology can be written")
}
