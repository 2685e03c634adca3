//! LMTP (RFC 2033), with 8BITMIME, SMTPUTF8, CHUNKING and STARTTLS: a mail server delivers here, and each recipient's copy goes
//! to the backend that the director names for him.
//!
//! ```text
//! client --> front --> delivery --> courier --> backend 1 (recipients 1 and 3)
//!                               \-> courier --> backend 2 (recipient 2)
//! ```
//!
//! | part | what |
//! |---|---|
//! | `front`, `arguments`, `dots` | what the client says: commands, addresses, and where a message ends |
//! | `back` | the words of one transaction at one backend |
//! | `courier` | a task that holds one backend's connection, and the permits of its recipients |
//! | `delivery` | one transaction: who goes where, and what is answered |
//! | `visit` | a client's connection |
//!
//! The invariant: the client hears 2xx for a recipient only if that recipient's backend has said so after the whole message, and
//! no message is sent twice from here. Whatever fails is the client's to try again.

mod arguments;
mod back;
mod courier;
mod delivery;
mod dots;
mod front;
mod visit;

pub use super::submission::reply::Reply;
pub use arguments::Argument;
pub use back::{Back, Opened, Opening};
pub use dots::{Stuffer, Unstuffer};
pub use front::{Front, Step};
pub(super) use visit::serve;
