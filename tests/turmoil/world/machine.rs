//! A simulated machine, and the outside as each of its processes sees it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use maildirector::world::{Task, World};

use super::local::Paths;
use super::network::SimNetwork;
use super::tap::Taps;
use super::{Disk, Process, SkewedClock};
use crate::dice::Dice;

/// What a machine keeps from one start to the next, and the paths of this start.
#[derive(Clone, Debug)]
pub struct Machine {
    pub clock: SkewedClock,
    pub disk: Disk,
    paths: Paths,
    dice: Arc<Mutex<Dice>>,
    /// Who listens at its connections to backends.
    pub taps: Taps,
}

/// The outside of one process.
#[derive(Clone, Debug)]
pub struct SimWorld {
    process: Arc<Process>,
    network: SimNetwork,
    clock: SkewedClock,
    disk: Disk,
    entropy: Arc<Mutex<Dice>>,
}

impl Machine {
    pub fn new(clock: SkewedClock, disk: Disk, dice: Dice) -> Self {
        Machine {
            clock,
            disk,
            paths: Paths::default(),
            dice: Arc::new(Mutex::new(dice)),
            taps: Taps::default(),
        }
    }

    /// The machine as it is when it starts: no socket is left.
    pub fn started(&self) -> Self {
        Machine {
            paths: Paths::default(),
            ..self.clone()
        }
    }

    /// The world of one of its processes.
    pub fn world(&self, process: &Arc<Process>) -> SimWorld {
        SimWorld {
            process: Arc::clone(process),
            network: SimNetwork::new(self.paths.clone(), process.pid(), self.taps.clone(), self.split()),
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            entropy: Arc::new(Mutex::new(self.split())),
        }
    }

    /// Writes a line into a named pipe.
    pub fn write_line(&self, path: &Path, line: &str) {
        self.paths.write_line(path, line);
    }

    pub fn split(&self) -> Dice {
        self.dice.lock().expect("no panic while it is held").split()
    }
}

impl World for SimWorld {
    type Network = SimNetwork;
    type Clock = SkewedClock;
    type Storage = Disk;

    fn network(&self) -> &SimNetwork {
        &self.network
    }

    fn clock(&self) -> &SkewedClock {
        &self.clock
    }

    fn storage(&self) -> &Disk {
        &self.disk
    }

    fn entropy(&self) -> u64 {
        self.entropy.lock().expect("no panic while it is held").next()
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        Some(work())
    }

    fn spawn(&self, _name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Task {
        self.process.spawn(task)
    }
}
