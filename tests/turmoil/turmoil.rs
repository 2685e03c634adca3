//! Real directors on simulated hosts: the daemon's own loop, links, doors, kicks and journal, over simulated TCP.
//!
//! What the machine decides is tried a thousand times faster by the simulator in `sim`. Here it meets what that one leaves
//! out: frames and lines that arrive in pieces, connections that die silently, tasks that are dropped in the middle of
//! anything, processes that are killed or stopped beside login processes that live on, disks that fail.
//!
//! `sim` runs plans here by starting this program as `serve::serve`, and says which: `sim run --layer turmoil`,
//! `sim replay 17 --layer turmoil --trace -`; `--plans turmoil` for the seeds of the sweep below.

mod crosscheck;
mod dice;
mod doveadm;
mod host;
mod insistent;
mod links;
mod mails;
mod oracle;
mod outages;
mod own_proxies;
mod plans;
mod possible;
mod recovery;
mod run;
mod scenarios;
mod serve;
mod settings;
mod stubs;
mod sweep;
mod taps;
mod trace;
mod truth;
mod world;
