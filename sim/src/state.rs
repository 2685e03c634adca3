//! One member at one moment, whole, as data: its machine, its processes, what they believe, who is at its doors.
//!
//! Times of a member's own clock end in `_local_ns`; all others are true time. Members, users and backends have their
//! numbers in the plan; ballots, values and boots their names in traces. Long lists are cut at [`LISTED_MAX`] and
//! counted.

use serde::Serialize;

/// Items of a list that are told at most.
pub const LISTED_MAX: usize = 100;

/// A list that may be cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed<T> {
    /// How many there are.
    pub count: usize,
    /// The first [`LISTED_MAX`] of them.
    pub first: Vec<T>,
}

impl<T> Listed<T> {
    /// Cuts what is too long.
    pub(crate) fn of(items: impl Iterator<Item = T>) -> Self {
        let (mut count, mut first) = (0, Vec::new());
        for item in items {
            count += 1;
            if first.len() < LISTED_MAX {
                first.push(item);
            }
        }
        Listed { count, first }
    }
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct MemberState {
    pub member: usize,
    pub at_ns: u64,
    pub clock_local_ns: u64,
    /// How far the wall clock of the machine is off.
    pub wall_offset_ns: i64,
    /// Starts of a process so far.
    pub boots: u32,
    /// Faults that keep the process down, or paused.
    pub down_faults: u32,
    pub paused_faults: u32,
    /// Whether saving fails.
    pub is_disk_broken: bool,
    /// What is synced; `None` when the storage is empty.
    pub storage: Option<StorageState>,
    /// Living processes, the newest first.
    pub processes: Vec<DirectorState>,
    pub sessions: Listed<SessionState>,
    /// Users whose login was asked at its doors and is not answered.
    pub logins_asked: Listed<String>,
    /// Links with a fault on them now, to this member and from it.
    pub links: Vec<LinkState>,
}

/// The synced record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct StorageState {
    pub boot: String,
    pub epoch: Option<u64>,
    pub promised: Option<String>,
    pub accepted: Option<AcceptedState>,
    /// Whether it has bound itself to a first start.
    pub is_bound: bool,
    /// Whether a record is being written.
    pub is_writing: bool,
}

/// A value with the ballot under which it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct AcceptedState {
    pub ballot: String,
    pub value: String,
}

/// One process: a run of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct DirectorState {
    pub run: u32,
    pub boot: String,
    pub epoch: u64,
    /// It waits for the first start of the ring.
    pub is_fresh: bool,
    /// It found another process in its place and has stopped.
    pub is_halted: bool,
    /// `leased`, `isolated` or `alone`.
    pub standing: &'static str,
    pub lease_until_local_ns: Option<u64>,
    /// Epochs at which it holds a lease that runs.
    pub lease_epochs: Vec<u64>,
    pub is_seated: bool,
    pub coordinator: Option<usize>,
    pub next_wakeup_local_ns: Option<u64>,
    pub members: Vec<PeerState>,
    pub backends: Vec<BackendState>,
    pub pins: Listed<PlacedState>,
    pub vote: VoteState,
    pub is_surveying: bool,
    pub round: Option<RoundState>,
    /// Values that bind it until the next epoch.
    pub bound_to: Vec<BoundState>,
    /// Ballots whose Prepare makes users wait.
    pub frozen_by: Vec<String>,
    pub evicting: Listed<String>,
    pub holds: Listed<HoldState>,
    pub logins_waiting: Listed<WaitingState>,
    pub commands_queued: usize,
    /// The numbers of the first command on its way to the coordinator, and of the one after the last.
    pub commands_on_the_way: Option<(u64, u64)>,
    pub saves_wanted: u64,
    pub saves_synced: u64,
    /// Votes and confirmations that may not be said before the storage has them.
    pub unsaid: usize,
}

/// Another member, as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct PeerState {
    pub member: usize,
    pub serves: bool,
    pub votes: bool,
    pub is_leased: bool,
    pub heard_boot: Option<String>,
    pub heard_local_ns: Option<u64>,
}

/// A backend in a topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct BackendState {
    pub backend: u32,
    pub vhosts: u32,
    pub tag: String,
    pub is_up: bool,
    pub is_failed: bool,
    pub is_drained: bool,
    pub held: u32,
    pub pinned: usize,
}

/// A user with a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct PlacedState {
    pub user: String,
    pub backend: u32,
}

/// What it has said as a voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct VoteState {
    pub promised: Option<String>,
    pub accepted: Option<AcceptedState>,
    pub notes: Vec<NoteState>,
    pub grace_until_local_ns: u64,
}

/// A lease that a voter notes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct NoteState {
    pub member: usize,
    pub boot: String,
    pub until_local_ns: u64,
}

/// The round that it drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct RoundState {
    pub ballot: String,
    pub epoch: u64,
    pub value: Option<String>,
    pub voters_answered: Vec<usize>,
    pub directors_answered: Vec<usize>,
    pub commits_at_local_ns: Option<u64>,
}

/// A value that binds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct BoundState {
    pub value: String,
    pub is_confirmed: bool,
    /// Users whose sessions must be closed first.
    pub waits_for: Vec<String>,
}

/// A user held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct HoldState {
    pub user: String,
    pub backend: u32,
    pub sessions: u16,
    pub serial: u32,
    pub is_evicting: bool,
    pub is_frozen: bool,
    pub touched_local_ns: u64,
}

/// A login that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct WaitingState {
    pub user: String,
    pub since_local_ns: u64,
}

/// A session at its doors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct SessionState {
    pub user: String,
    pub backend: u32,
    /// `exact` or `refreshing`.
    pub door: &'static str,
    pub run: u32,
    /// The run that it goes through; another one where a new process answers for it.
    pub process: u32,
    pub serial: u32,
    pub opened_ns: u64,
    /// The door was told to forward nothing more.
    pub is_fenced: bool,
}

/// A link with faults on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct LinkState {
    pub from: usize,
    pub to: usize,
    /// Their places in the plan.
    pub faults: Vec<u32>,
}
