//! A mail server, and what an operator says to add one.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{BackendId, ChangeError, Drain, TagId};

/// The most virtual hosts of one backend.
pub const VHOSTS_MAX: u32 = 1_000;

/// The longest hostname of a backend, in bytes.
pub const HOSTNAME_BYTES_MAX: usize = 255;

/// A mail server that users are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backend {
    /// Its name within the topology.
    pub id: BackendId,
    /// Where it is; names it to operators, and decides its points on the ring.
    pub ip: IpAddr,
    /// What to call it towards login processes (certificates); not hashed.
    pub hostname: Option<Box<str>>,
    /// Its weight: points on the ring, 0 to [`VHOSTS_MAX`]; 0 takes no new users.
    pub vhosts: u32,
    /// The users it serves.
    pub tag: TagId,
    /// Whether an operator lets it take users. One that is down has no points; users pinned to it stay.
    pub is_up: bool,
    /// Whether probes took it out of service; never while it is down. Like one that is down it has no
    /// points.
    pub is_failed: bool,
    /// Whether it is being emptied. It has no points meanwhile; users pinned to it stay until the deadline.
    pub drain: Option<Drain>,
    /// When it last went up or down, by an operator or by probes, in Unix seconds; 0 when it never did.
    pub changed_at_unix_s: u64,
}

impl Backend {
    /// How many points it has on the ring of its tag.
    pub fn points(&self) -> u32 {
        let takes_users = self.is_working() && self.drain.is_none();
        if takes_users { self.vhosts } else { 0 }
    }

    /// Its weight as admins see it: 0 while it is being emptied, like that of a backend which takes no new users.
    pub fn shown_vhosts(&self) -> u32 {
        if self.drain.is_some() { 0 } else { self.vhosts }
    }

    /// Whether it serves users: no operator and no probe has taken it out of service.
    pub fn is_working(&self) -> bool {
        self.is_up && !self.is_failed
    }
}

/// A backend to be added; it starts up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewBackend {
    /// Where it is.
    pub ip: IpAddr,
    /// What to call it towards login processes.
    pub hostname: Option<Box<str>>,
    /// Its weight, 0 to [`VHOSTS_MAX`].
    pub vhosts: u32,
    /// The name of its tag; empty for the default one.
    pub tag: Box<str>,
}

pub(super) fn check_vhosts(vhosts: u32) -> Result<(), ChangeError> {
    if vhosts > VHOSTS_MAX {
        return Err(ChangeError::VhostsOutOfRange {
            vhosts,
            max: VHOSTS_MAX,
        });
    }
    Ok(())
}

/// A hostname travels in lines whose fields are separated by tabs, so it holds no control characters.
pub(super) fn check_hostname(hostname: Option<&str>) -> Result<(), ChangeError> {
    let Some(hostname) = hostname else { return Ok(()) };
    if hostname.len() > HOSTNAME_BYTES_MAX {
        return Err(ChangeError::HostnameTooLong {
            bytes: hostname.len(),
            max: HOSTNAME_BYTES_MAX,
        });
    }
    if hostname.is_empty() || hostname.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ChangeError::BadHostname {
            hostname: hostname.into(),
        });
    }
    Ok(())
}
