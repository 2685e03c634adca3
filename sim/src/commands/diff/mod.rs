//! `sim diff`: where two runs part ways.
//!
//! | module | holds |
//! |---|---|
//! | `command` | the command and what it prints |
//! | `side` | a seed, a plan or a written trace as one side |
//! | `plans` | in what two plans differ |

mod command;
mod plans;
mod side;

pub use command::{DiffArguments, diff};
