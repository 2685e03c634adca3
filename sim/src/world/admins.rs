//! Admins and the health check: what they ask for, of whom, and what they are told.

use std::time::Duration;

use maildirector::agreement::Whose;
use maildirector::director::{CommandError, CommandId, DryRun, Input};
use maildirector::topology::{Change, Draft, Epoch, TagId, Topology, UserId};

use super::causes::{Affected, Name};
use super::happening::Happening;
use super::logins::{Caller, Wish};
use super::note::Note;
use super::orders::name_of;
use super::people::{backend_ip, backend_number};
use super::scene::{MS, World};
use crate::checkers::Replied;
use crate::entropy::{Purpose, below};
use crate::marks::Mark;
use crate::waits::Cause;
use crate::work::Errand;

/// Why somebody asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Admin,
    /// The health check, which saw this backend dead or alive.
    Health {
        backend: u32,
        is_dead: bool,
    },
    /// The admin who gives every order until it is answered.
    Insistent,
    /// The recovery, to see whether this member can still change something.
    Probe {
        member: u8,
    },
}

/// A command or a question that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u64,
    run: u32,
    asker: Asker,
    asked_awake_ns: u64,
    /// How long it may be without an answer.
    limit_ns: u64,
}

/// What the health check knows of a backend.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    is_told_dead: bool,
    is_asking: bool,
}

/// Everybody who gives orders.
#[derive(Debug)]
pub(crate) struct Admins {
    open: Vec<Asked>,
    next_id: u64,
    watched: Vec<Watched>,
}

impl Admins {
    pub(crate) fn new(backends: usize) -> Self {
        Admins {
            open: Vec::new(),
            next_id: 0,
            watched: vec![Watched::default(); backends],
        }
    }
}

