//! The holds of one director: which users it serves now, or did within `user_expire`, and on which backend.
//!
//! Keeps them in key order, so that a change of the topology looks only at the users of the arcs that it
//! touches, and in little memory: about 36 bytes per user and the bytes of the name. When a hold may be opened,
//! and what follows from the end of one, is left to the machine.
//!
//! A hold ends `user_expire` after its last session ended or was refreshed, and never before: times are kept in
//! ticks of 100 ms, rounded up.

mod filling;
mod gathered;
mod leaf;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use self::filling::Filling;
use self::leaf::Record;
use self::tree::Tree;
use crate::topology::{BackendId, TagId, UserId, UserKey};
use crate::world::Instant;

pub use self::gathered::{Gathered, Journalled};
pub use self::leaf::NAME_BYTES_MAX;

/// The most sessions that one hold counts.
pub const SESSIONS_MAX: u16 = u16::MAX;

/// The grain of the time kept in a hold; a hold ends at most this much late.
const TICK: Duration = Duration::from_millis(100);
const TICK_NANOS: u64 = TICK.as_nanos() as u64;

/// Backends with lower ids are counted in a list.
const COUNTS_LISTED: usize = 65_536;

/// One hold as the table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold<'a> {
    /// Whose hold it is.
    pub user: UserId,
    /// The name that the user came with first. Two names of one key share the hold.
    pub name: &'a str,
    /// The backend that serves the user.
    pub backend: BackendId,
    /// Open sessions; 0 where only logins are seen and a session's end is not.
    pub sessions: u16,
    /// Tells this hold from earlier and later ones of the same user.
    pub serial: u32,
    /// The user's sessions are being closed, and nobody may log in until they are.
    pub is_evicting: bool,
    /// When a session was last opened, closed or refreshed; up to 100 ms late, never early.
    pub touched: Instant,
}

impl Hold<'_> {
    /// Whether the hold counts at `now`: it has sessions, or closes them, or was touched less than `expire` ago.
    pub fn is_live(&self, now: Instant, expire: Duration) -> bool {
        self.sessions > 0 || self.is_evicting || now < self.touched.plus(expire)
    }
}

/// A session that was added to a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    /// Where the session has to go.
    pub backend: BackendId,
    /// What closing the session has to name.
    pub serial: u32,
}

/// A hold that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Removed {
    /// The name that the user came with first.
    pub name: Box<str>,
    /// The backend that served the user.
    pub backend: BackendId,
    /// The serial of the hold; closing one of its sessions is ignored from now on.
    pub serial: u32,
}

