//! A locked folder with one file for each record and journal.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record;
use nix::unistd::geteuid;

use crate::world::{JOURNAL_BYTES_MAX, JournalReader, RECORD_BYTES_MAX, Storage, StorageError};

const LOCK: &str = "lock";
const NAME_BYTES_MAX: usize = 64;
/// A journal is read in pieces of this size, which fit into a processor's cache.
const PIECE_BYTES: usize = 256 << 10;

/// A locked folder; the lock ends with the last clone, or with the process however it ends.
#[derive(Clone, Debug)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The lock, until another process shall have it. One operation at a time: they use the same temporary files.
    lock: Mutex<Option<File>>,
}

impl Folder {
    /// Makes the folder when it is not there, open to its owner only, and locks it.
    ///
    /// # Errors
    /// It can't be made or written, or another process has locked it.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| StorageError::system(path, "make the state folder", &error))?;
        let lock = lock(path)?;
        Ok(Folder {
            inner: Arc::new(Inner {
                path: path.to_path_buf(),
                lock: Mutex::new(Some(lock)),
            }),
        })
    }

    /// Lets another process lock the folder, when what was begun is done. Whatever this one asks for from then on fails.
    pub fn release(&self) {
        *self.inner.locked() = None;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Inner, &str, &Path) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        check(name)?;
        let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
        let folder = inner.path.clone();
        #[expect(clippy::disallowed_methods, reason = "files have no other asynchronous door")]
        let done = tokio::task::spawn_blocking(move || {
            let _turn = inner.turn()?;
            let path = inner.path.join(&name);
            work(&inner, &name, &path)
        });
        let stopped = |error| StorageError::system(&folder, "finish work on", &io::Error::other(error));
        done.await.map_err(stopped)?
    }
}

impl Storage for Folder {
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.blocking(name, |_, name, path| {
            let limit = RECORD_BYTES_MAX + record::HEAD_BYTES;
            let Some(file) = read(path, limit)? else {
                return Ok(None);
            };
            record::open(name, path, file).map(Some)
        })
        .await
    }

    async fn save(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let record = bytes.to_vec();
        self.blocking(name, move |inner, name, path| {
            within(path, record.len() as u64, RECORD_BYTES_MAX)?;
            replace(path, &record::seal(name, &record), true)?;
            let synced = File::open(&inner.path).and_then(|folder| folder.sync_all());
            synced.map_err(|error| StorageError::system(&inner.path, "sync", &error))
        })
        .await
    }

    async fn append(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let added = bytes.to_vec();
        self.blocking(name, move |_, _, path| append(path, &added)).await
    }

    /// Reads on the caller's thread, who has nothing to do before: memory that another thread's allocations took would
    /// not be used again by the caller's.
    async fn read_appended<R: JournalReader>(&self, name: &str, mut reader: R) -> Result<R, StorageError> {
        check(name)?;
        let _turn = self.inner.turn()?;
        go_through(&self.inner.path.join(name), &mut reader)?;
        Ok(reader)
    }

    async fn rewrite(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let journal = bytes.to_vec();
        self.blocking(name, move |_, _, path| {
            within(path, journal.len() as u64, JOURNAL_BYTES_MAX)?;
            replace(path, &journal, false)
        })
        .await
    }
}

impl Inner {
    fn turn(&self) -> Result<MutexGuard<'_, Option<File>>, StorageError> {
        let turn = self.locked();
        if turn.is_none() {
            let folder = self.path.clone();
            return Err(StorageError::Released { folder });
        }
        Ok(turn)
    }

    fn locked(&self) -> MutexGuard<'_, Option<File>> {
        // Nothing is guarded but the turn itself, so a panic in somebody's turn spoils nothing.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(folder: &Path) -> Result<File, StorageError> {
    let path = folder.join(LOCK);
    let opened = options().read(true).truncate(false).open(&path);
    let mut file = opened.map_err(|error| StorageError::system(&path, "open", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(StorageError::InUse {
                folder: folder.to_path_buf(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(StorageError::system(&path, "lock", &error)),
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "only for the message of another who wants the folder"
    )]
    let holder = format!("process {}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
    written.map_err(|error| StorageError::system(&path, "write", &error))?;
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

fn check(name: &str) -> Result<(), StorageError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_plain) || name == LOCK {
        return Err(StorageError::Name {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn within(path: &Path, bytes: u64, limit: usize) -> Result<(), StorageError> {
    if bytes > limit as u64 {
        return Err(StorageError::TooLarge {
            file: path.to_path_buf(),
            bytes,
            limit,
        });
    }
    Ok(())
}

fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, StorageError> {
    let Some((file, _)) = open_to_read(path, limit)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let read = file.take(limit as u64).read_to_end(&mut bytes);
    read.map_err(|error| StorageError::system(path, "read", &error))?;
    Ok(Some(bytes))
}

fn go_through(path: &Path, reader: &mut impl JournalReader) -> Result<(), StorageError> {
    let Some((mut file, mut behind)) = open_to_read(path, JOURNAL_BYTES_MAX)? else {
        return Ok(());
    };
    let mut piece = vec![0; PIECE_BYTES];
    let mut filled = 0;
    loop {
        if filled == piece.len() {
            // The reader wants more at once than it was shown.
            piece.resize(2 * filled, 0);
        }
        let read = match file.read(&mut piece[filled..]) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StorageError::system(path, "read", &error)),
        };
        filled += read;
        behind = behind.saturating_sub(read);
        let taken = reader.take(&piece[..filled], behind).min(filled);
        piece.copy_within(taken..filled, 0);
        filled -= taken;
    }
}

/// A file and how many bytes it has, if it is there.
fn open_to_read(path: &Path, limit: usize) -> Result<Option<(File, usize)>, StorageError> {
    let cannot = |error: io::Error| StorageError::system(path, "read", &error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    let bytes = file.metadata().map_err(cannot)?.len();
    within(path, bytes, limit)?;
    Ok(Some((file, usize::try_from(bytes).unwrap_or(limit))))
}

/// Writes beside the file and renames; what was there stays whole until then.
fn replace(path: &Path, bytes: &[u8], is_synced: bool) -> Result<(), StorageError> {
    let beside = path.with_extension("new");
    let written = options().truncate(true).open(&beside).and_then(|mut file| {
        belong(&file, path)?;
        file.write_all(bytes)?;
        if is_synced { file.sync_all() } else { Ok(()) }
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(StorageError::system(path, "write", &error));
    }
    fs::rename(&beside, path).map_err(|error| StorageError::system(path, "replace", &error))
}

/// A process that is still root and is about to become the user whose folder this is makes files for that user.
fn belong(file: &File, path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|_| geteuid().is_root()) else {
        return Ok(());
    };
    let folder = fs::metadata(folder)?;
    fchown(file, Some(folder.uid()), Some(folder.gid()))
}

fn append(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let cannot = |error: io::Error| StorageError::system(path, "append to", &error);
    let mut file = options().append(true).open(path).map_err(cannot)?;
    let before = file.metadata().map_err(cannot)?.len();
    if before == 0 {
        belong(&file, path).map_err(cannot)?;
    }
    within(path, before + bytes.len() as u64, JOURNAL_BYTES_MAX)?;
    file.write_all(bytes).map_err(|error| {
        // What follows later must not stand behind half an entry.
        let _ = file.set_len(before);
        cannot(error)
    })
}

#[cfg(test)]
mod tests;
