//! The rules that carry the proof, and those that keep things going, each with a name and the reason why it can't be
//! left out.
//!
//! Code that enforces a rule asks [`Rules::keep`] for it. In a daemon that is the constant `true`; with the feature
//! `planted-bugs` the simulator breaks one rule at a time and must notice. Rules outside the machine (doors,
//! clocks, storage) are broken by the simulator itself and stand in its own list.

/// A rule of the protocol. The doc of each says what it prevents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A voter that accepted a value grants leases only to directors that confirmed it: whoever gets a lease
    /// after the decision admits only users that both topologies place alike.
    GrantOnlyToConfirmed,
    /// A confirmation is for one value; another value of the same epoch moves other users.
    ConfirmationNamesItsValue,
    /// A commit waits for the stated leases of directors that have not confirmed: they still serve by the old table.
    StatedLeasesAreWaitedFor,
    /// ... the statements of a majority, since a lease may rest on any majority.
    StatementsOfAMajority,
    /// Notes lost in a restart are replaced by a grace as long as a note.
    RestartBringsGrace,
    /// Nobody knows whom a grace stands for, so no confirmation ends it.
    GraceCannotBeConfirmed,
    /// A voter's note outlasts the director's belief, whatever their clocks do within the drift bound.
    NotesOutlastLeases,
    /// A voter grants at exactly its own epoch: a lease from voters that have moved on would let two tables serve.
    GrantAtOwnEpochOnly,
    /// A director without a lease admits nobody.
    AdmitOnlyUnderLease,
    /// Confirmed values are kept when the lease runs out, and the askings that named them are void: a lease at this
    /// epoch may come back, and the confirmations are counted all the while.
    ConfirmedSurvivesIsolation,
    /// All confirmed values are kept at once: which one is chosen is not known here.
    AllConfirmedAreKept,
    /// What is confirmed freezes the users that it moves until the next epoch is known.
    ConfirmedFreezes,
    /// Sessions that contradict a value are closed before it is confirmed.
    CloseBeforeConfirm,
    /// A hold goes with its sessions: one that stayed would answer the next login against the value.
    HoldGoesWithItsSessions,
    /// A value needs a majority of the voters.
    MajorityToCommit,
    /// ... that accepted in one and the same ballot.
    MajorityOfOneBallot,
    /// The accepted value of the highest ballot among the promises is proposed again: it may have been chosen.
    HighestAcceptedIsProposed,
    /// Accepting raises the promise: a lower ballot may not overwrite what is accepted.
    AcceptingRaisesThePromise,
    /// A ballot carries one value for ever.
    BallotsAreNeverReused,
    /// A promise is synced before it is answered.
    PromiseIsDurable,
    /// An accepted value is synced before it is answered.
    AcceptedIsDurable,
    /// The epoch is synced: a voter that falls back could vote on a decided question.
    EpochIsDurable,
    /// An accepted value outlives a promise to a higher ballot.
    AcceptedOutlivesPromise,
    /// A confirmation is counted for the run that gave it; the next run of that member knows nothing of it.
    ConfirmationBelongsToBoot,
    /// A grant is counted by the run that asked for it.
    LeaseBelongsToBoot,
    /// Leases of former members are stated and waited for too.
    FormerMembersAreWaitedFor,
    /// One round adds or removes one voter: majorities before and after always meet.
    OneVoterPerRound,
    /// A lease asked for at epoch e counts at e and e+1, no longer, and before a director confirms for the epoch after
    /// its own, its lease was asked for at its own: an older one rests on voters who need not have heard of this value.
    OldLeasesEndBeforeConfirming,
    /// A lease runs from the sending of the request; from the answer, it would outlast the voters' notes.
    LeaseStartsAtSending,
    /// A lease needs a majority for one and the same asking.
    MajorityGrantsOneNonce,
    /// A voter that is behind fetches the topology, a witness too: else it blocks the rest for ever.
    BehindFetches,
    /// A freeze is not lifted by a later round's Prepare: the pins collected under it would miss users.
    FreezesAddUp,
    /// Pins are dropped only when every director has said that it does not need them, and those still held stay.
    PinsInUseStay,
    /// A topology replaces only an older one, whichever way it came.
    NewerTopologyOnly,
    /// A value is applied only to the epoch that it was decided for.
    CommitAppliesToItsEpoch,
    /// Members with different configurations do not start a ring together.
    FirstStartComparesFingerprints,
    /// A voter binds itself to one set of voters for the first start, and keeps to it.
    FirstStartBindsOnce,
    /// A voter whose storage was wiped has another incarnation and no vote until it was replaced.
    WipedVoterIsSilent,
    /// A director closes everything before it asks again for a lease that it lost.
    CloseBeforeRenewing,
    /// A member stops when it finds that another run of it has taken its storage.
    ReplacedRunStops,
    /// A command is applied once, however often it was sent.
    CommandsApplyOnce,
    /// When the pin of everybody of a hash changes, each user of the hash who is held is looked at.
    EverybodyIsLookedAt,
    /// Nobody is let in while the flush hook runs for him.
    FlushFirst,
    /// A backend is failed by a majority of the directors under a lease: one with a broken cable takes nothing down.
    HealthNeedsMajority,
    /// What a director without a lease found last is not counted: it may be cut off from the backends, too.
    OpinionsAreOfLeased,
    /// A failed backend comes back when a majority finds it working: one that still answers somebody would go in and out.
    RecoveryNeedsMajority,
    /// Of the backends of a tag, probes fail no more than the brake allows.
    BrakeHolds,
    /// Probes do not undo an operator's `down`.
    HumanDownStays,
    /// Users of a drained backend are left alone until its deadline.
    DrainWaitsForItsDeadline,
    /// Beyond it no more of them are moved at a time than the operator wants.
    DrainKeepsItsRate,
    /// The users of a failed backend are moved.
    FailedIsEvicted,
    /// A round that nobody hears of any more is taken over: else whom it froze waits for ever.
    StuckIsTakenOver,
    /// What a round is not answered is sent again, as often as it takes.
    UnansweredIsSentAgain,
    /// A lease that a lost director holds runs out: a round waits for it, and not for ever.
    LostLeasesRunOut,
    /// A coordinator that was outbid tries again after a short while.
    OutbidTriesAgain,
    /// Whoever was not heard of for a while does not count as coordinator.
    SilentIsNoCoordinator,
    /// An admin's commands are sent again until an epoch has them: coordinators come and go.
    CommandsAreSentAgain,
    /// No hold ends soon after its director stood still: what refreshed it meanwhile is still to be read.
    StallsKeepHolds,
}

