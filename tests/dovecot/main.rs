//! Stock Dovecot and real clients against real directors: three `maildirector run`, each beside a Dovecot 2.3 proxy of
//! its own, in front of three Dovecot backends that share their mail.
//!
//! Everything runs in a network, process and mount namespace of its own (`namespace`), so that addresses and ports
//! are free, links can be cut, and nothing outlives the test however it ends. While the scenarios run one after the
//! other, a crowd of users keeps sessions open through all proxies (`crowd`), and every second the backends are asked
//! who is there (`truth`): one user on two backends fails the run.
//!
//! Not run by libtest, since the scenarios share what takes long to set up; `cargo test --test dovecot -- WORD` runs
//! the scenarios with that word in their names. Needs root, or sudo without a password.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes are waited for in real time, by threads"
)]

mod backend;
mod changes;
mod checkers;
mod cli;
mod clients;
mod command;
mod companions;
mod crowd;
mod cuts;
mod deaths;
mod doveadm;
mod draining;
mod flush_hook;
mod health;
mod import;
mod instance;
mod load;
mod logins;
mod lookups;
mod member;
mod namespace;
mod net;
mod own;
mod own_accounts;
mod own_lmtp;
mod own_postfix;
mod own_tls;
mod poolmon;
mod postfix;
mod proxy;
mod sessions_in_logs;
mod site;
mod truth;
mod upgrades;
mod waiting;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if namespace::is_inside() {
        cli::run(&words)
    } else {
        namespace::run_inside(&words)
    }
}
