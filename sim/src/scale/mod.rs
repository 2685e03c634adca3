//! Large rings over many years: what they send, hold and decide, and for how long users are without service.
//!
//! | module | holds |
//! |---|---|
//! | `setup` | how large a site is |
//! | `rates`, `calendar` | what fails how often, and when it does in the years of one site |
//! | `wires` | who reaches whom round the ring, and over how many links |
//! | `agenda` | what is still to happen |
//! | `scene`, `seat` | real directors on simulated hosts |
//! | `crowd`, `logins` | sampled users: who is served, by whom, and who is not |
//! | `incident` | one fault, played from a warm ring |
//! | `steady`, `memory`, `values` | what a ring costs when nothing happens, what it holds, and how large a change may be |
//! | `estimate` | from what was played to the years |
//!
//! Quiet time is jumped: a ring without faults does the same every two seconds, so it is measured for a while, and each
//! fault is played in a window of its own. Which promises hold under which faults is left to the worlds of `world`.

mod agenda;
mod calendar;
mod crowd;
mod estimate;
mod incident;
mod logins;
mod memory;
mod rates;
mod scene;
mod seat;
mod setup;
mod steady;
#[cfg(test)]
mod tests;
mod values;
mod wires;

pub use calendar::{Absences, Calendar};
pub use estimate::{CauseEstimate, Estimate, Mean, estimate};
pub use memory::{Memory, memory, pin_bytes};
pub use rates::{Cause, Per, RATES, Rate};
pub use setup::Setup;
pub use steady::{ChangeTimes, Steady, change_times, steady};
pub use values::{LinkSpeed, ValueFate, largest_value, play_value};
