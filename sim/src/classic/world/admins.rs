//! Admins and the health check: the orders of the plan in the words of `doveadm director`, given one after the other.

use std::net::IpAddr;

use super::crowd::Wish;
use super::scene::{ClassicWorld, Happening, MS};
use crate::classic::{Command, Input};
use crate::entropy::{Purpose, below};
use crate::work::{Errand, Order};
use crate::world::backend_ip;

/// Commands that one person gives one director, each when the one before is answered.
#[derive(Clone, Debug)]
struct Asked {
    id: u64,
    run: u32,
    /// What is still to be asked, in reverse.
    left: Vec<Command>,
    /// The health check's: of this backend, seen dead or alive.
    health: Option<(usize, bool)>,
}

/// What the health check knows of a backend.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    is_told_dead: bool,
    is_asking: bool,
}

/// Everybody who gives orders.
#[derive(Debug)]
pub(super) struct Admins {
    open: Vec<Asked>,
    next_id: u64,
    watched: Vec<Watched>,
}

impl Admins {
    pub(super) fn new(backends: usize) -> Self {
        Admins {
            open: Vec::new(),
            next_id: 0,
            watched: vec![Watched::default(); backends],
        }
    }
}

impl ClassicWorld<'_> {
    pub(super) fn work_is_due(&mut self, index: usize) {
        let plan = self.plan;
        let work = &plan.work[index];
        let member = work.member as u8;
        match &work.errand {
            Errand::Command { orders } => {
                orders.iter().for_each(|order| self.tally.ordered(order));
                let commands = orders.iter().filter_map(|order| self.command_of(order)).collect();
                self.ask(member, commands, None);
            }
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
                };
                self.log_in(member, wish);
            }
            Errand::DryRun { .. } | Errand::Kick { .. } => {}
        }
    }

    fn command_of(&self, order: &Order) -> Option<Command> {
        let ip = |backend: &u32| -> IpAddr { backend_ip(*backend) };
        Some(match order {
            Order::SetVhosts { backend, vhosts } => Command::HostSet {
                ip: ip(backend),
                vhosts: *vhosts,
            },
            Order::Up { backend } => Command::HostUpDown {
                ip: ip(backend),
                is_down: false,
            },
            Order::Down { backend } => Command::HostUpDown {
                ip: ip(backend),
                is_down: true,
            },
            Order::Flush { backend } => Command::HostResetUsers {
                ip: backend.map(backend_ip),
            },
            Order::RemoveBackend { backend } => Command::HostRemove { ip: ip(backend) },
            Order::Move { user, backend } => Command::UserMove {
                hash: self.people.person(*user).key.hash(),
                ip: ip(backend),
            },
            _ => return None,
        })
    }

    /// False when nobody is there to be asked.
    fn ask(&mut self, member: u8, mut commands: Vec<Command>, health: Option<(usize, bool)>) -> bool {
        let state = &self.members[usize::from(member)];
        let Some(run) = state.run.filter(|_| state.paused == 0) else {
            return false;
        };
        commands.reverse();
        let Some(first) = commands.pop() else {
            return false;
        };
        let id = self.admins.next_id;
        self.admins.next_id += 1;
        self.admins.open.push(Asked {
            id,
            run,
            left: commands,
            health,
        });
        self.give(run, Input::Command { id, command: first });
        true
    }

    pub(super) fn replied(&mut self, id: u64, is_done: bool) {
        let Some(at) = self.admins.open.iter().position(|asked| asked.id == id) else {
            return;
        };
        let next = self.admins.open[at].left.pop();
        let run = self.admins.open[at].run;
        match next {
            // An admin goes on even where one command was not answered in time.
            Some(command) => self.give(run, Input::Command { id, command }),
            None => {
                let asked = self.admins.open.swap_remove(at);
                if let Some((backend, is_dead)) = asked.health {
                    self.health_is_told(backend, is_dead, is_done);
                }
            }
        }
    }

    pub(super) fn lose_commands_of(&mut self, run: u32) {
        let (lost, open): (Vec<Asked>, Vec<Asked>) =
            self.admins.open.drain(..).partition(|asked| asked.run == run);
        self.admins.open = open;
        for (backend, is_dead) in lost.into_iter().filter_map(|asked| asked.health) {
            self.health_is_told(backend, is_dead, false);
        }
    }

    /// The health check wants the ring to know how a backend is, and asks any director that runs.
    pub(super) fn health_acts(&mut self, backend: usize) {
        let is_dead = self.is_backend_dead[backend];
        let watched = self.admins.watched[backend];
        if watched.is_asking || watched.is_told_dead == is_dead {
            return;
        }
        let bits = self.entropy.draw(Purpose::Health, backend as u64, self.now);
        let running: Vec<u8> = (0..self.members.len() as u8)
            .filter(|member| {
                let state = &self.members[usize::from(*member)];
                state.run.is_some() && state.paused == 0
            })
            .collect();
        let ip = backend_ip(backend as u32);
        let mut commands = vec![Command::HostUpDown { ip, is_down: is_dead }];
        if is_dead {
            commands.push(Command::HostResetUsers { ip: Some(ip) });
        }
        let chosen = running.get(below(bits, running.len() as u64) as usize).copied();
        self.admins.watched[backend].is_asking = true;
        let is_asked = chosen.is_some_and(|member| self.ask(member, commands, Some((backend, is_dead))));
        if !is_asked {
            self.health_is_told(backend, is_dead, false);
        }
    }

    fn health_is_told(&mut self, backend: usize, is_dead: bool, is_settled: bool) {
        let watched = &mut self.admins.watched[backend];
        watched.is_asking = false;
        if is_settled {
            watched.is_told_dead = is_dead;
        }
        if watched.is_told_dead != self.is_backend_dead[backend] {
            self.push(self.now + 1_000 * MS, Happening::HealthActs { backend });
        }
    }
}
