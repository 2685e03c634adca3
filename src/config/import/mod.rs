//! From the configuration of a Dovecot 2.3 director, and from what its ring knows now, to a file of ours.
//!
//! | step | needs | gives |
//! |---|---|---|
//! | [`read_dovecot`] | text of `dovecot.conf` or of `doveconf -n` | its [`DovecotSetting`]s, or every fault with its line |
//! | [`RunningRing::parse`] | answers of its `director-admin` socket | hosts, and where users are |
//! | [`import`] | both, or one of them | an [`Imported`]: our file, notes, and the changes that make our ring the same |
//!
//! Includes are read by the caller; nothing is opened here. What can't be carried over is a note, never left out silently.

mod carry;
mod grammar;
mod running;
#[cfg(test)]
mod tests;

pub use carry::{Imported, Note, import};
pub use grammar::{DovecotSetting, Include, read_dovecot};
pub use running::{RunningError, RunningHost, RunningRing};
