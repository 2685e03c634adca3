//! What a ring comes to is the same in the discrete-event world and here, when both carry out the same orders under the
//! same faults.

use sim::both::{Crowd, for_both, insist};
use sim::{Errand, Order, Plan, Verdict, Work};

use crate::plans::plan_of;
use crate::run::{Manner, run_so};

const SEEDS: u64 = 50;

/// What differs after this plan, in words; `None` when one world could not go on without an operator.
fn differences(plan: &Plan) -> Option<Vec<String>> {
    let there = insist(plan);
    assert_eq!(there.verdict, Verdict::Ok);
    let manner = Manner {
        insists: true,
        ..Manner::default()
    };
    let here = run_so(plan, manner);
    assert_eq!(here.broken, None);
    let mut differences = there
        .end?
        .compared("in the discrete-event world", &there.ordered)
        .differences;
    differences.extend(
        here.end?
            .compared("on simulated hosts", &there.ordered)
            .differences,
    );
    Some(differences)
}

fn cross_check(plans: fn(u64) -> Plan, crowd: Crowd) {
    let mut compared = 0;
    for seed in 0..SEEDS {
        if let Some(differences) = differences(&for_both(&plans(seed), crowd)) {
            assert!(differences.is_empty(), "seed {seed}: {differences:#?}");
            compared += 1;
        }
    }
    assert!(compared > SEEDS / 2, "only {compared} of {SEEDS} were compared");
}

#[test]
fn both_worlds_end_with_the_orders_of_the_discrete_event_worlds_plans() {
    cross_check(Plan::from_seed, Crowd::Users);
}

#[test]
fn both_worlds_end_with_the_orders_of_these_hosts_plans() {
    cross_check(plan_of, Crowd::Users);
}

/// Found by this comparison. A director that is bound to a change may not have heard yet that it was decided: what an
/// admin asks of it must not be answered by the state before.
#[test]
fn an_admin_who_asks_another_director_next_is_not_answered_by_the_past() {
    let mut plan = plan_of(0);
    plan.faults.clear();
    plan.knobs.latency_max_us = 150_000;
    plan.work = (0..20)
        .map(|turn| {
            let backend = 1;
            let order = if turn % 2 == 0 {
                Order::Down { backend }
            } else {
                Order::Up { backend }
            };
            Work {
                at_ms: 4_000 + 300 * turn,
                member: turn as usize % 3,
                errand: Errand::Command { orders: vec![order] },
            }
        })
        .collect();
    for seed in 0..10 {
        plan.seed = seed;
        let plan = for_both(&plan, Crowd::Nobody);
        assert_eq!(differences(&plan), Some(Vec::new()), "seed {seed}");
    }
}

#[test]
fn without_users_everything_can_be_compared() {
    cross_check(Plan::from_seed, Crowd::Nobody);
}
