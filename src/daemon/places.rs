//! The words that name each backend to Dovecot, made once for each topology.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dovecot::Place;
use crate::topology::{BackendId, Epoch, Topology};

/// The places of one epoch's backends.
#[derive(Debug, Default)]
pub(super) struct Places {
    epoch: Option<Epoch>,
    by_id: BTreeMap<BackendId, Arc<Place>>,
}

impl Places {
    /// The place of a backend of this topology; `None` when it has none with that id.
    pub fn of(&mut self, backend: BackendId, topology: &Topology) -> Option<Arc<Place>> {
        if self.epoch != Some(topology.epoch()) {
            self.epoch = Some(topology.epoch());
            let expire = topology.timing().user_expire;
            let place = |backend: &crate::topology::Backend| {
                let place = Place::new(backend.ip, backend.hostname.as_deref(), expire);
                (backend.id, Arc::new(place))
            };
            self.by_id = topology.backends().map(place).collect();
        }
        self.by_id.get(&backend).cloned()
    }
}
