//! What `[health]` says: which checks a backend has to stand, and what is done with one that does not.

use std::path::PathBuf;
use std::time::Duration;

use crate::topology::HealthPolicy;

/// Between two probes of one backend.
pub const PROBE_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// The longest such pause.
pub const PROBE_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// The shortest.
pub const PROBE_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// How long one probe may take.
pub const PROBE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// The longest that it may take.
pub const PROBE_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// The shortest that it may be given.
pub const PROBE_TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Failures in a row that make a backend failing.
pub const FALL_DEFAULT: u32 = 3;
/// Successes in a row that make it work again.
pub const RISE_DEFAULT: u32 = 2;
/// The highest of both thresholds.
pub const THRESHOLD_MAX: u32 = 100;
/// The most checks.
pub const CHECKS_MAX: usize = 16;

/// Probes, and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// Between two probes of one backend by one check.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Failures in a row that make a backend failing; 1 to [`THRESHOLD_MAX`].
    pub fall: u32,
    /// Successes in a row that make it work again; 1 to [`THRESHOLD_MAX`].
    pub rise: u32,
    /// What the whole ring does about failing backends.
    pub policy: HealthPolicy,
    /// What is probed; nothing by default.
    pub checks: Vec<CheckSpec>,
}

impl Default for HealthSpec {
    fn default() -> Self {
        HealthSpec {
            interval: PROBE_INTERVAL_DEFAULT,
            timeout: PROBE_TIMEOUT_DEFAULT,
            fall: FALL_DEFAULT,
            rise: RISE_DEFAULT,
            policy: HealthPolicy::default(),
            checks: Vec::new(),
        }
    }
}

/// One check that every backend has to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// What is spoken.
    pub protocol: Protocol,
    /// At which port.
    pub port: u16,
    /// Whether by TLS.
    pub tls: TlsUse,
    /// Who signs the backends' certificates; any certificate will do without it.
    pub ca: Option<PathBuf>,
    /// The name that certificates must have; by default the backend's address.
    pub tls_name: Option<Box<str>>,
    /// As whom it is logged in.
    pub account: Option<AccountSpec>,
    /// To whom mail is offered.
    pub recipient: Option<Box<str>>,
}

/// An account for probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSpec {
    /// Its name.
    pub user: Box<str>,
    /// Whose first line is its password.
    pub password_file: PathBuf,
}

/// What a check speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing: a connection is enough.
    Tcp,
    /// IMAP, RFC 9051.
    Imap,
    /// POP3, RFC 1939.
    Pop3,
    /// LMTP, RFC 2033.
    Lmtp,
    /// Submission, RFC 6409.
    Submission,
    /// ManageSieve, RFC 5804.
    Sieve,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 6] = [
        Protocol::Tcp,
        Protocol::Imap,
        Protocol::Pop3,
        Protocol::Lmtp,
        Protocol::Submission,
        Protocol::Sieve,
    ];

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Imap => "imap",
            Protocol::Pop3 => "pop3",
            Protocol::Lmtp => "lmtp",
            Protocol::Submission => "submission",
            Protocol::Sieve => "sieve",
        }
    }

    /// Its registered port; of the one with TLS from the start if so wanted. None where there is none.
    pub const fn usual_port(self, tls: TlsUse) -> Option<u16> {
        match (self, tls) {
            (Protocol::Imap, TlsUse::Tls) => Some(993),
            (Protocol::Imap, _) => Some(143),
            (Protocol::Pop3, TlsUse::Tls) => Some(995),
            (Protocol::Pop3, _) => Some(110),
            (Protocol::Submission, TlsUse::Tls) => Some(465),
            (Protocol::Submission, _) => Some(587),
            (Protocol::Lmtp, TlsUse::No | TlsUse::StartTls) => Some(24),
            (Protocol::Sieve, TlsUse::No | TlsUse::StartTls) => Some(4190),
            (Protocol::Tcp | Protocol::Lmtp | Protocol::Sieve, _) => None,
        }
    }

    /// Whether an account can log in.
    pub const fn has_login(self) -> bool {
        !matches!(self, Protocol::Tcp | Protocol::Lmtp)
    }
}

/// Whether TLS is used, and when it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsUse {
    /// It does not.
    #[default]
    No,
    /// After the command for it.
    StartTls,
    /// From the first byte.
    Tls,
}

impl TlsUse {
    /// All of them.
    pub const ALL: [TlsUse; 3] = [TlsUse::No, TlsUse::StartTls, TlsUse::Tls];

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            TlsUse::No => "no",
            TlsUse::StartTls => "starttls",
            TlsUse::Tls => "tls",
        }
    }
}
