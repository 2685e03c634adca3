//! Admins' commands at the director that was asked: numbered, sent to the coordinator, answered when an epoch has them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::input::CommandId;
use super::machine::Director;
use super::output::{CommandError, DryRun, Output};
use super::serving::Standing;
use crate::agreement::{
    Body, Proposal, Request, Rule,
    timing::{held_bound, resend_every},
};
use crate::topology::{Change, ChangeError, LEASE_MAX, MemberId, lease_min};
use crate::world::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    id: CommandId,
    changes: Vec<Change>,
    since: Instant,
}

/// The request that waits for an epoch, with whom to answer; `None` where the admin was told already.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    request: Request,
    ids: Vec<Option<(CommandId, Instant)>>,
    again_at: Instant,
}

/// A question to all directors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Counting {
    id: CommandId,
    until: Instant,
    waits: BTreeSet<MemberId>,
    dry_run: DryRun,
}

/// Commands that are not answered yet. At most one request is on its way, so that what became of it can be told by one
/// number in the topology.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Commands {
    next: u64,
    queue: VecDeque<Pending>,
    sent: Option<Sent>,
    counts: u64,
    counting: BTreeMap<u64, Counting>,
}

impl Commands {
    pub fn len(&self) -> usize {
        self.queue.len() + self.sent.as_ref().map_or(0, |s| s.ids.len())
    }

    /// Commands that are not sent yet.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The number of the first command that is on its way to the coordinator, and of the one after the last.
    pub fn on_the_way(&self) -> Option<(u64, u64)> {
        self.sent.as_ref().map(|s| (s.request.first, s.request.end()))
    }

    pub fn next_timer(&self, wait: Duration) -> Option<Instant> {
        let queued = self.queue.front().map(|p| p.since.plus(wait));
        let sent = self.sent.as_ref().map(|s| s.again_at);
        let answer = self
            .sent
            .as_ref()
            .and_then(|s| s.ids.iter().flatten().map(|(_, since)| since.plus(wait)).min());
        let counting = self.counting.values().map(|c| c.until).min();
        Instant::first_of([queued, sent, answer, counting])
    }
}

impl Director {
    pub(super) fn command(
        &mut self,
        id: CommandId,
        changes: Vec<Change>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if let Err(error) = self.check_command(&changes) {
            out.push(Output::Reply {
                id,
                result: Err(error),
            });
            return;
        }
        self.commands.queue.push_back(Pending {
            id,
            changes,
            since: now,
        });
        self.send_commands(now, out);
    }

    /// Refuse at once what is impossible here and now. A director without a lease may be behind: it asks the ring.
    fn check_command(&self, changes: &[Change]) -> Result<(), CommandError> {
        let limits = &self.settings.limits;
        if changes.len() > limits.changes_per_command {
            return Err(CommandError::TooMany {
                what: "changes in one command",
                limit: limits.changes_per_command,
            });
        }
        if self.commands.len() >= limits.commands {
            return Err(CommandError::TooMany {
                what: "commands waiting",
                limit: limits.commands,
            });
        }
        self.check_lease(changes)?;
        if self.serving.standing == Standing::Leased || changes.is_empty() {
            self.committed
                .draft(self.settings.rules)
                .apply(changes)
                .map_err(CommandError::Refused)?;
        }
        Ok(())
    }

    /// A lease of which the doors' closing time leaves next to nothing would isolate this director, and with it, most
    /// likely, all others: then nobody could take it back.
    fn check_lease(&self, changes: &[Change]) -> Result<(), CommandError> {
        let min = lease_min(self.settings.close_bound);
        let too_short = changes.iter().find_map(|change| match change {
            Change::SetLease { lease } if *lease < min => Some(*lease),
            _ => None,
        });
        match too_short {
            Some(lease) => {
                let max = LEASE_MAX;
                Err(CommandError::Refused(ChangeError::LeaseOutOfRange {
                    lease,
                    min,
                    max,
                }))
            }
            None => Ok(()),
        }
    }

    /// Send what waits, all in one request, if none is on its way.
    pub(super) fn send_commands(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.commands.sent.is_some() || self.commands.queue.is_empty() || self.first_start.is_some() {
            return;
        }
        if self.coordinator(now).is_none() {
            return;
        }
        let pending: Vec<Pending> = self.commands.queue.drain(..).collect();
        let ids = pending.iter().map(|p| Some((p.id, p.since))).collect();
        let commands: Vec<Vec<Change>> = pending.into_iter().map(|p| p.changes).collect();
        let request = Request {
            from: self.settings.me,
            boot: self.boot,
            first: self.commands.next,
            commands,
        };
        self.commands.next = request.end();
        self.commands.sent = Some(Sent {
            request,
            ids,
            again_at: now,
        });
        self.resend_request(now, out);
    }

    fn resend_request(&mut self, now: Instant, out: &mut Vec<Output>) {
        let gap = resend_every(self.timing());
        let coordinator = self.coordinator(now);
        let Some(sent) = &mut self.commands.sent else {
            return;
        };
        sent.again_at = now.plus(gap);
        if let Some(coordinator) = coordinator {
            let request = sent.request.clone();
            self.send(coordinator, Body::Request(request), out);
        }
    }

