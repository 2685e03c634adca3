//! All holds in key order: nodes of runs of holds.
//!
//! ```text
//! Tree     the lowest user of each node    nodes
//! Node     the lowest user of each run     at most 128 runs
//! Leaf     records in key order, names     at most 128 holds
//! ```
//!
//! Where a run or node ends depends on how many there are and not on their hashes, so names that somebody chose for
//! their hashes slow nothing down, and no step ever moves more than one run, one node and the list of nodes: there is
//! no pause for growing. Three levels are enough: the list of nodes has about 120 entries at 1 M holds.
//!
//! Between two entries of a list of lowest users, every user belongs to the first of them; users below the whole
//! list belong to its first entry. No run and no node is ever empty.

use std::slice;

use super::leaf::{Leaf, RUN_MAX, Record};
use crate::topology::UserId;

/// A node of more runs than this is split.
pub(super) const NODE_MAX: usize = 128;
/// A node of fewer runs than this looks for a neighbour to join.
const NODE_MIN: usize = NODE_MAX / 4;
/// Room is made for so many runs at a time.
const NODE_STEP: usize = 16;

/// The holds of a director in key order.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    lowest: Vec<UserId>,
    nodes: Vec<Node>,
    len: usize,
}

impl Tree {
    /// Takes in a hold, in place of an older one of the same user, whose record is returned.
    pub(super) fn insert(&mut self, record: Record, name: &str) -> Option<Record> {
        let user = record.user();
        if self.nodes.is_empty() {
            self.lowest.push(user);
            self.nodes.push(Node {
                lowest: vec![user],
                leaves: vec![Leaf::default()],
            });
        }
        let (at, within) = self.node_of(user);
        let replaced = self.nodes[at].insert(within, record, name);
        if self.nodes[at].leaves.len() > NODE_MAX {
            let (lowest, second) = self.nodes[at].split();
            self.lowest.insert(at + 1, lowest);
            self.nodes.insert(at + 1, second);
        }
        self.len += usize::from(replaced.is_none());
        replaced
    }

    /// Takes in a node whose users are above all others; one without runs changes nothing.
    pub(super) fn push(&mut self, node: Node) {
        let Some(lowest) = node.lowest.first() else {
            return;
        };
        self.lowest.push(*lowest);
        self.len += node.leaves.iter().map(Leaf::len).sum::<usize>();
        self.nodes.push(node);
    }

    /// Takes out the hold of `user`.
    pub(super) fn remove(&mut self, user: UserId) -> Option<(Record, Box<str>)> {
        let (at, within) = self.node_of(user);
        let removed = self.nodes.get_mut(at)?.remove(within, user)?;
        self.len -= 1;
        let runs = self.nodes[at].leaves.len();
        if runs == 0 {
            self.lowest.remove(at);
            self.nodes.remove(at);
        } else if runs < NODE_MIN
            && let Some(at) = pair(&self.nodes, at, |node| node.leaves.len(), NODE_MAX / 2)
        {
            self.lowest.remove(at + 1);
            let next = self.nodes.remove(at + 1);
            self.nodes[at].append(next);
        }
        Some(removed)
    }

    pub(super) fn find_mut(&mut self, user: UserId) -> Option<&mut Record> {
        let (at, within) = self.node_of(user);
        let node = self.nodes.get_mut(at)?;
        let (at, within) = node.leaf_of(within, user);
        node.leaves[at].find_mut(within, user)
    }

    pub(super) fn find(&self, user: UserId) -> Option<(&Record, &str)> {
        let (at, within) = self.node_of(user);
        let node = self.nodes.get(at)?;
        let (at, within) = node.leaf_of(within, user);
        let leaf = &node.leaves[at];
        let record = leaf.find(within, user)?;
        Some((record, leaf.name(record)))
    }

    /// All holds in key order.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            nodes: self.nodes.iter(),
            leaves: [].iter(),
            records: [].iter(),
            leaf: None,
        }
    }

    /// The holds in key order, from the first whose user is not below `user`.
    pub(super) fn iter_from(&self, user: UserId) -> Iter<'_> {
        let (at, within) = self.node_of(user);
        let Some(node) = self.nodes.get(at) else {
            return self.iter();
        };
        let (leaf, within) = node.leaf_of(within, user);
        Iter {
            nodes: self.nodes[at + 1..].iter(),
            leaves: node.leaves[leaf + 1..].iter(),
            records: node.leaves[leaf].records_from(within, user).iter(),
            leaf: Some(&node.leaves[leaf]),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the allocator in use, without the bytes of the names themselves.
    pub(super) fn bytes(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(Node::bytes).sum();
        super::allocated::<UserId>(self.lowest.capacity())
            + super::allocated::<Node>(self.nodes.capacity())
            + nodes
    }

    /// The node that `user` belongs to, and the hashes of its stretch.
    fn node_of(&self, user: UserId) -> (usize, Stretch) {
        let at = self
            .lowest
            .partition_point(|first| *first <= user)
            .saturating_sub(1);
        (at, Stretch::WHOLE.part(&self.lowest, at))
    }
}

/// A stretch of runs next to each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    lowest: Vec<UserId>,
    leaves: Vec<Leaf>,
}

impl Node {
    /// Takes in a run whose users are above all others.
    pub(super) fn push(&mut self, run: Leaf) {
        let lowest = run.first().expect("no run is ever empty");
        if self.leaves.len() == self.leaves.capacity() {
            self.lowest.reserve_exact(NODE_STEP);
            self.leaves.reserve_exact(NODE_STEP);
        }
        self.lowest.push(lowest);
        self.leaves.push(run);
    }

