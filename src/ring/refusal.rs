//! Why two members do not link.

use std::fmt;

use super::event::Difference;
use crate::topology::MemberId;

/// Why a connection did not become a link. In every case the ring goes on without it and the dialling side tries again;
/// `here` is this process, `there` the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody could be connected to. The network's matter, or the process there is down.
    Unreachable {
        /// In the system's words.
        why: String,
    },
    /// The other closed, or said nothing in time. Passes when it is up again.
    Broken {
        /// What was being waited for, and what came instead.
        why: String,
    },
    /// TLS failed: a certificate of another CA, for another member, out of date, or no TLS there at all.
    Tls {
        /// In words.
        why: String,
    },
    /// The certificate is good, but another member's. The other's `ring.certificate` is wrong, or its number.
    Certificate {
        /// Whom it says it is.
        said: MemberId,
        /// The name that its certificate lacks.
        name: String,
    },
    /// Something else than a member answers.
    NotAMember {
        /// How it began.
        said: String,
    },
    /// No version of the protocol is spoken by both: the releases are too far apart.
    Version {
        /// Lowest and highest here.
        here: (u16, u16),
        /// Lowest and highest there.
        there: (u16, u16),
    },
    /// The other is of another cluster.
    Cluster {
        /// This one's.
        here: String,
        /// The other's.
        there: String,
    },
    /// The other is not the one at whose address it answers: the lists of members differ.
    Another {
        /// Who was expected.
        expected: MemberId,
        /// Who answers.
        said: MemberId,
    },
    /// The other's number is not among the members here.
    Unknown {
        /// Whom it says it is.
        said: MemberId,
    },
    /// The other has this member's number: two processes with one number, or an address of its own among the others'.
    Myself {
        /// The number.
        me: MemberId,
    },
    /// Settings that must be the same in the whole ring are not.
    Settings {
        /// Setting by setting.
        differences: Vec<Difference>,
    },
    /// The greeting can't be understood.
    Malformed {
        /// What was wrong with it.
        why: String,
    },
    /// The other refused, for this reason in its own words.
    ByOther {
        /// The reason.
        why: String,
    },
    /// More connections are greeting than may.
    Crowded {
        /// How many may.
        limit: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unreachable { why } => write!(f, "can't connect: {why}"),
            Refusal::Broken { why } => f.write_str(why),
            Refusal::Tls { why } => write!(f, "TLS failed: {why}"),
            Refusal::Certificate { said, name } => write!(
                f,
                "it says it is {said}, but its certificate is not for {name}; see ring.certificate there"
            ),
            Refusal::NotAMember { said } => {
                write!(f, "it does not speak the ring's protocol, it began with {said}")
            }
            Refusal::Version { here, there } => write!(
                f,
                "no common version of the ring's protocol: {} to {} here, {} to {} there; upgrade release by release",
                here.0, here.1, there.0, there.1
            ),
            Refusal::Cluster { here, there } => {
                write!(f, "the setting cluster is \"{here}\" here, \"{there}\" there")
            }
            Refusal::Another { expected, said } => {
                write!(
                    f,
                    "it answers as {said}, expected was {expected}: the lists of members differ"
                )
            }
            Refusal::Unknown { said } => {
                write!(f, "it says it is {said}, which is not among the members here")
            }
            Refusal::Myself { me } => write!(
                f,
                "it says it is {me}, as this process is: another process runs with this number, or an address is wrong"
            ),
            Refusal::Settings { differences } => {
                for (index, difference) in differences.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "; " };
                    write!(f, "{comma}the setting {difference}")?;
                }
                Ok(())
            }
            Refusal::Malformed { why } => write!(f, "its greeting can't be understood: {why}"),
            Refusal::ByOther { why } => write!(f, "the other side refuses: {why}"),
            Refusal::Crowded { limit } => {
                write!(f, "{limit} connections are already greeting, more are not let in")
            }
        }
    }
}

impl std::error::Error for Refusal {}
