//! Whom a verdict names. Checkers say what they saw in words; their words name users, members, epochs and commands in
//! few and fixed ways, and those are read here.

use std::collections::BTreeSet;

use maildirector::topology::UserKey;

/// Everything that the words of a verdict name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// By their numbers.
    pub(crate) persons: BTreeSet<u32>,
    pub(crate) keys: BTreeSet<UserKey>,
    pub(crate) members: BTreeSet<u8>,
    pub(crate) epochs: BTreeSet<u64>,
    pub(crate) commands: BTreeSet<u64>,
    pub(crate) runs: BTreeSet<u32>,
    /// Tokens of logins.
    pub(crate) logins: BTreeSet<u64>,
}

impl Subject {
    /// Reads the words.
    pub(crate) fn of(words: &str) -> Subject {
        let mut subject = Subject::default();
        let numbers = |name: &'static str| after(words, name).filter_map(number);
        subject.persons.extend(numbers("user").map(|n| n as u32));
        subject.members.extend(numbers("member ").map(|n| n as u8));
        subject.epochs.extend(numbers("epoch "));
        subject.commands.extend(numbers("command "));
        subject.runs.extend(numbers("run ").map(|n| n as u32));
        for list in ["not serving [", "unseated [", "behind ["] {
            for rest in after(words, list) {
                let inside = rest.split(']').next().unwrap_or_default();
                let members = inside.split(", ").filter_map(|n| n.parse().ok());
                subject.members.extend(members.collect::<Vec<u8>>());
            }
        }
        let hex = |rest: &str| {
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            (end > 0)
                .then(|| u64::from_str_radix(&rest[..end], 16).ok())
                .flatten()
        };
        subject.logins.extend(after(words, "login ").filter_map(hex));
        let keys = words.split(|c: char| !c.is_ascii_alphanumeric());
        let keys = keys.filter(|word| word.len() == 16);
        let keys = keys.filter_map(|word| u64::from_str_radix(word, 16).ok());
        subject.keys.extend(keys.map(UserKey::from_bits));
        subject
    }
}

/// What follows each time that the name stands in the words.
fn after<'w>(words: &'w str, name: &'static str) -> impl Iterator<Item = &'w str> {
    words
        .match_indices(name)
        .map(move |(at, _)| &words[at + name.len()..])
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_checkers_are_read() {
        let split = Subject::of(
            "user5 has a session on backend 1 through member 0 and one on backend 2 through member 12",
        );
        assert_eq!(split.persons, BTreeSet::from([5]));
        assert_eq!(split.members, BTreeSet::from([0, 12]));
        let overlap = Subject::of(
            "member 1 would admit user 00a1b2c3d4e5f607 at epoch 3 to Some(BackendId(1)), others are at epoch 4 and \
             admit him to None",
        );
        assert_eq!(
            overlap.keys,
            BTreeSet::from([UserKey::from_bits(0x00a1_b2c3_d4e5_f607)])
        );
        assert_eq!(overlap.epochs, BTreeSet::from([3, 4]));
        let liveness = Subject::of(
            "after 9000 ms: not serving [1, 3], unseated [], behind [2], 0 users frozen, 0 logins waiting, 0 probes \
             unanswered",
        );
        assert_eq!(liveness.members, BTreeSet::from([1, 2, 3]));
        let command = Subject::of("command 7 was applied at epoch 2, and again at epoch 5");
        assert_eq!(command.commands, BTreeSet::from([7]));
        assert_eq!(
            Subject::of("login 1f00000002 was answered again").logins,
            BTreeSet::from([0x1f_0000_0002])
        );
    }
}
