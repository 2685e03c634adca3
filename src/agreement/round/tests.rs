//! One round, exactly.

use std::time::Duration;

use super::*;
use crate::agreement::message::Stated;
use crate::agreement::timing::TIMING_DEFAULT;
use crate::agreement::value::Committed;
use crate::topology::{
    Change, HashFormat, HealthPolicy, Incarnation, Member, NewBackend, TagId, TopologySeed,
};

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const DRIFT: u32 = 10_000;

fn id(index: u16) -> MemberId {
    MemberId::from_index(index)
}

fn boot(index: u16) -> Boot {
    Boot::from_bits(u64::from(index) + 100)
}

fn ballot(counter: u64) -> Ballot {
    Ballot {
        counter,
        member: id(1),
        boot: boot(1),
    }
}

fn round() -> Round {
    Round::new(
        Rules::default(),
        ballot(2),
        Epoch::ZERO,
        Arc::default(),
        NOW.plus(SECOND),
    )
}

fn backend(last: u8) -> NewBackend {
    NewBackend {
        ip: [10, 0, 0, last].into(),
        hostname: None,
        vhosts: 100,
        tag: "".into(),
    }
}

fn committed() -> Committed {
    let member = |i| Member {
        id: id(i),
        serves: true,
        votes: true,
        incarnation: Incarnation::from_bits(0),
    };
    let seed = TopologySeed {
        members: (1..=3).map(member).collect(),
        backends: vec![backend(1), backend(2)],
        timing: TIMING_DEFAULT,
        health: HealthPolicy::default(),
        hash_format: "%u".to_owned(),
    };
    Committed::genesis(Topology::new(seed).expect("a plain configuration"))
}

fn value(counter: u64) -> Arc<Value> {
    Arc::new(Value {
        id: ValueId(ballot(counter)),
        proposal: Arc::default(),
        pins: Vec::new(),
    })
}

fn stated(leases: &[(u16, u64)], grace: u64) -> Noted {
    let lease = |(m, s): &(u16, u64)| Stated {
        member: id(*m),
        boot: boot(*m),
        remaining: Duration::from_secs(*s),
    };
    let leases = leases.iter().map(lease).collect();
    Noted::received(
        &Statement {
            leases,
            grace: Duration::from_secs(grace),
        },
        DRIFT,
        NOW,
    )
}

/// A round that has fixed its value without any pins.
fn proposing() -> Round {
    let mut round = round();
    round.promised(id(1), None);
    round.promised(id(2), None);
    let outcome = committed().with(&Proposal::default(), Rules::default());
    round
        .fix_value(&outcome.topology, &outcome.moves, [id(1)].into_iter(), 10)
        .expect("prepared");
    round
}

#[test]
fn it_is_prepared_by_a_majority_and_the_holds_of_all_who_are_heard() {
    let mut round = round();
    let heard = || [id(1), id(2)].into_iter();
    round.promised(id(1), None);
    round.held(id(1), Vec::new());
    round.held(id(2), Vec::new());
    assert!(!round.is_prepared(2, heard(), NOW));
    round.promised(id(3), None);
    assert!(round.is_prepared(2, heard(), NOW));
}

#[test]
fn who_does_not_tell_its_holds_is_waited_for_until_the_bound() {
    let mut round = round();
    round.promised(id(1), None);
    round.promised(id(2), None);
    assert!(!round.is_prepared(2, [id(3)].into_iter(), NOW));
    assert!(round.is_prepared(2, [id(3)].into_iter(), NOW.plus(SECOND)));
    assert_eq!(round.prepares_at(2), Some(NOW.plus(SECOND)));
    assert_eq!(round.prepares_at(3), None);
}

#[test]
fn the_accepted_value_of_the_highest_ballot_is_proposed_unchanged() {
    let mut round = round();
    round.promised(id(1), Some((ballot(1), value(0))));
    round.promised(id(2), Some((ballot(0), value(1))));
    let outcome = committed().with(&Proposal::default(), Rules::default());
    let fixed = round.fix_value(&outcome.topology, &outcome.moves, [id(1)].into_iter(), 10);
    assert_eq!(fixed, Some(value(0)));
}

