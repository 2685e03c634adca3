//! How often a coordinator says again what was not answered, and to whom.

use super::*;

/// Proposals that went to one member and to all, while two of five directors do not reach the coordinator.
fn said(users: u32) -> (usize, usize) {
    let mut ring = Ring::serving(5);
    for number in 0..users {
        assert!(ring.login(1, &format!("user{number}")).is_some());
    }
    ring.cut = vec![(id(1), id(4)), (id(1), id(5))];
    ring.seen.clear();
    ring.command(1, vec![Change::AddBackend(backend(9))]);
    ring.run(Duration::from_secs(45));
    assert_eq!(ring.epochs(), [1; 5]);
    let is_proposal = |envelope: &Envelope| matches!(envelope.body, Body::Propose { .. });
    let seen = &ring.seen[&id(1)];
    let to_one = |output: &&Output| matches!(output, Output::Send { envelope, .. } if is_proposal(envelope));
    let to_all = |output: &&Output| matches!(output, Output::Flood(envelope) if is_proposal(envelope));
    (
        seen.iter().filter(to_one).count(),
        seen.iter().filter(to_all).count(),
    )
}

#[test]
fn a_large_value_is_said_again_to_all_at_once_and_a_small_one_to_who_is_silent() {
    let (to_one, to_all) = said(10);
    assert!(to_one > to_all && to_all > 1, "{to_one} {to_all}");
    let (to_one, to_all) = said(20_000);
    assert!(to_one == 0 && to_all > 1, "{to_one} {to_all}");
}
