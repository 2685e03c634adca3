//! The desk where proxies ask: how a login reaches the process's director, and what it is told.

use std::net::IpAddr;

use super::{Gate, Permit};
use crate::director::RefuseReason;

/// The process's director, as proxies see it.
pub trait Desk: Clone + Send + Sync + 'static {
    /// Asks whether the user may log in, and where. May take as long as a login waits (30 s by default).
    fn admit(&self, login: Login<'_>) -> impl Future<Output = Result<Admitted, Refused>> + Send;

    /// The gate of this process.
    fn gate(&self) -> &Gate;
}

/// Who wants in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// Whose mailbox.
    pub user: &'a str,
    /// The tag of the backends that may serve him; empty by default.
    pub tag: &'a str,
    /// By which protocol, for admins' eyes.
    pub protocol: &'static str,
    /// From where, for admins' eyes.
    pub client: std::net::SocketAddr,
}

/// Where a user was let in.
#[derive(Debug)]
pub struct Admitted {
    /// The backend's address.
    pub ip: IpAddr,
    /// Its name, which its certificate should have.
    pub hostname: Option<Box<str>>,
    /// The port there, where it is another than the listener's settings say.
    pub port: Option<u16>,
    /// To be held while the session lasts.
    pub permit: Permit,
}

/// Why a user was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The director says so.
    Reason(RefuseReason),
    /// This process is about to end.
    Stopping,
}

/// What a client is told whose user is being moved.
pub(super) const MOVED: &str = "The account is being moved, please try again.";
/// What a client is told whose backend can't be used.
pub(super) const UNAVAILABLE: &str = "The mail server is not available, please try again.";

impl Refused {
    /// What a client is told; what it means for the operator is the log's.
    pub(super) fn words(self) -> &'static str {
        match self {
            Refused::Stopping => "The server is being restarted, please try again.",
            Refused::Reason(RefuseReason::Frozen { .. }) => MOVED,
            Refused::Reason(_) => "The server can't serve anybody now, please try again.",
        }
    }
}
