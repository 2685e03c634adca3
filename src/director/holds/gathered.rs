//! Words about holds in the order in which they were spoken, to become a table in one go.
//!
//! A table that takes in a million holds one by one, in no order, waits for the memory with each. Here a word goes to
//! the end of the pile of its stretch of the hash circle, and a pile is sorted later, when it fits into the cache.
//! Where a journal of such words comes from is left to the caller.

use super::leaf::NAME_BYTES_MAX;
use crate::topology::{BackendId, TagId, UserId, UserKey};

/// About so many words make a pile: few enough for the processor's cache, and for memory that an allocator lends again
/// to the table when the pile is gone; many enough that the ends of all piles are in the cache, too.
const PILE: usize = 4096;
const PILES_MAX: usize = 4096;
/// Room that is made for each name that is expected.
const NAME_BYTES: usize = 24;

/// A hold of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Journalled<'a> {
    /// Whose.
    pub user: UserId,
    /// The name as it was looked up.
    pub name: &'a str,
    /// Where its sessions are.
    pub backend: BackendId,
}

/// What was said about holds: of each user the last word counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gathered {
    /// A power of two of them, for stretches of the hash circle that are equally long.
    piles: Vec<Pile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Pile {
    words: Vec<Word>,
    names: String,
}

/// The key is stored in halves only so that no padding is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word {
    key_upper: u32,
    key_lower: u32,
    backend: BackendId,
    name_start: u32,
    tag: TagId,
    name_len: u8,
    is_held: bool,
}

impl Default for Gathered {
    fn default() -> Self {
        Gathered::with_room(0)
    }
}

impl Gathered {
    /// Nothing yet, ready for about so many words; more or fewer only cost time.
    pub fn with_room(words: usize) -> Self {
        let piles = (words / PILE).next_power_of_two().min(PILES_MAX);
        // Piles are not equally high: chance makes nearly all of them less than an eighth higher than this.
        let each = words / piles;
        let each = each + each / 8;
        let pile = |_| Pile {
            words: Vec::with_capacity(each),
            names: String::with_capacity(each * NAME_BYTES),
        };
        Gathered {
            piles: (0..piles).map(pile).collect(),
        }
    }

    /// A user is held from here on.
    ///
    /// # Panics
    /// The name is longer than [`super::NAME_BYTES_MAX`].
    pub fn held(&mut self, hold: Journalled<'_>) {
        let name_len = u8::try_from(hold.name.len())
            .unwrap_or_else(|_| panic!("a user's name has at most {NAME_BYTES_MAX} bytes"));
        let pile = self.pile(hold.user.key);
        let word = Word {
            backend: hold.backend,
            name_start: u32::try_from(pile.names.len()).expect("a journal has at most 1 GiB"),
            name_len,
            is_held: true,
            ..Word::gone(hold.user)
        };
        pile.names.push_str(hold.name);
        pile.words.push(word);
    }

    /// A user is held no more.
    pub fn gone(&mut self, user: UserId) {
        self.pile(user.key).words.push(Word::gone(user));
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.piles.iter().all(|pile| pile.words.is_empty())
    }

    /// Gives away the holds that are left after the last word, in the order of their users.
    pub fn for_each(self, mut take: impl FnMut(Journalled<'_>)) {
        let mut order = Vec::new();
        for pile in self.piles {
            pile.for_each(&mut order, &mut take);
        }
    }

    fn pile(&mut self, key: UserKey) -> &mut Pile {
        let at = (u64::from(key.hash()) * self.piles.len() as u64) >> 32;
        &mut self.piles[at as usize]
    }
}

impl Pile {
    /// `order` is only room for the work.
    fn for_each(&self, order: &mut Vec<u64>, take: &mut impl FnMut(Journalled<'_>)) {
        let place = |entry: u64| entry as u32 as usize;
        let numbered = self.words.iter().zip(0..u32::MAX);
        let entries = numbered.map(|(word, at)| u64::from(word.key_upper) << 32 | u64::from(at));
        sort(entries, order);
        for same_hash in order.chunk_by_mut(|one, next| one >> 32 == next >> 32) {
            if same_hash.len() > 1 {
                same_hash.sort_unstable_by_key(|entry| (self.words[place(*entry)].user(), *entry));
            }
        }
        let mut rest = order.iter().map(|entry| &self.words[place(*entry)]).peekable();
        while let Some(word) = rest.next() {
            let is_last = rest.peek().is_none_or(|next| next.user() != word.user());
            if word.is_held && is_last {
                let start = word.name_start as usize;
                take(Journalled {
                    user: word.user(),
                    name: &self.names[start..start + usize::from(word.name_len)],
                    backend: word.backend,
                });
            }
        }
    }
}

/// Sorts entries by their upper halves, hashes that lie evenly in a stretch of the circle: first into bins of a few, then
/// each bin. Hashes that lie otherwise only cost time.
fn sort(entries: impl ExactSizeIterator<Item = u64> + Clone, order: &mut Vec<u64>) {
    const BIN: usize = 8;
    let bins = (entries.len() / BIN).next_power_of_two();
    let lowest = entries.clone().min().unwrap_or(0) >> 32;
    let highest = entries.clone().max().unwrap_or(0) >> 32;
    let shift = ((highest - lowest + 1).next_power_of_two() / bins as u64)
        .max(1)
        .ilog2();
    let bin = |entry: u64| ((entry >> 32) - lowest) as usize >> shift;
    let mut ends = vec![0_usize; bins + 1];
    for entry in entries.clone() {
        ends[bin(entry) + 1] += 1;
    }
    for at in 1..ends.len() {
        ends[at] += ends[at - 1];
    }
    order.clear();
    order.resize(entries.len(), 0);
    for entry in entries {
        let end = &mut ends[bin(entry)];
        order[*end] = entry;
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        order[start..end].sort_unstable();
        start = end;
    }
}

impl Word {
    fn gone(user: UserId) -> Self {
        let key = user.key.to_bits();
        Word {
            key_upper: (key >> 32) as u32,
            key_lower: key as u32,
            backend: BackendId::from_index(0),
            name_start: 0,
            tag: user.tag,
            name_len: 0,
            is_held: false,
        }
    }

