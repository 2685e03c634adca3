//! The worlds: each small enough to be explored far, together what the protocol must withstand.

use maildirector::agreement::Rule;

use super::state::Mark;
use super::world::{Duty, Order, Wait, Who, World};

const D: Duty = Duty::Director;
const S: Duty = Duty::Server;
const W: Duty = Duty::Witness;

/// Worlds in which every rule holds.
pub const WORLDS: &[World] = &[
    World {
        name: "one-change",
        about: "two directors and a witness: a drain while one user is served and both log in",
        duties: &[D, D, W],
        opened: &[(0, Who::Ann)],
        logins: &[(1, Who::Ann), (1, Who::Bob), (0, Who::Bob)],
        ordered: &[(0, Order::DrainFirst)],
        duplicates: 1,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "slow-doors",
        about: "a flush closes sessions, and closing takes time",
        duties: &[D, D, W],
        opened: &[(0, Who::Ann), (1, Who::Ann)],
        logins: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        duplicates: 1,
        has_slow_doors: true,
        reaches: &[Mark::EpochOne, Mark::UserMoved],
        ..World::QUIET
    },
    World {
        name: "three-directors",
        about: "three directors: a flush while a user is served and both log in",
        duties: &[D, D, D],
        opened: &[(1, Who::Ann)],
        logins: &[(2, Who::Ann), (0, Who::Ann), (1, Who::Bob)],
        ordered: &[(0, Order::FlushFirst)],
        duplicates: 1,
        reaches: &[Mark::EpochOne, Mark::UserMoved],
        ..World::QUIET
    },
    World {
        name: "three-restart",
        about: "three directors: one that does not coordinate crashes and comes back, disks are slow",
        duties: &[D, D, D],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[1],
        has_slow_disks: true,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "three-duel",
        about: "three directors that have not heard each other for a while, two want different changes",
        duties: &[D, D, D],
        opened: &[(2, Who::Ann)],
        idle_percent: 65,
        ordered: &[(0, Order::FlushFirst), (1, Order::MoveBob)],
        reaches: &[Mark::Outbid],
        ..World::QUIET
    },
    World {
        name: "renewals",
        about: "a drain while a user logs in, with leases asked for whenever a director has cause",
        duties: &[D, D, W],
        opened: &[(0, Who::Ann)],
        logins: &[(1, Who::Ann)],
        idle_percent: 2,
        ordered: &[(0, Order::DrainFirst)],
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "pair-two-changes",
        about: "two directors alone: a second change, given at the other, for the next epoch",
        duties: &[D, D],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::DrainFirst)],
        orders: &[(1, Order::MoveBob)],
        waits: &[Wait::Percent(2)],
        ticks: 1,
        epochs: 2,
        reaches: &[Mark::EpochOne, Mark::EpochTwo],
        ..World::QUIET
    },
    World {
        name: "pair-lease-end",
        about: "two directors alone: a change while the leases run out, unless they are renewed",
        duties: &[D, D],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        waits: &[Wait::LeaseEnd],
        ticks: 1,
        reaches: &[Mark::EpochOne, Mark::LeaseRanOut],
        ..World::QUIET
    },
    World {
        name: "pair-restart",
        about: "two directors alone: the one that does not coordinate crashes, its disk is slow",
        duties: &[D, D],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[1],
        has_slow_disks: true,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "two-changes",
        about: "a second change, given at the other director, for the next epoch",
        duties: &[D, D, W],
        ordered: &[(0, Order::DrainFirst)],
        orders: &[(1, Order::MoveBob)],
        waits: &[Wait::Percent(2)],
        ticks: 1,
        epochs: 2,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "lease-end",
        about: "a change while the leases run out, unless they are renewed",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        logins: &[(0, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        waits: &[Wait::LeaseEnd],
        ticks: 1,
        reaches: &[Mark::EpochOne, Mark::LeaseRanOut, Mark::UserMoved],
        ..World::QUIET
    },
    World {
        name: "unheard",
        about: "a coordinator that has heard nobody for a while and so does not wait for the holds of the other",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        logins: &[(0, Who::Ann)],
        idle_percent: 65,
        ordered: &[(0, Order::FlushFirst)],
        reaches: &[Mark::EpochOne, Mark::UserMoved],
        ..World::QUIET
    },
    World {
        name: "alone",
        about: "one director with a lease from the witness alone; the other comes back meanwhile",
        duties: &[D, D, W],
        idle_percent: 100,
        apart: &[0],
        logins: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "apart",
        about: "each director has a lease from the witness alone and wants another change",
        duties: &[D, D, W],
        idle_percent: 100,
        apart: &[0, 1],
        opened: &[(0, Who::Ann), (1, Who::Bob)],
        ordered: &[(0, Order::FlushFirst), (1, Order::MoveBob)],
        reaches: &[Mark::EpochOne, Mark::Outbid, Mark::Takeover],
        ..World::QUIET
    },
    World {
        name: "grace",
        about: "each director has a lease from the witness alone, which crashes in a round and hears its proposal again",
        duties: &[D, D, W],
        idle_percent: 100,
        apart: &[0, 1],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[2],
        duplicates: 1,
        reaches: &[],
        ..World::QUIET
    },
    World {
        name: "forgetful",
        about: "the witness crashes in a round of one director, then the other comes back",
        duties: &[D, D, W],
        idle_percent: 100,
        apart: &[0],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[2],
        has_slow_disks: true,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "two-boots",
        about: "a director crashes twice while it asks for leases",
        duties: &[D, D, W],
        restarts: &[1, 1],
        reaches: &[],
        ..World::QUIET
    },
    World {
        name: "late-grants",
        about: "grants arrive late",
        duties: &[D, D, W],
        waits: &[Wait::Percent(20), Wait::Percent(20), Wait::LeaseEnd],
        ticks: 2,
        reaches: &[Mark::LeaseRanOut],
        ..World::QUIET
    },
    World {
        name: "boot-confirms",
        about: "a director without a vote confirms, crashes and comes back with a lease of its new run",
        duties: &[D, S, W, W],
        idle_percent: 100,
        apart: &[0],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[1],
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "slow-lease-end",
        about: "a director's doors are slow to close while its lease ends, and it asks for another",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        logins: &[(0, Who::Ann)],
        idle_percent: 65,
        ordered: &[(0, Order::FlushFirst)],
        waits: &[Wait::LeaseEnd],
        ticks: 1,
        has_slow_doors: true,
        reaches: &[Mark::LeaseRanOut],
        ..World::QUIET
    },
    World {
        name: "duel",
        about: "both directors think that they coordinate, and want different changes",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        idle_percent: 65,
        ordered: &[(0, Order::DrainFirst), (1, Order::MoveBob)],
        reaches: &[Mark::EpochOne, Mark::Outbid],
        ..World::QUIET
    },
    World {
        name: "restart",
        about: "a voter crashes in the round and comes back",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[2],
        has_slow_disks: true,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "director-restart",
        about: "a director crashes in the round and comes back",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        logins: &[(1, Who::Ann)],
        ordered: &[(0, Order::FlushFirst)],
        restarts: &[1],
        ticks: 1,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "removed",
        about: "a director with a lease from the witness alone is removed, then a user is moved",
        duties: &[D, D, W],
        idle_percent: 100,
        apart: &[0, 1],
        opened: &[(1, Who::Ann)],
        ordered: &[(0, Order::Remove(1))],
        orders: &[(0, Order::FlushFirst)],
        waits: &[Wait::Percent(2)],
        ticks: 1,
        epochs: 2,
        reaches: &[Mark::EpochOne],
        ..World::QUIET
    },
    World {
        name: "all-three",
        about: "three directors and everything at once: two changes, a crash, leases that end, a message twice",
        duties: &[D, D, D],
        opened: &[(2, Who::Ann)],
        logins: &[(1, Who::Ann), (0, Who::Bob)],
        orders: &[(0, Order::FlushFirst), (1, Order::MoveBob)],
        waits: &[Wait::Percent(65), Wait::LeaseEnd],
        ticks: 1,
        restarts: &[1],
        duplicates: 1,
        has_slow_disks: true,
        has_slow_doors: true,
        epochs: 2,
        reaches: &[],
        ..World::QUIET
    },
    World {
        name: "all-witness",
        about: "two directors, a witness and everything at once",
        duties: &[D, D, W],
        opened: &[(1, Who::Ann)],
        logins: &[(0, Who::Ann), (1, Who::Bob)],
        orders: &[(0, Order::FlushFirst), (1, Order::MoveBob)],
        waits: &[Wait::Percent(65), Wait::LeaseEnd],
        ticks: 1,
        restarts: &[2],
        duplicates: 1,
        has_slow_disks: true,
        has_slow_doors: true,
        epochs: 2,
        reaches: &[],
        ..World::QUIET
    },
];

/// Rules, each with the world that shows what happens without it.
pub const TEETH: &[(Rule, &str)] = &[
    (Rule::GrantOnlyToConfirmed, "alone"),
    (Rule::StatedLeasesAreWaitedFor, "unheard"),
    (Rule::StatementsOfAMajority, "apart"),
    (Rule::RestartBringsGrace, "grace"),
    (Rule::GraceCannotBeConfirmed, "grace"),
    (Rule::NotesOutlastLeases, "unheard"),
    (Rule::GrantAtOwnEpochOnly, "alone"),
    (Rule::AdmitOnlyUnderLease, "lease-end"),
    (Rule::ConfirmedFreezes, "unheard"),
    (Rule::CloseBeforeConfirm, "slow-doors"),
    (Rule::HoldGoesWithItsSessions, "unheard"),
    (Rule::MajorityToCommit, "apart"),
    (Rule::AcceptedIsDurable, "forgetful"),
    (Rule::EpochIsDurable, "forgetful"),
    (Rule::ConfirmationBelongsToBoot, "boot-confirms"),
    (Rule::LeaseBelongsToBoot, "two-boots"),
    (Rule::LeaseStartsAtSending, "late-grants"),
    (Rule::MajorityGrantsOneNonce, "late-grants"),
];
