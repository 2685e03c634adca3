//! What proxies are started with.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::tls::{BackendTls, ClientTls};
use super::{FrontSettings, Protocol, VerifierSettings};
use crate::config::LmtpUser;
use crate::world::Listen;

/// Through how many proxies a session may go, as in Dovecot.
pub const TTL_MAX: u8 = 5;

/// One listener with its backends' side.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// What clients speak.
    pub protocol: Protocol,
    /// Where they connect to.
    pub listen: Listen,
    /// What they are told before a login.
    pub front: Arc<FrontSettings>,
    /// TLS towards them; none without a certificate.
    pub tls: Option<ClientTls>,
    /// TLS from the first byte on.
    pub is_implicit_tls: bool,
    /// Who verifies their passwords; not for LMTP.
    pub verifier: VerifierSettings,
    /// The tag of the backends that may serve them; empty by default.
    pub tag: Box<str>,
    /// For LMTP: which part of a recipient's address is the user.
    pub lmtp_user: LmtpUser,
    /// What stands between a user's name and that of a master user who logs in for him.
    pub master_user_separator: Option<char>,
    /// The backends' side.
    pub backend: BackendSettings,
    /// Who may say for whom he speaks: by a PROXY header, by IMAP ID or XCLIENT.
    pub trusted: Arc<[IpNet]>,
    /// Trusted peers begin with a PROXY header.
    pub wants_proxy_header: bool,
    /// Bounds.
    pub limits: ProxyLimits,
}

/// How backends are spoken to.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// Their port.
    pub port: u16,
    /// TLS towards them; none in the clear.
    pub tls: Option<BackendTls>,
    /// They are told who the client is, by IMAP ID or XCLIENT.
    pub tells_origin: bool,
    /// They get a PROXY header.
    pub sends_proxy_header: bool,
}

impl BackendSettings {
    /// Whether TLS starts by the protocol's command.
    pub(super) fn wants_starttls(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_by_command)
    }
}

/// What is too much, and what too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one address at a time.
    pub connections_of_address: usize,
    /// From the connection to the login, in all; by LMTP, for a PROXY header and a TLS handshake before the greeting.
    pub login: Duration,
    /// A connection to a backend, with its TLS.
    pub connect: Duration,
    /// A login at a backend.
    pub backend_login: Duration,
    /// Without a byte either way; longer than the half hour that RFC 3501 gives clients. By LMTP, from one command to the next.
    pub idle: Duration,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        ProxyLimits {
            connections: 50_000,
            connections_of_address: 1_000,
            login: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            backend_login: Duration::from_secs(60),
            idle: Duration::from_secs(35 * 60),
        }
    }
}
