//! What must hold, one invariant a file. Each judges plain facts that the world lays before it, so that its own test
//! can lay a bad history before it. Gathering the facts is left to the world.

mod agreement;
mod answered_once;
mod broken;
mod commands;
mod distribution;
mod drain;
mod flush_first;
mod health;
mod holds;
mod holds_end;
mod leases;
mod limits;
mod liveness;
mod login_wait;
mod needless_closing;
mod no_split;
mod overlap;
mod patience;
mod pins_end;
mod quiet_logins;
mod splits_explained;

pub(crate) use agreement::Agreement;
pub(crate) use answered_once::answered_once;
pub(crate) use broken::Broken;
pub(crate) use commands::{Commands, Replied, answers_only_grow};
pub(crate) use distribution::spread_by_weight;
pub(crate) use drain::{drain_bound_ms, drain_done, drain_in_peace};
pub(crate) use flush_first::flush_first;
pub(crate) use health::{
    Verdict, brake_holds, dead_backend_bound_ns, failed_is_left, health_agreed, human_down_stays,
    newly_failed, no_flapping,
};
pub(crate) use holds::hold_where_placed;
pub(crate) use holds_end::{holds_end, holds_end_bound_ns};
pub(crate) use leases::Leases;
pub(crate) use limits::{Usage, busy_loop, quiet_ring, within_limits};
pub(crate) use liveness::{Core, answered_in_time, recovered_in_time};
pub(crate) use login_wait::login_wait;
pub(crate) use needless_closing::needless_closing;
pub(crate) use no_split::{Seen, no_split};
pub(crate) use overlap::{at_two_epochs, frozen_where_moved};
pub(crate) use patience::{Circumstances, Patience};
pub(crate) use pins_end::{pins_end, pins_end_bound_ns};
pub(crate) use quiet_logins::quiet_login;
pub(crate) use splits_explained::{Side, healed_of_splits, split_explained};
