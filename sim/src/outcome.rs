//! What came of a run.

use std::fmt;

use crate::coverage::Reached;
use crate::healing::Healing;
use crate::marks::MarkSet;
use crate::outages::Outage;
use crate::waits::Waits;

/// Everything that a run tells.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether every invariant held.
    pub verdict: Verdict,
    /// Events that happened.
    pub events: u64,
    /// True time that passed in the world, in nanoseconds.
    pub simulated_ns: u64,
    /// How the core recovered when faults had stopped, if it had to and did.
    pub healing: Option<Healing>,
    /// How long each of the users was without service who were watched for that.
    pub outages: Vec<Outage>,
    /// A digest of every event in order. Equal plans give equal digests, in every process.
    pub trace_hash: u64,
    /// What was reached, and how often.
    pub marks: MarkSet,
    /// Which faults struck in which state of the protocol, and when.
    pub reached: Reached,
    /// How long logins waited, by what was going on.
    pub waits: Waits,
    /// What was counted besides.
    pub counters: Counters,
    /// The last events before the end, oldest first.
    pub last_events: Vec<String>,
    /// Every event, when [`crate::TraceMode::Lines`] was asked for.
    pub lines: Vec<String>,
}

/// Whether every invariant held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of them, to the end.
    Ok,
    /// This one broke, and there the run ended.
    Violation {
        /// Which.
        invariant: Invariant,
        /// What was seen, in words.
        words: String,
        /// When, in nanoseconds of true time.
        at_ns: u64,
        /// At which event.
        event: u64,
    },
}

/// Sums over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct Counters {
    pub logins: u64,
    pub routed: u64,
    pub refused: u64,
    pub messages_sent: u64,
    pub messages_delivered: u64,
    pub bytes_forwarded: u64,
    pub evictions: u64,
    pub epochs: u64,
    pub commands: u64,
    pub saves: u64,
    pub starts: u64,
}

impl Counters {
    /// Adds another run's sums.
    pub fn merge(&mut self, other: &Counters) {
        self.logins += other.logins;
        self.routed += other.routed;
        self.refused += other.refused;
        self.messages_sent += other.messages_sent;
        self.messages_delivered += other.messages_delivered;
        self.bytes_forwarded += other.bytes_forwarded;
        self.evictions += other.evictions;
        self.epochs += other.epochs;
        self.commands += other.commands;
        self.saves += other.saves;
        self.starts += other.starts;
    }
}

/// A promise of the ring that a checker watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "`words` tells what each means")]
pub enum Invariant {
    NoSplit,
    Agreement,
    Leases,
    Overlap,
    Holds,
    Liveness,
    AnsweredOnce,
    LoginWait,
    FlushFirst,
    HealthAgreed,
    BrakeHolds,
    HumanDownStays,
    FailedIsLeft,
    DeadBackendOut,
    NoFlapping,
    DrainInPeace,
    DrainDone,
    Commands,
    HoldsEnd,
    PinsEnd,
    Distribution,
    Limits,
    NeedlessClosing,
    QuietLogins,
    SplitsExplained,
    NoPanic,
}

/// How bad it is when an invariant breaks; the exit codes of the commands tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Something wrong was done.
    Safety,
    /// Something was not done in time.
    Liveness,
    /// The machine stopped by an assertion of its own.
    Crash,
}

