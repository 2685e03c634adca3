//! What a command can't do anything about.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use sim::{Bug, PlanError};

use super::seeds::SeedRange;

/// Why a command did not run, or could not hand on what it found. Nothing is concluded about the ring.
#[derive(Debug)]
#[non_exhaustive]
pub enum UsageError {
    /// A file can't be read or written. The caller's matter.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds no plan. The caller's matter.
    Plan {
        /// Which.
        path: PathBuf,
        /// Why.
        error: PlanError,
    },
    /// There is no such bug.
    NoSuchBug(String),
    /// The plan has no member of this number; it has so many.
    NoSuchMember(usize, usize),
    /// A directory holds no plan.
    NoPlans(PathBuf),
    /// The range has no end, and neither a budget nor a failure would end it.
    Endless(SeedRange),
    /// The seed or plan does not fail, so there is nothing to cut down.
    DoesNotFail(String),
    /// The plan does not mean the same to both that are compared.
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// The plan has what the layer has not.
    NotInThisLayer(String),
    /// The simulator itself panicked, so there is nothing to tell of the ring.
    Unexplained(String),
    /// The first bad commit can't be found.
    Bisect(String),
    /// This program could not be started once more, or said what it never says.
    Child(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::File { path, error } => write!(f, "{}: {error}", path.display()),
            UsageError::Plan { path, error } => write!(f, "{}: {error}", path.display()),
            UsageError::NoSuchBug(name) => {
                let names: Vec<String> = Bug::all().map(Bug::name).collect();
                write!(f, "no bug is called `{name}`; there are: {}", names.join(", "))
            }
            UsageError::NoSuchMember(member, count) => {
                write!(
                    f,
                    "there is no member {member}; the plan has {count}, counted from 0"
                )
            }
            UsageError::NoPlans(path) => write!(f, "{}: no file there ends in .plan", path.display()),
            UsageError::Endless(range) => {
                write!(
                    f,
                    "the seeds {range} have no end; add --budget or --until-fail, or write A..B"
                )
            }
            UsageError::DoesNotFail(subject) => {
                write!(f, "{subject} breaks nothing, so nothing can be cut down")
            }
            UsageError::Unfit { path, why } => {
                write!(f, "{}: can't be compared fairly: {why}", path.display())
            }
            UsageError::NotInThisLayer(what) => write!(f, "not possible in this layer: {what}"),
            UsageError::Unexplained(panic) => write!(f, "{panic}"),
            UsageError::Bisect(what) => write!(f, "bisect: {what}"),
            UsageError::Child(what) => {
                write!(f, "what was to be done in another process did not work: {what}")
            }
        }
    }
}

impl Error for UsageError {}
