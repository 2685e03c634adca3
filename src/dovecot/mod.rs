//! Sockets that stock Dovecot speaks: login and userdb relays, authreply, proxy-notify; and kicks of its sessions.
//!
//! | part | what |
//! |---|---|
//! | `name_in_field`, `rule` | Dovecot's lines: the names in them, which lines want a backend |
//! | `completer` | the lines of one connection, completed; without sockets or clocks |
//! | `desk`, `place` | how doors ask the process's director, and what they are answered |
//! | `door`, `answers`, `broken` | a socket and its connections; the direction that is completed; what ends it |
//! | `relay`, `authreply`, `notify` | the doors |
//! | `admin` | the door of `doveadm director` |
//! | `flush` | the hook for users who were moved |
//! | `kicks`, `processes` | closing sessions, and knowing when nobody is left who has any |
//! | `counters` | what doors count |
//!
//! Whom a user is sent to is the director's decision; the doors only find who is asked for and write down the answer.

pub mod admin;
mod answers;
mod authreply;
mod broken;
mod completer;
mod counters;
mod desk;
mod door;
mod flush;
mod kicks;
mod name_in_field;
mod notify;
mod place;
mod processes;
mod relay;
mod rule;

pub use authreply::{AuthreplySettings, open_authreply};
pub use completer::{
    Completer, Failure, FailureReason, LATE_ANSWER_MAX, LINE_BYTES_MAX, LineTooLong, Taken, Tally, WaitLimits,
};
pub use counters::{Counted, Counters};
pub use desk::{Answered, Asked, Batch, Desk, LinkRow, Replies};
pub use door::{CONNECTIONS_MAX, Door};
pub use flush::{FlushAnswer, FlushError, FlushOrder, FlushSettings, flush};
pub use kicks::{
    KICKS_MAX, Kick, KickBy, KickCounters, KickDone, KickSettings, Kicks, TooManyKicks, start_kicks,
};
pub use notify::{NAME_LINE_BYTES_MAX, Names, NotifySettings, open_notify_fifo, open_notify_socket};
pub use place::{Answer, Place};
pub use processes::Processes;
pub use relay::{RelaySettings, open_relay};
pub use rule::{Completes, MarksHash, Rule};
