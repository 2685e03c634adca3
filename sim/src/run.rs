//! Running a plan.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bug::Bug;
use crate::checkers::Broken;
use crate::explain::{Recorder, Subject, Testimony};
use crate::outages::Visits;
use crate::outcome::{Invariant, Outcome};
use crate::plan::Plan;
use crate::state::MemberState;
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
    /// Users who come again and again beside those of the plan, to see how long they are without service.
    pub visits: Option<Visits>,
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
    played(plan, options).outcome()
}

/// Runs a plan as [`run`] does, and tells how every member is at the end: at [`Options::stop_at_ns`], or where something
/// broke before.
///
/// # Panics
/// The plan did not pass [`Plan::check`].
pub fn look(plan: &Plan, options: &Options) -> (Outcome, Vec<MemberState>) {
    let mut world = played(plan, options);
    let members = world.members_state();
    (world.outcome(), members)
}

fn played<'p>(plan: &'p Plan, options: &Options) -> World<'p> {
    let mut world = World::new(plan, options);
    caught(&mut world);
    world
}

/// As [`run()`], with everything taken down for [`crate::explain()`]. The outcome is the same.
pub(crate) fn record(plan: &Plan, options: &Options) -> (Outcome, Recorder, Testimony) {
    let mut world = World::new(plan, options);
    world.record();
    caught(&mut world);
    let recorder = world.take_recorder();
    let subject = Subject::of(world.broken_words());
    // A machine that has panicked may be in a state that nobody should ask about.
    let testify = || world.testify(&subject, &recorder);
    let testimony = catch_unwind(AssertUnwindSafe(testify)).unwrap_or_default();
    (world.outcome(), recorder, testimony)
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
