//! What a configuration file says, checked as far as that goes without resolving names.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::flush_hook::FlushHook;
use super::{BackendSpec, Fault, HealthSpec, Listener, ProxySpec, ServerSpec};
use crate::topology::{HashFormat, MemberId};

use super::complaint::Complaint;
use super::members::MemberRole;

/// The name of a ring that was given none.
pub const CLUSTER_DEFAULT: &str = "mail";
/// The longest name of a ring, in bytes: it is a label in the names of certificates.
pub const CLUSTER_BYTES_MAX: usize = 63;
/// How names become hashes unless the configuration says otherwise, as in Dovecot.
pub const HASH_FORMAT_DEFAULT: &str = "%Lu";
/// The wait between closing a user's sessions and letting him in elsewhere, as in Dovecot.
pub const USER_KICK_DELAY_DEFAULT: Duration = Duration::from_secs(2);
/// The longest such wait.
pub const USER_KICK_DELAY_MAX: Duration = Duration::from_secs(600);
/// How long a flush hook may take: as long as Dovecot waits for a connection to one.
pub const FLUSH_WAIT_DEFAULT: Duration = Duration::from_secs(10);
/// The longest that it may take. Logins wait meanwhile, and none waits longer than 30 s.
pub const FLUSH_WAIT_MAX: Duration = Duration::from_secs(25);
/// The longest that a process may go on for the sake of its sessions when it is told to stop.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The longest `upgrade_wait`.
pub const UPGRADE_WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// What `upgrade_wait` is when nothing is said.
pub const UPGRADE_WAIT_USUAL: Duration = Duration::from_secs(24 * 3_600);
/// The lease that suits most rings.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(10);
/// The bound on clock rates, in parts per million, which no setting changes.
pub const DRIFT_PPM: u32 = 10_000;
/// How long users stay on their backend, as in Dovecot.
pub const USER_EXPIRE_DEFAULT: Duration = Duration::from_secs(15 * 60);
/// The ring's port, as in Dovecot's documentation.
pub const RING_PORT_DEFAULT: u16 = 9090;
/// The weight of backends that `director_mail_servers` names, as in Dovecot.
pub const VHOSTS_DEFAULT: u32 = 100;
/// Where a member keeps what it must not forget.
pub const STATE_FOLDER_DEFAULT: &str = "/var/lib/maildirector";
/// Dovecot's base_dir.
pub const DOVECOT_BASE_DIR_DEFAULT: &str = "/run/dovecot";

/// A value with the line that it stands on; 1 for a default. Two are equal when the values are.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// What is written.
    pub value: T,
    /// Where, counted from 1.
    pub line: usize,
}

impl<T> Written<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Written<U> {
        Written {
            value: f(self.value),
            line: self.line,
        }
    }

    pub(super) fn unwritten(value: T) -> Self {
        Written { value, line: 1 }
    }
}

impl<T: PartialEq> PartialEq for Written<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Written<T> {}

/// A whole configuration. Every value is within its range; names are not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file, as the caller named it, for later faults.
    pub file: Box<str>,
    /// The name of the ring: certificates and links of other rings are refused by it.
    pub cluster: Box<str>,
    /// Who is in the ring.
    pub members: Written<MemberList>,
    /// The backends of the first topology; never empty.
    pub mail_servers: Written<Vec<BackendSpec>>,
    /// `director_username_hash`.
    pub username_hash: HashFormat,
    /// `director_user_expire`: how long a user stays on his backend after his last session.
    pub user_expire: Duration,
    /// `director_user_kick_delay`: between a kick and a login elsewhere.
    pub user_kick_delay: Duration,
    /// `director_flush_socket`: whom to tell before a user who was moved is let in again.
    pub flush_hook: Option<FlushHook>,
    /// How long that may take.
    pub flush_wait: Duration,
    /// A name is cut here before it is hashed: what follows is a master user's.
    pub master_user_separator: Option<char>,
    /// What to do without a majority.
    pub partition: Partition,
    /// How long a director may serve after a majority answered it.
    pub lease: Duration,
    /// Where this member keeps what it must not forget; absolute.
    pub state_folder: PathBuf,
    /// Dovecot's base_dir; absolute.
    pub dovecot_base_dir: PathBuf,
    /// How sessions in Dovecot's login processes are closed.
    pub kick: KickBy,
    /// How long sessions at proxies of its own may go on when the process is told to stop.
    pub stop_wait: Duration,
    /// How long sessions at proxies of its own may go on in a process that has handed over to a new one.
    pub upgrade_wait: Duration,
    /// The user to become after start.
    pub user: Option<Box<str>>,
    /// The group to become after start.
    pub group: Option<Box<str>>,
    /// This member's end of the ring.
    pub ring: RingSettings,
    /// How backends are probed, and what follows.
    pub health: HealthSpec,
    /// The doors; no two at one place.
    pub listeners: Vec<Listener>,
    /// Where clients log in at this member itself; no two at one address.
    pub proxies: Vec<ProxySpec>,
}

