//! A voter's part in rounds: promises and acceptances, each answered when it is on disk.

use std::sync::Arc;

use super::machine::Director;
use super::output::{Event, Output};
use crate::agreement::{Ballot, Body, Proposal, Value};
use crate::topology::{BackendId, MemberId, UserId};
use crate::world::Instant;

impl Director {
    pub(super) fn prepare_received(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        proposal: &Arc<Proposal>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        self.coordination.note_counter(ballot.counter);
        if self.is_seated() {
            let before = self.voter.promised();
            match self.voter.prepare(ballot) {
                Ok(accepted) => {
                    if before != Some(ballot) {
                        self.save(out);
                    }
                    self.vote(from, Body::Promise { ballot, accepted }, out);
                }
                Err(promised) => {
                    // A round that can't win freezes nobody.
                    self.send(from, Body::Refused { ballot, promised }, out);
                    return;
                }
            }
        }
        if self.serves() {
            self.freeze(ballot, proposal, now, out);
        }
    }

    pub(super) fn propose_received(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        value: Arc<Value>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        self.coordination.note_counter(ballot.counter);
        if self.is_seated() {
            let before = self.voter.accepted().map(|(b, _)| *b);
            match self.voter.propose(ballot, &value) {
                Ok(()) => {
                    if before != Some(ballot) {
                        self.save(out);
                    }
                    let topology = self.topology();
                    let statement = self.voter.statement(|m| topology.member(m).is_some(), now);
                    if !statement.grace.is_zero() {
                        out.push(Output::Event(Event::InGrace {
                            remaining: statement.grace,
                        }));
                    }
                    self.vote(from, Body::Accepted { ballot, statement }, out);
                }
                Err(promised) => {
                    self.send(from, Body::Refused { ballot, promised }, out);
                    return;
                }
            }
        }
        self.bind(value, Some(from), now, out);
    }

    /// A coordinator looks before it starts: which leases are noted here, which pinned users are held here?
    pub(super) fn survey_received(
        &mut self,
        from: MemberId,
        number: u64,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let topology = Arc::clone(self.topology());
        let statement = self
            .is_seated()
            .then(|| self.voter.statement(|m| topology.member(m).is_some(), now));
        let pins_held = self.serves().then(|| {
            let pins = topology
                .pins()
                .filter(|&(user, backend)| self.is_pin_used(user, backend));
            pins.map(|(user, _)| user).collect()
        });
        self.send(
            from,
            Body::Surveyed {
                number,
                statement,
                pins_held,
            },
            out,
        );
    }

    /// Whether the pin's user is held here; of a pin of everybody, whether anybody is held by it.
    fn is_pin_used(&self, user: UserId, backend: BackendId) -> bool {
        if !user.key.is_everybody() {
            return self.holds.find(user).is_some();
        }
        let hash = user.key.hash();
        let mut of_hash = self
            .holds
            .scan(hash, hash)
            .filter(|hold| hold.user.tag == user.tag);
        of_hash.any(|hold| hold.backend == backend)
    }
}
