//! Lookups of doors: answered in their batch when the machine answers at once, one by one when it answers later.

use std::collections::BTreeMap;

use super::core::Core;
use super::journal::Delivery;
use super::places::Places;
use crate::director::{Door, Input, LoginToken, Output, RefuseReason};
use crate::dovecot::{Answer, Batch, Replies};
use crate::topology::{BackendId, UserId};
use crate::world::World;

/// Lookups that wait for the machine, and the words for its answers.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    next: u64,
    waiting: BTreeMap<u64, (Replies, u64, Box<str>)>,
    places: Places,
}

impl Lookups {
    /// A name for a login that no other has.
    pub fn token(&mut self) -> LoginToken {
        let token = self.next;
        self.next += 1;
        LoginToken(token)
    }
}

impl<W: World> Core<W> {
    /// Asks the machine for every lookup of the batch, and lets the batch go.
    pub(super) fn look_up(&mut self, mut batch: Batch) {
        let now = self.now();
        let mut asked = std::mem::take(&mut batch.asked);
        for lookup in &mut asked {
            let LoginToken(token) = self.lookups.token();
            let held = self.director.holds().len();
            let (name, tag) = (batch.name(lookup), batch.tag(lookup));
            let login = Input::Login {
                token: LoginToken(token),
                key: lookup.key,
                tag,
                name,
                door: Door::Refreshing,
            };
            self.director.handle(now, login, &mut self.out);
            if let Some(at) = self.out.iter().position(|output| answers(output, token)) {
                let output = self.out.swap_remove(at);
                if let Output::Route { user, backend, .. } = &output
                    && self.director.holds().len() > held
                {
                    self.journal.entries.held(*user, *backend, name);
                    self.closing.admitted(user.key);
                }
                lookup.answer = self.answer(output);
            } else {
                let waiting = (batch.replies(), lookup.id, name.into());
                self.lookups.waiting.insert(token, waiting);
            }
            if !self.out.is_empty() {
                self.act();
            }
        }
        batch.asked = asked;
        self.journal.deliveries.push(Delivery::Batch(batch));
    }

    fn answer(&mut self, output: Output) -> Option<Answer> {
        match output {
            Output::Route { user, backend, .. } => {
                let place = self.lookups.places.of(backend, self.director.topology());
                // The machine routes to backends of its topology only.
                let missing = Answer::Refused(RefuseReason::NoBackend { tag: user.tag });
                Some(place.map_or(missing, Answer::Backend))
            }
            Output::Refuse { reason, .. } => Some(Answer::Refused(reason)),
            _ => None,
        }
    }

    pub(super) fn routed_late(&mut self, token: LoginToken, user: UserId, backend: BackendId) {
        let Some((replies, id, name)) = self.lookups.waiting.remove(&token.0) else {
            return;
        };
        self.journal.entries.held(user, backend, &name);
        self.closing.admitted(user.key);
        let route = Output::Route {
            token,
            user,
            backend,
            serial: 0,
        };
        if let Some(answer) = self.answer(route) {
            self.journal
                .deliveries
                .push(Delivery::Late { replies, id, answer });
        }
    }

    pub(super) fn refused_late(&mut self, token: LoginToken, reason: RefuseReason) {
        if let Some((replies, id, _)) = self.lookups.waiting.remove(&token.0) {
            let answer = Answer::Refused(reason);
            self.journal
                .deliveries
                .push(Delivery::Late { replies, id, answer });
        }
    }
}

fn answers(output: &Output, asked: u64) -> bool {
    match output {
        Output::Route { token, .. } | Output::Refuse { token, .. } => token.0 == asked,
        _ => false,
    }
}
