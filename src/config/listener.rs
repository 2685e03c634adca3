//! The doors that the daemon opens to Dovecot and to admins: their kinds, places and defaults.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{LmtpUser, UserDomains};

/// The longest path of a Unix socket, in bytes: `sun_path` without its closing zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Who is expected.
    pub kind: ListenerKind,
    /// Where it is.
    pub place: Place,
    /// The access bits of its path, 0o001 to 0o777; nothing for an address.
    pub mode: u32,
    /// The user that owns the path; that of the process when there is none.
    pub owner: Option<Box<str>>,
    /// The group of the path; that of the process when there is none.
    pub group: Option<Box<str>>,
    /// The auth server's socket behind a `login` or `userdb` door; nothing for others.
    pub upstream: Option<PathBuf>,
    /// What a `socketmap` door answers with; nothing for others.
    pub transport: Option<TransportSpec>,
}

/// Whose mail Postfix sends to backends, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSpec {
    /// Whose recipients are ours.
    pub domains: UserDomains,
    /// Which part of a recipient's address is the user.
    pub lmtp_user: LmtpUser,
    /// The tag of the backends that may serve them; empty by default.
    pub tag: Box<str>,
    /// The backends' port for LMTP.
    pub backend_port: u16,
}

/// Where a door is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A Unix socket, or for `notify` a FIFO, at this absolute path.
    Path(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// Who is expected at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenerKind {
    /// Login processes, which speak to the auth server through it.
    Login,
    /// LMTP and doveadm, which ask the auth server's user database through it.
    Userdb,
    /// Front ends that want their own auth replies completed.
    Authreply,
    /// Login processes that say that their users are still there; a FIFO.
    Notify,
    /// `doveadm director`.
    Admin,
    /// Programs, nginx and monitors, by HTTP.
    Http,
    /// Postfix, which asks by which transport a recipient's mail goes.
    Socketmap,
}

impl ListenerKind {
    /// Every kind.
    pub const ALL: [ListenerKind; 7] = [
        ListenerKind::Login,
        ListenerKind::Userdb,
        ListenerKind::Authreply,
        ListenerKind::Notify,
        ListenerKind::Admin,
        ListenerKind::Http,
        ListenerKind::Socketmap,
    ];

    /// The kinds that are there when the configuration names no listener.
    pub const USUAL: [ListenerKind; 4] = [
        ListenerKind::Login,
        ListenerKind::Notify,
        ListenerKind::Userdb,
        ListenerKind::Admin,
    ];

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            ListenerKind::Login => "login",
            ListenerKind::Userdb => "userdb",
            ListenerKind::Authreply => "authreply",
            ListenerKind::Notify => "notify",
            ListenerKind::Admin => "admin",
            ListenerKind::Http => "http",
            ListenerKind::Socketmap => "socketmap",
        }
    }

    /// Where Dovecot has it by convention, relative to its base_dir; what Dovecot has not, by ours.
    pub const fn usual_path(self) -> &'static str {
        match self {
            ListenerKind::Login => "login/director",
            ListenerKind::Userdb => "director-userdb",
            ListenerKind::Authreply => "director-authreply",
            ListenerKind::Notify => "login/proxy-notify",
            ListenerKind::Admin => "director-admin",
            ListenerKind::Http => "director-http",
            ListenerKind::Socketmap => "director-socketmap",
        }
    }

    /// The access bits unless the configuration says others: login processes run as users of their own, the rest
    /// is root's.
    pub const fn usual_mode(self) -> u32 {
        match self {
            ListenerKind::Login | ListenerKind::Notify => 0o666,
            ListenerKind::Userdb
            | ListenerKind::Authreply
            | ListenerKind::Admin
            | ListenerKind::Http
            | ListenerKind::Socketmap => 0o600,
        }
    }

    /// The auth server's socket behind it, relative to base_dir.
    pub const fn usual_upstream(self) -> Option<&'static str> {
        match self {
            ListenerKind::Login => Some("auth-login"),
            ListenerKind::Userdb => Some("auth-userdb"),
            ListenerKind::Authreply
            | ListenerKind::Notify
            | ListenerKind::Admin
            | ListenerKind::Http
            | ListenerKind::Socketmap => None,
        }
    }

    /// The door of this kind at its usual place.
    pub fn usual(self, base_dir: &Path) -> Listener {
        Listener {
            kind: self,
            place: Place::Path(base_dir.join(self.usual_path())),
            mode: self.usual_mode(),
            owner: None,
            group: None,
            upstream: self.usual_upstream().map(|socket| base_dir.join(socket)),
            transport: None,
        }
    }
}
