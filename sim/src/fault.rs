//! What goes wrong during a run. Every fault is an interval: its end belongs to it, so that taking a fault out of a
//! plan never leaves something cut or stopped.

use serde::{Deserialize, Serialize};

use crate::knobs::Knobs;

/// One fault, from its beginning to its end, in milliseconds of true time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins.
    pub from_ms: u64,
    /// When it ends, not before it begins. Everything is healed again then.
    pub to_ms: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// The links that a fault lies on: from any of `from` to any of `to`, by the members' numbers; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Senders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<usize>,
    /// Receivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<usize>,
    /// Only messages of these kinds; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<MessageKind>,
}

/// The kinds of faults, as they stand in plans.
pub const KINDS: [&str; 21] = [
    "partition",
    "cut",
    "flap",
    "loss",
    "duplicate",
    "delay",
    "hold",
    "crash",
    "power-cut",
    "wipe",
    "pause",
    "drift",
    "wall-jump",
    "slow-evict",
    "slow-disk",
    "broken-disk",
    "backend-down",
    "backend-flap",
    "cable",
    "second-process",
    "upgrade",
];

/// A kind of fault, with what it strikes. Members are named by their place in [`crate::Knobs::members`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// Nothing passes between these members and the others.
    Partition {
        /// One side.
        side: Vec<usize>,
    },
    /// Nothing passes on these links; the other direction is left alone.
    Cut {
        /// Which.
        #[serde(flatten)]
        links: Links,
    },
    /// These links fail and work in turns.
    Flap {
        /// Which.
        #[serde(flatten)]
        links: Links,
        /// One turn of both.
        period_ms: u64,
    },
    /// Messages are lost.
    Loss {
        /// On which links.
        #[serde(flatten)]
        links: Links,
        /// So many of a thousand.
        permille: u32,
    },
    /// Messages arrive twice, the second time up to a second later.
    Duplicate {
        /// On which links.
        #[serde(flatten)]
        links: Links,
        /// So many of a thousand.
        permille: u32,
    },
    /// Messages are late by a random time, and so overtake each other.
    Delay {
        /// On which links.
        #[serde(flatten)]
        links: Links,
        /// At most so late.
        up_to_ms: u64,
    },
    /// Messages are held back and all released at the end, in random order.
    Hold {
        /// On which links.
        #[serde(flatten)]
        links: Links,
    },
    /// The process dies and is started again at the end. What was not synced is lost.
    Crash {
        /// Whose.
        member: usize,
    },
    /// As a crash, with everything else on that machine: login processes too, and its clock starts anew.
    PowerCut {
        /// Whose.
        member: usize,
    },
    /// As a crash, and the storage is empty afterwards.
    Wipe {
        /// Whose.
        member: usize,
    },
    /// The process gets no processor time; its clock goes on.
    Pause {
        /// Whose.
        member: usize,
    },
    /// The machine's clock runs at another rate, within the bound.
    Drift {
        /// Whose.
        member: usize,
        /// Parts per million, negative for slow.
        ppm: i32,
    },
    /// The machine's wall clock is wrong by this much. Nothing may depend on it.
    WallJump {
        /// Whose.
        member: usize,
        /// So much ahead, negative for behind.
        by_ms: i64,
    },
    /// Own proxies of this member take long to close a session; they forward nothing without a lease all the same.
    SlowEvict {
        /// Whose.
        member: usize,
        /// At most so long.
        up_to_ms: u64,
    },
    /// Syncing takes long.
    SlowDisk {
        /// Whose.
        member: usize,
        /// At most so long.
        up_to_ms: u64,
    },
    /// Saving fails. The process may try again.
    BrokenDisk {
        /// Whose.
        member: usize,
    },
    /// A mail server is dead: its sessions break, and the health check asks for Down and Flush, and Up at the end.
    BackendDown {
        /// By its place in [`crate::Knobs::backends`].
        backend: usize,
    },
    /// A mail server dies and comes back in turns.
    BackendFlap {
        /// By its place in [`crate::Knobs::backends`].
        backend: usize,
        /// One turn of both.
        period_ms: u64,
    },
    /// The machine reaches no backend: its probes all fail. Nothing else of it does.
    Cable {
        /// Whose.
        member: usize,
    },
    /// A second process is started while the first lives on. It takes the storage and waits until the first has surely
    /// seen that; the first is stopped at the end if it still runs.
    SecondProcess {
        /// Whose.
        member: usize,
    },
    /// The member is upgraded: a new process becomes the director on the same storage, and the old one keeps its sessions.
    /// That begins as soon as no session is being closed; if it can't by the fault's end, it is given up.
    Upgrade {
        /// Whose.
        member: usize,
    },
}

/// What a message says, without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names of maildirector::agreement::Body")]
pub enum MessageKind {
    Hello,
    Renew,
    Grant,
    Lacks,
    Fetch,
    Topology,
    Survey,
    Surveyed,
    Prepare,
    Promise,
    Refused,
    Held,
    Propose,
    Accepted,
    Confirmed,
    Commit,
    Request,
    Count,
    Counted,
    Kick,
    ListHeld,
    HeldListed,
}

