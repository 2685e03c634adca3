//! Lookups: those of Dovecot's doors, answered in their batch when the machine answers at once, one by one when it answers
//! later; and those of others, one by one.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::core::Core;
use super::journal::{Delivery, LookedUp};
use super::places::Places;
use crate::director::{Door, Input, LoginToken, Output, RefuseReason};
use crate::dovecot::{Answer, Batch, Replies};
use crate::lookups::Found;
use crate::topology::{BackendId, UserId, UserKey};
use crate::world::World;

/// A lookup of another door than Dovecot's.
#[derive(Debug)]
pub(super) struct Lookup {
    pub key: UserKey,
    pub name: Box<str>,
    pub tag: Box<str>,
    pub reply: oneshot::Sender<Result<Found, RefuseReason>>,
}

/// Who waits for the machine.
#[derive(Debug)]
enum Asker {
    /// A line of one of Dovecot's doors, by its number there.
    Line(Replies, u64),
    Lookup(oneshot::Sender<Result<Found, RefuseReason>>),
}

/// Lookups that wait for the machine, and the words for its answers.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    next: u64,
    waiting: BTreeMap<u64, (Asker, Box<str>)>,
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
        let mut asked = std::mem::take(&mut batch.asked);
        for lookup in &mut asked {
            let token = self.lookups.token();
            let (name, tag) = (batch.name(lookup), batch.tag(lookup));
            if let Some(output) = self.ask_for(token, lookup.key, tag, name) {
                lookup.answer = self.answer(output);
            } else {
                let asker = Asker::Line(batch.replies(), lookup.id);
                self.lookups.waiting.insert(token.0, (asker, name.into()));
            }
            if !self.out.is_empty() {
                self.act();
            }
        }
        batch.asked = asked;
        self.journal.deliveries.push(Delivery::Batch(batch));
    }

    /// Asks the machine for one.
    pub(super) fn look_one_up(&mut self, lookup: Lookup) {
        let Lookup {
            key,
            name,
            tag,
            reply,
        } = lookup;
        let token = self.lookups.token();
        if let Some(output) = self.ask_for(token, key, &tag, &name) {
            self.deliver(Asker::Lookup(reply), output);
        } else {
            let waiting = (Asker::Lookup(reply), name);
            self.lookups.waiting.insert(token.0, waiting);
        }
        self.act();
    }

    /// What the machine answers at once; a hold that this makes is in the next writing of the journal.
    fn ask_for(&mut self, token: LoginToken, key: UserKey, tag: &str, name: &str) -> Option<Output> {
        let held = self.director.holds().len();
        let login = Input::Login {
            token,
            key,
            tag,
            name,
            door: Door::Refreshing,
        };
        let now = self.now();
        self.director.handle(now, login, &mut self.out);
        let at = self.out.iter().position(|output| answers(output, token.0))?;
        let output = self.out.swap_remove(at);
        if let Output::Route { user, backend, .. } = &output
            && self.director.holds().len() > held
        {
            self.journal.entries.held(*user, *backend, name);
            self.closing.admitted(user.key);
        }
        Some(output)
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

    /// When this is said is written in once it leaves.
    fn found(&self, output: &Output) -> Result<Found, RefuseReason> {
        let (user, backend) = match output {
            Output::Route { user, backend, .. } => (*user, *backend),
            Output::Refuse { reason, .. } => return Err(*reason),
            _ => return Err(RefuseReason::NotADirector),
        };
        let topology = self.director.topology();
        let backend = topology.backend(backend);
        let backend = backend.ok_or(RefuseReason::NoBackend { tag: user.tag })?;
        Ok(Found {
            ip: backend.ip,
            hostname: backend.hostname.clone(),
            expire: topology.timing().user_expire,
            decided: self.turn,
        })
    }

    /// The answer may leave once the journal has what it promises.
    fn deliver(&mut self, asker: Asker, output: Output) {
        let delivery = match asker {
            Asker::Line(replies, id) => match self.answer(output) {
                Some(answer) => Delivery::Late { replies, id, answer },
                None => return,
            },
            Asker::Lookup(reply) => {
                let found = self.found(&output);
                Delivery::One(Box::new(LookedUp { reply, found }))
            }
        };
        self.journal.deliveries.push(delivery);
    }

    pub(super) fn routed_late(&mut self, token: LoginToken, user: UserId, backend: BackendId) {
        let Some((asker, name)) = self.lookups.waiting.remove(&token.0) else {
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
        self.deliver(asker, route);
    }

    pub(super) fn refused_late(&mut self, token: LoginToken, reason: RefuseReason) {
        if let Some((asker, _)) = self.lookups.waiting.remove(&token.0) {
            self.deliver(asker, Output::Refuse { token, reason });
        }
    }
}

fn answers(output: &Output, asked: u64) -> bool {
    match output {
        Output::Route { token, .. } | Output::Refuse { token, .. } => token.0 == asked,
        _ => false,
    }
}
