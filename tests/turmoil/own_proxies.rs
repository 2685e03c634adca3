//! Hand-made traps for the directors' own proxies.

use sim::bug::Rule;
use sim::{Bug, Fault, FaultKind, Plan};

use crate::plans::with_own_proxies;
use crate::run::run;
use crate::scenarios::{expect_good, expect_routed, fault, flush_two, isolate, logins, outcomes_at, plan};
use crate::truth::Outcome;

fn plan_with_own_proxies(faults: Vec<Fault>, work: Vec<sim::Work>) -> Plan {
    let mut plan = plan(faults, work);
    with_own_proxies(&mut plan.knobs);
    plan
}

/// Everybody talks at member 0, which is cut off; the others move two thirds of them, and he comes to them.
fn cut_off_while_users_move() -> Plan {
    let work = [
        logins(3_000, 0),
        vec![flush_two(6_000, 1)],
        logins(9_000, 0),
        logins(9_500, 1),
        logins(12_500, 2),
    ];
    plan_with_own_proxies(vec![fault(4_000, 12_000, isolate(0))], work.concat())
}

#[test]
fn a_proxy_forwards_nothing_once_its_director_is_cut_off_for_a_lease() {
    let outcomes = expect_good(&cut_off_while_users_move());
    expect_routed(&outcomes, 3_000);
    let refused = outcomes_at(&outcomes, 9_000);
    assert!(
        refused.iter().all(|outcome| *outcome == Some(Outcome::Refused)),
        "{refused:?}"
    );
    expect_routed(&outcomes, 9_500);
    expect_routed(&outcomes, 12_500);
    let forwarded = outcomes.truth.facts().forwarded;
    assert!(forwarded > 1_000, "only {forwarded} bytes were forwarded");
}

/// What that test is worth: a director that forwards without a lease is seen.
#[test]
fn a_proxy_that_forwards_without_a_lease_is_noticed() {
    let bug = Bug::Rule(Rule::AdmitOnlyUnderLease);
    let broken = run(&cut_off_while_users_move(), Some(bug)).broken;
    let broken = broken.expect("somebody is split");
    assert!(broken.starts_with("member 0 forwards bytes of user"), "{broken}");
}

/// A process that stands still beyond its lease, with bytes of its users in its sockets, and goes on.
#[test]
fn a_proxy_that_stood_still_beyond_its_lease_forwards_nothing_on_waking() {
    let work = [logins(3_000, 0), vec![flush_two(6_000, 1)], logins(9_500, 1)];
    let stopped = fault(4_000, 11_000, FaultKind::Pause { member: 0 });
    let outcomes = expect_good(&plan_with_own_proxies(vec![stopped], work.concat()));
    expect_routed(&outcomes, 3_000);
    expect_routed(&outcomes, 9_500);
}

/// A killed director's sessions end with it; its users are let in again at once.
#[test]
fn a_killed_directors_users_come_back() {
    let work = [logins(3_000, 0), logins(6_000, 0), logins(6_000, 1)];
    let killed = fault(4_000, 4_500, FaultKind::Crash { member: 0 });
    let outcomes = expect_good(&plan_with_own_proxies(vec![killed], work.concat()));
    expect_routed(&outcomes, 6_000);
}
