//! Hand-made traps for the directors' own proxies.

use sim::bug::Rule;
use sim::{Bug, Errand, Fault, FaultKind, Order, Plan};

use crate::plans::{has_mail, with_own_proxies};
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

/// Nobody logs in; a mail server delivers to everybody, by all directors.
fn plan_with_mail(faults: Vec<Fault>, work: Vec<sim::Work>) -> Plan {
    let mut plan = plan_with_own_proxies(faults, work);
    plan.seed = 2;
    assert!(has_mail(&plan), "mail comes with even seeds");
    plan
}

/// Everybody is to be at this backend.
fn gather(at_ms: u64, member: usize, backend: u32) -> sim::Work {
    let others = (0..3).filter(|other| *other != backend).flat_map(|other| {
        let of_it = Some(other);
        [Order::Down { backend: other }, Order::Flush { backend: of_it }]
    });
    let orders = [Order::Up { backend }].into_iter().chain(others).collect();
    sim::Work {
        at_ms,
        member,
        errand: Errand::Command { orders },
    }
}

#[test]
fn all_mail_arrives_while_users_move_directors_die_and_one_is_cut_off() {
    let faults = vec![
        fault(4_000, 4_500, FaultKind::Crash { member: 0 }),
        fault(5_500, 5_600, FaultKind::Crash { member: 2 }),
        fault(7_000, 12_000, isolate(1)),
    ];
    let moves = (0..12).map(|turn| gather(3_000 + 800 * u64::from(turn), 0, turn % 3));
    let outcomes = expect_good(&plan_with_mail(faults, moves.collect()));
    let facts = outcomes.truth.facts();
    let (deliveries, acknowledged) = (facts.mails.deliveries, facts.mails.acknowledged);
    assert!(
        deliveries > 50 && acknowledged > 80,
        "{deliveries} deliveries to {acknowledged}"
    );
}

/// What that is worth: a director that delivers without a lease is seen.
#[test]
fn a_proxy_that_delivers_mail_without_a_lease_is_noticed() {
    let moves = (0..8).map(|turn| gather(6_000 + 700 * u64::from(turn), 1, turn % 3));
    let plan = plan_with_mail(vec![fault(4_000, 12_000, isolate(0))], moves.collect());
    let broken = run(&plan, Some(Bug::Rule(Rule::AdmitOnlyUnderLease))).broken;
    let broken = broken.expect("somebody is split");
    assert!(
        broken.contains("forwards bytes of user") || broken.contains("is delivering mail"),
        "{broken}"
    );
}

/// With messages in its sockets.
#[test]
fn a_proxy_that_stood_still_beyond_its_lease_gives_no_mail_on_waking() {
    for seed in 1..=2 {
        let moves = (0..4).map(|turn| gather(6_500 + 800 * u64::from(turn), 1, turn % 3));
        let stopped = fault(4_000, 11_000, FaultKind::Pause { member: 0 });
        let mut plan = plan_with_mail(vec![stopped], moves.collect());
        plan.seed = 2 * seed;
        expect_good(&plan);
    }
}
