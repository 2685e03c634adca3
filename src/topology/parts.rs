//! How a topology is written down, and what is checked when one is read.
//!
//! Only what members agreed on is written; rings are computed again. A topology has one written form:
//! lists are in order and whoever writes them otherwise is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backends::Backends;
use super::pins::{PINS_MAX, Pins};
use super::table::Table;
use super::tags::Tags;
use super::timing::check_lease;
use super::{
    Backend, BackendId, ChangeError, Counted, Epoch, HashFormat, HealthPolicy, MEMBERS_MAX, Member, MemberId,
    Timing, UserId,
};

/// A topology as it is written; the fields, and their order, are those of [`Parts`].
#[derive(Serialize)]
#[serde(rename = "Topology")]
pub(super) struct PartsView<'a> {
    epoch: Epoch,
    timing: Timing,
    health: HealthPolicy,
    lease_begun: Duration,
    lease_before: Duration,
    members: Vec<&'a Member>,
    addresses: Vec<(MemberId, SocketAddr)>,
    tags: &'a [Box<str>],
    backends: Vec<&'a Backend>,
    next_backend: u32,
    pins: &'a [(UserId, BackendId)],
    hash_format: &'a str,
}

impl<'a> PartsView<'a> {
    pub(super) fn of(table: &'a Table) -> Self {
        PartsView {
            epoch: table.epoch,
            timing: table.timing,
            health: table.health,
            lease_begun: table.lease_begun,
            lease_before: table.lease_before,
            members: table.members.values().collect(),
            addresses: table.addresses.iter().map(|(id, at)| (*id, *at)).collect(),
            tags: table.tags.names(),
            backends: table.backends.iter().collect(),
            next_backend: table.next_backend,
            pins: table.pins.sorted(),
            hash_format: &table.hash_format,
        }
    }
}

/// A topology as it is read; nothing in it is believed.
#[derive(Deserialize)]
#[serde(rename = "Topology")]
pub(super) struct Parts {
    epoch: Epoch,
    timing: Timing,
    health: HealthPolicy,
    lease_begun: Duration,
    lease_before: Duration,
    members: Vec<Member>,
    addresses: Vec<(MemberId, SocketAddr)>,
    tags: Vec<Box<str>>,
    backends: Vec<Backend>,
    next_backend: u32,
    pins: Vec<(UserId, BackendId)>,
    hash_format: Box<str>,
}

/// Why a written topology was refused. Whoever wrote it is at fault; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyError {
    /// No sequence of changes leads to such a topology.
    Impossible(ChangeError),
    /// A list is out of order, or names something twice.
    OutOfOrder {
        /// Which list.
        what: Counted,
    },
    /// The first tag is not the default one.
    NoDefaultTag,
    /// A backend's id was given to another backend, or to none yet.
    BadBackendId {
        /// The id.
        id: BackendId,
    },
    /// A backend is failed by probes and taken down by an operator; it is either.
    FailedWhileDown {
        /// The backend.
        id: BackendId,
    },
    /// A user is pinned to a backend that does not exist or serves another tag.
    BadPin {
        /// The user.
        user: UserId,
        /// The backend.
        backend: BackendId,
    },
}

impl Parts {
    pub(super) fn into_table(self) -> Result<Table, TopologyError> {
        self.timing.check()?;
        self.health.check()?;
        check_lease(self.lease_begun)?;
        check_lease(self.lease_before)?;
        HashFormat::parse(&self.hash_format).map_err(ChangeError::from)?;
        let tags = tags(&self.tags)?;
        let table = Table {
            epoch: self.epoch,
            timing: self.timing,
            health: self.health,
            lease_begun: self.lease_begun,
            lease_before: self.lease_before,
            members: Arc::new(members(self.members)?),
            addresses: Arc::new(addresses(self.addresses)?),
            backends: Arc::new(backends(self.backends, &tags, self.next_backend)?),
            tags: Arc::new(tags),
            next_backend: self.next_backend,
            pins: Arc::new(Pins::new()),
            hash_format: self.hash_format.into(),
        };
        table.check_duties()?;
        let pins = Arc::new(pins(self.pins, &table.backends)?);
        Ok(Table { pins, ..table })
    }
}

