//! A member's host: the process that runs there, its disk, and whether it stands still.

use std::sync::Arc;

use maildirector::agreement::Record;
use maildirector::director::{Director, Settings};

use super::agenda::Event;

/// A member's host.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub settings: Settings,
    /// The process, if one runs.
    pub director: Option<Box<Director>>,
    /// What the disk kept.
    pub record: Option<Arc<Record>>,
    /// Runs so far; names the present one.
    pub boots: u64,
    /// For when a tick is on the agenda.
    pub tick_at: u64,
    /// Since when the process stands still.
    pub paused_at: Option<u64>,
    /// What waits for it to go on.
    pub backlog: Vec<Event>,
    /// What its probes find.
    pub failing: Option<std::net::IpAddr>,
}

impl Seat {
    pub fn new(settings: Settings) -> Self {
        Seat {
            settings,
            director: None,
            record: None,
            boots: 0,
            tick_at: u64::MAX,
            paused_at: None,
            backlog: Vec::new(),
            failing: None,
        }
    }

    /// Whether a process runs and takes in what arrives.
    pub fn is_awake(&self) -> bool {
        self.director.is_some() && self.paused_at.is_none()
    }
}
