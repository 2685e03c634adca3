//! Two kinds of directors in the same worlds: this project's and Dovecot's own. The plan, who logs in where and when,
//! the faults, how long sessions last and the checker that finds splits are the same for both.
//!
//! | module | holds |
//! |---|---|
//! | `plans` | plans that mean the same to both |
//! | `tally` | what is counted of a run |
//!
//! The worlds are `world`, with real directors of this project, and `classic::world`, with Dovecot's. They differ where
//! the subjects do: links carry single messages there and TCP here, and only this project has storage.

mod plans;
mod run;
mod tally;

pub use plans::{Unfit, calm, fits, plan};
pub use run::{run_classic, run_ours};
pub use tally::Figures;
pub(crate) use tally::{ClosedBy, Counted, Tally};
