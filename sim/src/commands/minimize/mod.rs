//! `sim minimize`: cuts a failing plan down to what is needed to fail.
//!
//! | module | cuts |
//! |---|---|
//! | `minimizer` | the order of all cuts, again and again until none helps |
//! | `ddmin` | lists and numbers, knowing nothing of plans |
//! | `world` | the end of the run, members, backends, users, habits |
//! | `incidents` | faults and work: which, when, how long, on whom |
//! | `renumber` | members, backends and users in everything that names them by number |

mod command;
mod ddmin;
mod incidents;
mod minimizer;
mod renumber;
mod world;

pub use command::{MinimizeArguments, minimize};
