//! The rings of all tags, computed from the backends and shared between topologies wherever they are the
//! same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::backends::Backends;
use super::{Backend, BackendId, TagId, VhostRing};

/// One ring for each tag, by its index.
#[derive(Clone, Debug)]
pub(super) struct Rings(Arc<[Arc<VhostRing>]>);

impl Rings {
    /// The rings of the first `tags` tags, from scratch.
    pub(super) fn of(tags: usize, backends: &Backends) -> Self {
        let mut by_tag: Vec<Vec<&Backend>> = vec![Vec::new(); tags];
        for backend in backends.iter() {
            by_tag[usize::from(backend.tag.index())].push(backend);
        }
        Rings(
            by_tag
                .into_iter()
                .map(|tag| Arc::new(VhostRing::of(tag.into_iter())))
                .collect(),
        )
    }

    /// These rings, those of `before`, after the backends in `changed` became what they are in `after`.
    pub(super) fn updated(
        &self,
        tags: usize,
        before: &Backends,
        after: &Backends,
        changed: &BTreeSet<BackendId>,
    ) -> Self {
        let mut reweighed = Vec::new();
        let mut stale = BTreeSet::new();
        for &id in changed {
            let (old, new) = (share(before.get(id)), share(after.get(id)));
            if old != new {
                reweighed.push(id);
                stale.extend(old.iter().chain(&new).map(|&(tag, _)| tag));
            }
        }
        if stale.is_empty() && tags == self.0.len() {
            return self.clone();
        }
        let ring = |tag: TagId| {
            let joining = reweighed
                .iter()
                .filter_map(|&id| after.get(id))
                .filter(move |backend| backend.tag == tag);
            match self.0.get(usize::from(tag.index())) {
                Some(ring) if !stale.contains(&tag) => ring.clone(),
                Some(ring) => Arc::new(ring.changed(
                    |id| reweighed.binary_search(&id).is_ok(),
                    joining,
                    |id| {
                        after
                            .get(id)
                            .expect("a backend that keeps its points keeps its place")
                            .ip
                    },
                )),
                None => Arc::new(VhostRing::of(joining)),
            }
        };
        Rings((0..).map(TagId::from_index).take(tags).map(ring).collect())
    }

    pub(super) fn get(&self, tag: TagId) -> Option<&Arc<VhostRing>> {
        self.0.get(usize::from(tag.index()))
    }
}

/// What a backend contributes, and to which ring.
fn share(backend: Option<&Backend>) -> Option<(TagId, u32)> {
    backend
        .filter(|backend| backend.points() > 0)
        .map(|backend| (backend.tag, backend.points()))
}
