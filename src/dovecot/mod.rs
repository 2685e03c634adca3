//! Sockets that stock Dovecot speaks: login and userdb relays, authreply, proxy-notify; and kicks of its sessions.
//!
//! | part | what |
//! |---|---|
//! | `escape`, `rule` | Dovecot's lines: escaping of fields, which lines want a backend |
//! | `completer` | the lines of one connection, completed; without sockets or clocks |
//! | `desk`, `place` | how doors ask the process's director, and what they are answered |
//!
//! Whom a user is sent to is the director's decision; the doors only find who is asked for and write down the answer.

mod completer;
mod desk;
mod escape;
mod place;
mod rule;

pub use completer::{
    Completer, Failure, FailureReason, LATE_ANSWER_MAX, LINE_BYTES_MAX, LineTooLong, Taken, Tally, WaitLimits,
};
pub use desk::{Answered, Asked, Batch, Desk, LinkRow, Replies};
pub use escape::{escape, unescape};
pub use place::{Answer, Place};
pub use rule::{Completes, MarksHash, Rule};
