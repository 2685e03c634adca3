//! What a run may break on purpose. A simulator that does not notice proves nothing.

use std::fmt;

pub use maildirector::agreement::Rule;

/// One thing broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A rule inside the machine.
    Rule(Rule),
    /// Something that only the surroundings of the machine can break.
    World(WorldBug),
}

/// A fault of doors, clocks, storage or the service manager, which the daemon around the machine must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorldBug {
    /// After a pause, a door forwards what it had read without asking whether the lease still runs.
    NoLeaseCheckAfterPause,
    /// A door says that a session is closed before it is.
    EvictionConfirmedEarly,
    /// The machine is given the wall clock, which jumps.
    WallClock,
    /// Clocks run faster and slower than the agreed bound.
    DriftBeyondBound,
    /// The storage says that a record is saved before it is synced.
    UnsyncedStorageAnswered,
    /// A half-written record is read back as if it were whole.
    TornRecordAccepted,
    /// The service manager leaves login processes alone when their director stays away.
    NoServiceGuard,
    /// A director that was restarted is not told of the sessions that outlived it.
    NoJournal,
    /// Clocks stand still while a machine is suspended.
    ClockStopsInPause,
    /// A restarted process is given the name of the run before it.
    BootReused,
    /// A second process starts without taking the storage first, and the first one does not look.
    StorageNotClaimed,
    /// A process that takes over is not told of the sessions that the old one keeps.
    UpgradeForgetsSessions,
    /// A process that takes over is told whose sessions the old one keeps, and not how many: their ends are no news to it.
    UpgradeCountsNoSessions,
    /// A process that keeps sessions goes on forwarding when the lease is over of which it was told.
    KeeperOutlivesLease,
}

impl WorldBug {
    /// All of them.
    pub const ALL: &'static [WorldBug] = &[
        WorldBug::NoLeaseCheckAfterPause,
        WorldBug::EvictionConfirmedEarly,
        WorldBug::WallClock,
        WorldBug::DriftBeyondBound,
        WorldBug::UnsyncedStorageAnswered,
        WorldBug::TornRecordAccepted,
        WorldBug::NoServiceGuard,
        WorldBug::NoJournal,
        WorldBug::ClockStopsInPause,
        WorldBug::BootReused,
        WorldBug::StorageNotClaimed,
        WorldBug::UpgradeForgetsSessions,
        WorldBug::UpgradeCountsNoSessions,
        WorldBug::KeeperOutlivesLease,
    ];
}

impl Bug {
    /// Every bug there is, those of the machine first.
    pub fn all() -> impl Iterator<Item = Bug> {
        let rules = Rule::ALL.iter().copied().map(Bug::Rule);
        rules.chain(WorldBug::ALL.iter().copied().map(Bug::World))
    }

    /// The bug with this name, as [`Bug::name`] gives it; upper and lower case are alike.
    pub fn parse(name: &str) -> Option<Bug> {
        Bug::all().find(|bug| bug.name().eq_ignore_ascii_case(name))
    }

    /// The name of the broken rule, or of the bug.
    pub fn name(self) -> String {
        match self {
            Bug::Rule(rule) => format!("{rule:?}"),
            Bug::World(bug) => format!("{bug:?}"),
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_is_found_by_its_name() {
        for bug in Bug::all() {
            assert_eq!(Bug::parse(&bug.name()), Some(bug));
        }
    }
}
