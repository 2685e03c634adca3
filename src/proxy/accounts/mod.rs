//! Whether a client's credentials hold, and where he goes. Bytes in and values out, without sockets, clocks and threads.
//!
//! | part | what |
//! |---|---|
//! | `account` | what a verifier found, and Dovecot's extra fields, from which it is made |
//! | `password` | a password as a file keeps it: the schemes |
//! | `passwd_file` | a Dovecot passwd-file |
//! | `fault`, `limits` | what is wrong in it, and what is too much |
//! | `dovecot_auth` | a client of Dovecot's auth socket |
//! | `auth_line` | its lines: how they are written and read |

mod account;
mod auth_line;
mod dovecot_auth;
mod fault;
mod limits;
mod passwd_file;
mod password;

pub use account::{Account, FieldError, Host, Verdict};
pub use auth_line::{LINE_BYTES_MAX, Peer};
pub use dovecot_auth::{AuthClient, Event, PENDING_MAX};
pub use fault::{Fault, FaultKind, HashError};
pub use limits::{
    ARGON2_KIB_MAX, ARGON2_WORK_KIB_MAX, BCRYPT_COST_MAX, ENTRY_BYTES_MAX, FAULTS_MAX, PASSWORD_BYTES_MAX,
    SHA_ROUNDS_MAX, USERS_MAX,
};
pub use passwd_file::PasswdFile;
