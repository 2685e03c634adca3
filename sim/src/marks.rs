//! Coverage: named things that a sweep should reach, with how often it did. A mark that is never hit means that the
//! sweep does not test what it seems to.

macro_rules! marks {
    ($($mark:ident $name:literal $words:literal)*) => {
        /// Something worth reaching.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Mark {
            $(
                #[doc = $words]
                $mark,
            )*
        }

        impl Mark {
            /// The catalogue.
            pub const ALL: &'static [Mark] = &[$(Mark::$mark),*];

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mark::$mark => $name,)*
                }
            }

            /// What it means.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Mark::$mark => $words,)*
                }
            }
        }
    };
}

marks! {
    Serving "serving" "A director got a lease after a time without."
    Isolated "isolated" "A director's lease ran out while it had users."
    IsolatedIdle "isolated-idle" "A director's lease ran out while it had none."
    LeaseRanOut "lease-ran-out" "A lease ran to its end without being renewed."
    Installed "installed" "A commit came into force somewhere."
    CaughtUp "caught-up" "A topology came as a whole, after missed commits."
    EvictMoved "evict-moved" "Sessions were closed because a change moves their user."
    EvictUnpinned "evict-unpinned" "Sessions were closed because a value had no pin for them."
    EvictContradicts "evict-contradicts" "Sessions were closed because the topology in force contradicts them."
    EvictKicked "evict-kicked" "An admin closed sessions."
    EvictionRepeated "eviction-repeated" "A director asked again for an eviction under way."
    EvictionTakesTime "eviction-takes-time" "A door took its time to evict."
    CloseAllTakesTime "close-all-takes-time" "A door took its time to close everything."
    Queued "queued" "A login waited for a round."
    WaitedThenRouted "waited-then-routed" "A login that waited was routed."
    Flushed "flushed" "A flush hook ran for a user who was moved."
    RefusedIsolated "refused-isolated" "A login was refused for want of a lease."
    RefusedFrozen "refused-frozen" "A login was refused because a round took too long."
    RefusedNoBackend "refused-no-backend" "A login was refused because no backend was left."
    RefusedTag "refused-tag" "A login was refused because nobody knows its tag."
    RefusedTooMany "refused-too-many" "A login was refused because of a limit."
    LoginLost "login-lost" "A login met a dead process, or died with one."
    RoundStarted "round-started" "A round was started."
    RoundTakenOver "round-taken-over" "A round that another had left was finished."
    RoundAdopted "round-adopted" "A round proposed a value accepted before."
    RoundOutbid "round-outbid" "A coordinator was outbid."
    RoundOvertaken "round-overtaken" "An epoch ended by another's round."
    RoundHandedOver "round-handed-over" "A coordinator left its round to another."
    Committed "committed" "An epoch was committed without pins."
    CommittedWithPins "committed-with-pins" "An epoch was committed with pins."
    Confirmed "confirmed" "A director confirmed a value."
    ConfirmedSeveral "confirmed-several" "A director was bound to several values at once."
    FreezeLapsed "freeze-lapsed" "A freeze ended without its round."
    InGrace "in-grace" "A voter accepted in its grace."
    FirstStarted "first-started" "A ring started for the first time."
    OtherConfiguration "other-configuration" "Members were configured differently."
    Unseated "unseated" "A voter found that its storage is not known."
    SplitEnded "split-ended" "A split of a minority that served on was ended."
    TwoEpochsServe "two-epochs-serve" "Directors with leases were at two epochs."
    RoutedAtOlderEpoch "routed-at-older-epoch" "A login was routed at an epoch that another director had left."
    ByteFenced "byte-fenced" "A byte was held back for want of a lease."
    Journalled "journalled" "A process was started with sessions that outlived the one before."
    GuardStopped "guard-stopped" "The service manager stopped login processes."
    Halted "halted" "A process halted itself."
    RunReplaced "run-replaced" "A run found another run's record in its storage."
    SaveFailed "save-failed" "A record could not be saved."
    WriteLost "write-lost" "A crash lost a write in progress."
    WriteLanded "write-landed" "A write in progress reached the disk though its process died."
    WriteTorn "write-torn" "A crash tore a write."
    MessageLost "message-lost" "A message was lost."
    MessageDoubled "message-doubled" "A message arrived twice."
    MessageHeld "message-held" "A message was held back."
    CommandDone "command-done" "A command was carried out."
    CommandRefused "command-refused" "A command was refused."
    CommandNotSent "command-not-sent" "A command found no coordinator in time."
    CommandTooMany "command-too-many" "A command was one too many."
    CommandUnknown "command-unknown" "Nobody knows what became of a command."
    CommandLost "command-lost" "A command died with its director."
    DryRun "dry-run" "A dry run was answered."
    FaultPartition "fault-partition" "The ring was partitioned."
    FaultCut "fault-cut" "Links were cut in one direction."
    FaultFlap "fault-flap" "Links flapped."
    FaultLoss "fault-loss" "Links lost messages."
    FaultDuplicate "fault-duplicate" "Links doubled messages."
    FaultDelay "fault-delay" "Links delayed messages."
    FaultHold "fault-hold" "Links held messages back."
    FaultCrash "fault-crash" "A process crashed."
    FaultPowerCut "fault-power-cut" "A machine lost power."
    FaultWipe "fault-wipe" "A disk was wiped."
    FaultPause "fault-pause" "A process was paused."
    FaultDrift "fault-drift" "A clock drifted."
    FaultWallJump "fault-wall-jump" "A wall clock jumped."
    FaultSlowEvict "fault-slow-evict" "Doors were slow."
    FaultSlowDisk "fault-slow-disk" "A disk was slow."
    FaultBrokenDisk "fault-broken-disk" "A disk was broken."
    FaultBackendDown "fault-backend-down" "A backend died."
    FaultCable "fault-cable" "A director reached no backend."
    BackendFailed "backend-failed" "Probes took a backend out of service."
    BackendRecovered "backend-recovered" "Probes brought a backend back."
    DrainDone "drain-done" "A drained backend was empty."
    FaultBackendFlap "fault-backend-flap" "A backend flapped."
    FaultSecondProcess "fault-second-process" "A second process was started beside the first."
    FaultUpgrade "fault-upgrade" "A member was to be upgraded."
    UpgradePutOff "upgrade-put-off" "An upgrade had to wait, since sessions were being closed or the member was not there."
    Upgraded "upgraded" "A new process became the director in the place of another one."
    SessionsKept "sessions-kept" "A new director answers for sessions that an old process keeps."
    KeeperEvicts "keeper-evicts" "A director wanted sessions closed that an old process keeps."
    KeeperClosesAll "keeper-closes-all" "A director wanted all closed that an old process keeps."
    KeeperLost "keeper-lost" "A director died, and an old process kept its sessions to the end of the lease."
    MajorityLost "majority-lost" "So many voters were wiped that only the operator can help."
    EndedHealed "ended-healed" "Everything healed at the end."
    EndedCutOff "ended-cut-off" "Some members stayed cut off at the end."
    EndedDeaf "ended-deaf" "Some members stayed deaf at the end."
    EndedStopped "ended-stopped" "Some members stayed stopped at the end."
    EndedLossy "ended-lossy" "Links to some members went on losing messages at the end."
    EndedFlapping "ended-flapping" "Links to some members went on flapping at the end."
    Recovered "recovered" "The ring recovered."
    PinsEnded "pins-ended" "All pins ended when everybody had left."
}

