//! The disk of one member. A record counts once it is synced; what is being written when the process dies may be
//! lost, may have made it, or may be torn.

use std::sync::Arc;

use maildirector::agreement::Record;

/// A record on its way to the disk.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) run: u32,
    pub(crate) number: u64,
    id: u32,
    record: Arc<Record>,
}

/// What a power failure does to a write in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashedWrite {
    /// Nothing of it is there.
    Lost,
    /// All of it is there, though nobody was told.
    Landed,
    /// A part of it is there; its checksum is wrong, and the record before it is read instead.
    Torn,
}

/// A disk with a record on it.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    kept: Option<Arc<Record>>,
    /// Rises with each record; a run that finds another than it left knows that it was replaced.
    version: u32,
    torn: Option<Arc<Record>>,
    writing: Option<Write>,
    queued: Vec<Write>,
    next_id: u32,
}

impl Storage {
    /// What a process that starts now reads, and the version of it. A half-written record is read only by who does not
    /// look at its checksum.
    pub(crate) fn load(&self, is_torn_accepted: bool) -> (Option<Arc<Record>>, u32) {
        let torn = self.torn.as_ref().filter(|_| is_torn_accepted);
        (torn.or(self.kept.as_ref()).cloned(), self.version)
    }

    /// What is synced.
    pub(crate) fn kept(&self) -> Option<&Arc<Record>> {
        self.kept.as_ref()
    }

    /// Whether a record is on its way to the disk.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// A run wants this saved; of several that wait, the newest is written. The name of the write, if it starts now.
    pub(crate) fn save(&mut self, run: u32, number: u64, record: Arc<Record>) -> Option<u32> {
        let id = self.next_id;
        self.next_id += 1;
        let write = Write {
            run,
            number,
            id,
            record,
        };
        if self.writing.is_none() {
            self.writing = Some(write);
            return Some(id);
        }
        self.queued.retain(|queued| queued.run != run);
        self.queued.push(write);
        None
    }

    /// A write has reached the disk. It replaces the record there if that is the one that the run has left or read
    /// there: whether it did is told with the write and the version now. Then the next write starts.
    pub(crate) fn done(&mut self, id: u32, left: impl Fn(u32) -> u32) -> Option<(Write, bool, u32)> {
        let write = self.writing.take_if(|write| write.id == id)?;
        let is_own = left(write.run) == self.version;
        if is_own {
            self.put(Arc::clone(&write.record));
        }
        Some((write, is_own, self.version))
    }

    /// Starts the next write that waits; its name.
    pub(crate) fn start_next(&mut self) -> Option<u32> {
        if self.writing.is_some() || self.queued.is_empty() {
            return None;
        }
        let next = self.queued.remove(0);
        let id = next.id;
        self.writing = Some(next);
        Some(id)
    }

    /// What a run wants saved and is not being written yet is not written.
    pub(crate) fn withdraw(&mut self, run: u32) {
        self.queued.retain(|queued| queued.run != run);
    }

    /// The run has died. What it was writing becomes as `fate` says; true if there was something.
    pub(crate) fn crashed(&mut self, run: u32, fate: CrashedWrite) -> bool {
        self.withdraw(run);
        let Some(write) = self.writing.take_if(|write| write.run == run) else {
            return false;
        };
        match fate {
            CrashedWrite::Lost => {}
            CrashedWrite::Landed => self.put(write.record),
            CrashedWrite::Torn => {
                // The head of the record made it, its tail reads as zeroes.
                let record = Record {
                    promised: None,
                    accepted: None,
                    ..(*write.record).clone()
                };
                self.torn = Some(Arc::new(record));
            }
        }
        true
    }

    /// Another process is about to start: what was there stays, and who was there may write no more.
    pub(crate) fn claim(&mut self) {
        self.version += 1;
    }

    /// Everything is gone.
    pub(crate) fn wipe(&mut self) {
        let (version, next_id) = (self.version + 1, self.next_id);
        *self = Storage {
            version,
            next_id,
            ..Storage::default()
        };
    }

    fn put(&mut self, record: Arc<Record>) {
        self.kept = Some(record);
        self.torn = None;
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use maildirector::agreement::Boot;
    use maildirector::topology::{Incarnation, MemberId};

    use super::*;

    fn record(boot: u64) -> Arc<Record> {
        Arc::new(Record {
            member: MemberId::from_index(0),
            incarnation: Incarnation::from_bits(1),
            boot: Boot::from_bits(boot),
            bound: None,
            committed: None,
            promised: None,
            accepted: None,
        })
    }

    #[test]
    fn only_what_is_done_is_kept_and_the_newest_is_written_next() {
        let mut storage = Storage::default();
        let first = storage.save(0, 1, record(1)).unwrap();
        assert_eq!(storage.save(0, 2, record(2)), None);
        assert_eq!(storage.save(0, 3, record(3)), None);
        assert!(storage.kept().is_none());
        assert!(storage.done(first, |_| 0).unwrap().1);
        assert_eq!(storage.kept(), Some(&record(1)));
        let next = storage.start_next().unwrap();
        assert_eq!(storage.done(next, |_| 1).unwrap().0.number, 3);
    }

    #[test]
    fn a_run_that_was_replaced_does_not_overwrite() {
        let mut storage = Storage::default();
        let one = storage.save(0, 1, record(1)).unwrap();
        assert!(storage.done(one, |_| 0).unwrap().1);
        let two = storage.save(1, 1, record(2)).unwrap();
        assert!(!storage.done(two, |_| 0).unwrap().1);
        assert_eq!(storage.kept(), Some(&record(1)));
    }

    #[test]
    fn a_torn_record_is_not_read_unless_nobody_checks() {
        let mut storage = Storage::default();
        let one = storage.save(0, 1, record(1)).unwrap();
        storage.done(one, |_| 0);
        storage.save(0, 2, record(2));
        assert!(storage.crashed(0, CrashedWrite::Torn));
        assert_eq!(storage.load(false).0, Some(record(1)));
        assert_eq!(storage.load(true).0, Some(record(2)));
        storage.wipe();
        assert_eq!(storage.load(true).0, None);
    }
}
