//! The admin door: what `doveadm director` of Dovecot 2.3 asks, in its own protocol.
//!
//! | part | what |
//! |---|---|
//! | `request` | a line of the protocol to a request |
//! | `plan` | a request to an answer, or to the changes that the ring must agree on; without sockets or clocks |
//! | `members` | the same for directors that join and leave |
//! | `rows` | the tables of the answers |
//! | `everywhere`, `counts` | whom all directors hold, put together and counted |
//! | `office` | what all conversations share |
//! | `reply` | what became of a change, as a line |
//! | `door` | the socket, and one conversation after the other |
//!
//! The words are those of Dovecot's director, so that the `doveadm` binary of 2.3 works unchanged; `docs/DOVEADM.md`
//! tells where the meaning differs. Whether a change is possible is the ring's decision.

mod counts;
mod door;
mod everywhere;
mod members;
mod office;
mod plan;
mod reply;
mod request;
mod rows;

pub use door::{AdminSettings, open_admin};
pub use plan::{Plan, Site, Whom, plan};
pub use reply::reply;
pub use request::{COMMAND_BYTES_MAX, Request, RequestError, Who};
