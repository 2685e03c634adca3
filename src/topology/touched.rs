//! Which users a step from one topology to another can move.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{BackendId, Span, TagId, Topology, UserId, VhostRing};

/// Where two topologies may place users differently: everybody outside is placed alike by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Where the rings differ; sorted by first hash and tag, disjoint and not adjacent within a tag.
    pub spans: Vec<Span>,
    /// The users whose own pins differ, in order; among them those that stand for everybody of a hash.
    pub users: Vec<UserId>,
}

impl Touched {
    /// Whether both topologies place everybody alike.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.users.is_empty()
    }
}

/// Where `old` and `new` may place users differently.
///
/// Takes no time for tags whose rings, and none for pins, that the two share.
pub fn touched(old: &Topology, new: &Topology) -> Touched {
    let tags = old.tags().len().max(new.tags().len());
    let mut spans = Vec::new();
    for tag in (0..).map(TagId::from_index).take(tags) {
        match (old.rings.get(tag), new.rings.get(tag)) {
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => {}
            (Some(old), Some(new)) => differing_spans(tag, old, new, &mut spans),
            (Some(ring), None) | (None, Some(ring)) => {
                if !ring.points().is_empty() {
                    spans.push(Span {
                        tag,
                        first: 0,
                        last: u32::MAX,
                    });
                }
            }
            (None, None) => {}
        }
    }
    spans.sort_unstable_by_key(|span| (span.first, span.tag));
    Touched {
        spans,
        users: differing_pins(old, new),
    }
}

/// Walks both rings at once, from one point of either to the next: in between, each ring has one answer.
fn differing_spans(tag: TagId, old: &VhostRing, new: &VhostRing, spans: &mut Vec<Span>) {
    let begin = spans.len();
    let mut put = |first: u32, last: u32| match spans[begin..].last_mut() {
        Some(span) if span.last.wrapping_add(1) == first => span.last = last,
        _ => spans.push(Span { tag, first, last }),
    };
    let (mut old_walk, mut new_walk) = (Walk::along(old), Walk::along(new));
    let mut first = 0;
    loop {
        let last = old_walk.next_hash().min(new_walk.next_hash());
        let differs = old_walk.backend() != new_walk.backend();
        if old_walk.collides_at(last) || new_walk.collides_at(last) {
            // Below the colliding hash the first of its points answers; at it, whichever the bisection
            // meets.
            if differs && first < last {
                put(first, last - 1);
            }
            if old.pick(last) != new.pick(last) {
                put(last, last);
            }
        } else if differs {
            put(first, last);
        }
        if last == u32::MAX {
            return;
        }
        old_walk.pass(last);
        new_walk.pass(last);
        first = last + 1;
    }
}

/// A place on a ring: the first point not yet passed.
struct Walk<'a> {
    ring: &'a VhostRing,
    place: usize,
}

impl<'a> Walk<'a> {
    fn along(ring: &'a VhostRing) -> Self {
        Walk { ring, place: 0 }
    }

    /// Where the point ahead lies; the end of the circle behind the last one.
    fn next_hash(&self) -> u32 {
        self.ring
            .points()
            .get(self.place)
            .map_or(u32::MAX, |point| point.hash)
    }

    /// Whose the hashes up to the point ahead are.
    fn backend(&self) -> Option<BackendId> {
        let points = self.ring.points();
        points
            .get(self.place)
            .or(points.first())
            .map(|point| point.backend)
    }

    fn collides_at(&self, hash: u32) -> bool {
        self.next_hash() == hash
            && self
                .ring
                .points()
                .get(self.place + 1)
                .is_some_and(|point| point.hash == hash)
    }

    fn pass(&mut self, hash: u32) {
        while self
            .ring
            .points()
            .get(self.place)
            .is_some_and(|point| point.hash == hash)
        {
            self.place += 1;
        }
    }
}

fn differing_pins(old: &Topology, new: &Topology) -> Vec<UserId> {
    if Arc::ptr_eq(&old.table.pins, &new.table.pins) {
        return Vec::new();
    }
    let (mut old, mut new) = (old.table.pins.sorted(), new.table.pins.sorted());
    let mut users = Vec::new();
    loop {
        match (old, new) {
            ([], rest) | (rest, []) => {
                users.extend(rest.iter().map(|&(user, _)| user));
                return users;
            }
            ([(user, from), old_rest @ ..], [(other, to), new_rest @ ..]) => {
                let order = user.cmp(other);
                if order != Ordering::Equal || from != to {
                    users.push(*user.min(other));
                }
                if order != Ordering::Greater {
                    old = old_rest;
                }
                if order != Ordering::Less {
                    new = new_rest;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
