//! The pins of a topology: the few users who stay where the vhost ring would not send them.
//!
//! A pin is one user's, or everybody's of a hash: then its key has a lower half of 0, and it stands before
//! those of single users of that hash. A user's own pin counts more than everybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};

use super::hash_index::HashIndex;
use super::{BackendId, TagId, UserId, UserKey};

/// The most pins of a topology.
pub const PINS_MAX: usize = 1_000_000;

/// Pins, sorted by user; made anew by every change, so that a lookup is short and a copy is one block of
/// memory.
#[derive(Clone)]
pub(super) struct Pins {
    sorted: Box<[(UserId, BackendId)]>,
    index: HashIndex,
}

impl Pins {
    pub(super) fn new() -> Self {
        Self::from_sorted(Vec::new())
    }

    /// The pins of this list, whose users ascend and are at most [`PINS_MAX`].
    pub(super) fn from_sorted(sorted: Vec<(UserId, BackendId)>) -> Self {
        let index = HashIndex::of(sorted.iter().map(|(user, _)| user.key.hash()));
        Pins {
            sorted: sorted.into_boxed_slice(),
            index,
        }
    }

    /// The pin of this very user.
    pub(super) fn own(&self, user: UserId) -> Option<BackendId> {
        find(self.bucket(user.key.hash()), user).ok()
    }

    /// The user's own pin, or else everybody's of his hash and tag.
    pub(super) fn get(&self, user: UserId) -> Option<BackendId> {
        let bucket = self.bucket(user.key.hash());
        match find(bucket, user) {
            Ok(backend) => Some(backend),
            Err(place) => {
                let before = &bucket[..place];
                let has_others = before.last()?.0.key.hash() == user.key.hash();
                has_others.then(|| find(before, user.everybody()).ok()).flatten()
            }
        }
    }

    /// The pins of a hash: first everybody's, by tag, then those of single users.
    pub(super) fn of_hash(&self, hash: u32) -> &[(UserId, BackendId)] {
        let bucket = self.bucket(hash);
        let first = bucket.partition_point(|(user, _)| user.key.hash() < hash);
        let end = bucket.partition_point(|(user, _)| user.key.hash() <= hash);
        &bucket[first..end]
    }

    fn bucket(&self, hash: u32) -> &[(UserId, BackendId)] {
        if self.sorted.is_empty() {
            return &[];
        }
        &self.sorted[self.index.bucket(hash)]
    }

    pub(super) fn sorted(&self) -> &[(UserId, BackendId)] {
        &self.sorted
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sorted.fmt(f)
    }
}

impl PartialEq for Pins {
    fn eq(&self, other: &Self) -> bool {
        self.sorted == other.sorted
    }
}

impl Eq for Pins {}

impl Hash for Pins {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted.hash(state);
    }
}

/// The pin of this very user in a sorted list, or where it would stand.
fn find(sorted: &[(UserId, BackendId)], user: UserId) -> Result<BackendId, usize> {
    let place = sorted.binary_search_by_key(&user, |&(pinned, _)| pinned)?;
    Ok(sorted[place].1)
}

/// What a draft does to the pins of its base, before it makes the new list.
#[derive(Clone, Debug, Default)]
pub(super) struct PinEdits {
    /// The base's pins to these are gone.
    dropped: BTreeSet<BackendId>,
    /// Users who get a pin, or lose the one of the base.
    users: BTreeMap<UserId, Option<BackendId>>,
}

impl PinEdits {
    pub(super) fn set(&mut self, user: UserId, backend: BackendId) {
        self.users.insert(user, Some(backend));
    }

    pub(super) fn clear(&mut self, user: UserId) {
        self.users.insert(user, None);
    }

    /// Drops the pins of everybody of this hash and tag, each one's own and the common one.
    pub(super) fn clear_everybody(&mut self, base: &Pins, hash: u32, tag: TagId) {
        let of_base = base.of_hash(hash).iter().map(|&(user, _)| user);
        let of_tag = of_base.filter(|user| user.tag == tag);
        self.users.extend(of_tag.map(|user| (user, None)));
        let first = UserId {
            key: UserKey::everybody_of(hash),
            tag: TagId::DEFAULT,
        };
        let of_hash = self
            .users
            .range_mut(first..)
            .take_while(|(user, _)| user.key.hash() == hash);
        of_hash
            .filter(|(user, _)| user.tag == tag)
            .for_each(|(_, pin)| *pin = None);
    }

    /// Drops every pin to these.
    pub(super) fn drop_backends(&mut self, backends: &BTreeSet<BackendId>) {
        self.dropped.extend(backends);
        for pin in self.users.values_mut() {
            *pin = pin.filter(|backend| !backends.contains(backend));
        }
    }

    /// The pin of this very user.
    pub(super) fn own(&self, base: &Pins, user: UserId) -> Option<BackendId> {
        match self.users.get(&user) {
            Some(&edited) => edited,
            None => base.own(user).filter(|backend| !self.dropped.contains(backend)),
        }
    }

    /// Whether the edited list has fewer pins than `limit`. Counts them only when it might not.
    pub(super) fn fewer_than(&self, base: &Pins, limit: usize) -> bool {
        base.sorted.len() + self.users.len() < limit || self.applied(base).len() < limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.users.is_empty()
    }

    /// The edited list, sorted by user.
    pub(super) fn applied(&self, base: &Pins) -> Vec<(UserId, BackendId)> {
        let kept = |(_, backend): &&(UserId, BackendId)| !self.dropped.contains(backend);
        overlaid(
            base.sorted.iter().filter(kept).copied(),
            self.users.iter().map(|(&user, &pin)| (user, pin)),
        )
    }
}

/// `base` with `edits` laid over it; both ascend, and so does the result. An edit without a backend
/// takes a pin away.
pub(super) fn overlaid(
    base: impl Iterator<Item = (UserId, BackendId)>,
    edits: impl Iterator<Item = (UserId, Option<BackendId>)>,
) -> Vec<(UserId, BackendId)> {
    let mut merged = Vec::with_capacity(base.size_hint().1.unwrap_or(0) + edits.size_hint().0);
    let mut edits = edits.peekable();
    for pin in base {
        while let Some((user, edited)) = edits.next_if(|&(user, _)| user < pin.0) {
            merged.extend(edited.map(|backend| (user, backend)));
        }
        match edits.next_if(|&(user, _)| user == pin.0) {
            Some((user, edited)) => merged.extend(edited.map(|backend| (user, backend))),
            None => merged.push(pin),
        }
    }
    merged.extend(edits.filter_map(|(user, edited)| Some((user, edited?))));
    merged
}
