//! `sim bisect`: the commit that broke a plan.
//!
//! | module | holds |
//! |---|---|
//! | `command` | the command, its progress and what it prints |
//! | `search` | which commit to try next, knowing nothing of git |
//! | `repository` | commits, and a worktree that is gone at the end |
//! | `workshop` | building a commit's simulator and running the plan in it |

mod command;
mod repository;
mod search;
mod workshop;

pub use command::{BisectArguments, bisect};
