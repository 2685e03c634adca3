//! What a process keeps across its runs: small records that are saved whole, and journals that are only appended to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The largest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 128 << 20;

/// The largest journal, in bytes; whoever writes one rewrites it long before.
pub const JOURNAL_BYTES_MAX: usize = 1 << 30;

/// A state folder that belongs to this process alone as long as it lives. Names are lower case letters, digits, `-`
/// and `_`. Calls take effect in the order in which they were made; dropping a future does not undo what it began.
pub trait Storage: Clone + Send + Sync + 'static {
    /// The record of that name as it was last saved, `None` if it never was.
    ///
    /// # Errors
    /// It can't be read, or is not what was saved: then somebody must look at it, and nothing is changed.
    fn load(&self, name: &str) -> impl Future<Output = Result<Option<Vec<u8>>, StorageError>> + Send;

    /// Replaces a record: after success it survives a power cut, after any failure the older one or this one is there,
    /// whole.
    ///
    /// # Errors
    /// It could not be written and synced.
    fn save(&self, name: &str, bytes: &[u8]) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Adds to the end of a journal. Survives the process, but not for sure a power cut: its end may then be missing,
    /// cut or zeros, so entries carry their own length and checksum.
    ///
    /// # Errors
    /// It could not be written; then none of these bytes are in the journal.
    fn append(&self, name: &str, bytes: &[u8]) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Goes through a journal from its beginning and gives the reader back; one that is not there is empty.
    ///
    /// # Errors
    /// It can't be read, or is larger than a journal may be.
    fn read_appended<R: JournalReader>(
        &self,
        name: &str,
        reader: R,
    ) -> impl Future<Output = Result<R, StorageError>> + Send;

    /// Replaces a whole journal at once, as unsynced as `append` leaves it.
    ///
    /// # Errors
    /// It could not be written; then the older one is there.
    fn rewrite(&self, name: &str, bytes: &[u8]) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Empties a journal.
    ///
    /// # Errors
    /// It could not be written; then the older one is there.
    fn truncate(&self, name: &str) -> impl Future<Output = Result<(), StorageError>> + Send {
        self.rewrite(name, &[])
    }
}

/// Goes through a journal piece by piece: fresh memory for a large one costs as much as reading it.
pub trait JournalReader: Send + 'static {
    /// Takes bytes from the front of a piece and says how many. The rest comes again with what follows it in the
    /// journal, if anything does. `behind` is how much comes behind this piece.
    fn take(&mut self, piece: &[u8], behind: usize) -> usize;
}

/// Keeps everything.
impl JournalReader for Vec<u8> {
    fn take(&mut self, piece: &[u8], _behind: usize) -> usize {
        self.extend(piece);
        piece.len()
    }
}

/// Why state could not be read or kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process uses the folder. The operator's matter: two runs of one member must never be.
    InUse {
        /// The folder.
        folder: PathBuf,
        /// What the other wrote of itself, usually its process id.
        holder: String,
    },
    /// This process has given the folder to another one. Nothing was changed.
    Released {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is not what was saved. Nothing was changed; the disk, or who edited it, is at fault.
    Damaged {
        /// The file.
        file: PathBuf,
        /// How it differs.
        why: String,
    },
    /// The file was written by a release that this one does not know.
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u16,
        /// The highest version known here.
        known: u16,
    },
    /// More than may be kept under one name. Nothing was changed.
    TooLarge {
        /// The file.
        file: PathBuf,
        /// What it would have.
        bytes: u64,
        /// What it may have.
        limit: usize,
    },
    /// Not a name for a record. The programmer's fault.
    Name {
        /// What was asked for.
        name: String,
    },
    /// The system refused.
    System {
        /// The file or folder.
        file: PathBuf,
        /// What was being done to it, as in "write".
        doing: &'static str,
        /// The kind of refusal.
        kind: io::ErrorKind,
        /// The system's own words.
        why: String,
    },
}

impl StorageError {
    /// What the system refused to do to a file.
    pub fn system(file: &Path, doing: &'static str, error: &io::Error) -> Self {
        StorageError::System {
            file: file.to_path_buf(),
            doing,
            kind: error.kind(),
            why: error.to_string(),
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Released { folder } => write!(
                f,
                "the state folder {} was given to another process; nothing was read or written",
                folder.display()
            ),
            StorageError::InUse { folder, holder } => write!(
                f,
                "the state folder {} is in use by another maildirector ({holder}); each needs a folder of its own",
                folder.display()
            ),
            StorageError::Damaged { file, why } => write!(
                f,
                "{} is damaged: {why}; restore it, or move it away to start as a member without state",
                file.display()
            ),
            StorageError::Newer { file, version, known } => write!(
                f,
                "{} has format {version}, this release knows up to {known}; start the release that wrote it",
                file.display()
            ),
            StorageError::TooLarge { file, bytes, limit } => {
                write!(
                    f,
                    "{} would have {bytes} bytes, the limit is {limit}",
                    file.display()
                )
            }
            StorageError::Name { name } => write!(f, "\"{name}\" is not a name for a record"),
            StorageError::System { file, doing, why, .. } => {
                write!(f, "can't {doing} {}: {why}", file.display())
            }
        }
    }
}

impl std::error::Error for StorageError {}
