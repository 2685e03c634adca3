//! Everything that can be due at a point of time, but for the machines' own timers.

use maildirector::topology::{BackendId, UserId};
use maildirector::world::Instant;

/// What a storage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskAnswer {
    /// The record is synced.
    Saved,
    /// The record is not there; trying again may help.
    Failed,
    /// Another run's record is there.
    Replaced,
}

/// One thing that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A message arrives.
    MessageArrives { flight: u32 },
    /// A member's storage has synced what it was writing.
    DiskIsDone { member: u8, write: u32 },
    /// A storage tells a process what became of a record.
    DiskAnswers {
        run: u32,
        number: u64,
        answer: DiskAnswer,
    },
    /// A process sees that its storage was taken by another one.
    ClaimIsSeen { run: u32 },
    /// The next generated login.
    LoginIsGenerated { n: u64 },
    /// A login reaches its director.
    LoginArrives { login: u32, number: u32 },
    /// A refused user tries again elsewhere.
    LoginIsRetried {
        person: u32,
        tries: u8,
        is_second_tag: bool,
        session_ms: u32,
    },
    /// An entry of the plan's work.
    WorkIsDue { index: u32 },
    /// The admin of a comparison looks what to ask for next.
    AdminInsists,
    /// A session comes to its own end.
    SessionEnds { session: u32, number: u32 },
    /// A session has something to forward.
    ByteComes { session: u32, number: u32 },
    /// A refreshing door says that a user is still there.
    RefreshIsDue { refresher: u32 },
    /// A door has closed what an eviction named.
    EvictionIsDone { eviction: u32, number: u32 },
    /// A door tells its director so.
    EvictedIsSaid { eviction: u32, number: u32 },
    /// A door has closed everything.
    CloseAllIsDone { run: u32, term: u32 },
    /// A door tells its director so.
    AllClosedIsSaid { run: u32, term: u32 },
    /// A door has closed a user whom its director does not know.
    StrayIsClosed { member: u8, person: u32 },
    /// A flush hook has ended.
    FlushEnds { run: u32, user: UserId, to: BackendId },
    /// A lease is about to run out, or has just run out.
    LeaseEnds { run: u32, is_over: bool },
    /// The service manager looks whether login processes outlive their director's lease.
    GuardLooks { member: u8 },
    /// A fault of the plan begins.
    FaultBegins { index: u32 },
    /// A fault of the plan ends.
    FaultEnds { index: u32 },
    /// A flapping fault turns.
    FaultTurns { index: u32, is_on: bool },
    /// A member's process is started, if nothing keeps it down.
    MemberStarts { member: u8 },
    /// An upgrade that a fault wants begins, if it may.
    UpgradeIsTried { index: u32 },
    /// The process after this one starts.
    NewProcessStarts { member: u8, from: u32 },
    /// An old process is told until when it may forward.
    KeeperIsTold {
        keeper: u32,
        until: Instant,
        due: Instant,
    },
    /// An old process is about to stop forwarding, or just did.
    KeeperLooks { keeper: u32 },
    /// An old process tells its director that a session has ended.
    EndIsTold {
        run: u32,
        person: u32,
        user: UserId,
        serial: u32,
    },
    /// A member that was started with a wrong configuration is started with the right one.
    ConfigurationIsMended { member: u8 },
    /// The health check acts on what it saw of a backend.
    HealthActs { backend: u32 },
    /// A director looks at all backends.
    ProbesAreDue { member: u8 },
    /// A look at everything that is not looked at after every event.
    SweepIsDue,
    /// The faults are over; the recovery begins.
    RecoveryBegins,
    /// A look at the recovery.
    RecoveryIsPolled,
    /// A login of the recovery that was refused is tried again.
    ProbeIsRetried { member: u8, person: u32 },
    /// A user who is watched logs in.
    PatronComes { person: u32 },
    /// He waits no longer for the answer to what he asked then.
    PatronGivesUp { person: u32, asked_ns: u64 },
    /// The links to members outside the core fail, or work again.
    OutsidersTurn { is_cut: bool },
}
