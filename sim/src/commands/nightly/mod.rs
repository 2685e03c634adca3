//! `sim nightly`: everything that is worth a night of a machine's time, and one summary of it.
//!
//! | module | holds |
//! |---|---|
//! | `command` | the arguments, and running the parts one after the other |
//! | `parts` | what a night consists of; a new part is a new entry there |
//! | `verdict` | what a part came to, read from what it printed |
//! | `summary` | the summary, for people and programs |

mod command;
mod parts;
mod summary;
mod verdict;

pub use command::{NightlyArguments, nightly};
