//! Why a command ended early; the words for it and the exit code are left to `run`.

use std::io;

use crate::config::Fault;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the user gave is wrong; the text names the place.
    Input(String),
    /// A configuration has faults, which are told.
    Configuration,
    /// A configuration has these faults, which are not told yet.
    Faults(Vec<Fault>),
    /// What must not happen was seen, and is told.
    Found,
    /// A socket, the state folder or a file does not serve; trying again may help.
    Start(String),
    /// The result could not be written.
    Output(io::Error),
}

impl Failure {
    pub(super) fn faults(faults: Vec<Fault>) -> Self {
        Failure::Faults(faults)
    }
}
