//! A line of a story, and what lines are made from.

use super::faults::InForce;
use super::focus::Focus;
use super::recorder::{At, Recorder};
use super::testimony::Testimony;
use crate::plan::Plan;

/// One line of a story.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at_ns: u64,
    /// Where it begins.
    pub(crate) at: At,
    pub(crate) text: String,
    /// At whom; nothing of what happened to the world.
    pub(crate) member: Option<u8>,
    /// How much it would be missed; from 0 to 100.
    pub(crate) weight: i32,
    /// Lines with the same one are repetitions.
    pub(crate) kind: String,
    /// So much less is it missed for each later one of its kind.
    pub(crate) repetition: i32,
}

/// Of most kinds the last few are worth a line.
pub(crate) const REPETITION: i32 = 14;

/// What lines are made from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) recorder: &'a Recorder,
    pub(crate) testimony: &'a Testimony,
    pub(crate) focus: &'a Focus,
    pub(crate) in_force: &'a InForce<'a>,
}
