//! What each bug breaks, in words, and within how many seeds it must be noticed.

use sim::bug::Rule;
use sim::{Bug, WorldBug};

/// Seeds within which a bug must be noticed when nothing else is said of it.
const SEEDS_MAX: u64 = 1_000;

/// Within how many seeds a checker must notice the bug.
pub fn seeds_max(bug: Bug) -> u64 {
    match bug {
        Bug::Rule(_) | Bug::World(_) => SEEDS_MAX,
    }
}

/// Why a bug may need more faults or members than a person can easily follow, where that is known.
pub fn reason_for_more(bug: Bug) -> Option<&'static str> {
    match bug {
        Bug::Rule(Rule::OneVoterPerRound) => Some(
            "two majorities without a common voter need three voters and a fourth that takes the place of one of them",
        ),
        Bug::Rule(Rule::MajorityOfOneBallot) => Some(
            "a coordinator with a vote knows what its earlier ballot had accepted, so three voters need another beside \
             them",
        ),
        Bug::Rule(Rule::FreezesAddUp) => Some(
            "two Prepares, a login between them and the closing meet by chance: with three members one seed in hundreds \
             shows it, too few for a plan that is to last",
        ),
        Bug::Rule(_) | Bug::World(_) => None,
    }
}

/// What goes wrong, in words.
pub fn words(bug: Bug) -> &'static str {
    match bug {
        Bug::Rule(rule) => rule_words(rule),
        Bug::World(bug) => world_words(bug),
    }
}

fn rule_words(rule: Rule) -> &'static str {
    match rule {
        Rule::GrantOnlyToConfirmed => {
            "a voter grants leases to directors that have not confirmed what it accepted"
        }
        Rule::ConfirmationNamesItsValue => "a confirmation of one value counts for another of the same epoch",
        Rule::StatedLeasesAreWaitedFor => {
            "a commit does not wait for leases of directors that have not confirmed"
        }
        Rule::StatementsOfAMajority => "one voter's statement of leases is enough for a commit",
        Rule::RestartBringsGrace => "a voter that restarted states no grace for the notes that it lost",
        Rule::GraceCannotBeConfirmed => "confirmations end a voter's grace",
        Rule::NotesOutlastLeases => "voters note leases only as long as they last by their own clock",
        Rule::GrantAtOwnEpochOnly => "a voter grants leases for epochs other than its own",
        Rule::AdmitOnlyUnderLease => "a director admits users and forwards without a lease",
        Rule::ConfirmedSurvivesIsolation => "a director forgets what it confirmed when its lease runs out",
        Rule::AllConfirmedAreKept => "a director keeps to the last value that it confirmed only",
        Rule::ConfirmedFreezes => "a director that confirmed a value goes on admitting users whom it moves",
        Rule::CloseBeforeConfirm => "a director confirms before it has closed what contradicts the value",
        Rule::HoldGoesWithItsSessions => "a hold stays when its sessions are closed for a value",
        Rule::MajorityToCommit => "a value is committed without a majority of voters",
        Rule::MajorityOfOneBallot => "acceptances of several ballots are counted together",
        Rule::HighestAcceptedIsProposed => "a coordinator proposes its own value over one that was accepted",
        Rule::AcceptingRaisesThePromise => {
            "a voter that accepts a value does not raise its promise to its ballot"
        }
        Rule::BallotsAreNeverReused => "a ballot is used again for another value",
        Rule::PromiseIsDurable => "a promise is answered before it is synced",
        Rule::AcceptedIsDurable => "an acceptance is answered before it is synced",
        Rule::EpochIsDurable => "a new epoch is not synced",
        Rule::AcceptedOutlivesPromise => "a promise to a higher ballot deletes the accepted value",
        Rule::ConfirmationBelongsToBoot => "a confirmation of an earlier run counts for a later run",
        Rule::LeaseBelongsToBoot => "a run counts grants that an earlier run asked for",
        Rule::FormerMembersAreWaitedFor => "nobody waits for the lease of a removed director",
        Rule::OneVoterPerRound => "one round may replace a voter by another",
        Rule::OldLeasesEndBeforeConfirming => {
            "a director confirms while it serves under a lease of an earlier epoch"
        }
        Rule::LeaseStartsAtSending => "a lease runs from the arrival of its grants",
        Rule::MajorityGrantsOneNonce => "grants of several requests are added up to a lease",
        Rule::BehindFetches => "a member that is behind does not fetch the topology",
        Rule::FreezesAddUp => "a later round's Prepare lifts the freeze of an earlier one",
        Rule::PinsInUseStay => "pins are dropped while somebody holds their users",
        Rule::NewerTopologyOnly => "a topology replaces a newer one",
        Rule::CommitAppliesToItsEpoch => "a value is applied to an epoch that it was not decided for",
        Rule::FirstStartComparesFingerprints => "members with different configurations start a ring together",
        Rule::FirstStartBindsOnce => "a voter takes part in two first starts",
        Rule::WipedVoterIsSilent => "a voter whose storage was wiped goes on voting",
        Rule::CloseBeforeRenewing => "an isolated director renews before it has closed its sessions",
        Rule::ReplacedRunStops => "a run goes on after another run took its storage",
        Rule::CommandsApplyOnce => "a command that is sent twice is applied twice",
        Rule::FlushFirst => "a user is let in while the flush hook runs for him",
        Rule::HealthNeedsMajority => "one director's probes are enough to take a backend out",
        Rule::OpinionsAreOfLeased => "opinions of directors without a lease are counted",
        Rule::RecoveryNeedsMajority => "one director's probes are enough to bring a backend back",
        Rule::BrakeHolds => "probes take out as many backends as they find failing",
        Rule::HumanDownStays => "probes bring a backend back that an operator took down",
        Rule::DrainWaitsForItsDeadline => "users of a drained backend are moved before its deadline",
        Rule::DrainKeepsItsRate => "all users of a drained backend are moved at once",
        Rule::FailedIsEvicted => "users are left on a backend that probes took out",
        Rule::StuckIsTakenOver => "nobody takes over a round that its coordinator left",
        Rule::UnansweredIsSentAgain => "messages of a round are not sent again",
        Rule::LostLeasesRunOut => "a round waits for ever for the lease of a lost director",
        Rule::OutbidTriesAgain => "a coordinator that was outbid backs off for good",
        Rule::SilentIsNoCoordinator => "a coordinator that is gone counts as one for ever",
        Rule::CommandsAreSentAgain => "a command that its coordinator lost is not sent again",
        Rule::StallsKeepHolds => "holds end although their director stood still when they were refreshed",
        Rule::EverybodyIsLookedAt => "a move of everybody of a hash leaves them where they are held",
    }
}

