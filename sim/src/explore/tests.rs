//! The explorer finds what is broken, and nothing where nothing is.

use std::collections::BTreeSet;
use std::time::Duration;

use maildirector::agreement::Rule;

use super::search::{Bounds, Found, explore};
use super::worlds::{TEETH, WORLDS};

fn explored(name: &str, broken: Option<Rule>) -> Found {
    let world = WORLDS
        .iter()
        .find(|world| world.name == name)
        .expect("a known world");
    let bounds = Bounds {
        depth: None,
        states: 200_000,
        time: Duration::from_secs(60),
        memory_mib: 4_000,
        threads: 1,
    };
    explore(*world, broken, bounds)
}

fn broken_rule(name: &str, broken: Rule) -> Option<&'static str> {
    explored(name, Some(broken))
        .counterexample
        .map(|counterexample| counterexample.rule)
}

#[test]
fn a_small_world_holds_and_is_explored_whole() {
    let found = explored("pair-restart", None);
    assert!(found.is_whole && found.missed.is_empty() && found.counterexample.is_none());
    assert!(found.states > 100, "{}", found.states);
}

#[test]
fn forwarding_without_a_lease_is_noticed() {
    assert!(broken_rule("lease-end", Rule::AdmitOnlyUnderLease).is_some());
}

#[test]
fn a_commit_that_does_not_wait_for_stated_leases_is_noticed() {
    assert!(broken_rule("unheard", Rule::StatedLeasesAreWaitedFor).is_some());
}

#[test]
fn a_commit_without_a_majority_is_noticed() {
    assert!(broken_rule("apart", Rule::MajorityToCommit).is_some());
}

#[test]
fn worlds_have_names_of_their_own_and_teeth_name_worlds() {
    let names: BTreeSet<&str> = WORLDS.iter().map(|world| world.name).collect();
    assert_eq!(names.len(), WORLDS.len());
    assert!(TEETH.iter().all(|(_, name)| names.contains(name)));
}
