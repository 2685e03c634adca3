//! What the machine wants done.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::flushing::FlushedFrom;
use super::input::{CommandId, LoginToken};
use crate::agreement::{Ballot, Envelope, HeldUsers, PassdbField, Record};
use crate::topology::{BackendId, ChangeError, Epoch, MemberId, TagId, UserId};
use crate::world::Instant;

/// One thing to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Connect the login to this backend. Forward only while [`super::Director::may_forward`] holds.
    Route {
        /// Which login.
        token: LoginToken,
        /// Whose.
        user: UserId,
        /// Where to.
        backend: BackendId,
        /// Names the hold; comes back with the session's end.
        serial: u32,
    },
    /// Answer the login with a temporary failure.
    Refuse {
        /// Which login.
        token: LoginToken,
        /// What to tell.
        reason: RefuseReason,
    },
    /// Close every session of this hold, then say [`super::Input::Evicted`]. Repeated until it was said.
    Evict {
        /// Whose.
        user: UserId,
        /// Where they are.
        backend: BackendId,
        /// Names the hold.
        serial: u32,
    },
    /// Forward nothing more and close every session, then say [`super::Input::AllClosed`]. Repeated until it was said.
    CloseAll {
        /// Names the demand.
        term: u32,
    },
    /// Close whatever sessions the user has: nobody here admitted them, so where they are is not known.
    CloseStray {
        /// Whose.
        user: UserId,
    },
    /// Run the flush hook: this user is about to be let in for the first time where a change has moved him.
    Flush {
        /// Who.
        user: UserId,
        /// Where he was.
        from: FlushedFrom,
        /// Where he will be.
        to: BackendId,
        /// Its address.
        to_ip: IpAddr,
    },
    /// Close all sessions whose login was given this field, as far as the doors know. Nothing is to be said of it: their
    /// holds stay.
    KickWith(PassdbField),
    /// What another director said of whom it holds.
    HeldListed {
        /// Which director.
        of: MemberId,
        /// The number under which it was asked.
        number: u64,
        /// Its answer.
        held: HeldUsers,
    },
    /// Bring this to one member.
    Send {
        /// To whom.
        to: MemberId,
        /// What.
        envelope: Envelope,
    },
    /// Bring this to all other members.
    Flood(Envelope),
    /// Make this durable, then say [`super::Input::Saved`]. Only the newest one counts.
    Save {
        /// Rises by one.
        number: u64,
        /// What to save.
        record: Arc<Record>,
    },
    /// Answer an admin's command.
    Reply {
        /// Which.
        id: CommandId,
        /// The epoch that has it, or why it has none.
        result: Result<Epoch, CommandError>,
    },
    /// Answer an admin's question.
    DryRunReply {
        /// Which.
        id: CommandId,
        /// What the ring's directors counted.
        result: Result<DryRun, CommandError>,
    },
    /// Something that logs and metrics want to know.
    Event(Event),
    /// This run is over: its storage failed or belongs to another run. Everything is closed; exit.
    Halt,
}

/// Why a login could not be answered with a backend here and now.
///
/// State is unchanged in every case; the login may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefuseReason {
    /// No backend has this tag. The operator's matter, or a mistyped `director_tag`.
    UnknownTag,
    /// No backend of the user's tag is up and has weight. The operator's matter.
    NoBackend {
        /// Which tag.
        tag: TagId,
    },
    /// This director holds no lease: a majority of voters has not answered. Passes by itself.
    Isolated {
        /// Since when, by this director's clock.
        since: Instant,
    },
    /// This member is no director of the ring: it was removed, or not added yet. The operator's matter.
    NotADirector,
    /// The user's placement is being changed and the change took longer than a login may wait.
    Frozen {
        /// The epoch that should have ended.
        epoch: Epoch,
        /// How long the login waited.
        waited: Duration,
    },
    /// The answer was ready but could not leave in time, because the state folder or the process was slow; meanwhile the
    /// user may have been moved. He is held as if it had left.
    Stale {
        /// How long the answer waited.
        waited: Duration,
    },
    /// A limit of this director is reached.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefuseReason::UnknownTag => write!(f, "no backend has the user's director_tag"),
            RefuseReason::NoBackend { tag } => write!(f, "no backend of {tag} is up and has weight"),
            RefuseReason::Isolated { since } => {
                write!(
                    f,
                    "this director has had no majority of voters since {since} of its clock"
                )
            }
            RefuseReason::NotADirector => write!(
                f,
                "this director is not in the ring; `doveadm director ring add` at one that is takes it in"
            ),
            RefuseReason::Frozen { epoch, waited } => {
                write!(
                    f,
                    "the user is being moved; waited {} s for epoch {epoch} to end",
                    waited.as_secs()
                )
            }
            RefuseReason::Stale { waited } => write!(
                f,
                "the answer waited {} ms for the state folder or this process, too long to be sure of it",
                waited.as_millis()
            ),
            RefuseReason::TooMany { what, limit } => write!(f, "too many {what}, the limit is {limit}"),
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandError {
    /// The change is impossible. Nothing changed; the admin's matter.
    Refused(ChangeError),
    /// No round decided it in time. It may still be carried out; ask `status`.
    Unknown {
        /// How long it was tried.
        waited: Duration,
    },
    /// Nobody could be asked in time: it was never sent, nothing changed.
    NotSent {
        /// How long it waited.
        waited: Duration,
    },
    /// A limit of this director is reached. Nothing changed.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Refused(error) => write!(f, "{error}"),
            CommandError::Unknown { waited } => write!(
                f,
                "not decided within {} s; it may still be carried out, status will tell",
                waited.as_secs()
            ),
            CommandError::NotSent { waited } => {
                write!(
                    f,
                    "no coordinator within {} s; nothing was changed",
                    waited.as_secs()
                )
            }
            CommandError::TooMany { what, limit } => write!(f, "too many {what}, the limit is {limit}"),
        }
    }
}

