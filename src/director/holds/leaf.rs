//! A run of holds next to each other in key order: one block of records, one block of their names.
//!
//! The names of a run lie in one string, so a name costs its own bytes and no allocation. Where a run begins and
//! ends is left to the tree.

use super::tree::Stretch;
pub use crate::topology::USER_NAME_BYTES_MAX as NAME_BYTES_MAX;
use crate::topology::{BackendId, TagId, UserId, UserKey};

/// A run longer than this is split. Shorter runs move less when a user comes or goes, longer ones leave less above
/// them to look through; at a million holds 128 is the fastest for both, and wastes about 3 bytes per hold.
pub(super) const RUN_MAX: usize = 128;
/// A run shorter than this looks for a neighbour to join.
const RUN_MIN: usize = RUN_MAX / 4;
/// Room is made for so many records at a time: doubling would leave a quarter of the table empty.
const RECORDS_STEP: usize = 8;
/// Room is made for so many bytes of names at a time.
const NAMES_STEP: usize = 128;

// The names of the longest run, with the one record that makes it too long, are within reach of `name_start`.
const _: () = assert!((RUN_MAX + 1) * NAME_BYTES_MAX <= u16::MAX as usize);
// The key is stored in halves only so that no padding is added.
const _: () = assert!(size_of::<Record>() == 28);

/// What is stored of one hold, but for its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    key_upper: u32,
    key_lower: u32,
    /// Ticks of [`super::TICK`].
    pub(super) touched: u32,
    pub(super) serial: u32,
    pub(super) backend: BackendId,
    tag: TagId,
    pub(super) sessions: u16,
    name_start: u16,
    name_len: u8,
    pub(super) is_evicting: bool,
}

impl Record {
    /// The record of a new hold; its name is set when a run takes it in.
    pub(super) fn new(user: UserId, backend: BackendId, sessions: u16, serial: u32, touched: u32) -> Self {
        let key = user.key.to_bits();
        Record {
            key_upper: (key >> 32) as u32,
            key_lower: key as u32,
            touched,
            serial,
            backend,
            tag: user.tag,
            sessions,
            name_start: 0,
            name_len: 0,
            is_evicting: false,
        }
    }

    pub(super) fn user(&self) -> UserId {
        let bits = u64::from(self.key_upper) << 32 | u64::from(self.key_lower);
        UserId {
            key: UserKey::from_bits(bits),
            tag: self.tag,
        }
    }

    fn place_name(&mut self, start: usize, len: usize) {
        self.name_start = u16::try_from(start).expect("a run's names fit, see NAME_BYTES_MAX");
        self.name_len = u8::try_from(len).expect("a name fits, see NAME_BYTES_MAX");
    }
}

/// A run of at most [`RUN_MAX`] holds in key order.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    records: Vec<Record>,
    /// The names in order of arrival; no byte belongs to no record.
    names: String,
}

impl Leaf {
    /// Takes in a hold, in place of an older one of the same user, whose record is returned.
    pub(super) fn insert(&mut self, within: Stretch, record: Record, name: &str) -> Option<Record> {
        match self.position(within, record.user()) {
            Ok(slot) => {
                let old = self.records[slot];
                self.cut_name(old);
                self.records[slot] = self.with_name(record, name);
                Some(old)
            }
            Err(slot) => {
                let record = self.with_name(record, name);
                if self.records.len() == self.records.capacity() {
                    self.records.reserve_exact(RECORDS_STEP);
                }
                self.records.insert(slot, record);
                None
            }
        }
    }

    /// Takes out the hold of `user`.
    pub(super) fn remove(&mut self, within: Stretch, user: UserId) -> Option<(Record, Box<str>)> {
        let slot = self.position(within, user).ok()?;
        let record = self.records.remove(slot);
        let name = self.name(&record).into();
        self.cut_name(record);
        if self.records.capacity() - self.records.len() >= 2 * RECORDS_STEP {
            self.records.shrink_to(self.records.len() + RECORDS_STEP);
        }
        if self.names.capacity() - self.names.len() >= 2 * NAMES_STEP {
            self.names.shrink_to(self.names.len() + NAMES_STEP);
        }
        Some((record, name))
    }

    /// Cuts the run in two and returns the second half.
    pub(super) fn split(&mut self) -> Leaf {
        let whole = std::mem::take(self);
        let (first, second) = whole.records.split_at(whole.records.len() / 2);
        *self = whole.copy_of(first);
        whole.copy_of(second)
    }

