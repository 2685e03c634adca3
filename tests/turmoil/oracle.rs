//! Is it a good net? Rules broken on purpose must be noticed within so many seeds.

use sim::bug::Rule;
use sim::{Bug, WorldBug};

use crate::plans::plan_of;
use crate::run::run;

/// With about twice the seeds that each needs; what real sockets don't show sooner than the simulator is left to that one.
const BUGS: [(Bug, u64); 6] = [
    (Bug::World(WorldBug::EvictionConfirmedEarly), 6),
    (Bug::Rule(Rule::HoldGoesWithItsSessions), 6),
    (Bug::Rule(Rule::ConfirmedFreezes), 25),
    (Bug::Rule(Rule::AdmitOnlyUnderLease), 280),
    (Bug::Rule(Rule::CloseBeforeConfirm), 270),
    (Bug::Rule(Rule::BehindFetches), 90),
];

#[test]
fn rules_broken_on_purpose_are_noticed() {
    for (bug, seeds) in BUGS {
        let is_noticed = (0..seeds).any(|seed| run(&plan_of(seed), Some(bug)).broken.is_some());
        assert!(is_noticed, "{bug} is not noticed in {seeds} seeds");
    }
}
