//! POP3 until the login is done: RFC 1939 with CAPA (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034), the response codes SYS
//! and AUTH (RFC 3206) and Dovecot's XCLIENT.
//!
//! What comes after the login is forwarded unread, and left to the engine.

mod back;
mod front;
mod lines;
mod xclient;

pub use back::Back;
pub use front::{Front, goodbye};
