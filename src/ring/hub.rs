//! Where all links of a member meet: what comes over one goes on over the others, once, and in to the machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::codec::{decode, encode};
use super::event::{Counters, Direction, LinkStatus, RingEvent};
use super::framing::{Framed, HOPS_MAX, Head};
use super::greeting::Agreed;
use super::queue::Queue;
use super::seen::Seen;
use super::settings::{Circle, RingError, RingSettings};
use crate::agreement::{Boot, Envelope};
use crate::topology::MemberId;
use crate::world::Instant;

/// Messages kept while no link stands: what a machine says when it starts, or has said last when a cut heals.
const KEPT_MAX: usize = 8;

/// Why a link with somebody ends who left the ring, or whom this member left alone.
const STRANGER: &str = "the two are not in one ring any more";

/// Where all links of a member meet. Nothing in here waits, so one slow link or machine holds up nobody else.
#[derive(Debug)]
pub(super) struct Hub {
    settings: Arc<RingSettings>,
    to_core: mpsc::Sender<RingEvent>,
    /// Rings when the circle is another one.
    changed: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    circle: Arc<Circle>,
    sequence: u64,
    next_link: u64,
    links: BTreeMap<u64, Link>,
    /// What this member said last, while no link stands; it goes out over the first one that does.
    kept: VecDeque<Framed>,
    seen: Seen,
    /// When each other member was last heard, over whatever links.
    heard: BTreeMap<MemberId, Instant>,
    counters: Counters,
}

#[derive(Debug)]
struct Link {
    peer: MemberId,
    boot: Boot,
    direction: Direction,
    version: u16,
    since: Instant,
    heard: Instant,
    queue: Arc<Queue>,
}

/// A link's place in the hub, which it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    hub: Arc<Hub>,
    number: u64,
    why: String,
    pub queue: Arc<Queue>,
}

impl Hub {
    pub fn new(settings: Arc<RingSettings>, to_core: mpsc::Sender<RingEvent>, now: Instant) -> Self {
        let others = settings.peers.iter().filter(|peer| peer.id != settings.me);
        let heard = others.map(|peer| (peer.id, now)).collect();
        let circle = Arc::new(settings.circle());
        Hub {
            settings,
            to_core,
            changed: Notify::new(),
            state: Mutex::new(State {
                circle,
                sequence: 0,
                next_link: 0,
                links: BTreeMap::new(),
                kept: VecDeque::new(),
                seen: Seen::default(),
                heard,
                counters: Counters::default(),
            }),
        }
    }

    /// Who the members are now.
    pub fn circle(&self) -> Arc<Circle> {
        Arc::clone(&self.state().circle)
    }

    /// Waits until the circle is another one than when it was last waited for.
    pub async fn circle_changed(&self) {
        self.changed.notified().await;
    }

    /// From now on these are the members: links with others are closed, once what waits for them is written.
    pub fn set_circle(&self, circle: Circle, now: Instant) -> Result<(), RingError> {
        self.settings.check_circle(&circle)?;
        let mut state = self.state();
        if *state.circle == circle {
            return Ok(());
        }
        let others = circle.peers.iter().map(|peer| peer.id);
        let others: BTreeSet<MemberId> = others.filter(|id| *id != self.settings.me).collect();
        state.heard.retain(|id, _| others.contains(id));
        for id in &others {
            state.heard.entry(*id).or_insert(now);
        }
        let is_stranger = |link: &Link| !circle.is_member || !others.contains(&link.peer);
        let strangers = state.links.values().filter(|link| is_stranger(link));
        let closed: Vec<_> = strangers.map(|link| (link.peer, link.direction)).collect();
        state.circle = Arc::new(circle);
        drop(state);
        for (peer, direction) in closed {
            self.close(peer, direction, STRANGER);
        }
        self.changed.notify_one();
        Ok(())
    }