/// Why no session was added to a hold. The table is unchanged in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenError {
    /// The user has no hold here; where it belongs has to be computed.
    NoHold,
    /// The user's sessions are being closed; the login has to wait until they are.
    Evicting,
    /// The user has as many sessions as a hold counts. The user's doing.
    TooManySessions,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NoHold => f.write_str("the user is not held here"),
            OpenError::Evicting => f.write_str("the user's sessions are being closed"),
            OpenError::TooManySessions => {
                write!(
                    f,
                    "the user has {SESSIONS_MAX} open sessions, more are not counted"
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// The holds of one director.
///
/// Two tables are equal, and hash alike, when they hold the same and the next sweep begins at the same hold. The
/// serial that comes next is left out: it is new in both, and nothing depends on its value.
#[derive(Clone, Default)]
pub struct Holds {
    tree: Tree,
    held: BTreeMap<BackendId, u32>,
    next_serial: u32,
    /// The user that the next sweep begins with; `None` is the lowest.
    sweep_from: Option<UserId>,
}

impl Holds {
    /// A table of the holds that are left of those gathered, as if each had been inserted without sessions at `now`, in
    /// key order; those beyond `holds_max` are left out. `held` is told of each that was taken in.
    pub fn of_gathered(
        gathered: Gathered,
        holds_max: usize,
        now: Instant,
        mut held: impl FnMut(UserId, BackendId),
    ) -> Holds {
        let touched = ticks(now);
        let mut filling = Filling::default();
        let mut counts = Counts::default();
        let mut serial = 0_u32;
        gathered.for_each(|hold| {
            if filling.len() < holds_max {
                let record = Record::new(hold.user, hold.backend, 0, serial, touched);
                serial = serial.wrapping_add(1);
                filling.push(record, hold.name);
                counts.add(hold.backend);
                held(hold.user, hold.backend);
            }
        });
        Holds {
            tree: filling.finish(),
            held: counts.finish(),
            next_serial: serial,
            sweep_from: None,
        }
    }

    /// Adds a session to the hold of `user`, whether it had run out or not, and refreshes it.
    ///
    /// # Errors
    /// The user has no hold, or one that takes no session now.
    pub fn open_session(&mut self, user: UserId, now: Instant) -> Result<Opened, OpenError> {
        let record = self.open(user)?;
        record.sessions = record.sessions.checked_add(1).ok_or(OpenError::TooManySessions)?;
        refresh(record, now);
        Ok(Opened {
            backend: record.backend,
            serial: record.serial,
        })
    }

    /// Refreshes the hold of `user` for a login whose session's end will not be seen.
    ///
    /// # Errors
    /// The user has no hold, or one that takes no session now.
    pub fn open_uncounted(&mut self, user: UserId, now: Instant) -> Result<Opened, OpenError> {
        let record = self.open(user)?;
        refresh(record, now);
        Ok(Opened {
            backend: record.backend,
            serial: record.serial,
        })
    }

    /// Refreshes the hold of `user`; says whether there is one.
    pub fn touch(&mut self, user: UserId, now: Instant) -> bool {
        self.tree
            .find_mut(user)
            .map(|record| refresh(record, now))
            .is_some()
    }

    /// Records that `user` is held on `backend` from now on, and returns the hold's serial.
    ///
    /// An older hold of the user is replaced: the ends of its sessions are ignored from now on.
    ///
    /// # Panics
    /// The name is longer than [`NAME_BYTES_MAX`].
    pub fn insert(
        &mut self,
        user: UserId,
        name: &str,
        backend: BackendId,
        sessions: u16,
        now: Instant,
    ) -> u32 {
        assert!(
            name.len() <= NAME_BYTES_MAX,
            "a user's name has at most {NAME_BYTES_MAX} bytes"
        );
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let record = Record::new(user, backend, sessions, serial, ticks(now));
        if let Some(old) = self.tree.insert(record, name) {
            self.count_out(old.backend);
        }
        *self.held.entry(backend).or_insert(0) += 1;
        serial
    }

    /// Takes a session off the hold of `user` and refreshes it.
    ///
    /// Ignored, and false, when the hold has another serial or no sessions: the session belonged to an earlier one.
    pub fn close_session(&mut self, user: UserId, serial: u32, now: Instant) -> bool {
        let Some(record) = self.tree.find_mut(user) else {
            return false;
        };
        if record.serial != serial || record.sessions == 0 {
            return false;
        }
        record.sessions -= 1;
        refresh(record, now);
        true
    }

    /// Has the hold of `user` count so many sessions from now on; says whether there is one.
    pub fn set_sessions(&mut self, user: UserId, sessions: u16) -> bool {
        self.tree
            .find_mut(user)
            .map(|record| record.sessions = sessions)
            .is_some()
    }

    /// Marks the hold of `user` as one whose sessions are being closed, or no longer; says whether there is one.
    pub fn set_evicting(&mut self, user: UserId, is_evicting: bool) -> bool {
        self.tree
            .find_mut(user)
            .map(|record| record.is_evicting = is_evicting)
            .is_some()
    }

    /// Takes out the hold of `user`, whatever its state.
    pub fn remove(&mut self, user: UserId) -> Option<Removed> {
        let (record, name) = self.tree.remove(user)?;
        self.count_out(record.backend);
        Some(Removed {
            name,
            backend: record.backend,
            serial: record.serial,
        })
    }

    /// Takes out all holds. Serials go on where they were.
    pub fn clear(&mut self) {
        *self = Holds {
            next_serial: self.next_serial,
            ..Holds::default()
        };
    }

    /// Looks at the next `count` holds and takes out those that are no longer live, see [`Hold::is_live`].
    ///
    /// Their users are appended to `ended`. A sweep ends early at the highest key; the next one then begins at the
    /// lowest.
    pub fn sweep(&mut self, now: Instant, expire: Duration, count: usize, ended: &mut Vec<UserId>) {
        let before = ended.len();
        let mut holds = match self.sweep_from {
            Some(user) => self.tree.iter_from(user),
            None => self.tree.iter(),
        }
        .map(view);
        let ran_out = holds
            .by_ref()
            .take(count)
            .filter(|hold| !hold.is_live(now, expire));
        ended.extend(ran_out.map(|hold| hold.user));
        self.sweep_from = holds.next().map(|hold| hold.user);
        for user in &ended[before..] {
            self.remove(*user);
        }
    }

    /// The hold of `user`, live or run out.
    pub fn find(&self, user: UserId) -> Option<Hold<'_>> {
        self.tree.find(user).map(view)
    }

    /// All holds in key order.
    pub fn iter(&self) -> impl Iterator<Item = Hold<'_>> {
        self.tree.iter().map(view)
    }

    /// The holds of the users whose hash lies within the two, both included, in key order.
    pub fn scan(&self, first_hash: u32, last_hash: u32) -> impl Iterator<Item = Hold<'_>> {
        let key = UserKey::from_bits(u64::from(first_hash) << 32);
        self.tree
            .iter_from(UserId {
                key,
                tag: TagId::from_index(0),
            })
            .map(view)
            .take_while(move |hold| hold.user.key.hash() <= last_hash)
    }

    /// How many users are held.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether no user is held.
    pub fn is_empty(&self) -> bool {
        self.tree.len() == 0
    }

    /// How many users are held on each backend that has any, in the order of the ids.
    pub fn count_by_backend(&self) -> impl ExactSizeIterator<Item = (BackendId, u32)> {
        self.held.iter().map(|(backend, count)| (*backend, *count))
    }

    /// How many users are held on `backend`.
    pub fn count_on(&self, backend: BackendId) -> u32 {
        self.held.get(&backend).copied().unwrap_or(0)
    }

    /// Memory that the table takes from the allocator, in bytes, without the bytes of the names themselves.
    ///
    /// Looks at every run of holds: about a millisecond for a million.
    pub fn bytes(&self) -> usize {
        self.tree.bytes()
    }

    /// The hold of `user`, if a login may join it.
    fn open(&mut self, user: UserId) -> Result<&mut Record, OpenError> {
        match self.tree.find_mut(user) {
            Some(record) if record.is_evicting => Err(OpenError::Evicting),
            Some(record) => Ok(record),
            None => Err(OpenError::NoHold),
        }
    }

    fn count_out(&mut self, backend: BackendId) {
        let Some(count) = self.held.get_mut(&backend) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.held.remove(&backend);
        }
    }
}

