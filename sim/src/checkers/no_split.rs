//! S1, no split: no director forwards a byte of a user's session to a backend while another session of the user is
//! open on another backend.
//!
//! It is judged when a session is opened, when a byte is forwarded, when a lease comes back and when a pause ends:
//! between those moments no session becomes able to forward that was not before.

use super::Broken;
use crate::outcome::Invariant;

/// A session of the user as it stands at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) member: u8,
    /// The machine, by its number in the plan.
    pub(crate) backend: u32,
    /// It can forward a byte at this moment.
    pub(crate) is_able: bool,
    /// It is open: neither closed nor behind a lease that has run out.
    pub(crate) is_open: bool,
}

/// Two open sessions of one user.
pub(crate) fn no_split(person: u32, one: Seen, other: Seen) -> Result<(), Broken> {
    let is_split = (one.is_able && other.is_open) || (other.is_able && one.is_open);
    if one.backend == other.backend || !is_split {
        return Ok(());
    }
    let words = format!(
        "user{person} has a session on backend {} through member {} and one on backend {} through member {}",
        one.backend, one.member, other.backend, other.member
    );
    Err(Broken::new(Invariant::NoSplit, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(member: u8, backend: u32, is_able: bool, is_open: bool) -> Seen {
        Seen {
            member,
            backend,
            is_able,
            is_open,
        }
    }

    #[test]
    fn two_backends_are_a_split_when_one_session_can_forward() {
        let broken = no_split(1, seen(0, 1, true, true), seen(1, 2, false, true)).unwrap_err();
        assert_eq!(broken.invariant, Invariant::NoSplit);
        assert!(no_split(1, seen(0, 1, false, true), seen(1, 2, true, true)).is_err());
    }

    #[test]
    fn one_backend_or_a_fenced_session_is_no_split() {
        assert!(no_split(1, seen(0, 1, true, true), seen(1, 1, true, true)).is_ok());
        assert!(no_split(1, seen(0, 1, true, true), seen(1, 2, false, false)).is_ok());
        assert!(no_split(1, seen(0, 1, false, true), seen(1, 2, false, true)).is_ok());
    }
}
