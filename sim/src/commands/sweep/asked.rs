//! What a sweep is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use sim::Bug;

use crate::commands::seeds::SeedRange;

/// What both kinds of sweep need to know.
pub struct Sweep {
    pub seeds: SeedRange,
    pub jobs: usize,
    pub budget: Option<Duration>,
    pub is_until_fail: bool,
    pub bug: Option<Bug>,
    /// Where failing plans and the corpus go.
    pub corpus: Option<PathBuf>,
    /// Where the state goes.
    pub save: Option<PathBuf>,
}
