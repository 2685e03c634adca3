//! How large a change may be: a value with many pins on its way round a ring of real links.
//!
//! Small messages take no time on a wire, which is why `scene` counts hops only. A value with a million pins does: each
//! member has the whole of it before it passes it on. This plays such a value frame by frame, with the queues of the
//! daemon (`ring::RingLimits::queue_bytes_max`, the oldest is dropped) and the coordinator's habit of saying again what was
//! not answered. What members make of a message is left out; they answer at once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use maildirector::agreement::timing::{TIMING_DEFAULT, renew_every, resend_every};
use maildirector::ring::{FRAME_BYTES_MAX, RingLimits};

/// What a small message takes on a link, about.
const SMALL_BYTES: u64 = 60;
/// One link's latency.
const HOP_NS: u64 = 150_000;
/// About 4,096 pins: a larger value is said again only to all at once.
const SAID_TO_ONE_MAX_BYTES: u64 = 53_000;
/// Longer is not waited for a value.
const PATIENCE_NS: u64 = 60_000_000_000;
/// The usable part of a lease behind stock Dovecot.
const USABLE: Duration = Duration::from_secs(7);

/// How fast links are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkSpeed {
    /// 100 Mbit/s.
    Mbit100,
    /// 1 Gbit/s.
    Gbit1,
    /// 10 Gbit/s.
    Gbit10,
}

