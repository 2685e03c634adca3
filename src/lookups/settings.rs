//! What a lookup door is started with.

use std::time::Duration;

use crate::config::{LmtpUser, UserDomains};
use crate::world::Listen;

/// Connections of one door at a time; further ones are closed at once.
pub(super) const CONNECTIONS_MAX: usize = 10_000;

/// One door.
#[derive(Clone, Debug)]
pub struct LookupSettings {
    /// Where it is.
    pub listen: Listen,
    /// What is spoken there.
    pub speaks: Speaks,
    /// How old an answer may be when it leaves: half of `director_user_kick_delay`, as at the doors to Dovecot.
    pub answer_age: Duration,
}

/// What is spoken at a door.
#[derive(Clone, Debug)]
pub enum Speaks {
    /// HTTP: lookups for programs and for nginx, and what monitors ask.
    Http,
    /// Postfix's `socketmap`.
    Socketmap(SocketmapSettings),
}

/// What a map answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketmapSettings {
    /// Whose recipients are ours.
    pub domains: UserDomains,
    /// Which part of an address is the user.
    pub lmtp_user: LmtpUser,
    /// The tag of the backends that may serve them; empty by default.
    pub tag: Box<str>,
    /// The backends' port for LMTP.
    pub port: u16,
}
