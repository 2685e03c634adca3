//! What coordinators do about backends that operators have drained. The deadline goes by the world's own time, which the
//! members are told when they start.

use maildirector::agreement::{Body, Envelope};

use super::scene::{MS, World};
use crate::checkers::{drain_bound_ms, drain_done, drain_in_peace};
use crate::coverage::State;
use crate::marks::Mark;

impl World<'_> {
    /// A member says something to all.
    pub(super) fn drain_is_proposed(&mut self, run: u32, envelope: &Envelope) {
        let Body::Prepare { proposal, .. } = &envelope.body else {
            return;
        };
        let Some(topology) = self.director(run).map(|director| director.topology().clone()) else {
            return;
        };
        if topology.backends().any(|backend| backend.drain.is_some()) {
            self.check(drain_in_peace(&topology, proposal, self.now / MS));
        }
    }

    /// Who is left on a backend whose deadline has long passed is moved in time, while nothing is wrong.
    pub(super) fn drains_are_done(&mut self) {
        let Some(newest) = self.agreement.newest().cloned() else {
            return;
        };
        let since_ms = self.newest_since_ns / MS;
        let bound_ms = drain_bound_ms(self.longest_lease_ns() / MS);
        let is_draining = newest.topology.backends().any(|backend| backend.drain.is_some());
        self.states.set_of_ring(self.now, State::Draining, is_draining);
        for backend in newest.topology.backends() {
            let Some(drain) = backend.drain else { continue };
            let pins = newest.topology.pins();
            let left = pins.filter(|(_, at)| *at == backend.id).count();
            let still_ms = (self.now / MS).saturating_sub(since_ms.max(drain.until_unix_s * 1_000));
            if left == 0 {
                self.mark(Mark::DrainDone);
            } else if still_ms > bound_ms && self.is_well_for(bound_ms * MS) {
                self.check(drain_done(&newest.topology, backend, left, still_ms));
            }
        }
    }
}
