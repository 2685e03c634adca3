//! A ring of directors that sends every mail user to one backend, whichever director the user came through.
//!
//! | floor | room | pure | holds |
//! |---|---|---|---|
//! | 0 | [`topology`] | yes | users, backends, the vhost ring, placement, pins, changes |
//! | 0 | [`world`] | - | time, network, storage, chance, tasks: the traits, and what a daemon uses for them |
//! | 1 | [`agreement`] | yes | ballots, leases, voters, rounds, first start; the messages between members |
//! | 1 | [`config`] | yes | the configuration file, with every fault at once, and the first topology from it |
//! | 2 | [`director`] | yes | the machine: admission, holds, freeze and evict, commands, status |
//! | 3 | [`ring`] | - | links between members, frames, flooding, mutual authentication |
//! | 3 | [`dovecot`] | - | the sockets that stock Dovecot speaks, and kicks of its sessions |
//! | 3 | [`proxy`] | - | our own mail proxies: logins, TLS, forwarding under the lease |
//! | 3 | [`lookups`] | - | where a user is, for nginx, Postfix and programs; what monitors ask |
//! | 3 | [`health`] | - | probes of backends, and when one fails |
//! | 4 | [`daemon`] | - | a running member: the task that owns the machine, and everything around it |
//! | 5 | [`cli`] | - | commands and their output |
//!
//! A room imports only from floors below its own; `tests/floors` reads the imports and fails otherwise.

pub mod agreement;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod director;
pub mod dovecot;
pub mod health;
pub mod lookups;
pub mod proxy;
pub mod ring;
pub mod topology;
pub mod world;
