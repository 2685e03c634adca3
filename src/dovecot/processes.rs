//! Which login processes may have sessions: those that were ever told of a backend and have not ended.
//!
//! An open connection to a login door says nothing about that: a login process closes its own as soon as it only
//! proxies (at once with `service_count = 1`, else after a minute without new clients).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The first time to look for ended processes, by how many are remembered.
const SWEEP_MIN: usize = 1_024;

/// The login processes that were told of a backend; clones share them.
#[derive(Clone)]
pub struct Processes {
    is_running: fn(i32) -> bool,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug)]
struct Told {
    pids: BTreeSet<i32>,
    sweep_at: usize,
    /// There are, or were, processes that can't be asked about.
    has_unknown: bool,
}

impl Processes {
    /// Nobody yet. `is_running` tells whether there is a process of that number; another one with the same number does
    /// no harm. `has_older` says that sessions of an earlier run may be left, whose processes are not known.
    pub fn new(is_running: fn(i32) -> bool, has_older: bool) -> Self {
        let told = Told {
            pids: BTreeSet::new(),
            sweep_at: SWEEP_MIN,
            has_unknown: has_older,
        };
        Processes {
            is_running,
            told: Arc::new(Mutex::new(told)),
        }
    }

    /// Whether every process that may have sessions has surely ended.
    pub fn have_ended(&self) -> bool {
        let mut told = self.told();
        if told.has_unknown {
            return false;
        }
        told.pids.retain(|&pid| (self.is_running)(pid));
        told.pids.is_empty()
    }

    /// A process is told of a backend.
    pub(super) fn note(&self, pid: Option<i32>) {
        let mut told = self.told();
        // A process of another pid namespace shows as 0.
        match pid.filter(|&pid| pid > 0) {
            None => told.has_unknown = true,
            Some(pid) => {
                told.pids.insert(pid);
            }
        }
        if told.pids.len() >= told.sweep_at {
            told.pids.retain(|&pid| (self.is_running)(pid));
            told.sweep_at = (2 * told.pids.len()).max(SWEEP_MIN);
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_even(pid: i32) -> bool {
        pid % 2 == 0
    }

    #[test]
    fn nobody_was_told_so_nobody_is_left() {
        assert!(Processes::new(is_even, false).have_ended());
    }

    #[test]
    fn processes_are_left_until_each_has_ended() {
        let processes = Processes::new(is_even, false);
        processes.note(Some(7));
        assert!(processes.have_ended());
        processes.note(Some(8));
        assert!(!processes.have_ended());
    }

    #[test]
    fn processes_that_cannot_be_asked_about_count_as_left() {
        assert!(!Processes::new(is_even, true).have_ended());
        for unknown in [None, Some(0)] {
            let processes = Processes::new(is_even, false);
            processes.note(unknown);
            assert!(!processes.have_ended());
        }
    }

    #[test]
    fn ended_processes_are_forgotten_as_new_ones_come() {
        let processes = Processes::new(is_even, false);
        for pid in 1..=10_000 {
            processes.note(Some(2 * pid + 1));
        }
        assert!(processes.told().pids.len() < SWEEP_MIN);
    }
}