impl World<'_> {
    pub(super) fn work_is_due(&mut self, index: u32) {
        let plan = self.plan;
        let work = &plan.work[index as usize];
        let member = work.member as u8;
        match &work.errand {
            Errand::Command { .. } if self.insistent.is_some() => {}
            Errand::Command { orders } => {
                self.count_orders(orders);
                let changes: Vec<Change> = orders.iter().map(|order| self.change(order)).collect();
                let what = orders.first().map_or("nothing", name_of);
                self.command(member, changes, what, Asker::Admin);
            }
            Errand::DryRun { orders } => {
                let changes: Vec<Change> = orders.iter().map(|order| self.change(order)).collect();
                self.dry_run(member, changes);
            }
            Errand::Kick { user } => self.kick(member, *user),
            Errand::Login {
                user,
                is_second_tag,
                session_ms,
            } => {
                let wish = Wish {
                    person: *user,
                    is_second_tag: *is_second_tag,
                    session_ns: session_ms * MS,
                    tries: 0,
                    caller: Caller::Anybody,
                };
                self.log_in(member, wish);
            }
        }
    }

    /// Asks a member for a change. False when nobody is there to be asked.
    pub(super) fn command(
        &mut self,
        member: u8,
        changes: Vec<Change>,
        what: &'static str,
        asker: Asker,
    ) -> bool {
        let state = &self.members[usize::from(member)];
        let Some(run) = state.runs().next().filter(|_| state.paused == 0) else {
            return false;
        };
        let asked_awake_ns = state.awake_ns(self.now);
        for change in &changes {
            if let Change::Up { ip, .. } = change {
                self.up_is_said(*ip);
            }
        }
        let id = self.admins.next_id;
        let limit_ns = self.knobs().command_wait_ms * MS;
        self.admins.next_id += 1;
        self.counters.commands += 1;
        let (changes, marker) = self.marked(id, changes, asker);
        self.admins.open.push(Asked {
            id,
            run,
            asker,
            asked_awake_ns,
            limit_ns,
        });
        self.commands.asked(id, marker, self.newest);
        self.note(Note::Commanded { member, id, what });
        if self.causes.is_calm() && asker == Asker::Admin {
            let affected = Affected::Persons(self.persons_moved(&changes));
            self.causes
                .began(Name::Command(id), Cause::Change(what), affected);
        }
        self.give(
            run,
            Input::Command {
                id: CommandId(id),
                changes,
            },
            None,
        );
        true
    }

    /// The changes with one more, by which the command is recognised in the history of the topology.
    fn marked(&self, id: u64, mut changes: Vec<Change>, asker: Asker) -> (Vec<Change>, Option<Duration>) {
        let wanted = changes.iter().rev().find_map(|change| match change {
            Change::SetUserExpire { user_expire } => Some(*user_expire),
            _ => None,
        });
        // Whoever sets it anyway would wipe out another's mark.
        let is_marked = self.knobs().has_markers || matches!(asker, Asker::Probe { .. }) || wanted.is_some();
        if !is_marked || changes.is_empty() {
            return (changes, None);
        }
        let base = wanted.unwrap_or(Duration::from_millis(self.knobs().user_expire_ms));
        let marker = base + Duration::from_micros(id + 1);
        changes.push(Change::SetUserExpire { user_expire: marker });
        (changes, Some(marker))
    }

    fn dry_run(&mut self, member: u8, changes: Vec<Change>) {
        let state = &self.members[usize::from(member)];
        let Some(run) = state.runs().next().filter(|_| state.paused == 0) else {
            return;
        };
        let asked_awake_ns = state.awake_ns(self.now);
        let id = self.admins.next_id;
        // The asked director waits for the others' counts as long as a round waits for their holds.
        let limit_ns = super::configuration::longest_lease(self.plan).as_nanos() as u64;
        self.admins.next_id += 1;
        let asker = Asker::Admin;
        self.admins.open.push(Asked {
            id,
            run,
            asker,
            asked_awake_ns,
            limit_ns,
        });
        self.commands.asked(id, None, self.newest);
        self.note(Note::Commanded {
            member,
            id,
            what: "a dry run",
        });
        self.give(
            run,
            Input::DryRun {
                id: CommandId(id),
                changes,
            },
            None,
        );
    }

    fn kick(&mut self, member: u8, person: u32) {
        let state = &self.members[usize::from(member)];
        if let Some(run) = state.runs().next().filter(|_| state.paused == 0) {
            let key = self.people.person(person).key;
            let tag = TagId::DEFAULT;
            self.note(Note::Commanded {
                member,
                id: u64::from(person),
                what: "a kick",
            });
            self.give(run, Input::Kick(Whose::User(key)), Some(UserId { key, tag }));
        }
    }

    pub(super) fn command_replied(&mut self, run: u32, id: CommandId, result: Result<Epoch, CommandError>) {
        let member = self.runs[run as usize].member;
        let (reply, mark, words) = match &result {
            Ok(epoch) => (Replied::Done(*epoch), Mark::CommandDone, "done"),
            Err(CommandError::Refused(_)) => (Replied::Refused, Mark::CommandRefused, "refused"),
            Err(CommandError::NotSent { .. }) => (Replied::Refused, Mark::CommandNotSent, "not sent"),
            Err(CommandError::TooMany { .. }) => (Replied::Refused, Mark::CommandTooMany, "too many"),
            Err(_) => (Replied::Unknown, Mark::CommandUnknown, "unknown"),
        };
        self.mark(mark);
        let epoch = result.as_ref().map_or(0, |epoch| epoch.number());
        self.note(Note::Replied {
            member,
            id: id.0,
            result: words,
            epoch,
        });
        let judged = self.commands.replied(id.0, reply);
        self.check(judged);
        self.causes.ended(Name::Command(id.0), self.now + 100 * MS);
        let Some(at) = self.admins.open.iter().position(|asked| asked.id == id.0) else {
            return;
        };
        let asked = self.admins.open.swap_remove(at);
        let is_refused = matches!(result, Err(CommandError::Refused(_)));
        match asked.asker {
            Asker::Admin => {}
            Asker::Health { backend, is_dead } => {
                self.health_is_told(backend, is_dead, result.is_ok() || is_refused)
            }
            Asker::Insistent => self.insistent_is_answered(Some(result.as_ref().map(|_| ()))),
            Asker::Probe { member } => self.probe_commanded(member, result.is_ok()),
        }
    }

    pub(super) fn dry_run_replied(&mut self, run: u32, id: CommandId, result: &Result<DryRun, CommandError>) {
        let member = self.runs[run as usize].member;
        let (reply, words) = match result {
            Ok(_) => (Replied::Unknown, "a count"),
            Err(_) => (Replied::Refused, "no count"),
        };
        self.mark(Mark::DryRun);
        self.note(Note::Replied {
            member,
            id: id.0,
            result: words,
            epoch: 0,
        });
        let judged = self.commands.replied(id.0, reply);
        self.check(judged);
        self.admins.open.retain(|asked| asked.id != id.0);
    }

    /// What was asked of a dead process stays unanswered.
    pub(super) fn lose_commands_of(&mut self, run: u32) {
        let (lost, open) = self.admins.open.iter().partition(|asked| asked.run == run);
        self.admins.open = open;
        let lost: Vec<Asked> = lost;
        for asked in lost {
            self.mark(Mark::CommandLost);
            self.causes.ended(Name::Command(asked.id), self.now);
            match asked.asker {
                Asker::Admin => {}
                Asker::Health { backend, is_dead } => self.health_is_told(backend, is_dead, false),
                Asker::Insistent => self.insistent_is_answered(None),
                Asker::Probe { member } => self.probe_commanded(member, false),
            }
        }
    }

    /// No command waits for ever.
    pub(super) fn look_at_commands(&mut self) {
        for at in 0..self.admins.open.len() {
            let asked = self.admins.open[at];
            let member = self.runs[asked.run as usize].member;
            let waited_ns = self.members[usize::from(member)].awake_ns(self.now) - asked.asked_awake_ns;
            let judged = self.commands.waited(asked.id, waited_ns, asked.limit_ns);
            self.check(judged);
        }
    }

    /// The health check wants the ring to know how a backend is, and asks any director that runs.
    pub(super) fn health_acts(&mut self, backend: u32) {
        let is_dead = self.is_backend_dead[backend as usize];
        let watched = self.admins.watched[backend as usize];
        if watched.is_asking || watched.is_told_dead == is_dead || self.insistent.is_some() {
            return;
        }
        let bits = self.entropy.draw(Purpose::Health, u64::from(backend), self.now);
        let members: Vec<u8> = (0..self.members.len() as u8)
            .filter(|member| self.knobs().members[usize::from(*member)].serves)
            .filter(|member| {
                self.recovery.may_be_asked(*member) && self.members[usize::from(*member)].is_running()
            })
            .collect();
        let ip = backend_ip(backend);
        let at_unix_s = self.now / (1_000 * MS);
        let changes = if is_dead {
            vec![Change::Down { ip, at_unix_s }, Change::Flush { ip: Some(ip) }]
        } else {
            vec![Change::Up { ip, at_unix_s }]
        };
        let asker = Asker::Health { backend, is_dead };
        let chosen = members.get(below(bits, members.len() as u64) as usize);
        self.admins.watched[backend as usize].is_asking = true;
        let is_asked = chosen.is_some_and(|member| self.command(*member, changes, "health", asker));
        if !is_asked {
            self.health_is_told(backend, is_dead, false);
        }
    }

    fn health_is_told(&mut self, backend: u32, is_dead: bool, is_settled: bool) {
        let watched = &mut self.admins.watched[backend as usize];
        watched.is_asking = false;
        if is_settled {
            watched.is_told_dead = is_dead;
        }
        if watched.is_told_dead != self.is_backend_dead[backend as usize] {
            self.push(self.now + 1_000 * MS, Happening::HealthActs { backend });
        }
    }

    /// The health check no longer waits for answers of members that can't be expected to give any; it asks others.
    pub(super) fn health_gives_up_others(&mut self) {
        let mut given_up = Vec::new();
        for asked in &mut self.admins.open {
            let member = self.runs[asked.run as usize].member;
            if let (Asker::Health { backend, is_dead }, false) =
                (asked.asker, self.recovery.may_be_asked(member))
            {
                asked.asker = Asker::Admin;
                given_up.push((backend, is_dead));
            }
        }
        for (backend, is_dead) in given_up {
            self.health_is_told(backend, is_dead, false);
        }
    }

    /// Whether the health check has nothing left to say.
    pub(super) fn is_health_settled(&self) -> bool {
        if self.insistent.is_some() {
            return true;
        }
        let mut watched = self.admins.watched.iter().zip(&self.is_backend_dead);
        watched.all(|(watched, is_dead)| !watched.is_asking && watched.is_told_dead == *is_dead)
    }

    /// Persons who are placed on this backend.
    pub(super) fn persons_on(&self, backend: u32) -> Vec<bool> {
        let topology = self.newest_topology();
        let number = |person: u32| {
            let user = UserId {
                key: self.people.person(person).key,
                tag: TagId::DEFAULT,
            };
            let id = topology.place(user)?;
            topology.backend(id).map(|backend| backend_number(backend.ip))
        };
        (0..self.people.len() as u32)
            .map(|person| number(person) == Some(backend))
            .collect()
    }

    fn persons_moved(&self, changes: &[Change]) -> Vec<bool> {
        let topology = self.newest_topology();
        let mut draft = Draft::of(topology);
        if draft.apply(changes).is_err() {
            return vec![false; self.people.len()];
        }
        let (next, _) = draft.finish();
        let is_moved = |person: u32| {
            let user = UserId {
                key: self.people.person(person).key,
                tag: TagId::DEFAULT,
            };
            topology.place(user) != next.place(user)
        };
        (0..self.people.len() as u32).map(is_moved).collect()
    }

    pub(super) fn newest_topology(&self) -> &Topology {
        self.agreement
            .newest()
            .map_or(&self.right, |committed| &committed.topology)
    }
}
