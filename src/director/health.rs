//! What the ring makes of the directors' probes: which backends it takes out of service, and when they come back.
//!
//! Each director says with every renewal which backends it finds failing; the coordinator counts. How probes are made, and
//! when a director finds a backend failing, is left to `health`; the brake stands in `topology`, where all members ask it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::machine::Director;
use super::output::{Event, Output};
use super::serving::Standing;
use crate::agreement::{Rule, timing::stretched};
use crate::topology::{Backend, BackendId, Change, ChangeError, MemberId, Topology};
use crate::world::Instant;

/// A member's own opinion, and a coordinator's memory of what it did about all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Health {
    /// When this run began; whom it has not heard since then may hold a lease for a while.
    since: Instant,
    /// What its own probes find failing; `None` while it does not probe, or has not probed everything yet.
    own: Option<BTreeSet<IpAddr>>,
    /// Backends that a majority finds failing and that stay all the same, so that it is told once.
    kept: BTreeSet<BackendId>,
    /// Since when backends are seen failed whose users are moved later, and whether they were.
    failed: BTreeMap<BackendId, (Instant, bool)>,
}

impl Health {
    pub fn new(since: Instant) -> Self {
        Health {
            since,
            own: None,
            kept: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }
}

/// How many directors under a lease find what of one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    leased: usize,
    failing: usize,
    working: usize,
}

impl Count {
    /// Whether so many are a majority of the directors under a lease; of which those that do not probe are some.
    fn is_majority(self, of: usize) -> bool {
        of * 2 > self.leased
    }
}

impl Director {
    /// This director's own probes find these failing and all others working.
    pub(super) fn probed(&mut self, failing: &[IpAddr], now: Instant, out: &mut Vec<Output>) {
        let failing: BTreeSet<IpAddr> = failing.iter().copied().collect();
        let is_news = self.health.own.as_ref() != Some(&failing);
        self.health.own = Some(failing);
        if is_news {
            self.serving.renew_soon(now);
            self.serving_timers(now, out);
            self.coordinate(now, out);
        }
    }

    /// Whether this director's own probes find the backend failing.
    pub fn finds_failing(&self, ip: IpAddr) -> bool {
        self.health
            .own
            .as_ref()
            .is_some_and(|failing| failing.contains(&ip))
    }

    /// The own opinion as the others are told it.
    pub(super) fn opinion(&self) -> Option<Box<[BackendId]>> {
        let failing = self.health.own.as_ref()?;
        let ids = failing.iter().filter_map(|ip| self.topology().backend_at(*ip));
        Some(ids.map(|backend| backend.id).collect())
    }

    /// What the coordinator wants changed by what the directors' probes find; nothing that would be refused.
    pub(super) fn health_changes(&mut self, now: Instant, out: &mut Vec<Output>) -> Vec<Change> {
        let topology = Arc::clone(self.topology());
        if !self.is_health_news(&topology) {
            self.health.failed.clear();
            self.health.kept.clear();
            return Vec::new();
        }
        let counts = self.count_opinions(now);
        let is_failed = |id: &BackendId| topology.backend(*id).is_some_and(|backend| backend.is_failed);
        self.health.failed.retain(|id, _| is_failed(id));
        let Some(at_unix_s) = self.unix_seconds(now) else {
            return Vec::new();
        };
        let mut draft = self.committed.draft(self.settings.rules);
        let mut changes = Vec::new();
        let mut kept = BTreeSet::new();
        for backend in topology.backends() {
            let count = counts.get(&backend.id).copied().unwrap_or_default();
            let Some(change) = self.health_change(backend, count, at_unix_s, now) else {
                continue;
            };
            match draft.apply(std::slice::from_ref(&change)) {
                Ok(()) => changes.push(change),
                // The human's `down` says it all.
                Err(ChangeError::BackendIsDown { .. }) => {}
                Err(why) => {
                    kept.insert(backend.id);
                    if !self.health.kept.contains(&backend.id) {
                        let ip = backend.ip;
                        out.push(Output::Event(Event::FailingKept { ip, why }));
                    }
                }
            }
        }
        self.health.kept = kept;
        changes
    }

