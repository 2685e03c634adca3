//! What a member is started with, what it tells its guard, how it ended, and why it could not start.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::config::MemberSpec;
use crate::director;
use crate::dovecot::{FlushSettings, KickBy, MarksHash};
use crate::health::ProberSettings;
use crate::lookups::LookupSettings;
use crate::proxy::ProxySettings;
use crate::ring::{RingError, RingSettings};
use crate::topology::HashFormat;
use crate::world::{Address, Instant, Listen, StorageError};

/// What a member is started with.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The machine's.
    pub machine: director::Settings,
    /// The operator orders a member with an empty state folder to be a voter of epoch 0.
    pub is_bootstrap: bool,
    /// The links to other members, and where they come in; none for a ring of one. The boot in it is replaced.
    pub ring: Option<RingPart>,
    /// How names become keys: `director_username_hash`.
    pub format: HashFormat,
    /// What stands between a user's name and that of a master user.
    pub master_user_separator: Option<u8>,
    /// By which service of Dovecot sessions are closed, and its socket.
    pub kick: Option<(KickBy, Address)>,
    /// `director_user_kick_delay`.
    pub kick_delay: Duration,
    /// What is told before a user who was moved is let in again.
    pub flush: Option<FlushSettings>,
    /// All members with their addresses, for admins' eyes.
    pub members: Arc<[MemberSpec]>,
    /// Told of every lease: whoever closes the sessions when this process can't.
    pub guard: Option<UnboundedSender<LeaseNote>>,
    /// What each backend is asked, again and again.
    pub probes: Option<ProberSettings>,
    /// The doors to Dovecot and to admins.
    pub doors: Vec<DoorSettings>,
    /// The doors to those who look users up.
    pub lookups: Vec<LookupSettings>,
    /// The proxies of its own.
    pub proxies: Vec<ProxySettings>,
    /// Whether there is a process with this number.
    pub is_running: fn(i32) -> bool,
}

impl NodeSettings {
    /// Whether there are doors of programs whose sessions outlive this process.
    pub(super) fn has_lasting_sessions(&self) -> bool {
        let is_admin = |door: &DoorSettings| matches!(door, DoorSettings::Admin { .. });
        !self.doors.iter().all(is_admin) || !self.lookups.is_empty()
    }

    pub(super) fn marks_hash(&self) -> MarksHash {
        match self.kick {
            None => MarksHash::Never,
            Some((KickBy::Ipc, _)) => MarksHash::WhenRenamed,
            Some((KickBy::Anvil, _)) => MarksHash::Always,
        }
    }
}

/// Links to other members.
#[derive(Clone, Debug)]
pub struct RingPart {
    /// Where neighbours connect to.
    pub listen: Listen,
    /// Who they are.
    pub settings: RingSettings,
}

/// One door.
#[derive(Clone, Debug)]
pub enum DoorSettings {
    /// Login processes; with the auth server's socket.
    Login {
        /// Where.
        listen: Listen,
        /// The auth server's `auth-login`.
        auth: Address,
    },
    /// LMTP and doveadm; with the auth server's socket.
    Userdb {
        /// Where.
        listen: Listen,
        /// The auth server's `auth-userdb`.
        auth: Address,
    },
    /// Front ends with replies of their own.
    Authreply {
        /// Where.
        listen: Listen,
    },
    /// Login processes that report users: a FIFO for a path, else a socket.
    Notify {
        /// Where.
        listen: Listen,
    },
    /// `doveadm director`.
    Admin {
        /// Where.
        listen: Listen,
    },
}

impl DoorSettings {
    /// As the configuration writes its kind.
    pub(super) fn name(&self) -> &'static str {
        match self {
            DoorSettings::Login { .. } => "login",
            DoorSettings::Userdb { .. } => "userdb",
            DoorSettings::Authreply { .. } => "authreply",
            DoorSettings::Notify { .. } => "notify",
            DoorSettings::Admin { .. } => "admin",
        }
    }

    /// Where it is.
    pub fn listen(&self) -> &Listen {
        match self {
            DoorSettings::Login { listen, .. }
            | DoorSettings::Userdb { listen, .. }
            | DoorSettings::Authreply { listen }
            | DoorSettings::Notify { listen }
            | DoorSettings::Admin { listen } => listen,
        }
    }
}

/// What a guard beside this process has to know: until when sessions may go on without a word from here, and where
/// they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseNote {
    /// The end of the lease that doors may use; what is left of the lease itself is for closing.
    pub until: Instant,
    /// Every backend.
    pub backends: Vec<IpAddr>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Another process is the member now.
    HandedOver,
    /// The machine stopped itself: its state folder belongs to somebody else.
    Halted,
    /// The task that owns the machine is gone; its panic is in the log.
    Broken,
}

/// Why a member could not start. Nothing was served and nothing on disk was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The state folder can't be read, or is damaged, or another process has it.
    Storage(StorageError),
    /// The record in the state folder can't be understood.
    Record {
        /// What is wrong with it.
        why: String,
    },
    /// A socket could not be opened.
    Socket {
        /// Which.
        at: Address,
        /// Why.
        error: io::Error,
    },
    /// The links can't be made.
    Ring(RingError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Storage(error) => write!(f, "{error}"),
            StartError::Record { why } => write!(
                f,
                "the record in the state folder can't be understood: {why}; if it is lost for good, empty the folder and \
                 start again: the ring will give this member a new seat"
            ),
            StartError::Socket { at, error } => write!(f, "cannot listen at {at}: {error}"),
            StartError::Ring(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        StartError::Storage(error)
    }
}

impl From<RingError> for StartError {
    fn from(error: RingError) -> Self {
        StartError::Ring(error)
    }
}