/// Who is in the ring, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberList {
    /// Nobody is named: this process is alone.
    Alone,
    /// `director_servers` and `witnesses`: numbered by address.
    Listed {
        /// They serve and vote.
        directors: Vec<ServerSpec>,
        /// They only vote.
        witnesses: Written<Vec<ServerSpec>>,
    },
    /// `[[member]]` tables, with their numbers.
    Numbered(Vec<Written<NumberedMember>>),
}

/// One `[[member]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedMember {
    /// Its number.
    pub id: MemberId,
    /// Where it is.
    pub server: ServerSpec,
    /// What it does.
    pub role: MemberRole,
}

/// What to do while no majority of voters answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partition {
    /// Serve nobody; no user is ever split.
    #[default]
    Consistent,
    /// Go on by the last topology; users that a change moved meanwhile may be split until the ring heals.
    Available,
}

impl Partition {
    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Partition::Consistent => "consistent",
            Partition::Available => "available",
        }
    }
}

/// How sessions in Dovecot's login processes are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KickBy {
    /// By the ipc service of Dovecot 2.3.
    #[default]
    Ipc,
    /// By the anvil service of Dovecot 2.4.
    Anvil,
    /// Not at all: nothing behind this director keeps sessions.
    None,
}

/// How long the kick service may take for the first of its two rounds, beside `director_user_kick_delay`.
const KICK_ROUND: Duration = Duration::from_secs(1);

impl KickBy {
    pub(super) fn close_bound(self, user_kick_delay: Duration) -> Duration {
        match self {
            KickBy::Ipc | KickBy::Anvil => user_kick_delay + KICK_ROUND,
            KickBy::None => Duration::ZERO,
        }
    }

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            KickBy::Ipc => "ipc",
            KickBy::Anvil => "anvil",
            KickBy::None => "none",
        }
    }
}

/// This member's end of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSettings {
    /// Where neighbours connect to, when it is written; an unspecified IP listens on all. Else the member's own
    /// address.
    pub listen: Option<Written<SocketAddr>>,
    /// By which address the others know this member, when that is not what it listens on.
    pub address: Option<Written<SocketAddr>>,
    /// How links are authenticated. None is enough for a ring of one.
    pub security: Option<RingSecurity>,
}

/// How links of the ring are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingSecurity {
    /// Mutual TLS; PEM files, absolute paths.
    Tls {
        /// Who signs the members' certificates.
        ca: PathBuf,
        /// This member's certificate.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// Not at all: whoever reaches the port is believed.
    Insecure,
}

impl Config {
    /// The longest that closing all sessions takes: it is taken off the usable part of each lease.
    pub fn close_bound(&self) -> Duration {
        self.kick.close_bound(self.user_kick_delay)
    }

    /// The port of members whose entry names none: that of this process.
    pub fn ring_port(&self) -> u16 {
        let written = self.ring.address.as_ref().or(self.ring.listen.as_ref());
        written.map_or(RING_PORT_DEFAULT, |written| written.value.port())
    }

    pub(super) fn fault(&self, line: usize, key: &str, complaint: Complaint) -> Fault {
        Fault {
            file: self.file.clone(),
            line,
            key: key.into(),
            message: complaint.message.into(),
            hint: complaint.hint.map(Into::into),
        }
    }
}
