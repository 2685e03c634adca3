//! How members agree: leases, voters, rounds, the first start, and the messages between members.
//!
//! Pure parts; sending, saving and timing are left to `director`, which puts them together.
//!
//! # Why nobody is split
//!
//! A user is split when two directors serve him on two backends. A director computes where he belongs, from its
//! topology, so a split needs two directors that serve under topologies that disagree about him, or one that serves
//! a session which its topology contradicts. Three things together exclude both.
//!
//! **One value for each epoch.** Turning epoch e into e+1 is one single-decree Paxos instance among the voters of
//! T_e. A voter promises ballots upwards only ([`Rule::AcceptingRaisesThePromise`]) and never forgets what it accepted,
//! not by a higher promise ([`Rule::AcceptedOutlivesPromise`]), not by a restart ([`Rule::PromiseIsDurable`],
//! [`Rule::AcceptedIsDurable`]), and not by a lost disk, for then it has another name and no vote
//! ([`Rule::WipedVoterIsSilent`]). A coordinator proposes again what a majority's highest acceptance names
//! ([`Rule::HighestAcceptedIsProposed`]), puts one value under one ballot ([`Rule::BallotsAreNeverReused`]), and counts
//! a majority of one ballot ([`Rule::MajorityOfOneBallot`]). That is Paxos, and nothing else decides.
//! One voter changes at a time ([`Rule::OneVoterPerRound`]), so a majority of the voters before and one of the voters
//! after always share a member, which knows both.
//!
//! **Nobody serves without a lease.** A director sends an asking and notes the time; when a majority of the voters of
//! that epoch has granted that very asking ([`Rule::MajorityGrantsOneNonce`]) it may serve for L from the *sending*
//! ([`Rule::LeaseStartsAtSending`]). A voter grants after it was sent and notes it for L (1+R)/(1-R) of its own clock,
//! which is longer in true time whatever the two clocks do within R ([`Rule::NotesOutlastLeases`]). So as long as
//! a director may serve, every voter of some majority has its note. What a restart loses is covered by a grace
//! of the same length ([`Rule::RestartBringsGrace`]).
//!
//! **Nobody is left behind.** A value counts as decided only when, for one majority that accepted it, every noted
//! lease has surely run out or its holder *in that very run* has confirmed the value
//! ([`Rule::StatedLeasesAreWaitedFor`], [`Rule::ConfirmationBelongsToBoot`]). To confirm, a director first closes what
//! the value contradicts ([`Rule::CloseBeforeConfirm`], [`Rule::HoldGoesWithItsSessions`]) and from then on admits only
//! users whom the present table and the value place alike ([`Rule::ConfirmedFreezes`]), for every value it has ever
//! confirmed at this epoch ([`Rule::AllConfirmedAreKept`], [`Rule::ConfirmedSurvivesIsolation`]).
//! And a voter that accepted grants only to who confirmed ([`Rule::GrantOnlyToConfirmed`]).
//!
//! Now let e+1 be decided by value v, and let a director serve at e after that. Its lease needs a majority of grants
//! for one asking; that majority shares a voter with the one that accepted v. Either that voter granted after it
//! accepted: then the director had confirmed v. Or before: then the lease was stated with the acceptance, and the
//! decision waited until it ran out or until the director confirmed v. Either way the director admits and forwards only
//! for users whom T_e and T_{e+1} place alike. Nobody serves at e-1: a lease counts for two epochs only,
//! and to confirm v at all a director's lease had to be asked for at e ([`Rule::OldLeasesEndBeforeConfirming`]), where only voters at e grant ([`Rule::GrantAtOwnEpochOnly`]).
//! So at any instant two topologies at most are served, and they agree about whoever is served.
//!
//! # Why it comes to an end
//!
//! No step waits for one particular member for longer than its lease. Leases belong to no coordinator; whoever is the
//! lowest director with a lease coordinates, and when it dies the next one does. A round that was left is noticed by
//! those it keeps waiting, who say so in their askings. Two coordinators outbid each other and wait at random.
//! Whoever is behind learns the topology from the first message it exchanges with who is ahead
//! ([`Rule::BehindFetches`]).
//!
//! `timing` has the spans and their defaults, and how they trade failover time against isolation.

mod first_start;
mod held_user;
mod ids;
mod jitter;
mod lease;
mod message;
mod record;
mod round;
mod rules;
pub mod timing;
mod value;
mod voter;
mod whose;

pub use first_start::{FirstStart, Step};
pub use held_user::{HeldUser, HeldUsers};
pub use ids::{Ballot, Boot, Nonce, ValueId};
pub use jitter::Jitter;
pub use lease::Lease;
pub use message::{Body, Envelope, Hello, Renew, Stated, Statement};
pub use record::Record;
pub use round::{Noted, Round, majority_clear_at};
pub use rules::{Rule, Rules};
pub use value::{Answered, Committed, Outcome, Proposal, Request, Value};
pub use voter::{NOTES_MAX, Verdict, Voter};
pub use whose::{BadField, FIELD_BYTES_MAX, PassdbField, VALUE_BYTES_MAX, Whose};
