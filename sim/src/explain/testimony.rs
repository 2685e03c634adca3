//! What is known at the end of a run besides its events.

use std::collections::{BTreeMap, BTreeSet};

use maildirector::agreement::ValueId;

use super::beliefs::{Belief, Concerned};

/// What is known at the end besides the events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Testimony {
    pub(crate) now_ns: u64,
    /// By member; two of one that has two processes.
    pub(crate) beliefs: Vec<Belief>,
    pub(crate) users: Vec<Concerned>,
    /// By epoch: the backends, by their numbers in the plan, where the users concerned belong.
    pub(crate) places: BTreeMap<u64, Vec<Option<u32>>>,
    /// By value: the backends where the users would belong by it.
    pub(crate) value_places: BTreeMap<ValueId, Vec<Option<u32>>>,
    /// The members of the runs that the verdict names.
    pub(crate) members_of_runs: BTreeSet<u8>,
}
