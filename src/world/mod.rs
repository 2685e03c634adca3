//! The outside as seen from inside: time so far; the traits for network, clock and storage join it with the daemon.
//!
//! Holds the one clock value that pure rooms compute with. Reading a clock is left to the caller.

mod instant;

pub use instant::Instant;