    /// Lets a link take part. An older one that the same member made is closed: its other end is gone, or is another
    /// process.
    pub fn join(self: &Arc<Self>, agreed: Agreed, direction: Direction, now: Instant) -> Place {
        self.close(agreed.peer, direction, "a newer connection took its place");
        let queue = Arc::new(Queue::new(self.settings.limits.queue_bytes_max));
        let Agreed {
            peer,
            boot,
            version,
            differences,
        } = agreed;
        let mut state = self.state();
        let number = state.next_link;
        state.next_link += 1;
        state.kept.drain(..).for_each(|framed| queue.push(framed));
        let link = Link {
            peer,
            boot,
            direction,
            version,
            since: now,
            heard: now,
            queue: Arc::clone(&queue),
        };
        state.links.insert(number, link);
        let is_stranger = state.circle.peer(peer).is_none();
        drop(state);
        self.tell(RingEvent::LinkUp {
            peer,
            boot,
            direction,
            version,
        });
        if is_stranger {
            self.close(peer, direction, STRANGER);
        }
        if !differences.is_empty() {
            self.tell(RingEvent::Differs { peer, differences });
        }
        Place {
            hub: Arc::clone(self),
            number,
            why: "it was stopped here".to_owned(),
            queue,
        }
    }

    /// Closes the link with a member in one direction, once what waits for it is written.
    pub fn close(&self, peer: MemberId, direction: Direction, why: &str) {
        let mut state = self.state();
        let is_meant = |link: &Link| link.peer == peer && link.direction == direction;
        let found = state.links.iter().find(|(_, link)| is_meant(link));
        let Some(number) = found.map(|(number, _)| *number) else {
            return;
        };
        let closed = state.links.remove(&number);
        drop(state);
        if let Some(link) = closed {
            link.queue.close();
            self.tell_down(&link, why);
        }
    }

    pub fn is_linked(&self, peer: MemberId, direction: Direction) -> bool {
        let state = self.state();
        state
            .links
            .values()
            .any(|link| link.peer == peer && link.direction == direction)
    }

    /// Says something to all.
    pub fn flood(&self, envelope: &Envelope) {
        self.say(None, envelope);
    }

    /// Says something to one member.
    pub fn send(&self, to: MemberId, envelope: Envelope) {
        if to == self.settings.me {
            self.tell(RingEvent::Message(envelope));
        } else {
            self.say(Some(to), &envelope);
        }
    }

    /// Lets all know that this member lives.
    pub fn beacon(&self) {
        self.start_round(None, Arc::from([].as_slice()));
    }

    /// Takes what came over a link.
    pub fn receive(&self, from: u64, head: Head, payload: &[u8], now: Instant) {
        let me = self.settings.me;
        if head.origin == me && head.boot == self.settings.boot {
            return;
        }
        let mut state = self.state();
        if head.hops == 0 || state.circle.peer(head.origin).is_none() {
            state.counters.stray += 1;
            return;
        }
        if !state.seen.is_new(head.origin, head.boot, head.sequence) {
            state.counters.duplicates += 1;
            return;
        }
        state.heard.insert(head.origin, now);
        state.counters.received += 1;
        if head.to != Some(me) {
            state.pass_on(from, head, payload);
        }
        drop(state);
        if !payload.is_empty() && head.to.is_none_or(|to| to == me) {
            self.deliver(head, payload);
        }
    }

    /// A byte came over a link.
    pub fn touch(&self, number: u64, now: Instant) {
        if let Some(link) = self.state().links.get_mut(&number) {
            link.heard = now;
        }
    }

    /// Members of whom nothing came for so long that the ring may be in two parts.
    pub fn unheard(&self, now: Instant) -> BTreeSet<MemberId> {
        let patience = self.settings.limits.unheard_after;
        let state = self.state();
        let silent = state
            .heard
            .iter()
            .filter(|(_, heard)| now.since(**heard) >= patience);
        silent.map(|(id, _)| *id).collect()
    }

