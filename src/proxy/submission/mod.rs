//! Logins of message submission (RFC 6409): SMTP as far as AUTH, towards the client and towards the backend. What comes
//! after the login passes through and is nobody's business here; whom to believe and where to go is left to the engine.

mod back;
mod front;
pub(super) mod reply;
pub(super) mod words;
pub(super) mod xclient;

pub use back::Back;
pub use front::{Front, goodbye};
