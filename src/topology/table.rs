//! What a topology says, apart from the rings computed from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::backends::Backends;
use super::pins::Pins;
use super::tags::Tags;
use super::{
    Backend, BackendId, ChangeError, Counted, Epoch, HealthPolicy, Member, MemberId, NewBackend, TagId,
    Timing,
};

/// The agreed table. Equal tables have equal rings, so equality and hash of a topology are those of its
/// table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) epoch: Epoch,
    pub(super) timing: Timing,
    pub(super) health: HealthPolicy,
    /// The lease that this epoch began with, whatever a change has set since.
    pub(super) lease_begun: Duration,
    /// The lease that the epoch before began with, which may still run.
    pub(super) lease_before: Duration,
    pub(super) members: Arc<BTreeMap<MemberId, Member>>,
    /// Members that an admin has added or removed since the first start, with their addresses; the others have theirs
    /// from the configuration.
    pub(super) addresses: Arc<BTreeMap<MemberId, SocketAddr>>,
    pub(super) tags: Arc<Tags>,
    pub(super) backends: Arc<Backends>,
    /// The id of the next backend that is added.
    pub(super) next_backend: u32,
    pub(super) pins: Arc<Pins>,
    pub(super) hash_format: Arc<str>,
}

impl Table {
    /// Whether there is somebody to decide, somebody to serve, and somewhere to send users.
    pub(super) fn check_duties(&self) -> Result<(), ChangeError> {
        if !self.members.values().any(|member| member.votes) {
            return Err(ChangeError::NoVoter);
        }
        if !self.members.values().any(|member| member.serves) {
            return Err(ChangeError::NoDirector);
        }
        if self.backends.len() == 0 {
            return Err(ChangeError::NoBackends);
        }
        Ok(())
    }

    /// Adds a backend under the next id; on an error nothing is changed.
    pub(super) fn add_backend(&mut self, new: &NewBackend) -> Result<BackendId, ChangeError> {
        self.backends
            .check_new(new.ip, new.hostname.as_deref(), new.vhosts)?;
        let out_of_ids = ChangeError::TooMany {
            what: Counted::Backends,
            limit: u32::MAX as usize,
        };
        let next_backend = self.next_backend.checked_add(1).ok_or(out_of_ids)?;
        let tag = self.tag_named(&new.tag)?;
        let id = BackendId::from_index(self.next_backend);
        let backend = Backend {
            id,
            ip: new.ip,
            hostname: new.hostname.clone(),
            vhosts: new.vhosts,
            tag,
            is_up: true,
            is_failed: false,
            drain: None,
            changed_at_unix_s: 0,
        };
        Arc::make_mut(&mut self.backends).insert(backend)?;
        self.next_backend = next_backend;
        Ok(id)
    }

    /// The tag with this name, made when it is new; on an error nothing is changed.
    pub(super) fn tag_named(&mut self, name: &str) -> Result<TagId, ChangeError> {
        if let Some(tag) = self.tags.find(name) {
            return Ok(tag);
        }
        self.tags.check(name)?;
        Arc::make_mut(&mut self.tags).insert(name)
    }
}
