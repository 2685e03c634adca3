//! Handing over to a new process, which becomes the member while this one keeps its sessions until they end.
//!
//! ```text
//! clients --> old process (sessions only) --> backends
//!                 |  who is still there, who wants in
//!                 v  until when, whose sessions have to end
//! ring, doors --> new process (the member)
//! ```
//!
//! For the ring it is a restart: the journal tells the new run who is held, and the sessions are counted there. The old
//! process forwards under the last lease that it had itself until it is told of a later one. How the two processes come
//! to a connection is left to the command line.

mod frames;
mod left;
mod predecessor;
mod successor;
mod words;

pub use frames::Link;
pub(super) use left::Left;
pub use predecessor::{FAREWELL_MAX, Predecessor};
pub(super) use successor::{Adopted, stand_in};
pub use words::{Kept, KeptSession};

#[cfg(test)]
mod tests;
