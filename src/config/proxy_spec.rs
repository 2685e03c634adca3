//! What `[[proxy]]` says: where clients of which protocol log in, and how their sessions go on to the backends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::{LmtpUser, TlsUse};

/// The most proxies of one process.
pub const PROXIES_MAX: usize = 64;
/// Connections at a time.
pub const PROXY_CONNECTIONS_DEFAULT: u32 = 50_000;
/// The most.
pub const PROXY_CONNECTIONS_MAX: u32 = 1_000_000;
/// Connections of one address at a time. A household, an office or a provider's gateway is one.
pub const OF_ADDRESS_DEFAULT: u32 = 1_000;
/// From the connection to the login.
pub const LOGIN_WITHIN_DEFAULT: Duration = Duration::from_secs(60);
/// The longest time for that, and the shortest.
pub const LOGIN_WITHIN_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
/// Without a byte either way: more than the half hour after which RFC 9051 lets a server end a session.
pub const IDLE_DEFAULT: Duration = Duration::from_secs(35 * 60);
/// The same for LMTP: from one command to the next (RFC 5321, section 4.5.3.2.7).
pub const LMTP_IDLE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The longest such time, and the shortest.
pub const IDLE_RANGE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3_600));

/// A place where clients log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySpec {
    /// What they speak.
    pub protocol: ProxyProtocol,
    /// Where they connect to.
    pub address: SocketAddr,
    /// Whether they use TLS.
    pub tls: TlsUse,
    /// Certificates with their keys, PEM files; the first is shown to who asks for no name.
    pub certificates: Vec<(PathBuf, PathBuf)>,
    /// Passwords are taken without TLS.
    pub cleartext: bool,
    /// XOAUTH2 and OAUTHBEARER are offered.
    pub oauth: bool,
    /// The host's name in greetings; that of the machine when there is none.
    pub host: Option<Box<str>>,
    /// The words of the greeting.
    pub greeting: Box<str>,
    /// What is announced before a login.
    pub capabilities: Vec<Box<str>>,
    /// Who verifies their passwords.
    pub verifier: VerifierSpec,
    /// The tag of the backends that may serve them; empty by default.
    pub tag: Box<str>,
    /// For LMTP: which part of a recipient's address is the user.
    pub lmtp_user: LmtpUser,
    /// Who may say for whom he speaks.
    pub trusted: Vec<IpNet>,
    /// Trusted peers begin with a PROXY header.
    pub proxy_header: bool,
    /// Connections at a time.
    pub connections_max: u32,
    /// Connections of one address at a time.
    pub connections_of_address_max: u32,
    /// From the connection to the login.
    pub login_within: Duration,
    /// Without a byte either way.
    pub idle: Duration,
    /// The backends' port.
    pub backend_port: u16,
    /// Whether TLS is used towards them.
    pub backend_tls: TlsUse,
    /// Who signs their certificates, a PEM file; any will do without it.
    pub backend_ca: Option<PathBuf>,
    /// The name that certificates of backends without a name must have; by default the backend's address.
    pub backend_tls_name: Option<Box<str>>,
    /// Backends are told by IMAP ID or XCLIENT who the client is.
    pub backend_origin: bool,
    /// Backends get a PROXY header.
    pub backend_proxy_header: bool,
}

/// Who verifies the passwords of a proxy's clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VerifierSpec {
    /// The backend, at the login there.
    #[default]
    Backend,
    /// A passwd-file of Dovecot's form.
    PasswdFile(PathBuf),
    /// Dovecot's auth server, by its `auth-client` socket.
    AuthSocket(PathBuf),
}

/// What clients of a proxy speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyProtocol {
    /// RFC 9051 and its forerunner.
    Imap,
    /// RFC 1939.
    Pop3,
    /// ManageSieve, RFC 5804.
    Sieve,
    /// RFC 6409.
    Submission,
    /// RFC 2033: mail servers deliver, nobody logs in.
    Lmtp,
}

impl ProxyProtocol {
    /// All of them.
    pub const ALL: [ProxyProtocol; 5] = [
        ProxyProtocol::Imap,
        ProxyProtocol::Pop3,
        ProxyProtocol::Sieve,
        ProxyProtocol::Submission,
        ProxyProtocol::Lmtp,
    ];

    /// As configuration and logs have it.
    pub const fn name(self) -> &'static str {
        match self {
            ProxyProtocol::Imap => "imap",
            ProxyProtocol::Pop3 => "pop3",
            ProxyProtocol::Sieve => "sieve",
            ProxyProtocol::Submission => "submission",
            ProxyProtocol::Lmtp => "lmtp",
        }
    }

    /// Its registered port; of the one with TLS from the start if so wanted. None where there is none.
    pub const fn usual_port(self, tls: TlsUse) -> Option<u16> {
        match (self, tls) {
            (ProxyProtocol::Imap, TlsUse::Tls) => Some(993),
            (ProxyProtocol::Imap, _) => Some(143),
            (ProxyProtocol::Pop3, TlsUse::Tls) => Some(995),
            (ProxyProtocol::Pop3, _) => Some(110),
            (ProxyProtocol::Sieve, TlsUse::Tls) => None,
            (ProxyProtocol::Sieve, _) => Some(4190),
            (ProxyProtocol::Submission, TlsUse::Tls) => Some(465),
            (ProxyProtocol::Submission, _) => Some(587),
            (ProxyProtocol::Lmtp, TlsUse::Tls) => None,
            (ProxyProtocol::Lmtp, _) => Some(24),
        }
    }

    /// What is announced before a login unless the configuration says otherwise: what every backend of today has.
    pub fn usual_capabilities(self) -> Vec<Box<str>> {
        let lines: &[&str] = match self {
            ProxyProtocol::Imap => &[
                "IMAP4rev1",
                "SASL-IR",
                "LOGIN-REFERRALS",
                "ID",
                "ENABLE",
                "IDLE",
                "LITERAL+",
            ],
            ProxyProtocol::Pop3 => &[
                "CAPA",
                "TOP",
                "UIDL",
                "RESP-CODES",
                "PIPELINING",
                "AUTH-RESP-CODE",
            ],
            ProxyProtocol::Sieve => &[
                "\"IMPLEMENTATION\" \"maildirector\"",
                "\"SIEVE\" \"fileinto reject envelope encoded-character vacation subaddress comparator-i;ascii-numeric \
                 relational regex imap4flags copy include variables body enotify environment mailbox date index ihave \
                 duplicate mime foreverypart extracttext\"",
                "\"NOTIFY\" \"mailto\"",
                "\"VERSION\" \"1.0\"",
            ],
            ProxyProtocol::Submission => &[
                "8BITMIME",
                "ENHANCEDSTATUSCODES",
                "PIPELINING",
                "CHUNKING",
                "SIZE",
            ],
            ProxyProtocol::Lmtp => &["8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING"],
        };
        lines.iter().map(|line| Box::from(*line)).collect()
    }
}
