//! The desk where lookups ask: how a question reaches the process's director.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::director::RefuseReason;
use crate::topology::is_user_name;
use crate::world::Instant;

/// The process's director, as those see it who look something up.
pub trait Desk: Clone + Send + Sync + 'static {
    /// Asks where a user is, and holds him there. May take as long as a login waits (30 s by default).
    fn look_up(&self, query: Query<'_>) -> impl Future<Output = Result<Found, Refused>> + Send;

    /// How the member is; nothing when the task that owns the machine does not answer any more.
    fn health(&self) -> impl Future<Output = Option<Health>> + Send;

    /// What `maildirector status --json` shows; nothing as above.
    fn report(&self) -> impl Future<Output = Option<String>> + Send;

    /// Everything that is measured, in the OpenMetrics text format; nothing as above.
    fn metrics(&self) -> impl Future<Output = Option<String>> + Send;
}

/// Who is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// His name. Not empty, no control characters, as in [`is_user_name`].
    pub user: &'a str,
    /// The tag of the backends that may serve him; empty by default.
    pub tag: &'a str,
}

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The backend's address.
    pub ip: IpAddr,
    /// Its name.
    pub hostname: Option<Box<str>>,
    /// How long he is held there after this, and after each further lookup.
    pub expire: Duration,
    /// When this was true.
    pub decided: Instant,
}

/// Why a user is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The director says so.
    Reason(RefuseReason),
    /// The process is about to end.
    Stopping,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Reason(reason) => write!(f, "{reason}"),
            Refused::Stopping => f.write_str("this director is stopping"),
        }
    }
}

/// How a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it does what it is for: a director lets users in, a witness has a vote.
    pub is_ready: bool,
    /// `serving`, `isolated`, `alone`, `witness`.
    pub standing: &'static str,
    /// The epoch in force.
    pub epoch: u64,
}

impl<'a> Query<'a> {
    /// Nothing if that can be no user's name.
    pub fn new(user: &'a str, tag: &'a str) -> Option<Self> {
        (is_user_name(user) && (tag.is_empty() || is_user_name(tag))).then_some(Query { user, tag })
    }
}
