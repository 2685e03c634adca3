//! The commands of the binary and their output. What they do is left to the rooms below.

mod arguments;
mod check;
mod place;
mod run;

pub use run::run;
