//! Reads the journal of an earlier run.

use super::{GONE, HEAD_BYTES, HEADING, HELD, checksum};
use crate::director::{Gathered, Journalled, NAME_BYTES_MAX};
use crate::topology::{BackendId, TagId, UserId, UserKey};
use crate::world::JournalReader;

/// What the entry of a hold has at least; most have so much once more for the name.
const ENTRY_BYTES: usize = HEAD_BYTES + 15;

/// What an earlier run left.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Left {
    /// Whether it knew everybody whom it had admitted.
    pub is_complete: bool,
    /// The users whom it held.
    pub holds: Gathered,
    /// How many entries it has.
    pub entries: usize,
    /// Whether its last byte belongs to a whole entry, so that more can be appended.
    pub is_whole: bool,
}

/// Gathers what a journal says. What comes behind an entry that is cut or damaged is lost with it: a power cut made it
/// so, and with the machine all sessions have ended.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Reader {
    left: Left,
    has_begun: bool,
    is_damaged: bool,
    /// Bytes at the end of the last piece that are no whole entry.
    cut: usize,
}

impl Reader {
    /// What was left, when there is no more to read.
    pub fn finish(self) -> Left {
        Left {
            is_whole: !self.is_damaged && self.cut == 0,
            ..self.left
        }
    }

    /// Whether this is an entry.
    fn entry(&mut self, entry: &[u8]) -> bool {
        let left = &mut self.left;
        match entry {
            [HEADING] => left.is_complete = left.entries == 0,
            [HELD, fixed @ ..] => {
                if let Some(hold) = held(fixed) {
                    left.holds.held(hold);
                }
            }
            [GONE, fixed @ ..] => {
                if let Some((user, _)) = user(fixed) {
                    left.holds.gone(user);
                }
            }
            _ => return false,
        }
        left.entries += 1;
        true
    }
}

impl JournalReader for Reader {
    fn take(&mut self, piece: &[u8], behind: usize) -> usize {
        if !self.has_begun {
            self.has_begun = true;
            self.left.holds = Gathered::with_room((piece.len() + behind) / (2 * ENTRY_BYTES));
        }
        let mut rest = piece;
        while !self.is_damaged
            && let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>()
        {
            let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let Some((entry, behind)) = behind.split_at_checked(length) else {
                break;
            };
            self.is_damaged = head[2..] != checksum(entry) || !self.entry(entry);
            rest = behind;
        }
        self.cut = if self.is_damaged { 0 } else { rest.len() };
        piece.len() - self.cut
    }
}

/// The keys of everybody whom these bytes of a journal hold.
pub fn journalled_keys(bytes: &[u8]) -> Vec<UserKey> {
    let mut reader = Reader::default();
    reader.take(bytes, 0);
    keys(reader.finish().holds)
}

/// The keys of everybody who is held.
pub(in crate::daemon) fn keys(holds: Gathered) -> Vec<UserKey> {
    let mut keys = Vec::new();
    holds.for_each(|hold| keys.push(hold.user.key));
    keys
}

fn held(fixed: &[u8]) -> Option<Journalled<'_>> {
    let (user, rest) = user(fixed)?;
    let (backend, name) = rest.split_first_chunk::<4>()?;
    Some(Journalled {
        user,
        name: str::from_utf8(name)
            .ok()
            .filter(|name| name.len() <= NAME_BYTES_MAX)?,
        backend: BackendId::from_index(u32::from_le_bytes(*backend)),
    })
}

fn user(fixed: &[u8]) -> Option<(UserId, &[u8])> {
    let (key, rest) = fixed.split_first_chunk::<8>()?;
    let (tag, rest) = rest.split_first_chunk::<2>()?;
    let user = UserId {
        key: UserKey::from_bits(u64::from_le_bytes(*key)),
        tag: TagId::from_index(u16::from_le_bytes(*tag)),
    };
    Some((user, rest))
}

