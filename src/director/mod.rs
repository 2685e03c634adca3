//! The machine: admission, holds, freeze and evict, rounds, commands, status.

mod admission;
mod commands;
mod coordinate;
mod draining;
mod flushing;
mod follow;
mod health;
mod history;
mod holds;
mod input;
mod inside;
mod listing;
mod machine;
mod output;
mod serving;
mod start;
mod status;
mod storage;
#[cfg(test)]
mod tests;
mod vote;

pub use flushing::FlushedFrom;
pub use history::{History, Moved};
pub use holds::{
    Gathered, Hold, Holds, Journalled, NAME_BYTES_MAX, OpenError, Opened, Removed, SESSIONS_MAX,
};
pub use input::{CommandId, Door, Input, Limits, LoginToken, Policy, Settings, Start};
pub use inside::{BindingStatus, CommandsStatus, RoundStatus, SavesStatus, VoteStatus};
pub use listing::HELD_PER_PAGE;
pub use machine::Director;
pub use output::{CommandError, DryRun, Event, EvictReason, Output, RefuseReason, RoundLeft};
pub use serving::Standing;
pub use status::{BackendStatus, LimitsUsed, MemberStatus, RingStatus, UserStatus, Why};
