//! Bytes for envelopes and records, and back: the one file that knows which encoding the ring speaks.

use std::fmt;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::agreement::{Envelope, Record};

/// The largest frame, in bytes: a topology of 10,000 backends with a million pins takes about half of it.
pub const FRAME_BYTES_MAX: usize = 32 << 20;

type Config = Configuration<LittleEndian, Varint, Limit<FRAME_BYTES_MAX>>;

/// Why bytes are not an envelope. The sender's fault or the network's; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// More bytes than a frame may have.
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// Not an envelope.
    Malformed {
        /// What the decoder stumbled over.
        why: String,
    },
    /// Bytes were left over after the envelope.
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::TooLong { bytes } => {
                write!(f, "frame of {bytes} bytes, the limit is {FRAME_BYTES_MAX}")
            }
            CodecError::Malformed { why } => write!(f, "not a ring message: {why}"),
            CodecError::Trailing { bytes } => write!(f, "{bytes} bytes after the end of a ring message"),
        }
    }
}

impl std::error::Error for CodecError {}

fn config() -> Config {
    bincode::config::standard().with_limit::<FRAME_BYTES_MAX>()
}

/// The bytes of an envelope.
///
/// # Errors
/// The envelope is larger than a frame may be.
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, CodecError> {
    encode_any(envelope)
}

/// The bytes of what a member keeps on disk.
///
/// # Errors
/// It is larger than a frame may be.
pub fn encode_record(record: &Record) -> Result<Vec<u8>, CodecError> {
    encode_any(record)
}

fn encode_any(value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(value, config()).map_err(|error| CodecError::Malformed {
        why: error.to_string(),
    })?;
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(CodecError::TooLong { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// The envelope in these bytes, all of them.
///
/// The limit stops a hostile length before it is allocated; what a topology says of itself is checked as it is decoded.
///
/// # Errors
/// The bytes are not exactly one envelope.
pub fn decode(bytes: &[u8]) -> Result<Envelope, CodecError> {
    decode_any(bytes)
}

/// The record in these bytes, all of them.
///
/// # Errors
/// The bytes are not exactly one record.
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    decode_any(bytes)
}

fn decode_any<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(CodecError::TooLong { bytes: bytes.len() });
    }
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, config()).map_err(|error| CodecError::Malformed {
            why: error.to_string(),
        })?;
    if used != bytes.len() {
        return Err(CodecError::Trailing {
            bytes: bytes.len() - used,
        });
    }
    Ok(value)
}
