//! The form of a record in its file: what it is, its version, its length, a checksum, then the record.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::world::StorageError;

const MAGIC: &[u8; 8] = b"mdirctr\n";
const VERSION: u16 = 1;
const CHECKSUM_BYTES: usize = 32;
const LENGTH_AT: usize = MAGIC.len() + 2;
const CHECKSUM_AT: usize = LENGTH_AT + 8;
pub(super) const HEAD_BYTES: usize = CHECKSUM_AT + CHECKSUM_BYTES;

/// The bytes of the file for a record. The name goes into the checksum, so that files can't be exchanged.
pub(super) fn seal(name: &str, record: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD_BYTES + record.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&(record.len() as u64).to_be_bytes());
    file.extend_from_slice(&checksum(name, record));
    file.extend_from_slice(record);
    file
}

/// The record in the bytes of its file.
///
/// # Errors
/// They are not what `seal` made for that name, or a later release made them.
pub(super) fn open(name: &str, path: &Path, mut file: Vec<u8>) -> Result<Vec<u8>, StorageError> {
    let damaged = |why: String| StorageError::Damaged {
        file: path.to_path_buf(),
        why,
    };
    if file.len() < HEAD_BYTES {
        let found = file.len();
        return Err(damaged(format!(
            "it has {found} bytes, its head alone has {HEAD_BYTES}"
        )));
    }
    let record = file.split_off(HEAD_BYTES);
    let (magic, rest) = file.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(damaged(
            "it does not start like a record of maildirector".to_owned(),
        ));
    }
    let version = u16::from_be_bytes([rest[0], rest[1]]);
    if version != VERSION {
        return Err(StorageError::Newer {
            file: path.to_path_buf(),
            version,
            known: VERSION,
        });
    }
    let said = &file[LENGTH_AT..CHECKSUM_AT];
    if said != (record.len() as u64).to_be_bytes() {
        let found = record.len();
        return Err(damaged(format!(
            "it was cut or continued: {found} bytes follow its head"
        )));
    }
    if file[CHECKSUM_AT..] != checksum(name, &record) {
        return Err(damaged("its checksum does not fit its content".to_owned()));
    }
    Ok(record)
}

fn checksum(name: &str, record: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(VERSION.to_be_bytes());
    hash.update((name.len() as u64).to_be_bytes());
    hash.update(name.as_bytes());
    hash.update(record);
    hash.finalize().into()
}
