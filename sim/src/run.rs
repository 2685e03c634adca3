//! Running a plan.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bug::Bug;
use crate::checkers::Broken;
use crate::outcome::{Invariant, Outcome};
use crate::plan::Plan;
use crate::world::World;

/// How to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What to break.
    pub bug: Option<Bug>,
    /// What to keep of the trace.
    pub trace: TraceMode,
    /// Stop at this time, in nanoseconds of true time, as if the plan ended there; the recovery is left out.
    pub stop_at_ns: Option<u64>,
}

/// What to keep of the trace. Its digest is always kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMode {
    /// The last events, for a report.
    #[default]
    Hash,
    /// A line for every event.
    Lines,
}

/// Runs a plan to its end or to the first broken invariant. A panic of the machine is caught here and is a broken
/// invariant too; whoever does not want its text on the error stream sets a panic hook.
///
/// # Panics
/// The plan did not pass [`Plan::check`].
pub fn run(plan: &Plan, options: &Options) -> Outcome {
    let mut world = World::new(plan, options);
    caught(&mut world);
    world.outcome()
}

/// Plays a world; a panic of the machine is a broken invariant.
pub(crate) fn caught(world: &mut World<'_>) {
    let played = catch_unwind(AssertUnwindSafe(|| world.play()));
    if let Err(panic) = played {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no words");
        world.break_off(Broken::new(Invariant::NoPanic, text));
    }
}
