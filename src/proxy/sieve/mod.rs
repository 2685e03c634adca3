//! ManageSieve (RFC 5804) until the user is logged in: `front` speaks with the client, `back` with the backend, `words`
//! has the grammar of both, `xclient` what proxies say of a client. What is said after the login is left to them alone.

mod back;
mod front;
mod words;
mod xclient;

pub use back::Back;
pub use front::{Front, goodbye};
