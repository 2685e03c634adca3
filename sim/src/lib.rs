//! The discrete-event simulator: worlds made from a seed, in which real directors meet every fault that we can name.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`], [`knobs`], [`fault`], [`work`] | what happens in one run, as data that can be saved, cut down and replayed |
//! | [`generated_logins`] | the users who come by themselves, as work |
//! | [`bug`] | what a run may break on purpose, to see that it is noticed |
//! | [`run()`], [`outcome`] | running a plan, and what came of it |
//! | [`explain()`] | the shortest story of a run that broke something |
//! | [`look()`], [`state`] | every member at one moment, whole |
//! | [`healing`], [`outages`], [`single`] | how fast rings recovered, how long users were without service, and plans with one fault each for that |
//! | [`marks`], [`coverage`], [`waits`] | what was reached, and how long users waited |
//! | [`learn`] | which plan to try next, after what the ones before it reached |
//! | [`both`], [`converged`] | plans that two worlds can run to the end, and what a ring has come to then |
//! | [`hosts`] | asking for a run of the whole daemon on simulated hosts |
//! | [`classic`] | Dovecot's own director, to compare with |
//! | [`compare`] | the same plans with either kind of directors |
//! | [`scale`] | large rings over many years |
//!
//! A run depends on its plan and its bug alone: no clock, no entropy, no threads, no random iteration. The commands
//! around it (sweeps, replay, minimising) are left to the binary.

mod arrivals;
pub mod both;
pub mod bug;
mod changes;
mod checkers;
pub mod classic;
pub mod compare;
pub mod converged;
pub mod coverage;
mod entropy;
mod explain;
pub mod fault;
pub mod healing;
pub mod hosts;
pub mod knobs;
pub mod learn;
pub mod marks;
pub mod outages;
pub mod outcome;
pub mod plan;
pub mod run;
pub mod scale;
pub mod single;
pub mod state;
mod sweep;
mod trace;
pub mod waits;
pub mod work;
mod world;

pub use arrivals::generated_logins;
pub use bug::{Bug, WorldBug};
pub use explain::{Explained, explain};
pub use fault::{Fault, FaultKind};
pub use knobs::Knobs;
pub use outcome::{Invariant, Outcome, Verdict};
pub use plan::{Ending, Expect, Plan, PlanError};
pub use run::{Options, TraceMode, look, run};
pub use state::MemberState;
pub use work::{Errand, Order, Work};
