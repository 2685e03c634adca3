//! `sim minimize`: cuts a failing plan down to what is needed to fail.
//!
//! | module | cuts |
//! |---|---|
//! | `minimizer` | the order of all cuts, again and again until none helps |
//! | `ddmin` | lists and numbers, knowing nothing of plans |
//! | `world` | the end of the run, members, backends, users, habits |
//! | `incidents` | faults and work: which, when, how long, on whom |
//! | `renumber` | a member or a backend out of everything that names it by its place |

mod command;
mod ddmin;
mod incidents;
mod minimizer;
mod renumber;
mod world;

pub use command::{MinimizeArguments, minimize};
