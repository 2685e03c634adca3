//! A machine's state folder: takes time, fails when it is told to, survives a killed process, and loses what was not
//! synced when the power goes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maildirector::world::{JournalReader, Storage, StorageError};

use crate::dice::Dice;

/// A state folder. Clones are the same.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    records: BTreeMap<String, Vec<u8>>,
    journals: BTreeMap<String, Vec<u8>>,
    dice: Dice,
    write_max: Duration,
    is_full: bool,
    is_broken: bool,
}

/// What a write is for.
enum Write<'a> {
    Save(&'a [u8]),
    Append(&'a [u8]),
    Rewrite(&'a [u8]),
}

impl Disk {
    /// An empty folder; a write takes up to `write_max`.
    pub fn new(dice: Dice, write_max: Duration) -> Self {
        let state = State {
            records: BTreeMap::new(),
            journals: BTreeMap::new(),
            dice,
            write_max,
            is_full: false,
            is_broken: false,
        };
        Disk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// How long a write takes at most.
    pub fn set_slow(&self, write_max: Duration) {
        self.state().write_max = write_max;
    }

    /// Writes fail; for one disk that is broken rather than full, reads too.
    pub fn set_failing(&self, is_failing: bool) {
        let mut state = self.state();
        state.is_full = is_failing;
        state.is_broken = is_failing && state.dice.once_in(3);
    }

    /// Everything is gone.
    pub fn wipe(&self) {
        let mut state = self.state();
        state.records.clear();
        state.journals.clear();
    }

    /// Journals were not synced: their ends may be missing, cut anywhere, or zeros.
    pub fn lose_power(&self) {
        let mut guard = self.state();
        let State { journals, dice, .. } = &mut *guard;
        for journal in journals.values_mut() {
            let kept = match dice.below(4) {
                0 => journal.len(),
                _ => dice.below(journal.len() as u64 + 1) as usize,
            };
            let lost = journal.len() - kept;
            journal.truncate(kept);
            if dice.once_in(3) {
                journal.resize(kept + dice.below(lost as u64 + 1) as usize, 0);
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is held")
    }

    async fn write(&self, name: &str, write: Write<'_>) -> Result<(), StorageError> {
        let (span, is_early) = self.state().draw();
        // Who is killed while it waits does not know whether it was written.
        if is_early {
            let written = self.state().write(name, &write);
            pause(span).await;
            return written;
        }
        pause(span).await;
        self.state().write(name, &write)
    }

    async fn read(&self) -> Result<(), StorageError> {
        pause(Duration::from_millis(1)).await;
        if self.state().is_broken {
            return Err(fault("state", "read", io::ErrorKind::Other));
        }
        Ok(())
    }
}

impl State {
    fn draw(&mut self) -> (Duration, bool) {
        let most_ms = self.write_max.as_millis() as u64;
        (
            Duration::from_millis(self.dice.below(most_ms + 1)),
            self.dice.once_in(2),
        )
    }

    fn write(&mut self, name: &str, write: &Write<'_>) -> Result<(), StorageError> {
        if self.is_full {
            return Err(fault(name, "write", io::ErrorKind::StorageFull));
        }
        match write {
            Write::Save(bytes) => {
                self.records.insert(name.to_owned(), bytes.to_vec());
            }
            Write::Append(bytes) => self.journals.entry(name.to_owned()).or_default().extend(*bytes),
            Write::Rewrite(bytes) => {
                self.journals.insert(name.to_owned(), bytes.to_vec());
            }
        }
        Ok(())
    }
}

impl Storage for Disk {
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.read().await?;
        Ok(self.state().records.get(name).cloned())
    }

    async fn save(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(name, Write::Save(bytes)).await
    }

    async fn append(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(name, Write::Append(bytes)).await
    }

    async fn read_appended<R: JournalReader>(&self, name: &str, mut reader: R) -> Result<R, StorageError> {
        self.read().await?;
        if let Some(journal) = self.state().journals.get(name) {
            reader.take(journal, 0);
        }
        Ok(reader)
    }

    async fn rewrite(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(name, Write::Rewrite(bytes)).await
    }
}

fn fault(name: &str, doing: &'static str, kind: io::ErrorKind) -> StorageError {
    StorageError::system(Path::new(name), doing, &kind.into())
}

async fn pause(span: Duration) {
    if !span.is_zero() {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the simulation's end of the seam"
        )]
        tokio::time::sleep(span).await;
    }
}
