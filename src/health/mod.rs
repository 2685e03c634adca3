//! Probes: what a backend is asked in each protocol, and when a director finds it failing.
//!
//! | part | what |
//! |---|---|
//! | `exchange` | the talk with a backend, line by line, without sockets |
//! | `check` | what is asked, with its secrets and certificates loaded |
//! | `fault` | why a backend did not stand a check |
//! | `judge` | from answers to a verdict, and the pause between two of them |
//! | `probe` | one check of one backend over the world's sockets |
//! | `prober` | all checks of all backends, again and again |
//!
//! What the ring makes of its directors' verdicts is left to `director`, the share of backends that may be out of
//! service to `topology`.

mod check;
mod exchange;
mod fault;
mod judge;
mod probe;
mod prober;
#[cfg(test)]
mod tests;

pub use check::{Account, Check, CheckError, Trust};
pub use exchange::{Exchange, LINE_BYTES_MAX, Step};
pub use fault::ProbeFault;
pub use judge::{Judge, Verdict, pause};
pub use probe::probe;
pub use prober::{ProberSettings, Watched, run};
