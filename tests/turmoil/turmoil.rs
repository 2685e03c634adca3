//! Real directors on simulated hosts: the daemon's own loop, links, doors, kicks and journal, over simulated TCP.
//!
//! What the machine decides is tried a thousand times faster by the simulator in `sim`. Here it meets what that one leaves
//! out: frames and lines that arrive in pieces, connections that die silently, tasks that are dropped in the middle of
//! anything, processes that are killed or stopped beside login processes that live on, disks that fail.
//!
//! One seed again, with its trace:
//! `TURMOIL_SEED=17 cargo test -p sim --test turmoil by_hand::replay -- --exact --ignored --nocapture`; `TURMOIL_PLAN=FILE`
//! instead runs a plan of the simulator, as `sim replay FILE --layer turmoil` does, and `TURMOIL_BUG=NAME` breaks
//! something on purpose. Many seeds: `TURMOIL_SEEDS=0..1000` and `by_hand::hunt`.

mod by_hand;
mod dice;
mod host;
mod links;
mod oracle;
mod plans;
mod possible;
mod run;
mod scenarios;
mod settings;
mod stubs;
mod sweep;
mod trace;
mod truth;
mod world;
