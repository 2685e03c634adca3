//! An admin's command is applied once, or refused, or answered as unknown, within the limit.
//!
//! Commands can carry a marker: they set `user_expire` to a value that no other command sets. The history of the
//! topology then shows which command was in force when, whatever the directors say.

use std::collections::BTreeMap;
use std::time::Duration;

use maildirector::agreement::Committed;
use maildirector::topology::Epoch;

use super::Broken;
use crate::outcome::Invariant;

/// How late an answer may be: the tick that gives it may be, and the director's clock may be slow.
const SLACK_NS: u64 = 500_000_000;

/// What an admin was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replied {
    /// In force at this epoch, and perhaps before: who missed the commit learns of it with a later one.
    Done(Epoch),
    /// Nothing was changed.
    Refused,
    /// Nobody knows.
    Unknown,
}

#[derive(Debug)]
struct Command {
    marker: Option<Duration>,
    /// The newest epoch in force anywhere when it was given.
    asked_at: Epoch,
    reply: Option<Replied>,
}

/// Every command that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    asked: BTreeMap<u64, Command>,
}

fn broken(words: String) -> Result<(), Broken> {
    Err(Broken::new(Invariant::Commands, words))
}

impl Commands {
    /// An admin asks.
    pub(crate) fn asked(&mut self, id: u64, marker: Option<Duration>, newest: Epoch) {
        self.asked.insert(
            id,
            Command {
                marker,
                asked_at: newest,
                reply: None,
            },
        );
    }

    /// He is answered.
    pub(crate) fn replied(&mut self, id: u64, reply: Replied) -> Result<(), Broken> {
        let Some(command) = self.asked.get_mut(&id) else {
            return broken(format!("an answer to command {id}, which was never given"));
        };
        if let Some(first) = command.reply {
            return broken(format!("command {id} was answered {first:?}, and now {reply:?}"));
        }
        command.reply = Some(reply);
        Ok(())
    }

