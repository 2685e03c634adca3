//! Who has open sessions on which backend: the ground truth.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions of all backends; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    /// Of each user the backends and how many sessions are open there. None is empty.
    open: BTreeMap<String, BTreeMap<u16, u32>>,
    splits: Vec<String>,
}

impl Ledger {
    /// A session begins. A second backend makes it a split.
    pub fn begin(&self, user: &str, backend: u16) {
        let mut book = self.lock();
        let places = book.open.entry(user.to_owned()).or_default();
        *places.entry(backend).or_default() += 1;
        if places.len() > 1 {
            let places: Vec<String> = places.keys().map(u16::to_string).collect();
            let split = format!("{user} has sessions on backends {}", places.join(" and "));
            book.splits.push(split);
        }
    }

    /// A session ends.
    pub fn end(&self, user: &str, backend: u16) {
        let mut book = self.lock();
        let Some(places) = book.open.get_mut(user) else {
            return;
        };
        if let Some(count) = places.get_mut(&backend) {
            *count -= 1;
            if *count == 0 {
                places.remove(&backend);
            }
        }
        if places.is_empty() {
            book.open.remove(user);
        }
    }

    /// Users with sessions on a backend.
    pub fn users(&self, backend: u16) -> usize {
        let book = self.lock();
        book.open
            .values()
            .filter(|places| places.contains_key(&backend))
            .count()
    }

    /// Open sessions.
    pub fn sessions(&self) -> u32 {
        self.lock().open.values().flat_map(BTreeMap::values).sum()
    }

    /// Open sessions on a backend.
    pub fn sessions_at(&self, backend: u16) -> u32 {
        self.lock()
            .open
            .values()
            .filter_map(|places| places.get(&backend))
            .sum()
    }

    /// Everybody with sessions, and where; of a split user, one of the places.
    pub fn places(&self) -> Vec<(String, u16)> {
        let book = self.lock();
        let first =
            |(user, places): (&String, &BTreeMap<u16, u32>)| Some((user.clone(), *places.keys().next()?));
        book.open.iter().filter_map(first).collect()
    }

    /// Every split so far, in words.
    pub fn splits(&self) -> Vec<String> {
        self.lock().splits.clone()
    }

    /// How many splits there were so far.
    pub fn split_count(&self) -> usize {
        self.lock().splits.len()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_on_one_backend_are_no_split() {
        let ledger = Ledger::default();
        ledger.begin("alice", 1);
        ledger.begin("alice", 1);
        ledger.begin("bob", 2);
        assert_eq!(
            (ledger.split_count(), ledger.sessions(), ledger.users(1)),
            (0, 3, 1)
        );
        ledger.end("alice", 1);
        ledger.end("alice", 1);
        ledger.begin("alice", 2);
        assert_eq!(
            (ledger.split_count(), ledger.users(1), ledger.users(2)),
            (0, 0, 2)
        );
    }

    #[test]
    fn a_user_on_two_backends_is_split() {
        let ledger = Ledger::default();
        ledger.begin("alice", 1);
        ledger.begin("alice", 3);
        assert_eq!(ledger.splits(), ["alice has sessions on backends 1 and 3"]);
    }
}
