//! IMAP before the login (RFC 3501 and 9051, with SASL-IR, ID, LITERAL+ and STARTTLS): [`Front`] speaks with the client,
//! [`Back`] logs him in at the backend. What comes after the login is nobody's business here: it is copied.

mod back;
mod capabilities;
mod command;
mod exchange;
mod front;
mod id;
mod login;
mod response;
mod text;

pub use back::Back;
pub use front::{Front, goodbye};
