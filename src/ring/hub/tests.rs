//! What passes through a member, without sockets.

use super::*;
use crate::agreement::Body;
use crate::ring::framing::{Found, find};
use crate::ring::{Peer, RingLimits, Security};
use crate::topology::Epoch;

const NOW: Instant = Instant::ORIGIN;

fn id(index: u16) -> MemberId {
    MemberId::from_index(index)
}

fn boot(index: u16) -> Boot {
    Boot::from_bits(100 + u64::from(index))
}

/// Member 1 of 4, and what it tells its process.
fn hub() -> (Arc<Hub>, mpsc::Receiver<RingEvent>) {
    let peers = (1..=4).map(|index| Peer {
        id: id(index),
        address: ([127, 0, 0, 1], 9000 + index).into(),
        name: format!("m{index}"),
    });
    let settings = RingSettings {
        me: id(1),
        cluster: "mail".to_owned(),
        peers: peers.collect(),
        boot: boot(1),
        said: Vec::new(),
        security: Security::Insecure,
        limits: RingLimits::default(),
    };
    let (to_core, events) = mpsc::channel(64);
    (Arc::new(Hub::new(Arc::new(settings), to_core, NOW)), events)
}

fn join(hub: &Arc<Hub>, peer: u16, direction: Direction) -> Place {
    let agreed = Agreed {
        peer: id(peer),
        boot: boot(peer),
        version: 1,
        differences: Vec::new(),
    };
    hub.join(agreed, direction, NOW)
}

fn envelope(from: u16) -> Envelope {
    Envelope {
        from: id(from),
        boot: boot(from),
        epoch: Epoch::ZERO,
        body: Body::Fetch,
    }
}

fn head(origin: u16, sequence: u64, to: Option<u16>) -> Head {
    Head {
        origin: id(origin),
        boot: boot(origin),
        sequence,
        to: to.map(id),
        hops: HOPS_MAX,
    }
}

/// The messages that wait for a link.
fn waiting(place: &Place) -> Vec<Head> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let mut bytes = Vec::new();
    if place.queue.status().0 > 0 {
        runtime.expect("a runtime can be made").block_on(async {
            place.queue.take(&mut bytes, usize::MAX).await;
        });
    }
    let (mut rest, mut heads) = (&bytes[..], Vec::new());
    while let Found::Message(head, _, used) = find(rest) {
        heads.push(head);
        rest = &rest[used..];
    }
    heads
}

/// The messages for this member's own machine.
fn delivered(events: &mut mpsc::Receiver<RingEvent>) -> Vec<Envelope> {
    let mut found = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let RingEvent::Message(envelope) = event {
            found.push(envelope);
        }
    }
    found
}

#[test]
fn what_comes_both_ways_round_is_delivered_and_passed_on_once() {
    let (hub, mut events) = hub();
    let left = join(&hub, 4, Direction::Accepted);
    let right = join(&hub, 2, Direction::Dialled);
    let payload = encode(&envelope(3)).expect("it is small");
    hub.receive(left.number(), head(3, 1, None), &payload, NOW);
    hub.receive(right.number(), head(3, 1, None), &payload, NOW);
    assert_eq!(delivered(&mut events), [envelope(3)]);
    assert_eq!(waiting(&left), []);
    let passed = Head {
        hops: HOPS_MAX - 1,
        ..head(3, 1, None)
    };
    assert_eq!(waiting(&right), [passed]);
    let Counters {
        received, duplicates, ..
    } = hub.counters();
    assert_eq!((received, duplicates), (1, 1));
}

#[test]
fn a_message_for_another_is_passed_on_and_not_delivered() {
    let (hub, mut events) = hub();
    let left = join(&hub, 4, Direction::Accepted);
    let right = join(&hub, 2, Direction::Dialled);
    let payload = encode(&envelope(3)).expect("it is small");
    hub.receive(left.number(), head(3, 1, Some(2)), &payload, NOW);
    assert_eq!(waiting(&right).len(), 1);
    hub.receive(left.number(), head(3, 2, Some(1)), &payload, NOW);
    assert_eq!(waiting(&right), [], "it has arrived");
    assert_eq!(delivered(&mut events), [envelope(3)]);
}

#[test]
fn nobody_speaks_in_anothers_name() {
    let (hub, mut events) = hub();
    let left = join(&hub, 4, Direction::Accepted);
    let payload = encode(&envelope(2)).expect("it is small");
    hub.receive(left.number(), head(3, 1, None), &payload, NOW);
    hub.receive(left.number(), head(3, 2, None), b"no envelope", NOW);
    hub.receive(left.number(), head(9, 1, None), &payload, NOW);
    hub.receive(
        left.number(),
        Head {
            hops: 0,
            ..head(3, 3, None)
        },
        &payload,
        NOW,
    );
    let mut complaints = 0;
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, RingEvent::Message(_)), "{event:?}");
        complaints += usize::from(matches!(event, RingEvent::Malformed { .. }));
    }
    assert_eq!((complaints, hub.counters().stray), (2, 2));
}

