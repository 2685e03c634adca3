//! The outside of a running daemon: tokio's sockets, the kernel's clocks, a locked folder.

mod clock;
mod folder;
mod handed;
mod listener;
mod ownership;
mod record;
mod socket;
mod sockets;
mod world;

pub use clock::BootClock;
pub use folder::Folder;
pub use handed::{receive_frame, receive_sockets, send_frame, send_sockets};
pub use listener::SocketListener;
pub use socket::{Socket, SocketReading, SocketWriting};
pub use sockets::{Fifo, Sockets};
pub use world::RealWorld;
