//! Dovecot 2.3's own director as a pure machine: its ring protocol, its user directory, its moves. It is here to be
//! compared with, in worlds with the same faults; nothing of `maildirector` depends on it.
//!
//! | module | holds |
//! |---|---|
//! | `machine` | the director, what goes in and what comes out |
//! | `messages` | the lines of the ring protocol |
//! | `ring`, `connection`, `handshake` | neighbours, connections and their timers, what is said on connecting |
//! | `sync` | SYNC, and when the ring counts as synced |
//! | `users`, `tellings` | users, what directors tell each other of them, conflicts |
//! | `hosts` | mail servers; the vhost ring is `maildirector::topology`'s |
//! | `moves` | the kill and move states |
//! | `lookup`, `admin`, `timers` | logins, an admin's commands, time |
//! | `world` | a world of them, for comparisons |
//!
//! Time is an argument, in milliseconds of the machine's Unix time: Dovecot's director judges by whole seconds of that
//! clock. Lines are those of the real protocol, so that recorded conversations can be compared.
//!
//! Left out or simplified: tab-escaping and the user names of `USER-KICK` and `USER-KICK-ALT` (nobody sends them here);
//! peers of older versions; limits of buffers; the sending of users in portions; the flush program; hosts that are
//! named twice; the order in which users are expired (they are forgotten when looked up, and now and then).

mod admin;
mod connection;
mod handshake;
mod hosts;
mod lookup;
mod machine;
mod messages;
mod moves;
mod ring;
mod sync;
mod tellings;
#[cfg(test)]
mod tests;
mod timers;
mod users;
pub(crate) mod world;

pub use admin::Command;
pub use machine::{Director, INCOMING_FROM, Input, Output, Settings};
pub use messages::{BadLine, HostLine, MINOR_VERSION, Message, Origin, Place, Sync};