impl Rule {
    /// Every rule, in the order above.
    pub const ALL: &'static [Rule] = &[
        Rule::GrantOnlyToConfirmed,
        Rule::ConfirmationNamesItsValue,
        Rule::StatedLeasesAreWaitedFor,
        Rule::StatementsOfAMajority,
        Rule::RestartBringsGrace,
        Rule::GraceCannotBeConfirmed,
        Rule::NotesOutlastLeases,
        Rule::GrantAtOwnEpochOnly,
        Rule::AdmitOnlyUnderLease,
        Rule::ConfirmedSurvivesIsolation,
        Rule::AllConfirmedAreKept,
        Rule::ConfirmedFreezes,
        Rule::CloseBeforeConfirm,
        Rule::HoldGoesWithItsSessions,
        Rule::MajorityToCommit,
        Rule::MajorityOfOneBallot,
        Rule::HighestAcceptedIsProposed,
        Rule::AcceptingRaisesThePromise,
        Rule::BallotsAreNeverReused,
        Rule::PromiseIsDurable,
        Rule::AcceptedIsDurable,
        Rule::EpochIsDurable,
        Rule::AcceptedOutlivesPromise,
        Rule::ConfirmationBelongsToBoot,
        Rule::LeaseBelongsToBoot,
        Rule::FormerMembersAreWaitedFor,
        Rule::OneVoterPerRound,
        Rule::OldLeasesEndBeforeConfirming,
        Rule::LeaseStartsAtSending,
        Rule::MajorityGrantsOneNonce,
        Rule::BehindFetches,
        Rule::FreezesAddUp,
        Rule::PinsInUseStay,
        Rule::NewerTopologyOnly,
        Rule::CommitAppliesToItsEpoch,
        Rule::FirstStartComparesFingerprints,
        Rule::FirstStartBindsOnce,
        Rule::WipedVoterIsSilent,
        Rule::CloseBeforeRenewing,
        Rule::ReplacedRunStops,
        Rule::CommandsApplyOnce,
        Rule::EverybodyIsLookedAt,
        Rule::FlushFirst,
        Rule::HealthNeedsMajority,
        Rule::OpinionsAreOfLeased,
        Rule::RecoveryNeedsMajority,
        Rule::BrakeHolds,
        Rule::HumanDownStays,
        Rule::DrainWaitsForItsDeadline,
        Rule::DrainKeepsItsRate,
        Rule::FailedIsEvicted,
        Rule::StuckIsTakenOver,
        Rule::UnansweredIsSentAgain,
        Rule::LostLeasesRunOut,
        Rule::OutbidTriesAgain,
        Rule::SilentIsNoCoordinator,
        Rule::CommandsAreSentAgain,
        Rule::StallsKeepHolds,
    ];
}

/// Which rules are kept: all, but for a run of the simulator that breaks one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    #[cfg(feature = "planted-bugs")]
    broken: Option<Rule>,
}

impl Rules {
    /// All rules but one.
    #[cfg(feature = "planted-bugs")]
    pub const fn breaking(rule: Rule) -> Self {
        Rules { broken: Some(rule) }
    }

    /// Whether the rule is kept: always, in a daemon.
    #[cfg(not(feature = "planted-bugs"))]
    #[inline(always)]
    pub const fn keep(self, _rule: Rule) -> bool {
        true
    }

    /// Whether the rule is kept.
    #[cfg(feature = "planted-bugs")]
    #[inline]
    pub fn keep(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }
}