fn tags(names: &[Box<str>]) -> Result<Tags, TopologyError> {
    let mut tags = Tags::new();
    let (default, others) = names.split_first().ok_or(TopologyError::NoDefaultTag)?;
    if !default.is_empty() {
        return Err(TopologyError::NoDefaultTag);
    }
    for name in others {
        if tags.find(name).is_some() {
            return Err(TopologyError::OutOfOrder { what: Counted::Tags });
        }
        tags.insert(name)?;
    }
    Ok(tags)
}

fn members(listed: Vec<Member>) -> Result<BTreeMap<MemberId, Member>, TopologyError> {
    if listed.len() > MEMBERS_MAX {
        return Err(ChangeError::TooMany {
            what: Counted::Members,
            limit: MEMBERS_MAX,
        }
        .into());
    }
    if !listed.is_sorted_by(|a, b| a.id < b.id) {
        return Err(TopologyError::OutOfOrder {
            what: Counted::Members,
        });
    }
    Ok(listed.into_iter().map(|member| (member.id, member)).collect())
}

fn addresses(listed: Vec<(MemberId, SocketAddr)>) -> Result<BTreeMap<MemberId, SocketAddr>, TopologyError> {
    let limit = MEMBERS_MAX;
    let what = Counted::Members;
    if listed.len() > limit {
        return Err(ChangeError::TooMany { what, limit }.into());
    }
    if !listed.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(TopologyError::OutOfOrder { what });
    }
    let mut taken = BTreeSet::new();
    for &(_, address) in &listed {
        if !taken.insert(address) {
            return Err(ChangeError::AddressTaken { address }.into());
        }
    }
    Ok(listed.into_iter().collect())
}

fn backends(listed: Vec<Backend>, tags: &Tags, next_id: u32) -> Result<Backends, TopologyError> {
    if !listed.is_sorted_by(|a, b| a.ip < b.ip) {
        return Err(TopologyError::OutOfOrder {
            what: Counted::Backends,
        });
    }
    let mut backends = Backends::default();
    for backend in listed {
        if backend.id.index() >= next_id || backends.get(backend.id).is_some() {
            return Err(TopologyError::BadBackendId { id: backend.id });
        }
        if tags.name(backend.tag).is_none() {
            return Err(ChangeError::UnknownTag { tag: backend.tag }.into());
        }
        if backend.is_failed && !backend.is_up {
            return Err(TopologyError::FailedWhileDown { id: backend.id });
        }
        if let Some(drain) = backend.drain {
            drain.check()?;
        }
        backends.insert(backend)?;
    }
    Ok(backends)
}

fn pins(listed: Vec<(UserId, BackendId)>, backends: &Backends) -> Result<Pins, TopologyError> {
    if listed.len() > PINS_MAX {
        return Err(ChangeError::TooMany {
            what: Counted::Pins,
            limit: PINS_MAX,
        }
        .into());
    }
    if !listed.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(TopologyError::OutOfOrder { what: Counted::Pins });
    }
    for &(user, backend) in &listed {
        if backends.get(backend).is_none_or(|to| to.tag != user.tag) {
            return Err(TopologyError::BadPin { user, backend });
        }
    }
    Ok(Pins::from_sorted(listed))
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopologyError::Impossible(error) => write!(f, "impossible topology: {error}"),
            TopologyError::OutOfOrder { what } => write!(f, "the list of {what} is out of order"),
            TopologyError::NoDefaultTag => f.write_str("the first tag is not the empty one"),
            TopologyError::BadBackendId { id } => write!(f, "{id} is listed twice or was never given"),
            TopologyError::FailedWhileDown { id } => write!(f, "{id} is both down and failed"),
            TopologyError::BadPin { user, backend } => {
                write!(
                    f,
                    "user {user} is pinned to {backend}, which is unknown or has another tag"
                )
            }
        }
    }
}

impl Error for TopologyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TopologyError::Impossible(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ChangeError> for TopologyError {
    fn from(error: ChangeError) -> Self {
        TopologyError::Impossible(error)
    }
}

#[cfg(test)]
mod tests;
