//! The shortest story of a run: what broke, what led to it, who believed what, and which faults were in force; as text
//! and as one page with a timeline.
//!
//! | module | holds |
//! |---|---|
//! | `recorder` | everything that happened, with its causes |
//! | `subject` | whom the verdict names |
//! | `focus`, `cone` | what it is about, and what of that led to it |
//! | `story`, `lines`, `talk`, `contents` | that in a few lines |
//! | `source`, `words` | what a line is and is made from; times and lists in words |
//! | `testimony` | what is known at the end besides the events |
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
mod source;
mod story;
mod subject;
mod talk;
mod testimony;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub(crate) use beliefs::{Belief, Concerned, UserBelief};
pub(crate) use contents::{ballot_name, value_name};
pub use explained::{Explained, explain};
pub(crate) use recorder::{EpochMove, LeaseMove, Recorder, SessionSpan};
pub(crate) use subject::Subject;
pub(crate) use testimony::Testimony;