    fn user(&self) -> UserId {
        let bits = u64::from(self.key_upper) << 32 | u64::from(self.key_lower);
        UserId {
            key: UserKey::from_bits(bits),
            tag: self.tag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(hash: u32, rest: u32, tag: u16) -> UserId {
        UserId {
            key: UserKey::from_bits(u64::from(hash) << 32 | u64::from(rest)),
            tag: TagId::from_index(tag),
        }
    }

    fn say(gathered: &mut Gathered, user: UserId, name: &str) {
        gathered.held(Journalled {
            user,
            name,
            backend: BackendId::from_index(3),
        });
    }

    fn left(gathered: Gathered) -> Vec<(UserId, String)> {
        let mut left = Vec::new();
        gathered.for_each(|hold| left.push((hold.user, hold.name.to_owned())));
        left
    }

    #[test]
    fn of_each_user_the_last_word_counts() {
        let mut gathered = Gathered::default();
        say(&mut gathered, user(9, 0, 0), "zoe");
        say(&mut gathered, user(5, 0, 0), "anna");
        say(&mut gathered, user(5, 0, 1), "anna under a tag");
        say(&mut gathered, user(5, 1, 0), "of the same hash");
        say(&mut gathered, user(7, 0, 0), "bob");
        gathered.gone(user(9, 0, 0));
        say(&mut gathered, user(5, 0, 0), "Anna");
        gathered.gone(user(7, 0, 0));
        say(&mut gathered, user(7, 0, 0), "Bob");
        gathered.gone(user(6, 0, 0));
        let expected = [
            (user(5, 0, 0), "Anna"),
            (user(5, 0, 1), "anna under a tag"),
            (user(5, 1, 0), "of the same hash"),
            (user(7, 0, 0), "Bob"),
        ];
        assert_eq!(
            left(gathered),
            expected.map(|(user, name)| (user, name.to_owned()))
        );
    }

    #[test]
    fn hashes_are_sorted_however_they_lie() {
        let lies: [fn(u64) -> u64; 5] = [
            |_| 7,
            |at| u64::from(u32::MAX) - at,
            |at| (at * 2_654_435_761) % (1 << 32),
            |at| {
                if at % 100 == 0 {
                    (at * 40_503) % (1 << 32)
                } else {
                    1 << 31
                }
            },
            |at| at.min(3) * (1 << 30),
        ];
        for lie in lies {
            for count in [0, 1, 2, 9, 5_000] {
                let entries = (0..count).map(|at| lie(at) << 32 | at);
                let mut order = vec![1, 2, 3];
                sort(entries.clone().collect::<Vec<_>>().into_iter(), &mut order);
                let mut expected: Vec<u64> = entries.collect();
                expected.sort_unstable();
                assert_eq!(order, expected);
            }
        }
    }

    #[test]
    fn nothing_said_is_empty() {
        let mut gathered = Gathered::with_room(1_000_000);
        assert!(gathered.is_empty());
        gathered.gone(user(5, 0, 0));
        assert!(!gathered.is_empty());
        assert!(left(gathered).is_empty());
    }

    #[test]
    #[should_panic(expected = "at most 255 bytes")]
    fn a_name_that_is_too_long_is_the_callers_fault() {
        say(
            &mut Gathered::default(),
            user(5, 0, 0),
            &"a".repeat(NAME_BYTES_MAX + 1),
        );
    }
}