    /// Whether anybody finds a backend failing, or one has failed: else all is as it was, and there is nothing to count.
    fn is_health_news(&self, topology: &Topology) -> bool {
        let names_any = |failing: &[BackendId]| !failing.is_empty();
        let is_failing_here = self.health.own.as_ref().is_some_and(|own| !own.is_empty());
        let mut heard = self.heard.values().filter_map(|heard| heard.failing.as_deref());
        let is_down_lifted = !self.settings.rules.keep(Rule::HumanDownStays);
        is_failing_here
            || heard.any(names_any)
            || topology.backends().any(|backend| backend.is_failed)
            || is_down_lifted
    }

    fn health_change(
        &mut self,
        backend: &Backend,
        count: Count,
        at_unix_s: u64,
        now: Instant,
    ) -> Option<Change> {
        let rules = self.settings.rules;
        let (ip, evict_after) = (backend.ip, self.topology().health().evict_after);
        let is_one_enough = !rules.keep(Rule::HealthNeedsMajority);
        let is_failing = count.is_majority(count.failing) || (is_one_enough && count.failing > 0);
        let lifts_down = !backend.is_up && !rules.keep(Rule::HumanDownStays);
        if !backend.is_failed && !lifts_down {
            let evicts = evict_after.is_zero() && rules.keep(Rule::FailedIsEvicted);
            return is_failing.then_some(Change::Fail {
                ip,
                at_unix_s,
                evicts,
            });
        }
        let is_one_back = !rules.keep(Rule::RecoveryNeedsMajority) && count.working > 0;
        if count.is_majority(count.working) || is_one_back {
            return Some(Change::Recover { ip, at_unix_s });
        }
        let (since, is_evicted) = self.health.failed.entry(backend.id).or_insert((now, false));
        if *is_evicted || evict_after.is_zero() || now.since(*since) < evict_after {
            return None;
        }
        *is_evicted = true;
        Some(Change::Fail {
            ip,
            at_unix_s,
            evicts: true,
        })
    }

    /// What the directors under a lease say, for each backend that any of them names or does not.
    fn count_opinions(&self, now: Instant) -> BTreeMap<BackendId, Count> {
        let me = self.settings.me;
        let is_stale_good = !self.settings.rules.keep(Rule::OpinionsAreOfLeased);
        let own = self.opinion();
        // Whoever was heard lately may hold a lease, whatever the coordinator hears of him now: he counts, and says nothing.
        let patience = stretched(self.topology().lease_wait(), self.timing().drift_ppm);
        let opinion = |id: MemberId| -> Option<Option<&[BackendId]>> {
            if id == me {
                return (self.serving.standing == Standing::Leased).then_some(own.as_deref());
            }
            match self.heard.get(&id) {
                Some(heard) if is_stale_good => Some(heard.failing.as_deref()),
                Some(heard) if self.is_heard(id, now) => heard.is_leased.then_some(heard.failing.as_deref()),
                Some(heard) => (now.since(heard.at) <= patience).then_some(None),
                None => (now.since(self.health.since) <= patience).then_some(None),
            }
        };
        let directors = self.topology().members().filter(|member| member.serves);
        let said: Vec<Option<&[BackendId]>> = directors.filter_map(|member| opinion(member.id)).collect();
        let leased = said.len();
        let count = |backend: &Backend| {
            let failing = said
                .iter()
                .flatten()
                .filter(|failing| failing.contains(&backend.id))
                .count();
            Count {
                leased,
                failing,
                working: said.iter().flatten().count() - failing,
            }
        };
        self.topology()
            .backends()
            .map(|backend| (backend.id, count(backend)))
            .collect()
    }
}
