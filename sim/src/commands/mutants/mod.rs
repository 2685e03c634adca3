//! `sim mutants`: the simulator is itself tested. Each rule is broken in turn, and a checker must notice.

mod bounds;
mod command;
mod net;

pub use command::{MutantsArguments, mutants};
