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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::plan;

    const CUT: &str = include_str!("../../compare/ring-cut-32-s.plan");

    #[test]
    fn a_plan_always_comes_to_the_same_with_dovecots_directors() {
        for seed in 0..3 {
            let plan = plan(seed);
            assert_eq!(run_classic(&plan), run_classic(&plan), "seed {seed}");
        }
    }

    /// With real directors: 103 to 123 logins split 27 to 31 users.
    #[test]
    fn the_cut_that_was_measured_splits_about_as_many_users_as_it_did_and_none_of_ours() {
        let plan = Plan::parse(CUT).expect("it is committed whole");
        let classic = run_classic(&plan);
        assert!(
            (10..=40).contains(&classic.users_split),
            "{}",
            classic.users_split
        );
        assert!(
            (60..=240).contains(&classic.split_logins),
            "{}",
            classic.split_logins
        );
        let (ours, verdict) = run_ours(&plan);
        assert_eq!((ours.users_split, verdict), (0, Verdict::Ok));
    }
}
