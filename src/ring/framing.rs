//! How messages lie in the stream of a link: a length, a kind, and for a message whose it is.

use std::sync::Arc;

use super::codec::FRAME_BYTES_MAX;
use crate::agreement::Boot;
use crate::topology::MemberId;

/// Members that a message may pass: more than a ring has.
pub(super) const HOPS_MAX: u8 = 200;

const LENGTH_BYTES: usize = 4;
const KIND_KEEPALIVE: u8 = 0;
const KIND_MESSAGE: u8 = 1;
/// Kind, origin, boot, sequence, recipient, hops.
const HEAD_BYTES: usize = 1 + 2 + 8 + 8 + 4 + 1;

/// What a message takes on a link beside its body.
pub const FRAME_HEAD_BYTES: usize = LENGTH_BYTES + HEAD_BYTES;

/// A link that has nothing to say says this.
pub(super) const KEEPALIVE: [u8; LENGTH_BYTES + 1] = [0, 0, 0, 1, KIND_KEEPALIVE];

/// Whose a message is and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub origin: MemberId,
    pub boot: Boot,
    pub sequence: u64,
    /// None: for all.
    pub to: Option<MemberId>,
    /// How many more may pass it on.
    pub hops: u8,
}

/// A message as it waits for a link. The payload is shared by all links; an empty one only says that its origin lives.
#[derive(Clone, Debug)]
pub(super) struct Framed {
    pub head: Head,
    pub payload: Arc<[u8]>,
}

/// What lies at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// Not all of it has come.
    Incomplete,
    /// Nothing to do for this many bytes: a keepalive, or a kind that only later releases know.
    Skip(usize),
    /// A message, and the bytes it took.
    Message(Head, &'a [u8], usize),
    /// Not a frame; the link can't go on.
    Malformed(String),
}

impl Framed {
    /// The bytes that it takes on a link.
    pub fn bytes(&self) -> usize {
        LENGTH_BYTES + HEAD_BYTES + self.payload.len()
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let length =
            u32::try_from(HEAD_BYTES + self.payload.len()).expect("the codec keeps to FRAME_BYTES_MAX");
        let Head {
            origin,
            boot,
            sequence,
            to,
            hops,
        } = self.head;
        out.reserve(self.bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.push(KIND_MESSAGE);
        out.extend_from_slice(&origin.index().to_be_bytes());
        out.extend_from_slice(&boot.to_bits().to_be_bytes());
        out.extend_from_slice(&sequence.to_be_bytes());
        let to = to.map_or(0, |to| u32::from(to.index()) + 1);
        out.extend_from_slice(&to.to_be_bytes());
        out.push(hops);
        out.extend_from_slice(&self.payload);
    }
}

/// What lies at the start of these bytes. A hostile length is refused before anything is kept for it.
pub(super) fn find(bytes: &[u8]) -> Found<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Found::Incomplete;
    };
    let length = u32::from_be_bytes(*length) as usize;
    let limit = HEAD_BYTES + FRAME_BYTES_MAX;
    if length == 0 || length > limit {
        return Found::Malformed(format!("a frame of {length} bytes, 1 to {limit} are allowed"));
    }
    if rest.len() < length {
        return Found::Incomplete;
    }
    let (frame, used) = (&rest[..length], LENGTH_BYTES + length);
    if frame[0] != KIND_MESSAGE {
        return Found::Skip(used);
    }
    let Some((head, payload)) = frame.split_first_chunk::<HEAD_BYTES>() else {
        return Found::Malformed(format!("a message of {length} bytes, its head has {HEAD_BYTES}"));
    };
    Found::Message(parse_head(head), payload, used)
}

fn parse_head(head: &[u8; HEAD_BYTES]) -> Head {
    let mut rest = &head[1..];
    let to_all = 0;
    let origin = u16::from_be_bytes(take(&mut rest));
    let boot = u64::from_be_bytes(take(&mut rest));
    let sequence = u64::from_be_bytes(take(&mut rest));
    let to = u32::from_be_bytes(take(&mut rest));
    let [hops] = take(&mut rest);
    // A number beyond those of members is nobody's; such a message goes round and reaches no one.
    let number = |to: u32| u16::try_from(to - 1).unwrap_or(u16::MAX);
    Head {
        origin: MemberId::from_index(origin),
        boot: Boot::from_bits(boot),
        sequence,
        to: (to != to_all).then(|| MemberId::from_index(number(to))),
        hops,
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, left) = rest
        .split_first_chunk::<N>()
        .expect("HEAD_BYTES counts every field");
    *rest = left;
    *taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(to: Option<u16>) -> Framed {
        Framed {
            head: Head {
                origin: MemberId::from_index(3),
                boot: Boot::from_bits(0x0123_4567_89ab_cdef),
                sequence: u64::MAX - 1,
                to: to.map(MemberId::from_index),
                hops: HOPS_MAX,
            },
            payload: Arc::from(b"payload".as_slice()),
        }
    }

    #[test]
    fn a_message_is_found_as_it_was_written_once_all_of_it_came() {
        for to in [None, Some(0), Some(u16::MAX)] {
            let framed = framed(to);
            let mut bytes = Vec::new();
            framed.write(&mut bytes);
            assert_eq!(bytes.len(), framed.bytes());
            for cut in 0..bytes.len() {
                assert_eq!(find(&bytes[..cut]), Found::Incomplete, "{cut}");
            }
            bytes.push(99);
            assert_eq!(
                find(&bytes),
                Found::Message(framed.head, b"payload", bytes.len() - 1)
            );
        }
    }

    #[test]
    fn keepalives_and_kinds_of_later_releases_are_skipped() {
        assert_eq!(find(&KEEPALIVE), Found::Skip(KEEPALIVE.len()));
        assert_eq!(find(&[0, 0, 0, 3, 250, 1, 2, 0]), Found::Skip(7));
    }

    #[test]
    fn frames_that_are_none_end_the_link() {
        for bytes in [&[0, 0, 0, 0][..], &[255; 4], &[0, 0, 0, 2, KIND_MESSAGE, 0]] {
            assert!(matches!(find(bytes), Found::Malformed(_)), "{bytes:?}");
        }
    }
}
