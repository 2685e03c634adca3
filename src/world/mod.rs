//! The outside as seen from inside: time, network, storage, chance and tasks, as traits, and what a running daemon
//! uses for them.
//!
//! Code above the pure rooms takes one type parameter, `W: World`, and reaches the outside through it only, so that
//! simulated hosts drive the very same code. Protocols are left to `ring` and the doors, but for what
//! several of them share: TLS from files, and Dovecot's tab-escaping.

mod address;
mod clock;
mod connections;
mod host;
mod instant;
mod network;
mod real;
#[cfg(test)]
pub(crate) mod scratch;
mod select;
mod storage;
mod tab_escape;
mod task;
mod tls;
mod traits;

pub use address::{Address, AddressError, Listen};
pub use clock::{Clock, TimedOut, deadline, sleep};
pub use connections::{Connected, Connections, LOG_EVERY};
pub use host::Host;
pub use instant::Instant;
pub use network::{Listener, Network, Stream};
pub use real::{
    BootClock, Fifo, Folder, RealWorld, Socket, SocketListener, SocketReading, SocketWriting, Sockets,
    receive_frame, receive_sockets, send_frame, send_sockets,
};
pub use select::{Chosen, select};
pub use storage::{JOURNAL_BYTES_MAX, JournalReader, RECORD_BYTES_MAX, Storage, StorageError};
pub use tab_escape::{ESCAPE, escape, unescape};
pub use task::Task;
pub use tls::{certificates, client_tls, has_name};
pub use traits::World;
