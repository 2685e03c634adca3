//! The discrete-event simulator: worlds made from a seed, in which real directors meet every fault that we can name.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`], [`knobs`], [`fault`], [`work`] | what happens in one run, as data that can be saved, cut down and replayed |
//! | [`generated_logins`] | the users who come by themselves, as work |
//! | [`bug`] | what a run may break on purpose, to see that it is noticed |
//! | [`run()`], [`outcome`] | running a plan, and what came of it |
//! | [`marks`], [`waits`] | what was reached, and how long users waited |
//! | [`scale`] | large rings over many years |
//!
//! A run depends on its plan and its bug alone: no clock, no entropy, no threads, no random iteration. The commands
//! around it (sweeps, replay, minimising) are left to the binary.

mod arrivals;
pub mod bug;
mod checkers;
mod entropy;
pub mod fault;
pub mod knobs;
pub mod marks;
pub mod outcome;
pub mod plan;
pub mod run;
pub mod scale;
mod sweep;
mod trace;
pub mod waits;
pub mod work;
mod world;

pub use arrivals::generated_logins;
pub use bug::{Bug, WorldBug};
pub use fault::{Fault, FaultKind};
pub use knobs::Knobs;
pub use outcome::{Invariant, Outcome, Verdict};
pub use plan::{Ending, Expect, Plan, PlanError};
pub use run::{Options, TraceMode, run};
pub use work::{Errand, Order, Work};
