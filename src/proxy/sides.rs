//! What the two sides of a login have in common: what they are told, and what they want done.
//!
//! A *front* speaks with the client until he is logged in, a *back* logs him in at the backend. Both are values: bytes come
//! in, bytes go out, and a step says what is to be done. Sockets, TLS and deadlines are left to the engine.

use std::net::SocketAddr;

use super::Credentials;

/// How many times a client may fail to log in on one connection.
pub const FAILURES_MAX: u32 = 5;
/// How many commands a client may send before he is logged in.
pub const COMMANDS_MAX: u32 = 100;

/// What a listener's fronts are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontSettings {
    /// The host's name, in greetings.
    pub host: Box<str>,
    /// What is said in the greeting after the host's name or in its place, as the protocol has it.
    pub greeting: Box<str>,
    /// The protocol's capabilities that are announced before a login, as its own words, besides those that the front adds
    /// by itself: STARTTLS and mechanisms.
    pub capabilities: Vec<Box<str>>,
    /// STARTTLS is offered while there is no TLS.
    pub offers_starttls: bool,
    /// Passwords and tokens are taken without TLS.
    pub allows_cleartext: bool,
    /// XOAUTH2 and OAUTHBEARER are offered.
    pub offers_oauth: bool,
}

/// What a front wants done, once what it has written is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontStep {
    /// More bytes have to come.
    More,
    /// A TLS handshake; then the front is told. What has come beyond the command is thrown away by the engine.
    StartTls,
    /// A login. The front is fed nothing more until it was told what came of it; what the client sends meanwhile waits.
    Login(Credentials),
    /// The end of the connection.
    Close,
}

/// Whom the backend is told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where the client is.
    pub client: SocketAddr,
    /// Where he has connected to.
    pub local: SocketAddr,
    /// Names the session in the logs of both.
    pub session: Box<str>,
    /// Through how many proxies more it may go.
    pub ttl: u8,
    /// What a client of Submission has called himself.
    pub helo: Option<Box<str>>,
    /// Whether he speaks TLS.
    pub is_tls: bool,
}

impl Origin {
    /// The same for the next one on the way; nothing when there have been too many.
    pub(super) fn passed_on(&self) -> Option<Self> {
        let ttl = self.ttl.checked_sub(1)?;
        Some(Origin { ttl, ..self.clone() })
    }
}

/// What a proxy in front of this one says of the client. To be believed only where it comes from a trusted network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Where the client is: address and port.
    pub client: Option<(std::net::IpAddr, u16)>,
    /// Through how many proxies more the session may go.
    pub ttl: Option<u8>,
    /// Its name.
    pub session: Option<Box<str>>,
}

/// What a login at a backend needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackLogin {
    /// Who, and his proof.
    pub credentials: Credentials,
    /// Whom the backend is told about, if it is told.
    pub origin: Option<Origin>,
    /// This host's name.
    pub host: Box<str>,
    /// STARTTLS before anything is said of the user.
    pub wants_starttls: bool,
}

/// What a back wants done, once what it has written is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackStep {
    /// More bytes have to come.
    More,
    /// A TLS handshake; then the back is told.
    StartTls,
    /// The user is in. This is what the backend has said to that, with line ends, as the client is to see it (IMAP: the
    /// untagged responses as they came, then the last line without its tag). What is still unread is the session's.
    Accepted(Vec<u8>),
    /// The backend refuses. This is what it has said, in the same form.
    Rejected(Vec<u8>),
    /// The backend can't be used: for the log, in words.
    Failed(String),
}
