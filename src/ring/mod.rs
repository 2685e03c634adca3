//! Links between members: whom to dial, who is let in, and how what one member says reaches all others or one of them.
//!
//! Every member keeps a link to the nearest member on its right that it can reach, and accepts one from its left. What
//! it says goes out over all its links, and is passed on once by everybody who had not seen it; so each message comes
//! round both ways, and one cut link loses nothing. What messages mean is left to the machine.

pub mod certs;

mod accept;
mod codec;
mod course;
mod event;
mod framing;
mod greeting;
mod handle;
mod handshake;
mod hub;
mod incoming;
mod keeper;
mod link;
mod party;
mod queue;
mod refusal;
mod seen;
mod settings;
mod tls;

pub use codec::{CodecError, FRAME_BYTES_MAX, decode, decode_record, encode, encode_record};
pub use event::{Counters, Difference, Direction, LinkStatus, RingEvent};
pub use framing::FRAME_HEAD_BYTES;
pub use greeting::{PROTOCOL_MAX, PROTOCOL_MIN};
pub use handle::{Ring, start};
pub use refusal::Refusal;
pub use settings::{Circle, Peer, RingError, RingLimits, RingSettings, Security, Setting};
pub use tls::{Tls, TlsError, TlsFiles, member_name};

#[cfg(test)]
mod tests;
