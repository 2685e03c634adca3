//! Whoever asks where a user is without being Dovecot: nginx, Postfix, programs by HTTP; and what monitors ask of a member.
//!
//! A lookup makes a hold as a login through Dovecot does: the user is where the answer says for `director_user_expire`, and
//! for as long again after each further lookup. What a session does that begins with it is out of sight here; who wants that
//! watched lets the sessions go through `proxy`. How the director answers is left to `daemon`.

mod counters;
mod desk;
mod door;
mod http;
mod netstring;
mod reception;
mod settings;
mod socketmap;

pub use counters::{Counted, Counters};
pub use desk::{Desk, Found, Health, Query, Refused};
pub use door::{Door, open_door};
pub use http::{HttpRequest, Reply as HttpReply, StatusCode, reply as http_reply, serve_http};
pub use netstring::{NETSTRING_BYTES_MAX, NetstringError, netstring};
pub use settings::{LookupSettings, SocketmapSettings, Speaks};