impl LinkSpeed {
    /// Bytes that it carries in a second.
    pub fn bytes_per_second(self) -> u64 {
        match self {
            LinkSpeed::Mbit100 => 12_500_000,
            LinkSpeed::Gbit1 => 125_000_000,
            LinkSpeed::Gbit10 => 1_250_000_000,
        }
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueFate {
    /// From the proposal until all members have the commit, in nanoseconds; nothing when that took longer than a minute or a lease ran
    /// out before.
    pub everywhere_ns: Option<u64>,
    /// Frames that were dropped because too much waited.
    pub dropped: u64,
    /// Whether the lease of a watched member ran out meanwhile.
    pub is_lease_lost: bool,
}

/// The largest value, in bytes, that is decided everywhere while nobody loses a lease; a frame has no more.
pub fn largest_value(directors: u16, speed: LinkSpeed) -> u64 {
    let is_fine = |bytes| {
        let fate = play_value(directors, bytes, speed);
        fate.everywhere_ns.is_some() && !fate.is_lease_lost
    };
    let (mut fine, mut bad) = (0, FRAME_BYTES_MAX as u64);
    if is_fine(bad) {
        return bad;
    }
    while bad - fine > 128 << 10 {
        let middle = fine.midpoint(bad);
        if is_fine(middle) {
            fine = middle;
        } else {
            bad = middle;
        }
    }
    fine
}

/// Plays a value of so many bytes from the proposal on.
pub fn play_value(directors: u16, bytes: u64, speed: LinkSpeed) -> ValueFate {
    let mut circle = Circle::new(usize::from(directors), speed);
    circle.propose(bytes);
    while circle.commit_missing > 0 && circle.now < PATIENCE_NS && !circle.is_lease_lost {
        let Some(Reverse((at, _, happening))) = circle.heap.pop() else {
            break;
        };
        circle.now = at;
        circle.happen(happening);
    }
    circle.look_at_leases();
    ValueFate {
        everywhere_ns: (circle.commit_missing == 0).then_some(circle.now),
        dropped: circle.dropped,
        is_lease_lost: circle.is_lease_lost,
    }
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    Propose,
    Commit,
    /// A member has accepted and confirmed.
    Answer,
    Renew {
        asking: usize,
    },
    Grant {
        asking: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    number: usize,
    origin: usize,
    to: Option<usize>,
    says: Says,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A link has written its frame.
    Written {
        link: usize,
        frame: Frame,
    },
    Arrives {
        at: usize,
        from: usize,
        frame: Frame,
    },
    Resend,
    Renews {
        member: usize,
    },
}

#[derive(Debug, Default)]
struct Link {
    queue: VecDeque<Frame>,
    queued_bytes: u64,
    is_writing: bool,
}

/// An asking for a lease under way.
#[derive(Debug)]
struct Asking {
    member: usize,
    sent: u64,
    granted: usize,
}

struct Circle {
    now: u64,
    members: usize,
    speed: LinkSpeed,
    heap: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    happenings: u64,
    /// Of each member: to the right, to the left.
    links: Vec<Link>,
    /// Of each frame: who had it.
    seen: Vec<BTreeSet<usize>>,
    value_bytes: u64,
    to_all_at: u64,
    answered: BTreeSet<usize>,
    has_commit: BTreeSet<usize>,
    commit_missing: usize,
    askings: Vec<Asking>,
    leases: Vec<(usize, u64)>,
    dropped: u64,
    is_lease_lost: bool,
}

impl Circle {
    fn new(members: usize, speed: LinkSpeed) -> Self {
        let watched = [0, 1, members / 4, members / 2, members - 1];
        let watched: BTreeSet<usize> = watched.into_iter().collect();
        let usable_ns = USABLE.as_nanos() as u64;
        let mut circle = Circle {
            now: 0,
            members,
            speed,
            heap: BinaryHeap::new(),
            happenings: 0,
            links: (0..2 * members).map(|_| Link::default()).collect(),
            seen: Vec::new(),
            value_bytes: 0,
            to_all_at: 0,
            answered: BTreeSet::new(),
            has_commit: BTreeSet::new(),
            commit_missing: members - 1,
            askings: Vec::new(),
            leases: watched.iter().map(|member| (*member, usable_ns)).collect(),
            dropped: 0,
            is_lease_lost: false,
        };
        for (n, member) in watched.into_iter().enumerate() {
            circle.push(n as u64 * 400_000_000, Happening::Renews { member });
        }
        circle
    }

    fn propose(&mut self, bytes: u64) {
        self.value_bytes = bytes;
        self.to_all_at = renew_every(TIMING_DEFAULT).as_nanos() as u64;
        self.say(0, None, Says::Propose, bytes);
        self.push(resend_every(TIMING_DEFAULT).as_nanos() as u64, Happening::Resend);
    }

    fn push(&mut self, after: u64, happening: Happening) {
        self.happenings += 1;
        self.heap
            .push(Reverse((self.now + after, self.happenings, happening)));
    }

    fn say(&mut self, origin: usize, to: Option<usize>, says: Says, bytes: u64) {
        let number = self.seen.len();
        self.seen.push(BTreeSet::from([origin]));
        let frame = Frame {
            number,
            origin,
            to,
            says,
            bytes,
        };
        self.enqueue(2 * origin, frame);
        self.enqueue(2 * origin + 1, frame);
    }

    fn enqueue(&mut self, link: usize, frame: Frame) {
        let queue_bytes_max = RingLimits::default().queue_bytes_max as u64;
        let queue = &mut self.links[link];
        queue.queue.push_back(frame);
        queue.queued_bytes += frame.bytes;
        while queue.queued_bytes > queue_bytes_max {
            let Some(oldest) = queue.queue.pop_front() else {
                break;
            };
            queue.queued_bytes -= oldest.bytes;
            self.dropped += 1;
        }
        self.write(link);
    }

    fn write(&mut self, link: usize) {
        let queue = &mut self.links[link];
        if queue.is_writing {
            return;
        }
        if let Some(frame) = queue.queue.pop_front() {
            queue.queued_bytes -= frame.bytes;
            queue.is_writing = true;
            let nanos = frame.bytes * 1_000_000_000 / self.speed.bytes_per_second();
            self.push(nanos, Happening::Written { link, frame });
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Written { link, frame } => {
                let from = link / 2;
                let step = if link.is_multiple_of(2) {
                    1
                } else {
                    self.members - 1
                };
                let at = (from + step) % self.members;
                self.push(HOP_NS, Happening::Arrives { at, from, frame });
                self.links[link].is_writing = false;
                self.write(link);
            }
            Happening::Arrives { at, from, frame } => self.arrive(at, from, frame),
            Happening::Resend => self.resend(),
            Happening::Renews { member } => {
                let asking = self.askings.len();
                self.askings.push(Asking {
                    member,
                    sent: self.now,
                    granted: 1,
                });
                self.say(member, None, Says::Renew { asking }, SMALL_BYTES);
                self.push(
                    renew_every(TIMING_DEFAULT).as_nanos() as u64,
                    Happening::Renews { member },
                );
                self.look_at_leases();
            }
        }
    }

    fn arrive(&mut self, at: usize, from: usize, frame: Frame) {
        if !self.seen[frame.number].insert(at) {
            return;
        }
        if frame.to != Some(at) {
            let right = (at + 1) % self.members;
            let (link, there) = if right == from {
                (2 * at + 1, (at + self.members - 1) % self.members)
            } else {
                (2 * at, right)
            };
            if there != frame.origin {
                self.enqueue(link, frame);
            }
        }
        if frame.to.is_none_or(|to| to == at) {
            self.take(at, frame);
        }
    }

    fn take(&mut self, at: usize, frame: Frame) {
        match frame.says {
            Says::Propose => self.say(at, Some(0), Says::Answer, SMALL_BYTES),
            Says::Answer => {
                self.answered.insert(frame.origin);
                if self.answered.len() == self.members - 1 && self.has_commit.is_empty() {
                    self.has_commit.insert(0);
                    self.say(0, None, Says::Commit, self.value_bytes);
                }
            }
            Says::Commit => {
                if self.has_commit.insert(at) {
                    self.commit_missing -= 1;
                }
            }
            Says::Renew { asking } => {
                self.say(at, Some(frame.origin), Says::Grant { asking }, SMALL_BYTES);
            }
            Says::Grant { asking } => {
                let majority = self.members / 2 + 1;
                let asking = &mut self.askings[asking];
                asking.granted += 1;
                if asking.granted == majority {
                    let until = asking.sent + USABLE.as_nanos() as u64;
                    let member = asking.member;
                    self.look_at_leases();
                    let lease = self.leases.iter_mut().find(|(holder, _)| *holder == member);
                    let (_, held) = lease.expect("only watched members ask");
                    *held = until.max(*held);
                }
            }
        }
    }

    /// As `Director::resend`: who has not answered hears it again, and now and then all do; a large value only these.
    fn resend(&mut self) {
        if !self.has_commit.is_empty() {
            return;
        }
        if self.now >= self.to_all_at {
            self.to_all_at = self.now + renew_every(TIMING_DEFAULT).as_nanos() as u64;
            self.say(0, None, Says::Propose, self.value_bytes);
        } else if self.value_bytes <= SAID_TO_ONE_MAX_BYTES {
            for member in 1..self.members {
                if !self.answered.contains(&member) {
                    self.say(0, Some(member), Says::Propose, self.value_bytes);
                }
            }
        }
        self.push(resend_every(TIMING_DEFAULT).as_nanos() as u64, Happening::Resend);
    }

    fn look_at_leases(&mut self) {
        self.is_lease_lost |= self.leases.iter().any(|(_, until)| *until < self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_value_takes_two_ways_round() {
        let fate = play_value(10, 1_000, LinkSpeed::Gbit1);
        let everywhere_ns = fate.everywhere_ns.expect("nothing is in its way");
        assert!(
            (5 * 3 * HOP_NS..5 * 5 * HOP_NS).contains(&everywhere_ns),
            "{everywhere_ns}"
        );
        assert_eq!((fate.dropped, fate.is_lease_lost), (0, false));
    }

    #[test]
    fn a_value_is_passed_on_only_when_it_is_whole() {
        let bytes = 1_250_000;
        let fate = play_value(4, bytes, LinkSpeed::Gbit1);
        // Two links for the proposal and two for the commit, 10 ms each.
        let everywhere_ns = fate.everywhere_ns.expect("nothing is in its way");
        assert!(
            (40_000_000..45_000_000).contains(&everywhere_ns),
            "{everywhere_ns}"
        );
    }
}
