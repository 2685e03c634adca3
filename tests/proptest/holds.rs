//! The table of holds against a plain ordered map: every answer, and all that it shows, must be the same.

use std::collections::BTreeMap;
use std::time::Duration;

use maildirector::director::{Gathered, Hold, Holds, Journalled, OpenError, SESSIONS_MAX};
use maildirector::topology::{BackendId, TagId, UserId, UserKey};
use maildirector::world::Instant;
use proptest::prelude::*;

const EXPIRE: Duration = Duration::from_secs(2);
const TICK_MILLIS: u64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Insert {
        user: UserId,
        name: String,
        backend: u32,
        sessions: u16,
    },
    Open {
        user: UserId,
    },
    OpenUncounted {
        user: UserId,
    },
    Touch {
        user: UserId,
    },
    /// Closes a session by the serial that the hold has, or by one `off` later.
    Close {
        user: UserId,
        off: u32,
    },
    SetEvicting {
        user: UserId,
        is_evicting: bool,
    },
    Remove {
        user: UserId,
    },
    /// Inserts users in a row: enough to split runs and nodes.
    Fill {
        row: u32,
        first: u32,
        count: u32,
        is_backwards: bool,
    },
    /// Removes all but every `keep`-th user of a row.
    Thin {
        row: u32,
        first: u32,
        count: u32,
        keep: u32,
    },
    Sweep {
        count: usize,
    },
    Wait {
        millis: u64,
    },
    Clear,
}

/// Users close together and far apart, some of one hash, some of one key; and users of the rows.
fn any_user() -> impl Strategy<Value = UserId> {
    let alone = (
        prop::sample::select(vec![0_u32, 1, 5, 0x8000_0000, u32::MAX]),
        0..3_u32,
        0..3_u16,
    );
    let alone = alone.prop_map(|(hash, rest, tag)| UserId {
        key: UserKey::from_bits(u64::from(hash) << 32 | u64::from(rest)),
        tag: TagId::from_index(tag),
    });
    prop_oneof![
        alone,
        (0..3_u32, 0..600_u32).prop_map(|(row, number)| in_row(row, number))
    ]
}

/// Row 0 has one hash, row 1 neighbouring hashes, row 2 hashes all over the circle.
fn in_row(row: u32, number: u32) -> UserId {
    let bits = match row {
        0 => 5 << 32 | u64::from(number),
        1 => (1_000 + u64::from(number)) << 32,
        _ => u64::from(number.wrapping_mul(0x9e37_79b1)) << 32,
    };
    UserId {
        key: UserKey::from_bits(bits),
        tag: TagId::DEFAULT,
    }
}

/// What a journal says: users who are held, or are held no more.
fn any_words() -> impl Strategy<Value = Vec<(UserId, Option<(String, u32)>)>> {
    let word = (any_user(), prop::option::weighted(0.8, ("[a-zä]{0,9}", 0..4_u32)));
    prop::collection::vec(word, 0..2_000)
}

