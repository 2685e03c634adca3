//! Closing sessions that live in Dovecot's own processes: through ipc in 2.3, anvil in 2.4.
//!
//! | part | what |
//! |---|---|
//! | `lines` | the two protocols |
//! | `queue` | who is to be kicked, in which pass, and when that is surely done; no sockets, no clocks |
//! | `task` | the socket, and trying again |
//!
//! A kick is done only when it was answered twice, `director_user_kick_delay` apart: a login whose answer was still
//! on its way when the first kick passed is met by the second.

mod lines;
mod queue;
mod task;

pub use lines::KickBy;
pub use queue::{Kick, KickDone};
pub use task::{KICKS_MAX, KickCounters, KickSettings, Kicks, TooManyKicks, start_kicks};
