//! Seeds: nobody is split, every login is answered, the ring recovers; and every seed can be replayed.

use sim::Plan;

use crate::plans::plan_of;
use crate::run::run;
use crate::serve::first_difference;

/// Seeds in four tests, which libtest runs beside each other.
const SEEDS_PER_TEST: u64 = 120;

/// Runs a plan twice; what is wrong with it, or its trace.
fn judge(plan: &Plan) -> Result<usize, String> {
    let (one, other) = (run(plan, None), run(plan, None));
    let (lines, again) = (one.trace.lines(), other.trace.lines());
    if let Some(broken) = one.broken {
        return Err(format!("{broken}\nthe last lines:\n{}", one.trace.tail(60)));
    }
    first_difference(&lines, &again).map_or(Ok(lines.len()), Err)
}

fn expect_good(seed: u64) {
    let plan = plan_of(seed);
    if let Err(why) = judge(&plan) {
        panic!(
            "seed {seed}: {why}\n\nfaults: {:#?}\nreplay: cargo run -p sim -- replay {seed} --layer turmoil \
             --plans turmoil --trace -",
            plan.faults
        );
    }
}

fn sweep(part: u64) {
    for seed in (0..SEEDS_PER_TEST).map(|n| 4 * n + part) {
        expect_good(seed);
    }
}

#[test]
fn nobody_is_split_under_random_faults_and_every_seed_can_be_replayed_1() {
    sweep(0);
}

#[test]
fn nobody_is_split_under_random_faults_and_every_seed_can_be_replayed_2() {
    sweep(1);
}

#[test]
fn nobody_is_split_under_random_faults_and_every_seed_can_be_replayed_3() {
    sweep(2);
}

#[test]
fn nobody_is_split_under_random_faults_and_every_seed_can_be_replayed_4() {
    sweep(3);
}