/// Counts holds by backend; a list is faster to count in than a map, and serves for all but outlandish ids.
#[derive(Debug, Default)]
struct Counts {
    listed: Vec<u32>,
    others: BTreeMap<BackendId, u32>,
}

impl Counts {
    fn add(&mut self, backend: BackendId) {
        let at = backend.index() as usize;
        if at >= COUNTS_LISTED {
            *self.others.entry(backend).or_insert(0) += 1;
            return;
        }
        if at >= self.listed.len() {
            self.listed.resize(at + 1, 0);
        }
        self.listed[at] += 1;
    }

    fn finish(self) -> BTreeMap<BackendId, u32> {
        let listed = (0..).map(BackendId::from_index).zip(self.listed);
        let mut counts: BTreeMap<BackendId, u32> = listed.filter(|(_, count)| *count > 0).collect();
        counts.extend(self.others);
        counts
    }
}

impl PartialEq for Holds {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sweep_from == other.sweep_from && self.iter().eq(other.iter())
    }
}

impl Eq for Holds {}

impl Hash for Holds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.sweep_from.hash(state);
        self.iter().for_each(|hold| hold.hash(state));
    }
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn view<'a>((record, name): (&'a Record, &'a str)) -> Hold<'a> {
    Hold {
        user: record.user(),
        name,
        backend: record.backend,
        sessions: record.sessions,
        serial: record.serial,
        is_evicting: record.is_evicting,
        touched: instant(record.touched),
    }
}

/// Never back in time: `now` may come from a journal.
fn refresh(record: &mut Record, now: Instant) {
    record.touched = record.touched.max(ticks(now));
}

/// Rounded up, so that a hold never ends early.
fn ticks(now: Instant) -> u32 {
    u32::try_from(now.as_nanos().div_ceil(TICK_NANOS)).unwrap_or(u32::MAX)
}

/// The last tick, 13 years after the clock's origin, stands for all time after it: such a hold is never swept.
fn instant(ticks: u32) -> Instant {
    match ticks {
        u32::MAX => Instant::from_nanos(u64::MAX),
        _ => Instant::from_nanos(u64::from(ticks) * TICK_NANOS),
    }
}

/// Bytes that an allocator uses for a block of `capacity` values: 8 for itself, rounded up to 16, at least 32.
fn allocated<T>(capacity: usize) -> usize {
    match capacity * size_of::<T>() {
        0 => 0,
        bytes => (bytes + 8).next_multiple_of(16).max(32),
    }
}

#[cfg(test)]
mod tests;
