//! What of Dovecot stands around a director: an auth server, login processes, the `ipc` service, an admin, and our own
//! guard; and clients and backends of the directors' own proxies, a mail server among them. They speak the protocols as captured, and nothing more than these tests need.

mod admin;
mod auth;
mod backend;
mod client;
mod ears;
mod guard;
mod ipc;
mod letter;
mod lines;
mod login;
mod mail_server;
mod mailbox;

pub use admin::{command, is_final};
pub use auth::serve_auth;
pub use backend::{PORT as BACKEND_PORT, serve_imap};
pub use client::{PORTS as PROXY_PORTS, visit};
pub use ears::{Ears, Heard};
pub use guard::watch;
pub use ipc::Ipc;
pub use letter::user_of_address;
pub use login::{LoginProcess, Wanted};
pub use mail_server::{MailServer, PORT as MAIL_PORT};
pub use mailbox::{PORT as MAILBOX_PORT, serve_mail};

/// Dovecot's base_dir.
pub const BASE: &str = "/run/dovecot";
