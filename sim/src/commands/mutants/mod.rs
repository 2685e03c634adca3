//! `sim mutants`: the simulator is itself tested. Each rule is broken in turn, and a checker must notice.

mod bounds;
mod command;
mod least;
mod net;

pub use bounds::words;
pub use command::{MutantsArguments, mutants};
