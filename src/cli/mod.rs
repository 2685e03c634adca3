//! The commands of the binary and their output. What they do is left to the rooms below.

mod account;
mod arguments;
mod ask;
mod background;
mod beside;
mod certs;
mod check;
mod demo;
mod drain;
mod failure;
mod guard;
mod guarded;
mod handing;
mod import;
mod member;
mod place;
mod read_config;
mod reload;
mod run;
mod runtime;
mod serve;
mod signals;
mod status;
mod stay;
mod upgrade;
mod who;

pub use run::run;
