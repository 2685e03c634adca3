//! `sim minimize`: cuts a failing plan down to what is needed to fail.
//!
//! | module | cuts |
//! |---|---|
//! | `minimized` | all of it, from what fails to the plan that is kept |
//! | `minimizer` | the order of all cuts, again and again until none helps |
//! | `ddmin` | lists and numbers, knowing nothing of plans |
//! | `world` | the end of the run, members, backends, users, habits |
//! | `members` | members, with other seeds where that needs them |
//! | `incidents` | faults and work: which, when, how long, on whom |
//! | `faults` | several faults to one, and plainer ones |
//! | `renumber` | members, backends and users in everything that names them by number |

mod command;
mod ddmin;
mod faults;
mod incidents;
mod members;
mod minimized;
mod minimizer;
mod renumber;
mod world;

pub use command::{MinimizeArguments, minimize};
pub use members::MEMBERS_FEW;
pub use minimized::{Minimized, RUNS_MAX, minimized};