    /// After an install: answer what the new epoch has decided, send again what it has not.
    pub(super) fn answer_commands(&mut self, now: Instant, out: &mut Vec<Output>) {
        let answered = self.committed.answered.get(&self.settings.me);
        let is_answered =
            |sent: &Sent| answered.is_some_and(|a| a.boot == self.boot && a.next >= sent.request.end());
        if let Some(sent) = self.commands.sent.take_if(|sent| is_answered(sent)) {
            let refused: BTreeMap<u64, _> = answered
                .map(|a| a.refused.iter().cloned().collect())
                .unwrap_or_default();
            for (number, id) in (sent.request.first..sent.request.end()).zip(sent.ids) {
                let Some((id, _)) = id else {
                    continue;
                };
                let result = match refused.get(&number) {
                    Some(error) => Err(CommandError::Refused(error.clone())),
                    None => Ok(self.epoch()),
                };
                out.push(Output::Reply { id, result });
            }
        }
        self.resend_request(now, out);
        self.send_commands(now, out);
    }

    pub(super) fn command_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        let wait = self.settings.limits.command_wait;
        while let Some(pending) = self.commands.queue.pop_front_if(|p| now.since(p.since) >= wait) {
            let result = Err(CommandError::NotSent { waited: wait });
            out.push(Output::Reply {
                id: pending.id,
                result,
            });
        }
        if let Some(sent) = &mut self.commands.sent {
            for slot in &mut sent.ids {
                if let Some((id, _)) = slot.take_if(|(_, since)| now.since(*since) >= wait) {
                    out.push(Output::Reply {
                        id,
                        result: Err(CommandError::Unknown { waited: wait }),
                    });
                }
            }
            if sent.ids.iter().all(Option::is_none) {
                self.commands.sent = None;
            } else if now >= sent.again_at {
                if self.settings.rules.keep(Rule::CommandsAreSentAgain) {
                    self.resend_request(now, out);
                } else {
                    sent.again_at = now.plus(self.settings.limits.command_wait);
                }
            }
        }
        self.send_commands(now, out);
        let late: Vec<u64> = self
            .commands
            .counting
            .iter()
            .filter(|(_, c)| now >= c.until)
            .map(|(n, _)| *n)
            .collect();
        for number in late {
            self.finish_count(number, out);
        }
    }

    /// The run ends: nobody waits for an answer that can't come.
    pub(super) fn fail_commands(&mut self, now: Instant, out: &mut Vec<Output>) {
        for pending in std::mem::take(&mut self.commands.queue) {
            let waited = now.since(pending.since);
            out.push(Output::Reply {
                id: pending.id,
                result: Err(CommandError::NotSent { waited }),
            });
        }
        for (id, since) in self
            .commands
            .sent
            .take()
            .into_iter()
            .flat_map(|s| s.ids)
            .flatten()
        {
            let waited = now.since(since);
            out.push(Output::Reply {
                id,
                result: Err(CommandError::Unknown { waited }),
            });
        }
    }

    /// Ask every director how many of its users these changes would move.
    pub(super) fn dry_run(
        &mut self,
        id: CommandId,
        changes: Vec<Change>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let limits = &self.settings.limits;
        let check = if self.commands.counting.len() >= limits.commands {
            Err(CommandError::TooMany {
                what: "questions waiting",
                limit: limits.commands,
            })
        } else {
            self.committed
                .draft(self.settings.rules)
                .apply(&changes)
                .map_err(CommandError::Refused)
        };
        if let Err(error) = check {
            out.push(Output::DryRunReply {
                id,
                result: Err(error),
            });
            return;
        }
        self.commands.counts += 1;
        let number = self.commands.counts;
        let waits = self
            .topology()
            .members()
            .filter(|m| m.serves)
            .map(|m| m.id)
            .collect();
        let until = now.plus(held_bound(self.timing()));
        self.commands.counting.insert(
            number,
            Counting {
                id,
                until,
                waits,
                dry_run: DryRun::default(),
            },
        );
        self.flood(Body::Count { number, changes }, out);
    }

    pub(super) fn count_received(
        &mut self,
        from: MemberId,
        number: u64,
        changes: Vec<Change>,
        out: &mut Vec<Output>,
    ) {
        if !self.serves() || changes.len() > self.settings.limits.changes_per_command {
            return;
        }
        let request = Request {
            from,
            boot: self.boot,
            first: 0,
            commands: vec![changes],
        };
        let proposal = Proposal {
            requests: vec![request],
            upkeep: Vec::new(),
        };
        let outcome = self.committed.with(&proposal, self.settings.rules);
        let (moved, pinned) = self.count_displaced(&outcome.topology, &outcome.moves);
        self.send(
            from,
            Body::Counted {
                number,
                moved,
                pinned,
            },
            out,
        );
    }

    pub(super) fn counted(
        &mut self,
        from: MemberId,
        number: u64,
        moved: u64,
        pinned: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(counting) = self.commands.counting.get_mut(&number) else {
            return;
        };
        if counting.waits.remove(&from) {
            counting.dry_run.moved = counting.dry_run.moved.saturating_add(moved);
            counting.dry_run.pinned = counting.dry_run.pinned.saturating_add(pinned);
        }
        if counting.waits.is_empty() {
            self.finish_count(number, out);
        }
    }

    fn finish_count(&mut self, number: u64, out: &mut Vec<Output>) {
        if let Some(mut counting) = self.commands.counting.remove(&number) {
            counting.dry_run.missing = counting.waits.into_iter().collect();
            out.push(Output::DryRunReply {
                id: counting.id,
                result: Ok(counting.dry_run),
            });
        }
    }
}
