//! The backends of a topology, found by address and by id.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::backend::{check_hostname, check_vhosts};
use super::{Backend, BackendId, ChangeError, Counted};

/// The most backends of a topology.
pub const BACKENDS_MAX: usize = 10_000;

/// The most virtual hosts of all backends together, up or down: what bounds the size of the rings.
pub const VHOSTS_TOTAL_MAX: usize = 2_000_000;

/// The backends, in the order of Dovecot's host list: IPv4 before IPv6, then by the bytes of the
/// address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Backends {
    by_ip: BTreeMap<IpAddr, BackendId>,
    by_id: BTreeMap<BackendId, Backend>,
    vhosts_total: usize,
}

impl Backends {
    /// Adds a backend with a new id and a new address; on an error nothing is changed.
    pub(super) fn insert(&mut self, backend: Backend) -> Result<(), ChangeError> {
        self.check_new(backend.ip, backend.hostname.as_deref(), backend.vhosts)?;
        assert!(
            !self.by_id.contains_key(&backend.id),
            "a backend's id is never given twice"
        );
        self.vhosts_total += backend.vhosts as usize;
        self.by_ip.insert(backend.ip, backend.id);
        self.by_id.insert(backend.id, backend);
        Ok(())
    }

    /// Whether a backend like this could be added.
    pub(super) fn check_new(
        &self,
        ip: IpAddr,
        hostname: Option<&str>,
        vhosts: u32,
    ) -> Result<(), ChangeError> {
        check_hostname(hostname)?;
        if self.by_ip.contains_key(&ip) {
            return Err(ChangeError::BackendExists { ip });
        }
        if self.by_ip.len() >= BACKENDS_MAX {
            return Err(ChangeError::TooMany {
                what: Counted::Backends,
                limit: BACKENDS_MAX,
            });
        }
        self.check_weight(0, vhosts)
    }

    pub(super) fn remove(&mut self, id: BackendId) {
        if let Some(backend) = self.by_id.remove(&id) {
            self.by_ip.remove(&backend.ip);
            self.vhosts_total -= backend.vhosts as usize;
        }
    }

    /// Replaces a backend by itself with another weight, tag or state; on an error nothing is changed.
    pub(super) fn replace(&mut self, backend: Backend) -> Result<(), ChangeError> {
        let old = self
            .by_id
            .get(&backend.id)
            .ok_or(ChangeError::UnknownBackend { ip: backend.ip })?;
        assert_eq!(old.ip, backend.ip, "a backend's address never changes");
        let vhosts_before = old.vhosts;
        self.check_weight(vhosts_before, backend.vhosts)?;
        self.vhosts_total = self.vhosts_total - vhosts_before as usize + backend.vhosts as usize;
        self.by_id.insert(backend.id, backend);
        Ok(())
    }

    fn check_weight(&self, before: u32, after: u32) -> Result<(), ChangeError> {
        check_vhosts(after)?;
        if self.vhosts_total - before as usize + after as usize > VHOSTS_TOTAL_MAX {
            return Err(ChangeError::TooMany {
                what: Counted::Vhosts,
                limit: VHOSTS_TOTAL_MAX,
            });
        }
        Ok(())
    }

    pub(super) fn get(&self, id: BackendId) -> Option<&Backend> {
        self.by_id.get(&id)
    }

    pub(super) fn at(&self, ip: IpAddr) -> Option<&Backend> {
        self.by_id.get(self.by_ip.get(&ip)?)
    }

    pub(super) fn find(&self, ip: IpAddr) -> Result<&Backend, ChangeError> {
        self.at(ip).ok_or(ChangeError::UnknownBackend { ip })
    }

    pub(super) fn len(&self) -> usize {
        self.by_ip.len()
    }

    /// By address.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Backend> + '_ {
        self.by_ip.values().map(|id| &self.by_id[id])
    }
}
