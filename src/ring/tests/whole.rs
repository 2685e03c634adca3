//! Rings that form, break and mend.

use std::time::Duration;

use super::support::{Running, Yard, boot, envelope, id, run};
use crate::ring::{Direction, LinkStatus, Ring, RingEvent, RingSettings};

const NEVER: Duration = Duration::from_secs(3600);

async fn all(yard: &mut Yard, change: impl Fn(&mut RingSettings)) -> Vec<Running> {
    let mut running = Vec::new();
    for index in 1..=yard.peers.len() {
        let mut settings = yard.settings(index as u16);
        change(&mut settings);
        running.push(yard.start(settings).await);
    }
    running
}

fn dialled(ring: &Ring) -> Vec<u16> {
    let links = ring.links().into_iter();
    let dialled = links.filter(|link| link.direction == Direction::Dialled);
    dialled.map(|link| link.peer.index()).collect()
}

/// Waits until each has dialled exactly these.
async fn forms(members: &[Running], order: &[(u16, u16)]) {
    for (from, to) in order {
        let member = members.iter().find(|member| member.id == id(*from));
        let member = member.expect("the test names its members");
        let what = format!("link to {to} alone");
        member.until_so(&what, |ring| dialled(ring) == [*to]).await;
        let accepted = |ring: &Ring| {
            let accepted = |link: &LinkStatus| link.direction == Direction::Accepted;
            ring.links().iter().filter(|link| accepted(link)).count() == 1
        };
        member.until_so("a link from the left alone", accepted).await;
    }
}

#[test]
fn three_members_form_a_ring_and_a_flood_arrives_once_at_each() {
    run(async {
        let mut yard = Yard::new(3).await;
        // Nothing else is said on the ring, so that copies can be counted.
        let quiet = |settings: &mut RingSettings| {
            settings.limits.beacon_every = NEVER;
            settings.limits.unheard_after = NEVER;
        };
        let mut members = all(&mut yard, quiet).await;
        forms(&members, &[(1, 2), (2, 3), (3, 1)]).await;
        let before: Vec<_> = members.iter().map(|member| member.ring.counters()).collect();
        for number in 0..50 {
            members[0].ring.flood(envelope(1, number));
        }
        for (member, before) in members[1..].iter_mut().zip(&before[1..]) {
            let both = |ring: &Ring| {
                let now = ring.counters();
                (now.received - before.received, now.duplicates - before.duplicates) == (50, 50)
            };
            member.until_so("both copies of each message", both).await;
            let mut numbers = Vec::new();
            while let Ok(event) = member.events.try_recv() {
                if let RingEvent::Message(envelope) = event {
                    numbers.push(envelope.epoch.number());
                }
            }
            // The two ways round take different times, so the order is not promised.
            numbers.sort_unstable();
            assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        }
    });
}

#[test]
fn the_others_link_when_the_one_between_dies_and_make_room_when_it_is_back() {
    run(async {
        let mut yard = Yard::new(3).await;
        let mut members = all(&mut yard, |_| {}).await;
        forms(&members, &[(1, 2), (2, 3), (3, 1)]).await;
        drop(members.remove(1));
        forms(&members, &[(1, 3), (3, 1)]).await;
        members[0].ring.flood(envelope(1, 7));
        assert_eq!(members[1].message().await, envelope(1, 7));
        let settings = yard.settings(2);
        members.push(yard.start(settings).await);
        forms(&members, &[(1, 2), (2, 3), (3, 1)]).await;
        assert_eq!(members[0].neighbours(), [2, 3]);
    });
}

#[test]
fn a_message_to_one_member_arrives_over_two_hops_while_a_cut_link_is_not_even_noticed() {
    run(async {
        let mut yard = Yard::new(3).await;
        let relay = yard.relay(2, yard.peers[1].address).await;
        let mut through = yard.settings(1);
        through.peers[1].address = relay.address;
        let mut members = vec![yard.start(through).await];
        for index in 2..=3 {
            let settings = yard.settings(index);
            members.push(yard.start(settings).await);
        }
        forms(&members, &[(1, 2), (2, 3), (3, 1)]).await;
        relay.cut();
        members[0].ring.send(id(2), envelope(1, 1));
        assert_eq!(members[1].message().await, envelope(1, 1));
        assert_eq!(dialled(&members[0].ring), [2], "the cut is not noticed yet");
        members[1].ring.send(id(1), envelope(2, 2));
        assert_eq!(members[0].message().await, envelope(2, 2));
        let why = members[0].until("link down", |event| match event {
            RingEvent::LinkDown { why, .. } => Some(why.clone()),
            _ => None,
        });
        assert_eq!(why.await, "nothing came for 4 s");
        members[0]
            .until_so("a link past the cut", |ring| dialled(ring) == [3])
            .await;
        while let Ok(event) = members[2].events.try_recv() {
            assert!(
                !matches!(event, RingEvent::Message(_)),
                "it was for others: {event:?}"
            );
        }
    });
}