    /// How many runs it has.
    pub(super) fn len(&self) -> usize {
        self.leaves.len()
    }

    fn insert(&mut self, within: Stretch, record: Record, name: &str) -> Option<Record> {
        let (at, within) = self.leaf_of(within, record.user());
        let replaced = self.leaves[at].insert(within, record, name);
        if self.leaves[at].len() > RUN_MAX {
            let second = self.leaves[at].split();
            let lowest = second
                .first()
                .expect("half of a run that is too long is not empty");
            if self.leaves.len() == self.leaves.capacity() {
                self.lowest.reserve_exact(NODE_STEP);
                self.leaves.reserve_exact(NODE_STEP);
            }
            self.lowest.insert(at + 1, lowest);
            self.leaves.insert(at + 1, second);
        }
        replaced
    }

    fn remove(&mut self, within: Stretch, user: UserId) -> Option<(Record, Box<str>)> {
        let (at, within) = self.leaf_of(within, user);
        let removed = self.leaves[at].remove(within, user)?;
        if self.leaves[at].len() == 0 {
            self.lowest.remove(at);
            self.leaves.remove(at);
        } else if self.leaves[at].is_short()
            && let Some(at) = pair(&self.leaves, at, Leaf::len, RUN_MAX / 2)
        {
            self.lowest.remove(at + 1);
            let next = self.leaves.remove(at + 1);
            self.leaves[at].append(&next);
        }
        Some(removed)
    }

    /// The run that `user` belongs to, and the hashes of its stretch.
    fn leaf_of(&self, within: Stretch, user: UserId) -> (usize, Stretch) {
        let mut at = within.guess(user.key.hash(), self.lowest.len());
        while at + 1 < self.lowest.len() && self.lowest[at + 1] <= user {
            at += 1;
        }
        while at > 0 && user < self.lowest[at] {
            at -= 1;
        }
        (at, within.part(&self.lowest, at))
    }

    /// Cuts the node in two and returns the second half with its lowest user.
    fn split(&mut self) -> (UserId, Node) {
        let half = self.leaves.len() / 2;
        let second = Node {
            lowest: self.lowest.split_off(half),
            leaves: self.leaves.split_off(half),
        };
        self.lowest.shrink_to(half + NODE_STEP);
        self.leaves.shrink_to(half + NODE_STEP);
        (second.lowest[0], second)
    }

    /// Appends the node that follows this one.
    fn append(&mut self, mut next: Node) {
        self.lowest.reserve_exact(next.lowest.len());
        self.lowest.append(&mut next.lowest);
        self.leaves.reserve_exact(next.leaves.len());
        self.leaves.append(&mut next.leaves);
    }

    fn bytes(&self) -> usize {
        let leaves: usize = self.leaves.iter().map(Leaf::bytes).sum();
        super::allocated::<UserId>(self.lowest.capacity())
            + super::allocated::<Leaf>(self.leaves.capacity())
            + leaves
    }
}

/// A stretch of the hash circle that a node or a run covers: where its holds may be.
///
/// Hashes are spread evenly unless somebody chose the names, so a proportional guess lands next to the place that
/// is looked for; from there it is a short walk. Searching by halves would wait for the memory four or five times
/// instead of once or twice. A guess that is far off costs a walk through all of one node and one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    first: u32,
    last: u32,
}

impl Stretch {
    const WHOLE: Stretch = Stretch {
        first: 0,
        last: u32::MAX,
    };

    /// The stretch of the entry `at` of a list of lowest users.
    fn part(self, lowest: &[UserId], at: usize) -> Stretch {
        let first = if at == 0 {
            self.first
        } else {
            lowest[at].key.hash()
        };
        let last = lowest.get(at + 1).map_or(self.last, |next| next.key.hash());
        Stretch { first, last }
    }

    /// Roughly which of `len` ascending entries has the hash; below `len` unless that is 0.
    pub(super) fn guess(self, hash: u32, len: usize) -> usize {
        let span = u64::from(self.last.saturating_sub(self.first)) + 1;
        let offset = u64::from(hash.saturating_sub(self.first)).min(span - 1);
        (offset * len as u64 / span) as usize
    }
}

/// The first of two neighbours, one of them at `at`, that have at most `max` parts together.
fn pair<T>(list: &[T], at: usize, parts: impl Fn(&T) -> usize, max: usize) -> Option<usize> {
    let fits = |first: usize| parts(&list[first]) + parts(&list[first + 1]) <= max;
    if at + 1 < list.len() && fits(at) {
        return Some(at);
    }
    let before = at.checked_sub(1)?;
    fits(before).then_some(before)
}

/// Walks the holds in key order.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    nodes: slice::Iter<'a, Node>,
    leaves: slice::Iter<'a, Leaf>,
    records: slice::Iter<'a, Record>,
    /// The run that `records` are from.
    leaf: Option<&'a Leaf>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Record, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let (Some(leaf), Some(record)) = (self.leaf, self.records.next()) {
                return Some((record, leaf.name(record)));
            }
            if let Some(leaf) = self.leaves.next() {
                self.records = leaf.records().iter();
                self.leaf = Some(leaf);
            } else {
                self.leaves = self.nodes.next()?.leaves.iter();
            }
        }
    }
}
