//! How a run begins: from an empty storage, from what an earlier run kept, or by the operator's order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::admission::Queue;
use super::commands::Commands;
use super::coordinate::Coordination;
use super::flushing::Flushing;
use super::follow::Followed;
use super::history::History;
use super::holds::{Gathered, Holds};
use super::input::{Policy, Settings, Start};
use super::machine::Director;
use super::output::{Event, EvictReason, Output};
use super::serving::Serving;
use super::storage::Disk;
use crate::agreement::{Committed, FirstStart, Jitter, Lease, Record, Voter};
use crate::topology::{Incarnation, UserId};
use crate::world::Instant;

impl Director {
    /// Begin a run. A record of another member is refused by halting: with it this member would answer for promises that
    /// it never made.
    pub fn start(settings: Settings, start: Start, now: Instant, out: &mut Vec<Output>) -> Director {
        let Start {
            boot,
            entropy,
            record,
            journal,
            sessions,
            is_bootstrap,
        } = start;
        let is_foreign = record.as_ref().is_some_and(|r| r.member != settings.me);
        let record = record.unwrap_or_else(|| Record {
            member: settings.me,
            incarnation: Incarnation::from_bits(entropy),
            boot,
            bound: None,
            committed: None,
            promised: None,
            accepted: None,
        });
        let rules = settings.rules;
        let is_fresh = record.committed.is_none();
        let committed = record
            .committed
            .unwrap_or_else(|| Committed::genesis((*settings.configured).clone()));
        let timing = committed.topology.timing();
        // A director that never had a lease in this run gives the ring one lease's time before it serves alone.
        let alone_at = (settings.policy == Policy::Available).then(|| now.plus(timing.lease));
        let lease = Lease::new(rules, settings.close_bound);
        let mut director = Director {
            boot,
            incarnation: record.incarnation,
            first_start: is_fresh.then(|| FirstStart::new(rules, &settings.configured, record.bound)),
            committed,
            voter: Voter::new(rules, record.promised, record.accepted),
            disk: Disk::new(),
            serving: Serving::new(lease, now, alone_at),
            holds: Holds::default(),
            followed: Followed::default(),
            queue: Queue::default(),
            flushing: Flushing::default(),
            heard: BTreeMap::new(),
            listens_since: now,
            told: BTreeMap::new(),
            fetched: BTreeMap::new(),
            coordination: Coordination::new(),
            commands: Commands::default(),
            health: super::health::Health::new(now),
            draining: super::draining::Draining::new(),
            wall: None,
            history: History::default(),
            jitter: Jitter::new(boot.to_bits()),
            to_self: VecDeque::new(),
            hello_at: Some(now),
            sweep_at: now,
            keeps_holds_until: Instant::ORIGIN,
            now,
            nonsense: 0,
            settings,
        };
        if is_foreign {
            director.halt(now, out);
            return director;
        }
        if is_fresh && is_bootstrap {
            director.bootstrap();
        } else if director.is_seated() {
            director.start_grace(now);
        }
        if director.is_removed() {
            let epoch = director.epoch();
            out.push(Output::Event(Event::Removed { epoch }));
        }
        director.save(out);
        director.take_over(journal, &sessions, now, out);
        director.serving.renew_soon(now);
        director.handle(now, super::input::Input::Tick, out);
        director
    }

    /// Become a voter of epoch 0 at the operator's word. All who are told so agree on the incarnations, since these follow
    /// from the configuration. Nobody knows who may hold a lease, so there is a grace.
    fn bootstrap(&mut self) {
        let configured = Arc::clone(&self.settings.configured);
        let incarnation = Incarnation::from_bits(configured.fingerprint());
        let voters = configured
            .members()
            .filter(|m| m.votes)
            .map(|m| (m.id, incarnation))
            .collect();
        self.incarnation = incarnation;
        self.committed = Committed::genesis(configured.with_incarnations(&voters));
        self.first_start = None;
        let now = self.now;
        self.start_grace(now);
    }

    fn start_grace(&mut self, now: Instant) {
        let (wait, drift_ppm): (Duration, u32) = (self.topology().lease_wait(), self.timing().drift_ppm);
        self.voter.start_grace(wait, drift_ppm, now);
    }

    /// Sessions of an earlier run that live on in other processes: those that are where they belong are held, the others
    /// are closed before the first asking for a lease.
    fn take_over(
        &mut self,
        journal: Gathered,
        sessions: &[(UserId, u16)],
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if journal.is_empty() {
            return;
        }
        if self.first_start.is_some() || !self.serves() {
            self.close_all(now, out);
            return;
        }
        let topology = Arc::clone(self.topology());
        let mut place = topology.placing();
        let mut misplaced = Vec::new();
        self.holds = Holds::of_gathered(journal, self.settings.limits.holds, now, |user, backend| {
            if place(user) != Some(backend) {
                misplaced.push(user);
            }
        });
        for (user, count) in sessions {
            self.holds.set_sessions(*user, *count);
        }
        for user in misplaced {
            self.evict(user, EvictReason::Contradicts, now, out);
        }
    }
}