#[test]
fn two_members_ring_and_one_alone_waits() {
    run(async {
        let mut yard = Yard::new(2).await;
        let settings = yard.settings(1);
        let mut first = yard.start(settings).await;
        first.ring.flood(envelope(1, 1));
        assert_eq!(first.ring.links(), []);
        first.ring.send(id(1), envelope(1, 2));
        assert_eq!(
            first.message().await,
            envelope(1, 2),
            "what it says to itself arrives"
        );
        let settings = yard.settings(2);
        let members = [first, yard.start(settings).await];
        forms(&members, &[(1, 2), (2, 1)]).await;
        let link = members[0].ring.links().remove(0);
        assert_eq!((link.peer, link.boot, link.version), (id(2), boot(2), 1));
    });
}

#[test]
fn parts_that_no_right_neighbour_joins_are_bridged() {
    run(async {
        // Only 1 and 2, 3 and 4, 1 and 3 reach each other; the nearest alone would make two rings of two.
        let mut yard = Yard::new(4).await;
        let (_silent, nowhere) = {
            let (listener, address) = yard.listen(9).await;
            drop(listener);
            ((), address)
        };
        let mut members = Vec::new();
        for me in 1..=4_u16 {
            let mut settings = yard.settings(me);
            settings.limits.unheard_after = Duration::from_millis(500);
            settings.limits.beacon_every = Duration::from_millis(100);
            for other in 1..=4_u16 {
                let pair = (me.min(other), me.max(other));
                if me != other && ![(1, 2), (3, 4), (1, 3)].contains(&pair) {
                    // The host stays, so that the order of the ring does.
                    settings.peers[usize::from(other - 1)]
                        .address
                        .set_port(nowhere.port());
                }
            }
            members.push(yard.start(settings).await);
        }
        members[1]
            .until_so("4 is heard at 2", |ring| {
                let links = ring.links();
                let started = links.iter().map(|link| link.since).min();
                started.is_some_and(|started| ring.heard()[&id(4)] > started)
            })
            .await;
        members[1].ring.flood(envelope(2, 5));
        assert_eq!(members[3].message().await, envelope(2, 5));
    });
}

#[test]
fn links_differ_in_slight_settings_with_a_warning() {
    run(async {
        let mut yard = Yard::new(2).await;
        let mut other = yard.settings(2);
        other.said[1].value = "10.0.0.2".to_owned();
        let settings = yard.settings(1);
        let mut one = yard.start(settings).await;
        let _other = yard.start(other).await;
        let warning = one.until("warning", |event| match event {
            RingEvent::Differs { differences, .. } => Some(differences[0].to_string()),
            _ => None,
        });
        assert_eq!(
            warning.await,
            "director_mail_servers is \"10.0.0.1\" here, \"10.0.0.2\" there"
        );
        one.until_so("two links", |ring| ring.links().len() == 2).await;
    });
}

#[test]
fn a_newer_process_with_a_members_number_takes_its_place() {
    run(async {
        let mut yard = Yard::new(2).await;
        let mut settings = yard.settings(2);
        let mut one = {
            let settings = yard.settings(1);
            yard.start(settings).await
        };
        let older = yard.start(settings.clone()).await;
        one.linked_to(2).await;
        settings.boot = boot(9);
        // It can't listen where the older one does, but it dials.
        let (listener, _) = yard.listen(2).await;
        let (to_core, _events) = tokio::sync::mpsc::channel(64);
        let newer = crate::ring::start(yard.world.clone(), settings, listener, to_core);
        let newer = newer.expect("the settings are good");
        let is_newer = |event: &RingEvent| match event {
            RingEvent::LinkUp { boot: found, .. } => (*found == boot(9)).then_some(()),
            _ => None,
        };
        one.until("link with the newer boot", is_newer).await;
        drop((older, newer));
    });
}