/// How many held users a change would touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DryRun {
    /// Sessions closed and moved by the change itself.
    pub moved: u64,
    /// Kept where they are by a pin.
    pub pinned: u64,
    /// Directors that did not answer; their users are not counted.
    pub missing: Vec<MemberId>,
}

/// Something that happened, for logs, metrics and the simulator's coverage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// A lease was got after a time without: serving.
    Serving {
        /// At which epoch.
        epoch: Epoch,
    },
    /// The lease ran out: not serving.
    Isolated {
        /// At which epoch.
        epoch: Epoch,
        /// Users whose sessions are being closed.
        holds: usize,
    },
    /// A new topology is in force here.
    Installed {
        /// Its epoch.
        epoch: Epoch,
        /// Whether it came as a whole, after commits that this member missed.
        is_caught_up: bool,
    },
    /// Sessions of a user are closed by a change.
    Evicting {
        /// Whose.
        user: UserId,
        /// Why.
        why: EvictReason,
    },
    /// A login waits.
    Queued {
        /// Whose.
        user: UserId,
    },
    /// This member began to coordinate a round.
    RoundStarted {
        /// Under this ballot.
        ballot: Ballot,
        /// To end this epoch.
        epoch: Epoch,
        /// Whether it only finishes what another left.
        is_takeover: bool,
    },
    /// The round proposes a value accepted under another ballot.
    RoundAdopted {
        /// This round's ballot.
        ballot: Ballot,
    },
    /// This member gave a round up.
    RoundLeft {
        /// Its ballot.
        ballot: Ballot,
        /// Why.
        why: RoundLeft,
    },
    /// This member's round decided an epoch.
    Committed {
        /// The new epoch.
        epoch: Epoch,
        /// How many pins went with it.
        pins: usize,
    },
    /// Most directors find a backend failing, and it stays in service.
    FailingKept {
        /// Which.
        ip: IpAddr,
        /// The brake, or because there is no other.
        why: ChangeError,
    },
    /// This director confirmed a value.
    Confirmed {
        /// How many values it keeps to now.
        values: usize,
    },
    /// A freeze ended without its round: nobody spoke of it for the round bound.
    FreezeLapsed,
    /// A voter took part with its grace running.
    InGrace {
        /// For so long.
        remaining: Duration,
    },
    /// The ring started for the first time.
    FirstStarted,
    /// A member was started with another configuration.
    OtherConfiguration {
        /// Which.
        member: MemberId,
    },
    /// This member was removed from the ring.
    Removed {
        /// At which epoch it knows so.
        epoch: Epoch,
    },
    /// This member's storage is not the one that the ring knows; it does not vote until it is replaced.
    Unseated,
    /// Sessions were closed that contradicted the topology after a time of serving without a majority.
    SplitEnded {
        /// Whose.
        user: UserId,
    },
    /// A message made no sense and was dropped.
    Nonsense {
        /// Who sent it.
        from: MemberId,
    },
}

/// Why a user's sessions are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvictReason {
    /// The change itself moves the user: flush, move, removal.
    Moved,
    /// A value places the user elsewhere and no pin kept it: its director was not heard in time.
    Unpinned,
    /// The topology in force places the user elsewhere.
    Contradicts,
    /// An admin closed the sessions.
    Kicked,
}

/// Why a round was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoundLeft {
    /// A voter had promised a higher ballot.
    Outbid,
    /// The epoch ended by another round.
    Overtaken,
    /// Another member is the coordinator now.
    NotCoordinator,
}