/// How often each mark was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkSet {
    counts: [u64; Mark::ALL.len()],
}

impl Default for MarkSet {
    fn default() -> Self {
        MarkSet {
            counts: [0; Mark::ALL.len()],
        }
    }
}

impl MarkSet {
    /// Counts one hit.
    #[inline]
    pub fn hit(&mut self, mark: Mark) {
        self.counts[mark as usize] += 1;
    }

    /// Counts many hits.
    pub fn hit_often(&mut self, mark: Mark, times: u64) {
        self.counts[mark as usize] += times;
    }

    /// How often the mark was hit.
    pub fn count(&self, mark: Mark) -> u64 {
        self.counts[mark as usize]
    }

    /// Adds the hits of another run.
    pub fn merge(&mut self, other: &MarkSet) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// Every mark of the catalogue with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, u64)> + '_ {
        Mark::ALL.iter().map(|mark| (*mark, self.count(*mark)))
    }

    /// Marks that were never hit.
    pub fn missed(&self) -> impl Iterator<Item = Mark> + '_ {
        self.iter().filter(|(_, count)| *count == 0).map(|(mark, _)| mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_of_two_runs_add_up() {
        let (mut one, mut two) = (MarkSet::default(), MarkSet::default());
        one.hit(Mark::Serving);
        two.hit(Mark::Serving);
        two.hit(Mark::Isolated);
        one.merge(&two);
        assert_eq!(one.count(Mark::Serving), 2);
        assert!(one.missed().all(|mark| mark != Mark::Isolated));
        assert!(one.missed().any(|mark| mark == Mark::CaughtUp));
    }
}
