//! A member: a machine with a clock and a disk, and the process that runs on it, sometimes two.

use maildirector::agreement::Boot;
use maildirector::director::Director;
use maildirector::topology::Epoch;
use maildirector::world::Instant;

use super::clock::Clock;
use super::happening::Happening;
use super::storage::Storage;
use super::upgrades::{Handover, Keeper};

/// One run of one process. Runs are numbered over the whole world and never forgotten.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) member: u8,
    pub(crate) boot: Boot,
    /// `None` once the process is dead.
    pub(crate) director: Option<Box<Director>>,
    /// The version of the storage that it has read or written last.
    pub(crate) storage_version: u32,
    /// Seen after its last event.
    pub(crate) wake: Option<Instant>,
    pub(crate) lease_until: Option<Instant>,
    pub(crate) epoch: Option<Epoch>,
    /// Ticks in a row that have left a timer due.
    pub(crate) idle_ticks: u32,
    /// A happening for the end of its lease is in the queue.
    pub(crate) is_lease_watched: bool,
    /// A demand to close everything that is not carried out yet.
    pub(crate) closing: Option<Closing>,
    /// Once it is no director any more, and keeps its sessions.
    pub(crate) keeper: Option<Keeper>,
    /// The runs that keep sessions which this one answers for.
    pub(crate) keepers: Vec<u32>,
    /// Until when they were told last that they may forward.
    pub(crate) told: Instant,
}

/// A demand to close everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing {
    pub(crate) term: u32,
    pub(crate) demanded_ns: u64,
}

/// One machine.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) clock: Clock,
    /// How far the wall clock is off.
    pub(crate) wall_offset_ns: i64,
    pub(crate) storage: Storage,
    /// The process, and the one before it where it was not stopped.
    pub(crate) current: Option<u32>,
    pub(crate) old: Option<u32>,
    /// While it is upgraded and has no process that is a director.
    pub(crate) handover: Option<Handover>,
    pub(crate) boots: u32,
    /// Faults that keep it down, or paused.
    pub(crate) down: u32,
    pub(crate) paused: u32,
    pub(crate) paused_since_ns: u64,
    pub(crate) paused_ns: u64,
    /// Old processes go on while it is paused.
    pub(crate) are_keepers_awake: bool,
    /// What reached it while it was paused.
    pub(crate) backlog: Vec<Happening>,
    pub(crate) disk_slow_ns: u64,
    pub(crate) disk_broken: u32,
    /// Faults that keep its probes from all backends.
    pub(crate) cables_broken: u32,
    pub(crate) evict_slow_ns: u64,
    /// Until when, on its own clock, its login processes may live.
    pub(crate) guard_until_ns: u64,
    pub(crate) is_guard_armed: bool,
    pub(crate) has_wrong_configuration: bool,
    pub(crate) was_bootstrapped: bool,
}

impl Member {
    pub(crate) fn new(clock: Clock, has_wrong_configuration: bool) -> Self {
        Member {
            clock,
            wall_offset_ns: 0,
            storage: Storage::default(),
            current: None,
            old: None,
            handover: None,
            boots: 0,
            down: 0,
            paused: 0,
            paused_since_ns: 0,
            paused_ns: 0,
            are_keepers_awake: false,
            backlog: Vec::new(),
            disk_slow_ns: 0,
            disk_broken: 0,
            cables_broken: 0,
            evict_slow_ns: 0,
            guard_until_ns: 0,
            is_guard_armed: false,
            has_wrong_configuration,
            was_bootstrapped: false,
        }
    }

    /// How long this member has not been paused, in all.
    pub(crate) fn awake_ns(&self, now: u64) -> u64 {
        let ongoing = if self.paused > 0 {
            now - self.paused_since_ns
        } else {
            0
        };
        now - self.paused_ns - ongoing
    }

    pub(crate) fn is_running(&self) -> bool {
        self.current.is_some() && self.paused == 0
    }

    /// Its processes, the newest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = u32> + use<> {
        self.current.into_iter().chain(self.old)
    }
}
