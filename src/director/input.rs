//! What the machine is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::holds::Gathered;
use crate::agreement::{Boot, Envelope, Record, Rules, Whose};
use crate::topology::{BackendId, Change, MemberId, Topology, UserId, UserKey};

/// What to do with users while no majority of voters answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Serve nobody: no user is ever split.
    #[default]
    Consistent,
    /// Go on by the last topology: users that a change moved meanwhile may be split until the ring heals.
    Available,
}

/// Bounds on everything that others can make grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Logins that wait for a round; further ones are refused at once.
    pub waiting_logins: usize,
    /// How long a login waits; then it is refused.
    pub login_wait: Duration,
    /// Users held; further users are refused.
    pub holds: usize,
    /// Admin commands that wait for a round; further ones are refused.
    pub commands: usize,
    /// How long an admin waits for an answer.
    pub command_wait: Duration,
    /// Changes in one command.
    pub changes_per_command: usize,
    /// Moves of users remembered for `history`.
    pub history: usize,
    /// Flush hooks that run at a time; with 0 there is none.
    pub flushes: usize,
    /// Bytes of a user's name; more than [`super::NAME_BYTES_MAX`] counts as that.
    pub name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            waiting_logins: 10_000,
            login_wait: Duration::from_secs(30),
            holds: 4_000_000,
            commands: 1_000,
            command_wait: Duration::from_secs(30),
            changes_per_command: 10_000,
            history: 10_000,
            flushes: 0,
            name_bytes: 255,
        }
    }
}

/// What a member is told once, by its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Which member it is.
    pub me: MemberId,
    /// The configured topology: epoch 0 of a new ring, and what members compare by fingerprint.
    pub configured: Arc<Topology>,
    /// What to do without a majority.
    pub policy: Policy,
    /// The longest that any front door here takes to close a session. Zero for doors that stop bytes by the lease
    /// itself; for login processes of another program, the time until a kick is surely done. The usable part of
    /// every lease is shorter by this, so it should be well under half a lease.
    pub close_bound: Duration,
    /// Bounds.
    pub limits: Limits,
    /// Which rules are kept: all.
    pub rules: Rules,
}

/// What a run is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Start {
    /// This run's name: random, never used before.
    pub boot: Boot,
    /// Random bits, from which a new storage gets its incarnation.
    pub entropy: u64,
    /// What the storage kept. `None` only when the storage is surely empty.
    pub record: Option<Record>,
    /// Holds of sessions that outlived the last run (they live in other processes).
    pub journal: Gathered,
    /// How many sessions of whom are still known one by one: each ends with an [`Input::SessionEnded`] that has the hold's
    /// serial, or by an eviction. Those of users who are not in the journal, and those beyond what a hold counts, are the
    /// caller's to close.
    pub sessions: Vec<(UserId, u16)>,
    /// The operator orders a member without storage to be a voter of epoch 0.
    pub is_bootstrap: bool,
}

/// The caller's name for a login that it wants answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginToken(pub u64);

/// The caller's name for an admin command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// How a front door knows that a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// It says so: each route is followed by exactly one [`Input::SessionEnded`], or by an eviction.
    Exact,
    /// It only says now and then that a user is still there ([`Input::Refresh`]).
    Refreshing,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Time has passed; to be given at [`super::Director::next_wakeup`], earlier does no harm.
    Tick,
    /// A user wants in. Answered by exactly one route or refusal with this token, perhaps later.
    Login {
        /// Names the login in the answer.
        token: LoginToken,
        /// From the expanded user name.
        key: UserKey,
        /// The tag of the backends that may serve the user, "" by default.
        tag: &'a str,
        /// As looked up, for admins' eyes.
        name: &'a str,
        /// How its session's end will be known.
        door: Door,
    },
    /// A session of an exact door has ended by itself. Not to be sent for sessions closed by an eviction.
    SessionEnded {
        /// Whose.
        user: UserId,
        /// From its route.
        serial: u32,
    },
    /// A refreshing door says that the user still has sessions.
    Refresh {
        /// Whose. In a refresh of unknown tag the caller asks once for every tag.
        user: UserId,
    },
    /// All sessions of this hold are closed at every door, as an [`super::Output::Evict`] demanded.
    Evicted {
        /// Whose.
        user: UserId,
        /// From the demand.
        serial: u32,
    },
    /// What an [`super::Output::Flush`] asked for is over, whatever became of it.
    Flushed {
        /// Whose.
        user: UserId,
        /// From the output.
        to: BackendId,
    },
    /// All sessions are closed, as an [`super::Output::CloseAll`] demanded.
    AllClosed {
        /// From the demand.
        term: u32,
    },
    /// A message from the ring, authenticated as its sender's.
    Message(Envelope),
    /// The storage has synced this record, and so all with lower numbers.
    Saved {
        /// From the [`super::Output::Save`].
        number: u64,
    },
    /// The storage could not save, or found another run's record. The machine stops.
    SaveFailed {
        /// What the storage said.
        is_replaced: bool,
    },
    /// An admin, or a health check, wants these changes, all or none.
    Command {
        /// Names the command in the reply.
        id: CommandId,
        /// What to change.
        changes: Vec<Change>,
    },
    /// An admin wants to know how many held users these changes would move, in the whole ring.
    DryRun {
        /// Names the question in the reply.
        id: CommandId,
        /// What would change.
        changes: Vec<Change>,
    },
    /// The probes of this director find these backends failing and all others working. Not to be said before each has been
    /// probed often enough to know.
    Probed {
        /// Their addresses.
        failing: &'a [IpAddr],
    },
    /// The time of day; to be given at the start and now and then, since it may jump. Deadlines of drains go by it.
    WallClock {
        /// Seconds since 1970.
        unix_s: u64,
    },
    /// The configuration was changed: from now on this is what `configured` shows. The topology in force stays.
    /// A member that knows none yet keeps what it was started with, for others may have bound themselves to that.
    Configured(Arc<Topology>),
    /// An admin wants sessions closed at every director that can be reached now.
    Kick(Whose),
    /// An admin wants to know whom another director holds in a stretch of the hash circle.
    ListHeld {
        /// Which director.
        of: MemberId,
        /// What the answer is to be called.
        number: u64,
        /// The lowest hash.
        first: u32,
        /// The highest hash.
        last: u32,
    },
}