#[test]
fn what_this_member_said_ends_when_it_has_come_round() {
    let (hub, mut events) = hub();
    let right = join(&hub, 2, Direction::Dialled);
    hub.flood(&envelope(1));
    assert_eq!(waiting(&right), [head(1, 1, None)]);
    let payload = encode(&envelope(1)).expect("it is small");
    hub.receive(right.number(), head(1, 1, None), &payload, NOW);
    assert_eq!(delivered(&mut events), []);
}

#[test]
fn nothing_goes_back_over_the_second_link_with_the_same_member() {
    let (hub, _events) = hub();
    let left = join(&hub, 2, Direction::Accepted);
    let right = join(&hub, 2, Direction::Dialled);
    let payload = encode(&envelope(3)).expect("it is small");
    hub.receive(left.number(), head(3, 1, None), &payload, NOW);
    assert_eq!(waiting(&right), []);
    assert_eq!(hub.links().len(), 2);
}

#[test]
fn a_newer_connection_takes_the_place_of_an_older_one() {
    let (hub, mut events) = hub();
    let older = join(&hub, 2, Direction::Accepted);
    let newer = join(&hub, 2, Direction::Accepted);
    drop(older);
    assert_eq!(hub.links().len(), 1);
    drop(newer);
    assert_eq!(hub.links(), []);
    let mut kinds = Vec::new();
    while let Ok(event) = events.try_recv() {
        kinds.push(matches!(event, RingEvent::LinkUp { .. }));
    }
    assert_eq!(kinds, [true, false, true, false], "each link comes and goes once");
}

#[test]
fn a_process_that_does_not_listen_holds_up_nobody() {
    let (hub, mut events) = hub();
    let left = join(&hub, 4, Direction::Accepted);
    let right = join(&hub, 2, Direction::Dialled);
    let payload = encode(&envelope(3)).expect("it is small");
    for sequence in 1..=100 {
        hub.receive(left.number(), head(3, sequence, None), &payload, NOW);
    }
    assert_eq!(waiting(&right).len(), 100);
    let taken = delivered(&mut events).len() as u64;
    assert_eq!(taken + hub.counters().undelivered, 100);
}

#[test]
fn what_was_said_last_without_a_link_goes_out_over_the_first_one() {
    let (hub, _events) = hub();
    for _ in 0..KEPT_MAX + 2 {
        hub.flood(&envelope(1));
    }
    hub.beacon();
    let first = join(&hub, 2, Direction::Dialled);
    let kept = (3..).take(KEPT_MAX).map(|sequence| head(1, sequence, None));
    assert_eq!(waiting(&first), kept.collect::<Vec<_>>());
    let second = join(&hub, 4, Direction::Accepted);
    assert_eq!(waiting(&second), []);
}

#[test]
fn who_left_has_neither_link_nor_voice_and_who_joined_is_heard() {
    let (hub, mut events) = hub();
    let left = join(&hub, 4, Direction::Accepted);
    let right = join(&hub, 2, Direction::Dialled);
    let last_words = envelope(1);
    hub.flood(&last_words);
    let peer = |index: u16| Peer {
        id: id(index),
        address: ([127, 0, 0, 1], 9000 + index).into(),
        name: String::new(),
    };
    let circle = |numbers: &[u16], is_member| Circle {
        peers: numbers.iter().map(|number| peer(*number)).collect(),
        said: Vec::new(),
        is_member,
    };
    assert_eq!(hub.set_circle(circle(&[1, 2, 3, 5], true), NOW), Ok(()));
    let linked: Vec<_> = hub.links().iter().map(|link| link.peer).collect();
    assert_eq!(linked, [id(2)]);
    assert_eq!(waiting(&left).len(), 1, "what was said before is still written");
    let payload = |from| encode(&envelope(from)).expect("it is small");
    hub.receive(right.number(), head(4, 1, None), &payload(4), NOW);
    hub.receive(right.number(), head(5, 1, None), &payload(5), NOW);
    assert_eq!(delivered(&mut events), [envelope(5)]);
    assert_eq!(hub.counters().stray, 1);
    assert_eq!(hub.unheard(NOW), BTreeSet::new());
    let late = join(&hub, 4, Direction::Accepted);
    assert_eq!(
        hub.links().len(),
        1,
        "a greeting that was under way leads to nothing"
    );
    drop(late);
    let without_me = hub.set_circle(circle(&[2, 3], true), NOW);
    assert_eq!(without_me, Err(RingError::NotAMember { me: id(1) }));
    assert_eq!(hub.set_circle(circle(&[1, 2, 3, 5], false), NOW), Ok(()));
    assert!(hub.links().is_empty(), "who was removed is alone");
}