    /// Appends the run that follows this one.
    pub(super) fn append(&mut self, next: &Leaf) {
        let shift = self.names.len();
        self.names.reserve_exact(next.names.len());
        self.names.push_str(&next.names);
        self.records.reserve_exact(next.records.len());
        for record in &next.records {
            let mut moved = *record;
            moved.place_name(
                usize::from(record.name_start) + shift,
                usize::from(record.name_len),
            );
            self.records.push(moved);
        }
    }

    /// Takes in a hold whose user is above all others here.
    pub(super) fn push(&mut self, record: Record, name: &str) {
        let record = self.with_name(record, name);
        self.records.push(record);
    }

    /// Empties this run into another one that takes no more memory than it needs with some room to grow. This one keeps
    /// its memory for the next.
    pub(super) fn take_fitting(&mut self) -> Leaf {
        let mut fitting = Leaf {
            records: Vec::with_capacity(self.records.len() + RECORDS_STEP),
            names: String::with_capacity(self.names.len() + NAMES_STEP),
        };
        fitting.records.append(&mut self.records);
        fitting.names.push_str(&self.names);
        self.names.clear();
        fitting
    }

    pub(super) fn find_mut(&mut self, within: Stretch, user: UserId) -> Option<&mut Record> {
        let slot = self.position(within, user).ok()?;
        Some(&mut self.records[slot])
    }

    pub(super) fn find(&self, within: Stretch, user: UserId) -> Option<&Record> {
        let slot = self.position(within, user).ok()?;
        Some(&self.records[slot])
    }

    /// The records from the first whose user is not below `user`.
    pub(super) fn records_from(&self, within: Stretch, user: UserId) -> &[Record] {
        let slot = self.position(within, user).unwrap_or_else(|slot| slot);
        &self.records[slot..]
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The name of a record of this run.
    pub(super) fn name(&self, record: &Record) -> &str {
        let start = usize::from(record.name_start);
        &self.names[start..start + usize::from(record.name_len)]
    }

    /// The lowest user of the run.
    pub(super) fn first(&self) -> Option<UserId> {
        self.records.first().map(Record::user)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_short(&self) -> bool {
        self.records.len() < RUN_MIN
    }

    /// Bytes of the allocator in use for this run, without the bytes of the names themselves.
    pub(super) fn bytes(&self) -> usize {
        super::allocated::<Record>(self.records.capacity()) + super::allocated::<u8>(self.names.capacity())
            - self.names.len()
    }

    /// Where the record of `user` is, or would be put.
    fn position(&self, within: Stretch, user: UserId) -> Result<usize, usize> {
        let mut slot = within.guess(user.key.hash(), self.records.len());
        while slot < self.records.len() && self.records[slot].user() < user {
            slot += 1;
        }
        while slot > 0 && user <= self.records[slot - 1].user() {
            slot -= 1;
        }
        match self.records.get(slot) {
            Some(record) if record.user() == user => Ok(slot),
            _ => Err(slot),
        }
    }

    /// Stores the name behind the others and says in the record where it is.
    fn with_name(&mut self, mut record: Record, name: &str) -> Record {
        record.place_name(self.names.len(), name.len());
        if self.names.capacity() - self.names.len() < name.len() {
            self.names.reserve_exact(name.len().max(NAMES_STEP));
        }
        self.names.push_str(name);
        record
    }

    /// Takes the name of `gone` out and moves up those behind it.
    fn cut_name(&mut self, gone: Record) {
        let start = usize::from(gone.name_start);
        self.names.drain(start..start + usize::from(gone.name_len));
        for record in &mut self.records {
            if record.name_start > gone.name_start {
                record.name_start -= u16::from(gone.name_len);
            }
        }
    }

    /// Some records of this run and their names as a run of their own.
    fn copy_of(&self, records: &[Record]) -> Leaf {
        let names: usize = records.iter().map(|record| usize::from(record.name_len)).sum();
        let mut copy = Leaf {
            records: Vec::with_capacity(records.len() + RECORDS_STEP),
            names: String::with_capacity(names + NAMES_STEP),
        };
        for record in records {
            let named = copy.with_name(*record, self.name(record));
            copy.records.push(named);
        }
        copy
    }
}
