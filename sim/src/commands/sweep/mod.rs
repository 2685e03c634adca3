//! Sweeps: seeds one after the other, or a search that learns from what they reach; both can be left and resumed.
//!
//! | module | holds |
//! |---|---|
//! | `asked` | what a sweep is asked to do; the arguments are `run`'s |
//! | `plain`, `learning` | the two loops |
//! | `ledger` | what came of all runs so far |
//! | `pace` | signs of life, and when the state is to be saved |
//! | `folder` | the corpus as files |
//! | `saved` | a sweep that was left, as a file |
//! | `coverage` | what was reached and what was not, for people and programs |

mod asked;
mod coverage;
mod folder;
mod learning;
mod ledger;
mod pace;
mod plain;
mod saved;

pub use asked::Sweep;
pub use coverage::Detail;
pub use learning::search;
pub use ledger::Ledger;
pub use plain::sweep;
pub use saved::Saved;
