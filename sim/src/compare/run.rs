//! Running one plan with either subject.

use super::tally::{Figures, Tally};
use crate::classic::world::ClassicWorld;
use crate::outcome::Verdict;
use crate::plan::Plan;
use crate::run::Options;
use crate::world::World;

/// The plan with this project's directors, and whether all their promises held.
///
/// # Panics
/// The plan did not pass [`Plan::check`], or the machine panics.
pub fn run_ours(plan: &Plan) -> (Figures, Verdict) {
    let mut world = World::new(plan, &Options::default());
    world.count(Tally::new(plan));
    world.play();
    let counted = world.take_count();
    let outcome = world.outcome();
    let figures = Figures {
        settled_ns: outcome.healing.map(|healing| healing.settling.took_ns),
        ..counted
    };
    (figures, outcome.verdict)
}

/// The plan with Dovecot's directors.
///
/// # Panics
/// The plan did not pass [`Plan::check`].
pub fn run_classic(plan: &Plan) -> Figures {
    let mut world = ClassicWorld::new(plan);
    world.play();
    world.figures()
}
