//! Names of users, tags, backends, members and epochs: small copyable values, ordered, never reused for
//! another.

use std::fmt;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// A user as every table here knows him: the first 8 bytes, big endian, of the MD5 of his expanded name.
///
/// The upper half is the 32-bit hash of Dovecot's director and alone decides the placement; the lower
/// half keeps apart users whose hashes collide. As in Dovecot, a hash of 0 is replaced by 1. A lower half
/// of 0 is nobody's: it stands for everybody of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct UserKey(u64);

impl UserKey {
    /// The key of these bits; an upper half of 0 becomes 1.
    pub const fn from_bits(bits: u64) -> Self {
        if bits >> 32 == 0 {
            UserKey(bits | 1 << 32)
        } else {
            UserKey(bits)
        }
    }

    /// The key of a name that was already expanded by `director_username_hash`.
    pub fn of_expanded(bytes: &[u8]) -> Self {
        Self::of_digest(Md5::digest(bytes).into())
    }

    pub(super) fn of_digest(digest: [u8; 16]) -> Self {
        let key = Self::from_bits((u128::from_be_bytes(digest) >> 64) as u64);
        if key.is_everybody() {
            UserKey(key.0 | 1)
        } else {
            key
        }
    }

    /// The key that stands for everybody of this hash; a hash of 0 becomes 1.
    pub const fn everybody_of(hash: u32) -> Self {
        Self::from_bits((hash as u64) << 32)
    }

    /// Whether this key stands for everybody of its hash.
    pub const fn is_everybody(self) -> bool {
        self.0 as u32 == 0
    }

    /// All 64 bits.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Dovecot's hash of the user, 1 to `u32::MAX`.
    pub const fn hash(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl From<u64> for UserKey {
    fn from(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

impl From<UserKey> for u64 {
    fn from(key: UserKey) -> Self {
        key.0
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A tag of backends, by its place in the topology's list of tags. Stays the same for the topology's
/// life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TagId(u16);

impl TagId {
    /// The tag of backends and users without a tag; its name is empty.
    pub const DEFAULT: TagId = TagId(0);

    /// The tag at this place.
    pub const fn from_index(index: u16) -> Self {
        TagId(index)
    }

    /// Its place in the list of tags.
    pub const fn index(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag {}", self.0)
    }
}

/// A user within a tag: the same name under two tags is two users, as in Dovecot.
///
/// Ordered by key first, so that all tags' users of one stretch of the hash circle are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId {
    /// Who.
    pub key: UserKey,
    /// Among which backends.
    pub tag: TagId,
}

impl UserId {
    /// Everybody of this user's hash and tag.
    #[must_use]
    pub const fn everybody(self) -> Self {
        UserId {
            key: UserKey::everybody_of(self.key.hash()),
            tag: self.tag,
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tag == TagId::DEFAULT {
            self.key.fmt(f)
        } else {
            write!(f, "{} of {}", self.key, self.tag)
        }
    }
}

/// A backend, by the order in which backends were added. A backend that is removed and added again is
/// another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackendId(u32);

impl BackendId {
    /// The backend with this number.
    pub const fn from_index(index: u32) -> Self {
        BackendId(index)
    }

    /// Its number.
    pub const fn index(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend {}", self.0)
    }
}

/// A member of the ring, by the number that the configuration gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId(u16);

impl MemberId {
    /// The member with this number.
    pub const fn from_index(index: u16) -> Self {
        MemberId(index)
    }

    /// Its number.
    pub const fn index(self) -> u16 {
        self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}", self.0)
    }
}

/// The number of a topology; each decided round adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of the configuration at first start.
    pub const ZERO: Epoch = Epoch(0);

    /// The epoch with this number.
    pub const fn from_number(number: u64) -> Self {
        Epoch(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The epoch that the next decided round makes; the last number stays itself.
    #[must_use]
    pub const fn next(self) -> Self {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

/// One life of a voter's storage, drawn at random when the storage is made. Wiped storage comes back as
/// another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(u64);

impl Incarnation {
    /// The incarnation with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Incarnation(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_zero_becomes_one() {
        assert_eq!(UserKey::from_bits(7).hash(), 1);
        assert_eq!(UserKey::from_bits(7).to_bits(), 1 << 32 | 7);
        assert_eq!(UserKey::from_bits(5 << 32).hash(), 5);
    }

    #[test]
    fn the_upper_half_of_a_key_is_the_hash_of_dovecot() {
        assert_eq!(UserKey::of_expanded(b"bob").hash(), 2_677_887_420);
    }

    #[test]
    fn nobodys_name_makes_the_key_that_stands_for_everybody() {
        let mut digest = [0; 16];
        digest[3] = 7;
        assert_eq!(UserKey::of_digest(digest).to_bits(), 7 << 32 | 1);
        assert_eq!(UserKey::of_digest([0; 16]).to_bits(), 1 << 32 | 1);
        assert!(UserKey::everybody_of(7).is_everybody());
        assert_eq!(UserKey::everybody_of(7).hash(), 7);
        assert_eq!(UserKey::everybody_of(0).hash(), 1);
    }

    #[test]
    fn users_are_ordered_by_key_before_tag() {
        let user = |bits: u64, tag| UserId {
            key: UserKey::from_bits(bits << 32),
            tag: TagId::from_index(tag),
        };
        assert!(user(1, 9) < user(2, 0));
        assert!(user(2, 0) < user(2, 1));
    }
}