fn world_words(bug: WorldBug) -> &'static str {
    match bug {
        WorldBug::NoLeaseCheckAfterPause => "a door forwards after a pause without asking for the lease",
        WorldBug::EvictionConfirmedEarly => "a door says that a session is closed before it is",
        WorldBug::WallClock => "the machine is given the wall clock",
        WorldBug::DriftBeyondBound => "clocks run faster and slower than the agreed bound",
        WorldBug::UnsyncedStorageAnswered => "the storage says saved before it has synced",
        WorldBug::TornRecordAccepted => "a half-written record is read as if it were whole",
        WorldBug::NoServiceGuard => "login processes are left running while their director stays away",
        WorldBug::NoJournal => "a restarted director is not told of the sessions that outlived it",
        WorldBug::ClockStopsInPause => "clocks stand still while a machine is suspended",
        WorldBug::BootReused => "a restarted process has the name of the run before it",
        WorldBug::StorageNotClaimed => "a second process starts beside one that does not look at its storage",
        WorldBug::UpgradeForgetsSessions => {
            "a process that takes over is not told of the sessions that the old one keeps"
        }
        WorldBug::UpgradeCountsNoSessions => {
            "a process that takes over is told whose sessions the old one keeps, not how many"
        }
        WorldBug::KeeperOutlivesLease => "a process that keeps sessions goes on forwarding after the lease",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_words_of_its_own() {
        let mut seen: Vec<&str> = Bug::all().map(words).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert!(count >= 25, "{count}");
    }
}