    /// When each other member was last heard, over whatever links; at first, when the ring started.
    pub fn heard(&self) -> BTreeMap<MemberId, Instant> {
        self.state().heard.clone()
    }

    pub fn counters(&self) -> Counters {
        self.state().counters
    }

    pub fn links(&self) -> Vec<LinkStatus> {
        let state = self.state();
        let status = state.links.values().filter_map(|link| {
            let peer = state.circle.peer(link.peer)?;
            let (queued_bytes, dropped) = link.queue.status();
            Some(LinkStatus {
                peer: link.peer,
                name: peer.name.clone(),
                address: peer.address,
                boot: link.boot,
                direction: link.direction,
                version: link.version,
                since: link.since,
                heard: link.heard,
                queued_bytes,
                dropped,
            })
        });
        status.collect()
    }

    /// Tells the process around; when it does not keep up, the event is dropped and counted: members repeat what
    /// matters.
    pub fn tell(&self, event: RingEvent) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.to_core.try_send(event) {
            self.state().counters.undelivered += 1;
        }
    }

    fn say(&self, to: Option<MemberId>, envelope: &Envelope) {
        match encode(envelope) {
            Ok(bytes) => self.start_round(to, Arc::from(bytes)),
            Err(error) => self.malformed(self.settings.me, error.to_string()),
        }
    }

    fn start_round(&self, to: Option<MemberId>, payload: Arc<[u8]>) {
        let mut state = self.state();
        state.sequence += 1;
        state.counters.sent += 1;
        let head = Head {
            origin: self.settings.me,
            boot: self.settings.boot,
            sequence: state.sequence,
            to,
            hops: HOPS_MAX,
        };
        for link in state.links.values() {
            let payload = Arc::clone(&payload);
            link.queue.push(Framed { head, payload });
        }
        if state.links.is_empty() && !payload.is_empty() {
            // It would be said again, but only after a wait that somebody who restarts need not have.
            state.kept.push_back(Framed { head, payload });
            if state.kept.len() > KEPT_MAX {
                state.kept.pop_front();
            }
        }
    }

    fn deliver(&self, head: Head, payload: &[u8]) {
        match decode(payload) {
            Ok(envelope) if envelope.from == head.origin && envelope.boot == head.boot => {
                self.tell(RingEvent::Message(envelope));
            }
            Ok(envelope) => {
                let why = format!(
                    "it speaks in the name of {} in boot {}",
                    envelope.from, envelope.boot
                );
                self.malformed(head.origin, why);
            }
            Err(error) => self.malformed(head.origin, error.to_string()),
        }
    }

    fn malformed(&self, origin: MemberId, why: String) {
        self.tell(RingEvent::Malformed { origin, why });
    }

    fn tell_down(&self, link: &Link, why: &str) {
        self.tell(RingEvent::LinkDown {
            peer: link.peer,
            direction: link.direction,
            why: why.to_owned(),
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is changed under the lock is whole after each step, whoever panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Passes a message on over every link that does not lead back to where it came from or was first said.
    fn pass_on(&self, from: u64, head: Head, payload: &[u8]) {
        let from = self.links.get(&from).map(|link| (link.peer, link.boot));
        let head = Head {
            hops: head.hops - 1,
            ..head
        };
        let mut shared = None;
        for link in self.links.values() {
            let there = (link.peer, link.boot);
            if Some(there) != from && there != (head.origin, head.boot) {
                let payload = Arc::clone(shared.get_or_insert_with(|| Arc::from(payload)));
                link.queue.push(Framed { head, payload });
            }
        }
    }
}

impl Place {
    /// Why the link will have ended.
    pub fn because(&mut self, why: String) {
        self.why = why;
    }

    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let link = self.hub.state().links.remove(&self.number);
        if let Some(link) = link {
            self.hub.tell_down(&link, &self.why);
        }
    }
}

#[cfg(test)]
mod tests;
