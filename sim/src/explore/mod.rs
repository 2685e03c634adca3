//! Every order of events in small rings, explored with the machine's own code: no second description of the protocol.
//!
//! | file | holds |
//! |---|---|
//! | `world`, `worlds` | what may happen in one small ring: topology, users, budgets |
//! | `state`, `member` | a ring at one moment: machines, disks, doors, messages on their way |
//! | `step`, `first_start` | one event carried out; the way to a ring that serves |
//! | `action`, `model` | which events are possible, and the rules as properties |
//! | `tidy` | messages that can do nothing any more, taken away |
//! | `invariants` | S1 to S5 of the protocol, asked of every state |
//! | `search`, `host` | one exploration within bounds of states, depth, time and memory |
//! | `command`, `report` | `sim explore` and what it prints |
//!
//! All clocks are equal here, and time passes in the jumps that a world allows: clock drift, real delays, many users
//! and long runs are left to the simulator. What is explored whole holds for every order, loss and, within its budget,
//! duplication of messages. Loss needs no event: a message that is never delivered is lost.

mod action;
mod command;
mod first_start;
mod host;
mod invariants;
mod member;
mod model;
mod report;
mod search;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod tidy;
mod world;
mod worlds;

pub use command::{ExploreArguments, notice, run};
