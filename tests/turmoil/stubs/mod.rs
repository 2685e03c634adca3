//! What of Dovecot stands around a director: an auth server, login processes, the `ipc` service, an admin, and our own
//! guard; and clients and backends of the directors' own proxies. They speak the protocols as captured, and nothing more than these tests need.

mod admin;
mod auth;
mod backend;
mod client;
mod guard;
mod ipc;
mod lines;
mod login;

pub use admin::{command, is_final};
pub use auth::serve_auth;
pub use backend::{PORT as BACKEND_PORT, serve_imap};
pub use client::{PORTS as PROXY_PORTS, visit};
pub use guard::watch;
pub use ipc::Ipc;
pub use login::{LoginProcess, Wanted};

/// Dovecot's base_dir.
pub const BASE: &str = "/run/dovecot";