    /// Whether it has no answer yet.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.asked.get(&id).is_some_and(|command| command.reply.is_none())
    }

    /// A command that has waited so long and is not answered.
    pub(crate) fn waited(&self, id: u64, waited_ns: u64, limit_ns: u64) -> Result<(), Broken> {
        if !self.is_open(id) || waited_ns <= limit_ns + limit_ns / 5 + SLACK_NS {
            return Ok(());
        }
        broken(format!("command {id} waits for {} ms", waited_ns / 1_000_000))
    }

    /// Whether the history of the topology agrees with the answers.
    pub(crate) fn settle(&self, history: &BTreeMap<Epoch, Committed>) -> Result<(), Broken> {
        let markers: BTreeMap<Duration, u64> = self
            .asked
            .iter()
            .filter_map(|(id, command)| Some((command.marker?, *id)))
            .collect();
        let mut first_seen: BTreeMap<u64, Epoch> = BTreeMap::new();
        let mut current = None;
        for (epoch, committed) in history {
            let id = markers.get(&committed.topology.timing().user_expire).copied();
            if id == current {
                continue;
            }
            current = id;
            if let Some(id) = id
                && let Some(before) = first_seen.insert(id, *epoch)
            {
                return broken(format!(
                    "command {id} was applied at {before}, and again at {epoch}"
                ));
            }
        }
        // A command that leaves no trace was followed by another one in the same round.
        let has_other = |id: u64, after: Epoch, until: Epoch| {
            let at = |(other, epoch): (&u64, &Epoch)| *other != id && *epoch > after && *epoch <= until;
            first_seen.iter().any(at)
        };
        for (id, command) in self.asked.iter().filter(|(_, command)| command.marker.is_some()) {
            let seen = first_seen.get(id);
            match (command.reply, seen) {
                (Some(Replied::Refused), Some(epoch)) => {
                    return broken(format!("command {id} was refused, and applied at {epoch}"));
                }
                (Some(Replied::Done(said)), Some(epoch)) if said < *epoch => {
                    return broken(format!(
                        "command {id} was answered with {said}, and applied at {epoch}"
                    ));
                }
                (Some(Replied::Done(said)), None) if !has_other(*id, command.asked_at, said) => {
                    return broken(format!(
                        "command {id} was answered with {said}, and left no trace up to there"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Answers in one topology and in the next: what a run was told stays told.
pub(crate) fn answers_only_grow(before: &Committed, after: &Committed) -> Result<(), Broken> {
    for (member, known) in before.answered.iter() {
        let now = after.answered.get(member);
        if let Some(now) = now.filter(|now| now.boot == known.boot && now.next < known.next) {
            let (known, now, epoch) = (known.next, now.next, after.epoch());
            return broken(format!(
                "commands of {member} below {known} were answered, at {epoch} only those below {now}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use maildirector::agreement::{Answered, Boot};
    use maildirector::topology::{Change, Draft, MemberId};

    use super::super::agreement::tests::topology;
    use super::*;

    fn history(markers_s: &[u64]) -> BTreeMap<Epoch, Committed> {
        let mut committed = Committed::genesis(topology(&[100]));
        let mut history = BTreeMap::new();
        for marker in markers_s {
            let mut draft = Draft::of(&committed.topology);
            draft
                .apply(&[Change::SetUserExpire {
                    user_expire: Duration::from_secs(*marker),
                }])
                .unwrap();
            committed.topology = Arc::new(draft.finish().0.advanced(&[]));
            history.insert(committed.epoch(), committed.clone());
        }
        history
    }

    fn told(replies: &[(u64, Option<Replied>)]) -> Commands {
        let mut commands = Commands::default();
        for (id, reply) in replies {
            commands.asked(*id, Some(Duration::from_secs(*id)), Epoch::ZERO);
            reply
                .iter()
                .for_each(|reply| commands.replied(*id, *reply).unwrap());
        }
        commands
    }

    #[test]
    fn a_command_applied_twice_is_noticed() {
        let commands = told(&[(5, None), (6, None)]);
        assert!(commands.settle(&history(&[5, 5, 6])).is_ok());
        assert!(commands.settle(&history(&[5, 6, 5])).is_err());
    }

    #[test]
    fn answers_that_history_contradicts_are_noticed() {
        let done = |epoch| Some(Replied::Done(Epoch::from_number(epoch)));
        assert!(told(&[(5, done(1))]).settle(&history(&[5])).is_ok());
        assert!(told(&[(5, done(2))]).settle(&history(&[5, 5])).is_ok());
        assert!(
            told(&[(5, done(1)), (6, None)])
                .settle(&history(&[6, 5]))
                .is_err()
        );
        assert!(
            told(&[(5, Some(Replied::Refused))])
                .settle(&history(&[5]))
                .is_err()
        );
        assert!(told(&[(5, done(1)), (6, None)]).settle(&history(&[6])).is_ok());
        assert!(
            told(&[(5, done(1)), (6, done(2))])
                .settle(&history(&[4, 6]))
                .is_err()
        );
    }

    #[test]
    fn a_second_answer_and_a_missing_one_are_noticed() {
        let mut commands = told(&[(5, Some(Replied::Unknown)), (6, None)]);
        assert!(commands.replied(5, Replied::Refused).is_err());
        assert!(commands.replied(7, Replied::Refused).is_err());
        assert!(commands.waited(5, u64::MAX / 2, 30_000_000_000).is_ok());
        assert!(commands.waited(6, 31_000_000_000, 30_000_000_000).is_ok());
        assert!(commands.waited(6, 40_000_000_000, 30_000_000_000).is_err());
    }

    #[test]
    fn answers_that_shrink_are_noticed() {
        let answered = |boot, next| {
            let answered = Answered {
                boot: Boot::from_bits(boot),
                next,
                refused: Vec::new(),
            };
            let answered = Arc::new(BTreeMap::from([(MemberId::from_index(1), answered)]));
            Committed {
                answered,
                ..Committed::genesis(topology(&[100]))
            }
        };
        assert!(answers_only_grow(&answered(2, 5), &answered(2, 5)).is_ok());
        assert!(answers_only_grow(&answered(2, 5), &answered(2, 4)).is_err());
        assert!(answers_only_grow(&answered(2, 5), &answered(3, 0)).is_ok());
    }
}