#[cfg(test)]
mod tests {
    use super::super::Entries;
    use super::*;
    use crate::director::Holds;

    fn user(bits: u64) -> UserId {
        UserId {
            key: UserKey::from_bits(bits << 32),
            tag: TagId::DEFAULT,
        }
    }

    fn backend(index: u32) -> BackendId {
        BackendId::from_index(index)
    }

    fn read(bytes: &[u8]) -> Left {
        let mut reader = Reader::default();
        reader.take(bytes, 0);
        reader.finish()
    }

    fn names(left: Left) -> Vec<String> {
        let mut names = Vec::new();
        left.holds.for_each(|hold| names.push(hold.name.to_owned()));
        names
    }

    #[test]
    fn what_was_held_and_is_not_gone_is_read_back() {
        let mut entries = Entries::whole(&Holds::default());
        entries.held(user(1), backend(3), "alice");
        entries.held(user(2), backend(4), "bob");
        entries.held(user(1), backend(5), "Alice");
        entries.gone(user(2));
        let left = read(&entries.bytes);
        assert!(left.is_complete);
        assert!(left.is_whole);
        assert_eq!(left.entries, 5);
        let mut held = Vec::new();
        left.holds
            .for_each(|hold| held.push((hold.user, hold.name.to_owned(), hold.backend)));
        assert_eq!(held, [(user(1), "Alice".to_owned(), backend(5))]);
    }

    #[test]
    fn a_journal_without_its_heading_is_not_complete() {
        let mut entries = Entries::default();
        entries.held(user(1), backend(3), "alice");
        let left = read(&entries.bytes);
        assert!(!left.is_complete);
        assert_eq!(names(left), ["alice"]);
        assert!(!read(&[]).is_complete && names(read(&[])).is_empty());
    }

    #[test]
    fn a_journal_that_is_cut_or_damaged_anywhere_is_read_up_to_there() {
        let mut entries = Entries::whole(&Holds::default());
        entries.held(user(1), backend(3), "alice");
        let good = entries.bytes.len();
        entries.held(user(2), backend(4), "bob");
        for end in good..entries.bytes.len() {
            let left = read(&entries.bytes[..end]);
            assert_eq!(left.is_whole, end == good);
            assert_eq!(names(left), ["alice"]);
        }
        for at in good..entries.bytes.len() {
            let mut damaged = entries.bytes.clone();
            damaged[at] ^= 0x20;
            assert_eq!(names(read(&damaged)), ["alice"], "byte {at}");
        }
        let mut zeros = entries.bytes.clone();
        zeros.extend([0; 4096]);
        assert_eq!(names(read(&zeros)), ["alice", "bob"]);
    }

    #[test]
    fn everything_held_makes_a_whole_journal() {
        let mut holds = Holds::default();
        let now = crate::world::Instant::ORIGIN;
        for bits in 1..100 {
            holds.insert(user(bits), "somebody", backend(1), 0, now);
        }
        let left = read(&Entries::whole(&holds).bytes);
        assert!(left.is_complete);
        assert_eq!(names(left).len(), 99);
    }

    #[test]
    fn a_journal_is_the_same_in_pieces_of_any_size() {
        let mut entries = Entries::whole(&Holds::default());
        entries.held(user(2), backend(3), "bob");
        entries.held(user(1), backend(4), "alice");
        entries.gone(user(2));
        entries.held(user(3), backend(5), "carol");
        let bytes = &entries.bytes;
        for size in 1..=bytes.len() {
            let mut reader = Reader::default();
            let (mut taken, mut shown) = (0, 0);
            while shown < bytes.len() {
                shown = (shown + size).min(bytes.len());
                taken += reader.take(&bytes[taken..shown], bytes.len() - shown);
            }
            let left = reader.finish();
            assert!(left.is_complete && left.is_whole);
            assert_eq!(left.entries, 5);
            assert_eq!(names(left), ["alice", "carol"]);
        }
    }
}
