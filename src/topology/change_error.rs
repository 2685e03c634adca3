//! Why a change, or the configuration of a first topology, was refused.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HashFormatError, MemberId, TagId, UserId};

/// Why a change was refused. The draft, and every topology, is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ChangeError {
    /// No backend has this address. Operator's mistake, or another change was faster.
    UnknownBackend {
        /// The address named.
        ip: IpAddr,
    },
    /// A backend has this address already.
    BackendExists {
        /// The address named.
        ip: IpAddr,
    },
    /// No member has this number.
    UnknownMember {
        /// The number named.
        id: MemberId,
    },
    /// A member has this number already.
    MemberExists {
        /// The number named.
        id: MemberId,
    },
    /// A member that neither serves nor votes has nothing to do in a ring.
    MemberWithoutDuty {
        /// Its number.
        id: MemberId,
    },
    /// The topology has no tag with this number.
    UnknownTag {
        /// The tag named.
        tag: TagId,
    },
    /// A weight is too large.
    VhostsOutOfRange {
        /// The weight named.
        vhosts: u32,
        /// The largest allowed.
        max: u32,
    },
    /// Probes fail no backend that an operator has taken down.
    BackendIsDown {
        /// Its address.
        ip: IpAddr,
    },
    /// The brake: too many backends of the tag would be failed by probes. It passes when others recover.
    Braked {
        /// The backend that stays in service.
        ip: IpAddr,
        /// How many of its tag would be failed.
        failed: usize,
        /// How many of its tag are up.
        up: usize,
        /// The largest share allowed, in thousandths.
        max_per_mille: u32,
    },
    /// No other backend of the tag could take the users, so probes leave this one in service.
    LastWorkingBackend {
        /// Its address.
        ip: IpAddr,
    },
    /// The brake's share is larger than the whole. Fault of the configuration.
    BrakeOutOfRange {
        /// The share named, in thousandths.
        per_mille: u32,
        /// The largest allowed.
        max: u32,
    },
    /// A drain would move too many users at a time, or none.
    DrainRateOutOfRange {
        /// The rate named, users a second.
        per_second: u32,
        /// The largest allowed; the least is 1.
        max: u32,
    },
    /// A drain's deadline lies before its order, or too far behind.
    DrainSpanOutOfRange {
        /// The time named.
        span: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// Users would be left on failed backends too long. Fault of the configuration.
    EvictAfterOutOfRange {
        /// The time named.
        evict_after: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// A topology needs a backend. Fault of the configuration.
    NoBackends,
    /// A topology needs a voter. Fault of the configuration.
    NoVoter,
    /// A topology needs a member that serves. Fault of the configuration.
    NoDirector,
    /// The only backend cannot be removed.
    LastBackend,
    /// The only voter cannot be removed.
    LastVoter,
    /// The only member that serves cannot be removed.
    LastDirector,
    /// A topology holds only so many of these.
    TooMany {
        /// Of what.
        what: Counted,
        /// The most allowed.
        limit: usize,
    },
    /// A tag's name is too long.
    TagTooLong {
        /// Its length.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// A tag's name holds a control character or an `@`.
    BadTag {
        /// The name.
        tag: Box<str>,
    },
    /// A hostname is too long.
    HostnameTooLong {
        /// Its length.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// A hostname is empty or holds white space or control characters.
    BadHostname {
        /// The name.
        hostname: Box<str>,
    },
    /// The user has no pin to take away.
    NoSuchPin {
        /// The user named.
        user: UserId,
    },
    /// A lease is too short or too long.
    LeaseOutOfRange {
        /// The lease named.
        lease: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// Users would be remembered too briefly or too long.
    UserExpireOutOfRange {
        /// The time named.
        user_expire: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// The assumed clock drift is too large.
    DriftOutOfRange {
        /// The drift named, in parts per million.
        drift_ppm: u32,
        /// The largest allowed.
        max: u32,
    },
    /// `director_username_hash` can't be understood.
    HashFormat(HashFormatError),
    /// One round adds or removes one voter; the next may come in the round after. Replacing a voter
    /// takes two rounds.
    OneVoterPerRound,
    /// A batch without a change, or a release without a user.
    NothingNamed,
    /// Another member has this address already.
    AddressTaken {
        /// The address named.
        address: SocketAddr,
    },
}

/// What a topology holds a limited number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Counted {
    /// Members of the ring.
    Members,
    /// Backends.
    Backends,
    /// Virtual hosts of all backends together.
    Vhosts,
    /// Tags that were ever named.
    Tags,
    /// Pins.
    Pins,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Counted::Members => "members",
            Counted::Backends => "backends",
            Counted::Vhosts => "vhosts in total",
            Counted::Tags => "tags",
            Counted::Pins => "pins",
        })
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::UnknownBackend { ip } => write!(f, "no backend has the address {ip}"),
            ChangeError::BackendExists { ip } => write!(f, "a backend has the address {ip} already"),
            ChangeError::UnknownMember { id } => write!(f, "{id} is not in the ring"),
            ChangeError::MemberExists { id } => write!(f, "{id} is in the ring already"),
            ChangeError::MemberWithoutDuty { id } => write!(f, "{id} would neither serve nor vote"),
            ChangeError::UnknownTag { tag } => write!(f, "{tag} does not exist"),
            ChangeError::VhostsOutOfRange { vhosts, max } => write!(f, "{vhosts} vhosts are more than {max}"),
            ChangeError::BackendIsDown { ip } => write!(f, "{ip} is down already, by an operator"),
            ChangeError::Braked {
                ip,
                failed,
                up,
                max_per_mille,
            } => write!(
                f,
                "with {ip}, {failed} of {up} backends of its tag would be failed, more than {max_per_mille} per mille"
            ),
            ChangeError::LastWorkingBackend { ip } => {
                write!(f, "no other backend of its tag could take the users of {ip}")
            }
            ChangeError::DrainRateOutOfRange { per_second, max } => {
                write!(
                    f,
                    "a drain of {per_second} users a second is not within 1 to {max}"
                )
            }
            ChangeError::DrainSpanOutOfRange { span, max } => {
                write!(f, "a deadline after {span:?} is not within 0 to {max:?}")
            }
            ChangeError::BrakeOutOfRange { per_mille, max } => {
                write!(f, "a brake of {per_mille} per mille is more than {max}")
            }
            ChangeError::EvictAfterOutOfRange { evict_after, max } => {
                write!(
                    f,
                    "a wait of {evict_after:?} before users are moved is more than {max:?}"
                )
            }
            ChangeError::NoBackends => f.write_str("there is no backend"),
            ChangeError::NoVoter => f.write_str("no member votes"),
            ChangeError::NoDirector => f.write_str("no member serves logins"),
            ChangeError::LastBackend => f.write_str("the only backend can't be removed"),
            ChangeError::LastVoter => f.write_str("the only voter can't be removed"),
            ChangeError::LastDirector => f.write_str("the only director can't be removed"),
            ChangeError::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            ChangeError::TagTooLong { bytes, max } => {
                write!(f, "a tag of {bytes} bytes is longer than {max}")
            }
            ChangeError::BadTag { tag } => write!(f, "the tag {tag:?} holds a control character or an @"),
            ChangeError::HostnameTooLong { bytes, max } => {
                write!(f, "a hostname of {bytes} bytes is longer than {max}")
            }
            ChangeError::BadHostname { hostname } => {
                write!(
                    f,
                    "the hostname {hostname:?} is empty or holds white space or control characters"
                )
            }
            ChangeError::NoSuchPin { user } => write!(f, "user {user} has no pin"),
            ChangeError::LeaseOutOfRange { lease, min, max } => {
                write!(f, "a lease of {lease:?} is not within {min:?} to {max:?}")
            }
            ChangeError::UserExpireOutOfRange {
                user_expire,
                min,
                max,
            } => {
                write!(
                    f,
                    "a user_expire of {user_expire:?} is not within {min:?} to {max:?}"
                )
            }
            ChangeError::DriftOutOfRange { drift_ppm, max } => {
                write!(f, "a clock drift of {drift_ppm} ppm is more than {max}")
            }
            ChangeError::HashFormat(error) => write!(f, "director_username_hash: {error}"),
            ChangeError::AddressTaken { address } => {
                write!(f, "another member has the address {address} already")
            }
            ChangeError::OneVoterPerRound => {
                f.write_str("a round adds or removes at most 1 voter, this would be the second")
            }
            ChangeError::NothingNamed => f.write_str("nothing to change was named"),
        }
    }
}

impl Error for ChangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ChangeError::HashFormat(error) => Some(error),
            _ => None,
        }
    }
}

impl From<HashFormatError> for ChangeError {
    fn from(error: HashFormatError) -> Self {
        ChangeError::HashFormat(error)
    }
}
