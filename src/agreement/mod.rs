//! How members agree: leases, voters, rounds, the first start, and the messages between members.

mod first_start;
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

pub use first_start::{FirstStart, Step};
pub use ids::{Ballot, Boot, Nonce, ValueId};
pub use jitter::Jitter;
pub use lease::Lease;
pub use message::{Body, Envelope, Hello, Renew, Stated, Statement};
pub use record::Record;
pub use round::{Noted, Round, majority_clear_at};
pub use rules::{Rule, Rules};
pub use value::{Answered, Committed, Outcome, Proposal, Request, Value};
pub use voter::{NOTES_MAX, Verdict, Voter};
