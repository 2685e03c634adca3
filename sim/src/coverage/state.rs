//! The states of the protocol, as they can be seen from outside: by what members send, tell their logs and ask for.

macro_rules! states {
    ($($state:ident $name:literal $words:literal)*) => {
        /// A state that a member, or the ring, is in for a while or passes through.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum State {
            $(
                #[doc = $words]
                $state,
            )*
        }

        impl State {
            /// The catalogue.
            pub const ALL: &'static [State] = &[$(State::$state),*];

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(State::$state => $name,)*
                }
            }

            /// What it means.
            pub const fn words(self) -> &'static str {
                match self {
                    $(State::$state => $words,)*
                }
            }
        }
    };
}

states! {
    Calm "calm" "Nothing of what follows goes on anywhere."
    Draining "draining" "A backend is being emptied."
    BackendFailed "backend-failed" "A backend is out of service by what probes found."
    Down "down" "The process is dead."
    Orphaned "orphaned" "Login processes go on without their director."
    TwoProcesses "two-processes" "A second process runs beside the first."
    FirstStart "first-start" "The process knows no ring yet."
    Starting "starting" "The process was started and has had no lease yet."
    Isolated "isolated" "The lease ran out, and no new one came."
    Unseated "unseated" "The voter found that its storage is not known."
    Saving "saving" "A record is on its way to the disk."
    Surveying "surveying" "The coordinator asks who holds what."
    Preparing "preparing" "The coordinator asks for promises."
    Proposing "proposing" "The coordinator asks for acceptances and confirmations."
    TakingOver "taking-over" "The coordinator finishes the round of another."
    Adopting "adopting" "The coordinator proposes what was accepted before."
    Duelling "duelling" "Two members coordinate at the same time."
    Promised "promised" "The voter has promised and not yet accepted."
    Accepted "accepted" "The voter has accepted what is not yet in force with it."
    Frozen "frozen" "Users wait for a round to end."
    Confirmed "confirmed" "The director has confirmed what is not yet in force with it."
    ConfirmedSeveral "confirmed-several" "The director has confirmed several values, none of them in force with it."
    Behind "behind" "A newer epoch is in force elsewhere."
    CatchingUp "catching-up" "The member has asked for a topology as a whole."
    InGrace "in-grace" "The voter accepted while it still waits out leases that it may have forgotten."
    Evicting "evicting" "Sessions of a user are being closed."
    ClosingAll "closing-all" "All sessions are being closed."
    Queueing "queueing" "A login waits for a round."
    TwoEpochs "two-epochs" "Directors with leases are at two epochs."
    MembersChange "members-change" "An epoch with other members comes into force."
}

impl State {
    /// Whether it is the whole ring's: no fault strikes a member in it.
    pub const fn is_of_ring(self) -> bool {
        matches!(self, State::Calm | State::Draining | State::BackendFailed)
    }

    /// Its bit in a set of states.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_fits_into_a_set_and_names_differ() {
        assert!(State::ALL.len() <= 32);
        let mut names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), State::ALL.len());
    }
}
