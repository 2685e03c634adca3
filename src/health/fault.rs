//! Why a backend did not stand a check, in words for the log.

use std::fmt;
use std::time::Duration;

/// The longest part of a backend's line that is shown, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

/// Why a backend did not stand a check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeFault {
    /// It can't be connected to.
    Connect {
        /// The system's words.
        why: String,
    },
    /// It did not answer in time.
    Silent {
        /// To what: `connection`, `greeting`, `TLS handshake`, or a command.
        to: &'static str,
        /// How long the whole check may take.
        within: Duration,
    },
    /// It said no, or what no server of the protocol says.
    Refused {
        /// To what.
        to: &'static str,
        /// Its line, escaped and cut.
        said: String,
    },
    /// It closed the connection.
    Closed {
        /// Instead of an answer to what.
        to: &'static str,
    },
    /// It says more than any server has to.
    TooMuch {
        /// In answer to what.
        to: &'static str,
    },
    /// TLS does not come about, or its certificate is not good.
    Tls {
        /// In words.
        why: String,
    },
}

impl ProbeFault {
    pub(super) fn refused(to: &'static str, line: &[u8]) -> Self {
        let shown = &line[..line.len().min(SHOWN_BYTES_MAX)];
        ProbeFault::Refused {
            to,
            said: shown.escape_ascii().to_string(),
        }
    }
}

impl fmt::Display for ProbeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeFault::Connect { why } => write!(f, "cannot connect: {why}"),
            ProbeFault::Silent { to, within } => {
                write!(f, "silent: no answer to {to} within {} ms", within.as_millis())
            }
            ProbeFault::Refused { to, said } => write!(f, "{to} was answered \"{said}\""),
            ProbeFault::Closed { to } => write!(f, "closed the connection instead of answering {to}"),
            ProbeFault::TooMuch { to } => write!(f, "its answer to {to} has no end"),
            ProbeFault::Tls { why } => write!(f, "TLS: {why}"),
        }
    }
}

impl std::error::Error for ProbeFault {}
