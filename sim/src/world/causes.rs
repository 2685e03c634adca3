//! What is going on, as a reason for logins to wait.

use crate::waits::{Cause, Row};

/// Something that is going on, or has just ended.
#[derive(Clone, Debug)]
struct Going {
    cause: Cause,
    name: Name,
    /// The end of time while it lasts.
    until_ns: u64,
    affected: Affected,
}

/// Which fault or command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Fault(u32),
    Command(u64),
}

/// Whom it concerns.
#[derive(Clone, Debug)]
pub(crate) enum Affected {
    /// Who logs in at these members.
    Members(u128),
    /// These persons.
    Persons(Vec<bool>),
}

/// All that is going on.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    going: Vec<Going>,
}

impl Causes {
    pub(crate) fn began(&mut self, name: Name, cause: Cause, affected: Affected) {
        self.going.push(Going {
            cause,
            name,
            until_ns: u64::MAX,
            affected,
        });
    }

    /// It has ended; its traces last to `until_ns`.
    pub(crate) fn ended(&mut self, name: Name, until_ns: u64) {
        if let Some(going) = self.going.iter_mut().find(|going| going.name == name) {
            going.until_ns = until_ns;
        }
    }

    /// Whether anything is going on.
    pub(crate) fn is_calm(&self) -> bool {
        self.going.is_empty()
    }

    /// The row for a login that is asked for now.
    pub(crate) fn row(&mut self, now: u64, member: u8, person: u32) -> Row {
        self.going.retain(|going| going.until_ns > now);
        match self.going.as_slice() {
            [] => Row {
                cause: Cause::Calm,
                is_affected: false,
            },
            [going] => {
                let is_affected = match &going.affected {
                    Affected::Members(members) => members >> member & 1 == 1,
                    Affected::Persons(persons) => persons[person as usize],
                };
                Row {
                    cause: going.cause,
                    is_affected,
                }
            }
            _ => Row {
                cause: Cause::Several,
                is_affected: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_counts_until_its_traces_are_gone() {
        let mut causes = Causes::default();
        causes.began(Name::Fault(0), Cause::Fault("crash"), Affected::Members(0b10));
        assert!(causes.row(1, 1, 0).is_affected);
        assert!(!causes.row(1, 0, 0).is_affected);
        causes.began(
            Name::Command(0),
            Cause::Change("flush"),
            Affected::Persons(vec![true]),
        );
        assert_eq!(causes.row(1, 0, 0).cause, Cause::Several);
        causes.ended(Name::Fault(0), 10);
        assert_eq!(causes.row(10, 0, 0).cause, Cause::Change("flush"));
    }
}
