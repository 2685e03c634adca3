//! Users who are left on a backend that is being emptied when its deadline has passed: moved away by the coordinator, so
//! many a second, whichever director was asked and whoever coordinates now.
//!
//! That such a backend takes no new users is the topology's doing; so is that those who are there stay, as pins.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::Director;
use crate::agreement::Rule;
use crate::topology::{BackendId, Change, Drain, UserId};
use crate::world::Instant;

/// Between two batches.
const GAP: Duration = Duration::from_secs(1);

/// A coordinator's memory of what it moves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Draining {
    /// Who is moved with the next round.
    batch: Vec<UserId>,
    /// When the next batch may be chosen.
    not_before: Instant,
}

impl Draining {
    pub fn new() -> Self {
        Draining {
            batch: Vec::new(),
            not_before: Instant::ORIGIN,
        }
    }

    /// The batch is on its way, or somebody else's task; the next one comes in its own time.
    pub fn begun(&mut self, now: Instant) {
        if !self.batch.is_empty() {
            self.batch.clear();
            self.not_before = now.plus(GAP);
        }
    }

    /// When to look for the next batch, while there is something to move.
    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        (self.not_before > now).then_some(self.not_before)
    }
}

impl Director {
    /// Whom the coordinator wants to move off drained backends now. Chosen once for each round; meanwhile an order may have
    /// been cancelled or slowed down, or somebody else has coordinated.
    pub(super) fn drain_changes(&mut self, now: Instant) -> Vec<Change> {
        let due = self.due_drains(now);
        if due.is_empty() {
            self.draining.batch.clear();
            return Vec::new();
        }
        let topology = std::sync::Arc::clone(self.topology());
        let chosen = std::mem::take(&mut self.draining.batch).into_iter();
        let left = chosen.filter_map(|user| Some((user, topology.own_pin(user)?)));
        self.draining.batch = self.within_rates(left, due.clone());
        if self.draining.batch.is_empty() && now >= self.draining.not_before {
            self.draining.batch = self.within_rates(topology.pins(), due);
            self.draining.not_before = now.plus(GAP);
        }
        let batch = self.draining.batch.iter();
        batch.map(|user| Change::Unpin { user: *user }).collect()
    }

    /// The backends whose deadline has passed, with their rates.
    fn due_drains(&self, now: Instant) -> BTreeMap<BackendId, u32> {
        let Some(unix_s) = self.unix_seconds(now) else {
            return BTreeMap::new();
        };
        let rules = self.settings.rules;
        let topology = self.topology();
        let is_due = |drain: &Drain| drain.is_due(unix_s) || !rules.keep(Rule::DrainWaitsForItsDeadline);
        // Without another backend they are better off where they are.
        let has_place = |tag| topology.ring(tag).is_some_and(|ring| !ring.points().is_empty());
        let backends = topology.backends().filter(|backend| has_place(backend.tag));
        backends
            .filter_map(|backend| Some((backend.id, backend.drain.filter(is_due)?.per_second)))
            .collect()
    }

    /// The first of these users, each with his backend, as many of each backend as `room` has for it.
    fn within_rates(
        &self,
        users: impl Iterator<Item = (UserId, BackendId)>,
        mut room: BTreeMap<BackendId, u32>,
    ) -> Vec<UserId> {
        let keeps_rate = self.settings.rules.keep(Rule::DrainKeepsItsRate);
        let mut chosen = Vec::new();
        for (user, at) in users {
            let Some(room) = room.get_mut(&at) else {
                continue;
            };
            if *room == 0 && keeps_rate {
                continue;
            }
            *room = room.saturating_sub(1);
            chosen.push(user);
        }
        chosen
    }
}