impl Invariant {
    /// All of them.
    pub const ALL: &'static [Invariant] = &[
        Invariant::NoSplit,
        Invariant::Agreement,
        Invariant::Leases,
        Invariant::Overlap,
        Invariant::Holds,
        Invariant::Liveness,
        Invariant::AnsweredOnce,
        Invariant::LoginWait,
        Invariant::FlushFirst,
        Invariant::HealthAgreed,
        Invariant::BrakeHolds,
        Invariant::HumanDownStays,
        Invariant::FailedIsLeft,
        Invariant::DeadBackendOut,
        Invariant::NoFlapping,
        Invariant::DrainInPeace,
        Invariant::DrainDone,
        Invariant::Commands,
        Invariant::HoldsEnd,
        Invariant::PinsEnd,
        Invariant::Distribution,
        Invariant::Limits,
        Invariant::NeedlessClosing,
        Invariant::QuietLogins,
        Invariant::SplitsExplained,
        Invariant::NoPanic,
    ];

    /// The name, as in plans and in `docs/CONTRACT.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Invariant::NoSplit => "no-split",
            Invariant::Agreement => "agreement",
            Invariant::Leases => "leases",
            Invariant::Overlap => "overlap",
            Invariant::Holds => "holds",
            Invariant::Liveness => "liveness",
            Invariant::AnsweredOnce => "answered-once",
            Invariant::LoginWait => "login-wait",
            Invariant::FlushFirst => "flush-first",
            Invariant::HealthAgreed => "health-agreed",
            Invariant::BrakeHolds => "brake-holds",
            Invariant::HumanDownStays => "human-down-stays",
            Invariant::FailedIsLeft => "failed-is-left",
            Invariant::DeadBackendOut => "dead-backend-out",
            Invariant::NoFlapping => "no-flapping",
            Invariant::DrainInPeace => "drain-in-peace",
            Invariant::DrainDone => "drain-done",
            Invariant::Commands => "commands",
            Invariant::HoldsEnd => "holds-end",
            Invariant::PinsEnd => "pins-end",
            Invariant::Distribution => "distribution",
            Invariant::Limits => "limits",
            Invariant::NeedlessClosing => "needless-closing",
            Invariant::QuietLogins => "quiet-logins",
            Invariant::SplitsExplained => "splits-explained",
            Invariant::NoPanic => "no-panic",
        }
    }

    /// The invariant with this name.
    pub fn parse(name: &str) -> Option<Invariant> {
        Invariant::ALL
            .iter()
            .copied()
            .find(|invariant| invariant.name() == name)
    }

    /// What is promised.
    pub const fn words(self) -> &'static str {
        match self {
            Invariant::NoSplit => {
                "no director forwards a byte of a user's session to a backend while another director has an open \
                 session of the user on another backend"
            }
            Invariant::Agreement => "at most one topology is ever in force for each epoch number",
            Invariant::Leases => "a director admits a login and forwards bytes only under a lease that runs",
            Invariant::Overlap => {
                "directors with running leases are at two epochs at most, and who is at the older one has frozen \
                 every user whom the newer one places elsewhere"
            }
            Invariant::Holds => "every hold of a director is on the backend that its topology gives",
            Invariant::Liveness => {
                "when a majority of voters can talk and faults have stopped, every login is answered, every change \
                 commits and all agree, within a stated bound"
            }
            Invariant::AnsweredOnce => "every login is answered exactly once, unless its director dies first",
            Invariant::FlushFirst => "nobody is let in while the flush hook runs for him",
            Invariant::HealthAgreed => {
                "probes take a backend out, or back, only when most directors under a lease find so"
            }
            Invariant::BrakeHolds => {
                "probes never take out more of a tag's backends than the brake allows, nor the last one"
            }
            Invariant::HumanDownStays => "probes never undo an operator's down",
            Invariant::FailedIsLeft => "the users of a backend that probes take out are moved with it",
            Invariant::DeadBackendOut => "a dead backend is out of service within a stated bound",
            Invariant::NoFlapping => "no backend goes out of service because probes were lost",
            Invariant::DrainInPeace => {
                "users of a drained backend are moved after its deadline only, and no faster than ordered"
            }
            Invariant::DrainDone => "nobody is left on a drained backend when its deadline has long passed",
            Invariant::LoginWait => "no login waits longer than the limit",
            Invariant::Commands => {
                "an admin's command is applied once, or refused, or answered as unknown, within the limit"
            }
            Invariant::HoldsEnd => "a hold ends user_expire after its last session",
            Invariant::PinsEnd => "a pin ends soon after nobody holds its user any more",
            Invariant::Distribution => {
                "users are spread over the backends by their weights, and none is sent to one that is down or has none"
            }
            Invariant::Limits => "queues and tables keep to their limits",
            Invariant::NeedlessClosing => {
                "while nothing is wrong, no session is closed but those that a change moves"
            }
            Invariant::QuietLogins => "a login sends no message to the ring",
            Invariant::SplitsExplained => {
                "with partition = available, only users whom a change moved meanwhile are split, and not for long \
                 after the ring has healed"
            }
            Invariant::NoPanic => "nothing that happens outside makes the machine panic",
        }
    }

    /// How bad it is when it breaks.
    pub const fn class(self) -> Class {
        match self {
            Invariant::Liveness
            | Invariant::DeadBackendOut
            | Invariant::LoginWait
            | Invariant::HoldsEnd
            | Invariant::PinsEnd => Class::Liveness,
            Invariant::NoPanic => Class::Crash,
            _ => Class::Safety,
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_is_found_by_its_name() {
        for invariant in Invariant::ALL {
            assert_eq!(Invariant::parse(invariant.name()), Some(*invariant));
        }
    }
}
