//! Who reaches whom round the ring, and over how many links.
//!
//! As in the daemon: what a member says goes out both ways, each passes it on, and a link that has been silent for
//! `dead_after` is replaced by one to the next member that answers. A process that dies closes its links at once.

/// After so long without a byte a link is dead: the daemon's default.
const DEAD_AFTER_NS: u64 = 4_000_000_000;

/// How a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    /// Its links are closed.
    Closed,
    /// It says nothing, since then.
    Silent(u64),
}

/// The links of all members.
#[derive(Clone, Debug)]
pub(super) struct Wires {
    members: Vec<Presence>,
    /// Members with different numbers have no link, ...
    sides: Vec<u8>,
    /// ... and have noticed it `DEAD_AFTER_NS` after this.
    cut_at: u64,
    is_whole: bool,
}

impl Wires {
    pub fn new(members: usize) -> Self {
        Wires {
            members: vec![Presence::Here; members],
            sides: vec![0; members],
            cut_at: 0,
            is_whole: true,
        }
    }

    pub fn closed(&mut self, member: usize) {
        self.members[member] = Presence::Closed;
        self.look();
    }

    pub fn silent(&mut self, member: usize, now: u64) {
        self.members[member] = Presence::Silent(now);
        self.look();
    }

    pub fn here(&mut self, member: usize) {
        self.members[member] = Presence::Here;
        self.look();
    }

    pub fn cut(&mut self, apart: &[usize], now: u64) {
        apart.iter().for_each(|member| self.sides[*member] = 1);
        self.cut_at = now;
        self.look();
    }

    pub fn mend(&mut self) {
        self.sides.fill(0);
        self.look();
    }

    /// Since when nothing is heard of this member.
    pub fn silent_since(&self, member: usize) -> Option<u64> {
        match self.members[member] {
            Presence::Silent(since) => Some(since),
            Presence::Here | Presence::Closed => None,
        }
    }

    /// Links on the shorter way that is open.
    pub fn hops(&self, from: usize, to: usize, now: u64) -> Option<u32> {
        let count = self.members.len();
        let right = (to + count - from) % count;
        if self.is_whole {
            return Some(right.min(count - right) as u32);
        }
        if self.members[from] != Presence::Here {
            return None;
        }
        let ways = [self.walk(from, to, 1, now), self.walk(from, to, count - 1, now)];
        ways.into_iter().flatten().min()
    }

    fn look(&mut self) {
        self.is_whole = self.members.iter().all(|member| *member == Presence::Here)
            && self.sides.iter().all(|side| *side == self.sides[0]);
    }

    fn walk(&self, from: usize, to: usize, step: usize, now: u64) -> Option<u32> {
        let (mut at, mut hops) = (from, 0);
        loop {
            at = self.neighbour(at, step, now)?;
            hops += 1;
            if at == to {
                return Some(hops);
            }
            if at == from {
                return None;
            }
        }
    }

    /// Whom a member is linked with in one direction; nobody while it waits for one that says nothing.
    fn neighbour(&self, of: usize, step: usize, now: u64) -> Option<usize> {
        let count = self.members.len();
        let mut next = (of + step) % count;
        while next != of {
            match self.members[next] {
                Presence::Here if self.sides[next] == self.sides[of] => return Some(next),
                Presence::Here if now < self.cut_at + DEAD_AFTER_NS => return None,
                Presence::Silent(since) if now < since + DEAD_AFTER_NS => return None,
                Presence::Here | Presence::Closed | Presence::Silent(_) => {}
            }
            next = (next + step) % count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_the_shorter_way() {
        let wires = Wires::new(10);
        assert_eq!(wires.hops(0, 3, 0), Some(3));
        assert_eq!(wires.hops(0, 8, 0), Some(2));
    }

    #[test]
    fn a_dead_process_is_passed_at_once_and_a_silent_host_when_its_links_are_dead() {
        let mut wires = Wires::new(10);
        wires.closed(1);
        assert_eq!(wires.hops(0, 3, 0), Some(2));
        wires.silent(2, 0);
        assert_eq!(wires.hops(0, 3, 1), Some(7), "the other way round");
        assert_eq!(wires.hops(0, 3, DEAD_AFTER_NS), Some(1));
        wires.here(1);
        wires.here(2);
        assert_eq!(wires.hops(0, 3, 1), Some(3));
    }

    #[test]
    fn a_member_without_links_reaches_nobody_and_nobody_reaches_it() {
        let mut wires = Wires::new(5);
        wires.silent(2, 0);
        assert_eq!(
            (wires.hops(2, 3, DEAD_AFTER_NS), wires.hops(3, 2, DEAD_AFTER_NS)),
            (None, None)
        );
    }

    #[test]
    fn nothing_passes_a_cut_and_each_side_becomes_a_ring_of_its_own() {
        let mut wires = Wires::new(6);
        wires.cut(&[1, 3, 5], 0);
        assert_eq!(wires.hops(0, 2, 1), None, "links are not replaced yet");
        assert_eq!(wires.hops(0, 2, DEAD_AFTER_NS), Some(1));
        assert_eq!(wires.hops(0, 3, DEAD_AFTER_NS), None);
        wires.mend();
        assert_eq!(wires.hops(0, 3, 1), Some(3));
    }
}