#[test]
fn displaced_users_are_pinned_and_others_are_not() {
    let add = Change::AddBackend(backend(3));
    let proposal = Arc::new(Proposal {
        requests: Vec::new(),
        upkeep: vec![add],
    });
    let before = committed();
    let outcome = before.with(&proposal, Rules::default());
    let users: Vec<UserId> = (0..40)
        .map(|i| UserId {
            key: HashFormat::default().key(&format!("u{i}")),
            tag: TagId::DEFAULT,
        })
        .collect();
    let held: Vec<_> = users
        .iter()
        .map(|u| (*u, before.topology.place(*u).expect("placed")))
        .collect();
    let mut round = Round::new(Rules::default(), ballot(2), Epoch::ZERO, proposal, NOW);
    round.held(id(1), held.clone());
    let fixed = round.fix_value(&outcome.topology, &outcome.moves, [id(1)].into_iter(), 1000);
    let pins = &fixed.expect("prepared").pins;
    assert!(!pins.is_empty() && pins.len() < users.len());
    assert!(
        held.iter()
            .all(|(u, b)| (outcome.topology.place(*u) != Some(*b)) == pins.contains(&(*u, *b)))
    );
}

#[test]
fn pins_are_not_released_on_the_word_of_some() {
    let user = UserId {
        key: HashFormat::default().key("u"),
        tag: TagId::DEFAULT,
    };
    let release = Change::Release { users: [user].into() };
    let proposal = Arc::new(Proposal {
        requests: Vec::new(),
        upkeep: vec![release],
    });
    let outcome = committed().with(&proposal, Rules::default());
    let mut round = Round::new(Rules::default(), ballot(2), Epoch::ZERO, proposal, NOW);
    round.held(id(1), Vec::new());
    let all = [id(1), id(2)].into_iter();
    let fixed = round.fix_value(&outcome.topology, &outcome.moves, all, 10);
    assert!(fixed.expect("prepared").proposal.is_empty());
}

#[test]
fn it_commits_when_of_one_majority_every_lease_is_confirmed_or_over() {
    let mut round = proposing();
    round.accepted(id(1), boot(1), stated(&[(1, 5), (3, 5)], 0));
    assert_eq!(round.commits_at(2), None);
    round.accepted(id(2), boot(2), stated(&[(3, 8)], 0));
    let stretch = |s| NOW.plus(stretched(Duration::from_secs(s), DRIFT));
    assert_eq!(round.commits_at(2), Some(stretch(8)));
    round.confirmed(id(3), Boot::from_bits(0), ValueId(ballot(2)));
    assert_eq!(
        round.commits_at(2),
        Some(stretch(8)),
        "another run of that member"
    );
    round.confirmed(id(3), boot(3), ValueId(ballot(1)));
    assert_eq!(round.commits_at(2), Some(stretch(8)), "another value");
    round.confirmed(id(3), boot(3), ValueId(ballot(2)));
    assert_eq!(round.commits_at(2), Some(stretch(5)));
    round.confirmed(id(1), boot(1), ValueId(ballot(2)));
    assert!(round.commits_at(2).is_some_and(|at| at <= NOW));
}

#[test]
fn a_third_voter_can_clear_a_majority_early() {
    let mut round = proposing();
    round.accepted(id(1), boot(1), stated(&[(9, 9)], 0));
    round.accepted(id(2), boot(2), stated(&[], 0));
    assert!(round.commits_at(2).is_some_and(|at| at > NOW));
    round.accepted(id(3), boot(3), stated(&[], 0));
    assert!(round.commits_at(2).is_some_and(|at| at <= NOW));
}

#[test]
fn a_grace_is_waited_for_whoever_confirms() {
    let mut round = proposing();
    round.accepted(id(1), boot(1), stated(&[(1, 5)], 4));
    round.accepted(id(2), boot(2), stated(&[(1, 5)], 0));
    round.confirmed(id(1), boot(1), ValueId(ballot(2)));
    assert_eq!(round.commits_at(2), Some(NOW.plus(stretched(SECOND * 4, DRIFT))));
}

#[test]
fn leases_renewed_after_the_acceptance_are_not_waited_for() {
    let mut round = proposing();
    round.accepted(id(1), boot(1), stated(&[(3, 5)], 0));
    round.accepted(id(2), boot(2), stated(&[(3, 5)], 0));
    let first = round.commits_at(2);
    round.accepted(id(1), boot(1), stated(&[(3, 9), (2, 9)], 0));
    assert_eq!(round.commits_at(2), first);
    round.accepted(id(1), boot(1), stated(&[(2, 9)], 0));
    round.accepted(id(2), boot(2), stated(&[], 0));
    assert!(round.commits_at(2).is_some_and(|at| at <= NOW));
}

#[test]
fn a_restarted_voter_does_not_take_back_what_its_first_run_stated() {
    let mut round = proposing();
    round.accepted(id(1), boot(1), stated(&[], 0));
    round.accepted(id(2), boot(2), stated(&[(3, 5)], 0));
    let first = round.commits_at(2);
    assert!(first.is_some_and(|at| at > NOW));
    round.accepted(id(2), boot(22), stated(&[], 9));
    assert_eq!(round.commits_at(2), first);
}
