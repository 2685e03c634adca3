//! The shortest story of a run: what broke, what led to it, who believed what, and which faults were in force; as text
//! and as one page with a timeline.
//!
//! | module | holds |
//! |---|---|
//! | `recorder` | everything that happened, with its causes |
//! | `subject` | whom the verdict names |
//! | `focus`, `cone` | what it is about, and what of that led to it |
//! | `story`, `lines`, `talk`, `contents` | that in a few lines |
//! | `beliefs` | what every member believed at the end |
//! | `faults` | the plan's faults in words, and what they did to messages |
//! | `text`, `page`, `scene` | the two forms in which it is told |
//! | `explained` | all of that in order |
//!
//! Where it is shown and kept is left to the command.

mod beliefs;
mod cone;
mod contents;
mod explained;
mod faults;
mod focus;
mod lines;
mod page;
mod recorder;
mod scene;
mod story;
mod subject;
mod talk;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use beliefs::{Belief, Concerned, UserBelief};
pub(crate) use contents::{ballot_name, value_name};
pub(crate) use explained::Testimony;
pub use explained::{Explained, explain};
pub(crate) use recorder::{EpochMove, LeaseMove, Recorder, SessionSpan};
pub(crate) use subject::Subject;