impl FaultKind {
    /// Whether all that it names exists.
    pub(crate) fn fits(&self, knobs: &Knobs) -> bool {
        let members = knobs.members.len();
        let are_members = |named: &[usize]| named.iter().all(|member| *member < members);
        let is_on_members = self
            .links()
            .is_none_or(|links| are_members(&links.from) && are_members(&links.to));
        let strikes_a_member = self.member().is_none_or(|member| member < members);
        is_on_members
            && strikes_a_member
            && match self {
                FaultKind::Partition { side } => are_members(side),
                FaultKind::Drift { ppm, .. } => ppm.unsigned_abs() <= knobs.drift_ppm,
                FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => {
                    *backend < knobs.backends.len()
                }
                _ => true,
            }
    }

    /// Whether a disk loses all that it kept.
    pub fn is_wipe(&self) -> bool {
        matches!(self, FaultKind::Wipe { .. })
    }

    /// The one member that it strikes; none where it is on links, a side or a backend.
    pub fn member(&self) -> Option<usize> {
        match self {
            FaultKind::Crash { member }
            | FaultKind::PowerCut { member }
            | FaultKind::Wipe { member }
            | FaultKind::Pause { member }
            | FaultKind::Drift { member, .. }
            | FaultKind::WallJump { member, .. }
            | FaultKind::SlowEvict { member, .. }
            | FaultKind::SlowDisk { member, .. }
            | FaultKind::BrokenDisk { member }
            | FaultKind::Cable { member }
            | FaultKind::SecondProcess { member }
            | FaultKind::Upgrade { member } => Some(*member),
            FaultKind::Partition { .. }
            | FaultKind::Cut { .. }
            | FaultKind::Flap { .. }
            | FaultKind::Loss { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Delay { .. }
            | FaultKind::Hold { .. }
            | FaultKind::BackendDown { .. }
            | FaultKind::BackendFlap { .. } => None,
        }
    }

    /// The same, to be changed.
    pub fn member_mut(&mut self) -> Option<&mut usize> {
        match self {
            FaultKind::Crash { member }
            | FaultKind::PowerCut { member }
            | FaultKind::Wipe { member }
            | FaultKind::Pause { member }
            | FaultKind::Drift { member, .. }
            | FaultKind::WallJump { member, .. }
            | FaultKind::SlowEvict { member, .. }
            | FaultKind::SlowDisk { member, .. }
            | FaultKind::BrokenDisk { member }
            | FaultKind::Cable { member }
            | FaultKind::SecondProcess { member }
            | FaultKind::Upgrade { member } => Some(member),
            FaultKind::Partition { .. }
            | FaultKind::Cut { .. }
            | FaultKind::Flap { .. }
            | FaultKind::Loss { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Delay { .. }
            | FaultKind::Hold { .. }
            | FaultKind::BackendDown { .. }
            | FaultKind::BackendFlap { .. } => None,
        }
    }

    /// The links that it lies on; none where it is about members, a side or a backend.
    pub fn links(&self) -> Option<&Links> {
        match self {
            FaultKind::Cut { links }
            | FaultKind::Flap { links, .. }
            | FaultKind::Loss { links, .. }
            | FaultKind::Duplicate { links, .. }
            | FaultKind::Delay { links, .. }
            | FaultKind::Hold { links } => Some(links),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn links_mut(&mut self) -> Option<&mut Links> {
        match self {
            FaultKind::Cut { links }
            | FaultKind::Flap { links, .. }
            | FaultKind::Loss { links, .. }
            | FaultKind::Duplicate { links, .. }
            | FaultKind::Delay { links, .. }
            | FaultKind::Hold { links } => Some(links),
            _ => None,
        }
    }

    /// The kind alone, as it stands in a plan.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Partition { .. } => "partition",
            FaultKind::Cut { .. } => "cut",
            FaultKind::Flap { .. } => "flap",
            FaultKind::Loss { .. } => "loss",
            FaultKind::Duplicate { .. } => "duplicate",
            FaultKind::Delay { .. } => "delay",
            FaultKind::Hold { .. } => "hold",
            FaultKind::Crash { .. } => "crash",
            FaultKind::PowerCut { .. } => "power-cut",
            FaultKind::Wipe { .. } => "wipe",
            FaultKind::Pause { .. } => "pause",
            FaultKind::Drift { .. } => "drift",
            FaultKind::WallJump { .. } => "wall-jump",
            FaultKind::SlowEvict { .. } => "slow-evict",
            FaultKind::SlowDisk { .. } => "slow-disk",
            FaultKind::BrokenDisk { .. } => "broken-disk",
            FaultKind::BackendDown { .. } => "backend-down",
            FaultKind::BackendFlap { .. } => "backend-flap",
            FaultKind::Cable { .. } => "cable",
            FaultKind::SecondProcess { .. } => "second-process",
            FaultKind::Upgrade { .. } => "upgrade",
        }
    }
}
