//! Keeps the link to the right: dials, takes the nearest that answers, and tells the ring that this member lives.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::course::Course;
use super::event::{Direction, RingEvent};
use super::handshake::Parted;
use super::party::Party;
use super::refusal::Refusal;
use crate::topology::MemberId;
use crate::world::{Clock, Instant, Task, World, select};

/// What became of a dialling. The attempt's number tells it from one that was given up before.
#[derive(Debug)]
enum News {
    Linked(MemberId, u64),
    Ended(MemberId, u64, Option<Refusal>),
}

struct Keeper<W: World> {
    party: Party<W>,
    course: Course,
    /// The attempt or link with each member that this one dialled.
    diallings: BTreeMap<MemberId, (u64, Task)>,
    attempts: u64,
    /// The last reason told for each member, so that the same one is not told again and again.
    told: BTreeMap<MemberId, Refusal>,
    news: mpsc::UnboundedSender<News>,
}

/// Keeps the link to the right for ever.
pub(super) async fn run<W: World>(party: Party<W>) {
    let (news, mut heard) = mpsc::unbounded_channel();
    let right = party.hub.circle().to_the_right(party.settings.me);
    let course = Course::new(right, party.settings.limits.clone());
    let mut beacon_at = party.now();
    let mut keeper = Keeper {
        party: party.clone(),
        course,
        diallings: BTreeMap::new(),
        attempts: 0,
        told: BTreeMap::new(),
        news,
    };
    loop {
        let now = party.now();
        if now >= beacon_at {
            party.hub.beacon();
            beacon_at = now.plus(party.settings.limits.beacon_every);
        }
        keeper.dial_all(now);
        let wake = keeper
            .course
            .next_wakeup()
            .map_or(beacon_at, |at| at.min(beacon_at));
        select! {
            news = heard.recv() => match news {
                Some(news) => keeper.take(news),
                None => return,
            },
            () = party.hub.circle_changed() => keeper.turn(),
            () = party.world.clock().sleep_until(wake) => {}
        }
    }
}

impl<W: World> Keeper<W> {
    fn dial_all(&mut self, now: Instant) {
        let unheard = self.party.hub.unheard(now);
        while let Some(id) = self.course.next(now, &unheard) {
            self.dial(id);
        }
    }

    /// The members are others now.
    fn turn(&mut self) {
        let circle = self.party.hub.circle();
        for gone in self.course.turned(circle.to_the_right(self.party.settings.me)) {
            self.told.remove(&gone);
            // A link that was closed still writes what waits for it; whoever is being greeted is refused.
            if let Some((_, task)) = self.diallings.remove(&gone) {
                task.detach();
            }
        }
    }

    fn dial(&mut self, id: MemberId) {
        let circle = self.party.hub.circle();
        let Some(peer) = circle.peer(id) else {
            return;
        };
        self.attempts += 1;
        let attempt = self.attempts;
        let (news, party, address) = (self.news.clone(), self.party.clone(), peer.address);
        let task = self.party.world.spawn("ring-dial", async move {
            let linked = news.clone();
            let on_link = Box::new(move || drop(linked.send(News::Linked(id, attempt))));
            let ended = party.dial(id, address, on_link).await;
            let why = ended.err().map(|Parted { why, .. }| why);
            // The keeper is gone only when this task is being dropped.
            let _ = news.send(News::Ended(id, attempt, why));
        });
        self.diallings.insert(id, (attempt, task));
    }

    fn take(&mut self, news: News) {
        let now = self.party.now();
        let (News::Linked(id, attempt) | News::Ended(id, attempt, _)) = &news;
        let (id, attempt) = (*id, *attempt);
        if self
            .diallings
            .get(&id)
            .is_none_or(|(current, _)| *current != attempt)
        {
            return;
        }
        match news {
            News::Linked(..) => {
                self.told.remove(&id);
                for needless in self.course.linked(id, now) {
                    self.give_up(needless);
                }
            }
            News::Ended(_, _, why) => {
                self.diallings.remove(&id);
                self.course.ended(id, now, self.party.world.entropy());
                if let Some(why) = why {
                    self.tell(id, why);
                }
            }
        }
    }

    /// A nearer neighbour answers. A link that stands still writes what waits for it.
    fn give_up(&mut self, id: MemberId) {
        let Some((_, task)) = self.diallings.remove(&id) else {
            return;
        };
        let hub = &self.party.hub;
        if hub.is_linked(id, Direction::Dialled) {
            hub.close(id, Direction::Dialled, "a nearer member answers again");
            task.detach();
        }
    }

    fn tell(&mut self, id: MemberId, why: Refusal) {
        if self.told.get(&id) == Some(&why) {
            return;
        }
        self.told.insert(id, why.clone());
        let who = self.party.hub.circle().title(id);
        let peer = Some(id);
        self.party.hub.tell(RingEvent::Refused { peer, who, why });
    }
}
