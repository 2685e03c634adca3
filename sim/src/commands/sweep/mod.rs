//! Sweeps: seeds one after the other, or a search that learns from what they reach; both can be left and resumed.
//!
//! | module | holds |
//! |---|---|
//! | `command` | the arguments, and which of both it is |
//! | `plain`, `learning` | the two loops |
//! | `ledger` | what came of all runs so far |
//! | `pace` | signs of life, and when the state is to be saved |
//! | `folder` | the corpus as files |
//! | `saved` | a sweep that was left, as a file |
//! | `coverage` | what was reached and what was not, for people and programs |

mod command;
mod coverage;
mod folder;
mod learning;
mod ledger;
mod pace;
mod plain;
mod saved;

pub use command::{RunArguments, run};
