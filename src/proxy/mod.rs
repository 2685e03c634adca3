//! Our own mail proxies: clients log in here, and their sessions are forwarded to the backend that the director names, as long
//! as he allows it.
//!
//! | part | what |
//! |---|---|
//! | `imap`, `pop3`, `sieve`, `submission` | each protocol until the login: its client's side and its backend's, bytes in and bytes out, without sockets |
//! | `lmtp` | deliveries of mail servers: each recipient's copy goes to his backend |
//! | `sides`, `input`, `credentials` | what these have in common |
//! | `protocol` | the protocols behind one shape |
//! | `door` | the socket, and its limits |
//! | `reception` | what all clients of a listener share |
//! | `guest` | a client's connection: reading and writing in time |
//! | `visit` | a client before his login, and to the end of his session |
//! | `accounts`, `verifier`, `auth_link` | who verifies him, if not the backend: a passwd-file, or Dovecot's auth server |
//! | `entry` | his login at the backend |
//! | `forward`, `gate`, `permit` | bytes both ways, and what ends them: the lease for all, the permit for one |
//! | `channel`, `tls`, `proxy_header` | TLS on both sides, and the header by which proxies tell for whom they speak |
//!
//! Whom to let in, and where, is asked at the [`Desk`].

pub mod accounts;
mod auth_link;
mod channel;
mod counters;
mod credentials;
mod desk;
mod door;
mod entry;
mod forward;
mod gate;
mod guest;
pub mod imap;
mod input;
pub mod lmtp;
mod permit;
pub mod pop3;
mod protocol;
pub mod proxy_header;
mod reception;
mod settings;
mod sides;
pub mod sieve;
pub mod submission;
mod tls;
mod verifier;
mod visit;

pub use crate::config::ProxyProtocol as Protocol;
pub use counters::{Counted, Counters};
pub use credentials::{Credentials, CredentialsError, Mechanism, NAME_BYTES_MAX, RESPONSE_BYTES_MAX, Secret};
pub use desk::{Admitted, Desk, Login, Refused};
pub use door::{Door, clients, open_door};
pub use gate::Gate;
pub use input::{Input, TooLong};
pub use permit::{Permit, Revoker};
pub use settings::{BackendSettings, ProxyLimits, ProxySettings, TTL_MAX};
pub use sides::{BackLogin, BackStep, COMMANDS_MAX, Claims, FAILURES_MAX, FrontSettings, FrontStep, Origin};
pub use tls::{BackendTls, CertificateFiles, ClientTls, FileError};
pub use verifier::{AccountFile, Reloadable, VerifierSettings};