fn any_step() -> impl Strategy<Value = Step> {
    let row = || (0..3_u32, 0..300_u32, 0..300_u32);
    prop_oneof![
        4 => (any_user(), "[a-zä]{0,9}", 0..4_u32, prop_oneof![Just(0), Just(1), Just(SESSIONS_MAX)])
            .prop_map(|(user, name, backend, sessions)| Step::Insert { user, name, backend, sessions }),
        4 => any_user().prop_map(|user| Step::Open { user }),
        2 => any_user().prop_map(|user| Step::OpenUncounted { user }),
        2 => any_user().prop_map(|user| Step::Touch { user }),
        4 => (any_user(), 0..2_u32).prop_map(|(user, off)| Step::Close { user, off }),
        2 => (any_user(), any::<bool>()).prop_map(|(user, is_evicting)| Step::SetEvicting { user, is_evicting }),
        4 => any_user().prop_map(|user| Step::Remove { user }),
        2 => (row(), any::<bool>()).prop_map(|((row, first, count), is_backwards)| {
            Step::Fill { row, first, count, is_backwards }
        }),
        2 => (row(), 1..100_u32).prop_map(|((row, first, count), keep)| Step::Thin { row, first, count, keep }),
        3 => (0..400_usize).prop_map(|count| Step::Sweep { count }),
        3 => (0..1_500_u64).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Clear),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct ModelHold {
    name: String,
    backend: BackendId,
    sessions: u16,
    serial: u32,
    is_evicting: bool,
    touched: Instant,
}

impl ModelHold {
    fn touch(&mut self, now: Instant) {
        self.touched = rounded_up(now);
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.sessions == 0 && !self.is_evicting && self.touched.plus(EXPIRE) <= now
    }

    fn of(hold: Hold<'_>) -> (UserId, Self) {
        let model = ModelHold {
            name: hold.name.into(),
            backend: hold.backend,
            sessions: hold.sessions,
            serial: hold.serial,
            is_evicting: hold.is_evicting,
            touched: hold.touched,
        };
        (hold.user, model)
    }
}

fn rounded_up(now: Instant) -> Instant {
    let millis = now.as_nanos().div_ceil(1_000_000).next_multiple_of(TICK_MILLIS);
    Instant::ORIGIN.plus(Duration::from_millis(millis))
}

#[derive(Default)]
struct Pair {
    holds: Holds,
    model: BTreeMap<UserId, ModelHold>,
    next_serial: u32,
    sweep_from: Option<UserId>,
    now: Instant,
}

impl Pair {
    /// A table that was made in one go, and what one would be in which the words were heeded one by one.
    fn gathered(
        words: &[(UserId, Option<(String, u32)>)],
        room: usize,
        holds_max: usize,
        now: Instant,
    ) -> Result<Pair, TestCaseError> {
        let mut gathered = Gathered::with_room(room);
        let mut last = BTreeMap::new();
        for (user, held) in words {
            let user = *user;
            match held {
                Some((name, backend)) => {
                    let backend = BackendId::from_index(*backend);
                    gathered.held(Journalled { user, name, backend });
                    last.insert(user, (name, backend));
                }
                None => {
                    gathered.gone(user);
                    last.remove(&user);
                }
            }
        }
        let mut pair = Pair {
            now,
            ..Pair::default()
        };
        for (user, (name, backend)) in last.into_iter().take(holds_max) {
            pair.insert(user, name, backend.index(), 0)?;
        }
        let mut told = Vec::new();
        let table = Holds::of_gathered(gathered, holds_max, now, |user, backend| {
            told.push((user, backend))
        });
        prop_assert_eq!(&table, &pair.holds);
        let shown = table.iter().map(|hold| (hold.user, hold.backend));
        prop_assert_eq!(shown.collect::<Vec<_>>(), told);
        pair.holds = table;
        Ok(pair)
    }

    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.now;
        match *step {
            Step::Insert {
                user,
                ref name,
                backend,
                sessions,
            } => self.insert(user, name, backend, sessions)?,
            Step::Open { user } => self.open(user, 1)?,
            Step::OpenUncounted { user } => self.open(user, 0)?,
            Step::Touch { user } => {
                let expected = self.model.get_mut(&user).map(|hold| hold.touch(now)).is_some();
                prop_assert_eq!(self.holds.touch(user, now), expected);
            }
            Step::Close { user, off } => self.close(user, off)?,
            Step::SetEvicting { user, is_evicting } => {
                let hold = self.model.get_mut(&user);
                let expected = hold.map(|hold| hold.is_evicting = is_evicting).is_some();
                prop_assert_eq!(self.holds.set_evicting(user, is_evicting), expected);
            }
            Step::Remove { user } => self.remove(user)?,
            Step::Fill {
                row,
                first,
                count,
                is_backwards,
            } => {
                for number in 0..count {
                    let number = first + if is_backwards { count - 1 - number } else { number };
                    self.insert(in_row(row, number), &format!("u{number}"), number % 4, 0)?;
                }
            }
            Step::Thin {
                row,
                first,
                count,
                keep,
            } => {
                for number in (first..first + count).filter(|number| number % keep != 0) {
                    self.remove(in_row(row, number))?;
                }
            }
            Step::Sweep { count } => self.sweep(count)?,
            Step::Wait { millis } => self.now = now.plus(Duration::from_millis(millis)),
            Step::Clear => {
                self.holds.clear();
                self.model.clear();
                self.sweep_from = None;
            }
        }
        Ok(())
    }

    fn insert(&mut self, user: UserId, name: &str, backend: u32, sessions: u16) -> Result<(), TestCaseError> {
        let (backend, serial) = (BackendId::from_index(backend), self.next_serial);
        self.next_serial += 1;
        let touched = rounded_up(self.now);
        let hold = ModelHold {
            name: name.into(),
            backend,
            sessions,
            serial,
            is_evicting: false,
            touched,
        };
        self.model.insert(user, hold);
        prop_assert_eq!(self.holds.insert(user, name, backend, sessions, self.now), serial);
        Ok(())
    }

    fn open(&mut self, user: UserId, sessions: u16) -> Result<(), TestCaseError> {
        let expected = match self.model.get_mut(&user) {
            None => Err(OpenError::NoHold),
            Some(hold) if hold.is_evicting => Err(OpenError::Evicting),
            Some(hold) if hold.sessions > SESSIONS_MAX - sessions => Err(OpenError::TooManySessions),
            Some(hold) => {
                hold.sessions += sessions;
                hold.touch(self.now);
                Ok((hold.backend, hold.serial))
            }
        };
        let opened = match sessions {
            0 => self.holds.open_uncounted(user, self.now),
            _ => self.holds.open_session(user, self.now),
        };
        prop_assert_eq!(opened.map(|opened| (opened.backend, opened.serial)), expected);
        Ok(())
    }

    fn close(&mut self, user: UserId, off: u32) -> Result<(), TestCaseError> {
        let mut serial = off;
        let mut expected = false;
        if let Some(hold) = self.model.get_mut(&user) {
            serial = hold.serial + off;
            expected = off == 0 && hold.sessions > 0;
            if expected {
                hold.sessions -= 1;
                hold.touch(self.now);
            }
        }
        prop_assert_eq!(self.holds.close_session(user, serial, self.now), expected);
        Ok(())
    }

    fn remove(&mut self, user: UserId) -> Result<(), TestCaseError> {
        let expected = self
            .model
            .remove(&user)
            .map(|hold| (hold.name, hold.backend, hold.serial));
        let removed = self.holds.remove(user);
        prop_assert_eq!(
            removed.map(|hold| (hold.name.into(), hold.backend, hold.serial)),
            expected
        );
        Ok(())
    }

    fn sweep(&mut self, count: usize) -> Result<(), TestCaseError> {
        let lowest = UserId {
            key: UserKey::from_bits(0),
            tag: TagId::DEFAULT,
        };
        let mut rest = self.model.range(self.sweep_from.unwrap_or(lowest)..);
        let looked_at = rest
            .by_ref()
            .take(count)
            .filter(|(_, hold)| hold.has_ended(self.now));
        let expected: Vec<UserId> = looked_at.map(|(user, _)| *user).collect();
        self.sweep_from = rest.next().map(|(user, _)| *user);
        self.model.retain(|user, _| !expected.contains(user));
        let mut ended = Vec::new();
        self.holds.sweep(self.now, EXPIRE, count, &mut ended);
        prop_assert_eq!(ended, expected);
        Ok(())
    }

    fn compare(&self, first: u32, last: u32) -> Result<(), TestCaseError> {
        let shown: BTreeMap<UserId, ModelHold> = self.holds.iter().map(ModelHold::of).collect();
        prop_assert_eq!(&shown, &self.model);
        prop_assert!(self.holds.iter().map(|hold| hold.user).is_sorted());
        prop_assert_eq!(self.holds.len(), self.model.len());
        let scanned: Vec<UserId> = self.holds.scan(first, last).map(|hold| hold.user).collect();
        let in_range = |user: &&UserId| (first..=last).contains(&user.key.hash());
        let expected: Vec<UserId> = self.model.keys().filter(in_range).copied().collect();
        prop_assert_eq!(scanned, expected);
        let mut counts = BTreeMap::new();
        self.model
            .values()
            .for_each(|hold| *counts.entry(hold.backend).or_insert(0) += 1);
        prop_assert_eq!(self.holds.count_by_backend().collect::<BTreeMap<_, _>>(), counts);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_table_of_holds_answers_like_an_ordered_map(
        steps in prop::collection::vec(any_step(), 0..60),
        lone in prop::collection::vec(any_user(), 5),
        ends in any::<(u32, u32)>(),
    ) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step)?;
            for user in &lone {
                let found = pair.holds.find(*user).map(ModelHold::of);
                prop_assert_eq!(found, pair.model.get(user).map(|hold| (*user, hold.clone())));
            }
            pair.compare(ends.0, ends.1)?;
        }
    }

    #[test]
    fn a_table_made_in_one_go_is_the_same_and_goes_on_like_one_filled_step_by_step(
        words in any_words(),
        room in prop::sample::select(vec![0_usize, 100, 5_000, 100_000]),
        holds_max in prop_oneof![4 => Just(usize::MAX), 1 => 0..500_usize],
        millis in 0..1_500_u64,
        steps in prop::collection::vec(any_step(), 0..20),
        ends in any::<(u32, u32)>(),
    ) {
        let now = Instant::ORIGIN.plus(Duration::from_millis(millis));
        let mut pair = Pair::gathered(&words, room, holds_max, now)?;
        pair.compare(ends.0, ends.1)?;
        for step in &steps {
            pair.apply(step)?;
            pair.compare(ends.0, ends.1)?;
        }
    }
}
