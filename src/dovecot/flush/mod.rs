//! Running the flush hook: telling a server, or a program, that a user was moved, in the words of Dovecot's director.
//!
//! | part | what |
//! |---|---|
//! | `order` | what is told, and what the answer says; no sockets |
//! | `hook` | the socket or the program, and the time limit |
//!
//! When it has to run is the director's business, and that the user is let in afterwards, whatever became of it.

mod hook;
mod order;
#[cfg(test)]
mod tests;

pub use hook::{FlushError, FlushSettings, flush};
pub use order::{FlushAnswer, FlushOrder};
