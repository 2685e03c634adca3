//! The outside of a daemon on simulated hosts: `World` over turmoil, with clocks that are wrong within the bound, bytes
//! that come in pieces, disks that fail, and processes that can be killed and stopped.
//!
//! TCP is turmoil's. Sockets in the file system are pipes inside the host: they take no time, and the system knows
//! who is at the other end. Who runs in this world is left to the files beside this folder.

mod chopped;
mod clock;
mod disk;
mod local;
mod machine;
mod network;
mod process;
mod stream;
mod tap;

pub use clock::{SkewedClock, true_time};
pub use disk::Disk;
pub use machine::{Machine, SimWorld};
pub use process::{Process, current};
pub use tap::{Tap, Taps};
