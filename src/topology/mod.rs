//! Where users belong: users, backends, the vhost ring, placement, pins, and the changes to all of it.
//!
//! Everything here is computed from its arguments: no clock, no entropy, no files. A [`Topology`] is a
//! value that all members share; a [`Draft`] turns it into the next one; [`touched()`] tells which users a
//! step can move. Points, order and pick of the vhost ring are those of Dovecot 2.3's director, so that
//! a migration moves nobody. Deciding *which* topology comes next is left to `agreement`, acting on it
//! to `director`.

mod arcs;
mod backend;
mod backends;
mod change;
mod change_error;
mod differences;
mod digest;
mod draft;
mod drain;
mod hash_format;
mod hash_index;
mod health_policy;
mod key;
mod member;
mod moves;
mod parts;
mod pins;
mod points;
mod ring;
mod rings;
#[cfg(test)]
mod samples;
mod table;
mod tags;
mod timing;
#[expect(
    clippy::module_inception,
    reason = "one main type per file, named like the file"
)]
mod topology;
mod touched;
mod user_name;

pub use arcs::Span;
pub use backend::{Backend, HOSTNAME_BYTES_MAX, NewBackend, VHOSTS_MAX};
pub use backends::{BACKENDS_MAX, VHOSTS_TOTAL_MAX};
pub use change::Change;
pub use change_error::{ChangeError, Counted};
pub use differences::Difference;
pub use draft::Draft;
pub use drain::{DRAIN_PER_SECOND_MAX, DRAIN_SPAN_MAX, Drain};
pub use hash_format::{FORMAT_BYTES_MAX, HashFormat, HashFormatError};
pub use health_policy::{EVICT_AFTER_MAX, HealthPolicy, PER_MILLE};
pub use key::{BackendId, Epoch, Incarnation, MemberId, TagId, UserId, UserKey};
pub use member::{MEMBERS_MAX, Member};
pub use moves::Moves;
pub use parts::TopologyError;
pub use pins::PINS_MAX;
pub use ring::{Point, VhostRing};
pub use tags::{TAG_BYTES_MAX, TAGS_MAX};
pub use timing::{DRIFT_PPM_MAX, LEASE_MAX, LEASE_MIN, Timing, USER_EXPIRE_MAX, USER_EXPIRE_MIN, lease_min};
pub use topology::{Topology, TopologySeed};
pub use touched::{Touched, touched};
pub use user_name::{USER_NAME_BYTES_MAX, is_user_name};
