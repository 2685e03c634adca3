//! What travels between members: the frames. Links, flooding and authentication join them with the sockets.

mod codec;

pub use codec::{CodecError, FRAME_BYTES_MAX, decode, encode};
