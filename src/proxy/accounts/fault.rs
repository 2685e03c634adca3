//! What is wrong in a passwd-file. Nothing of a password or hash is shown.

use std::{fmt, sync::Arc};

use super::account::FieldError;
use super::limits::{
    ARGON2_KIB_MAX, ARGON2_WORK_KIB_MAX, BCRYPT_COST_MAX, ENTRY_BYTES_MAX, FAULTS_MAX, SHA_ROUNDS_MAX,
    USERS_MAX,
};

/// A line that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name, as it was given.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// More than [`ENTRY_BYTES_MAX`] bytes.
    LineTooLong,
    /// More than [`USERS_MAX`] entries. The rest of the file was not read.
    TooManyUsers,
    /// More than [`FAULTS_MAX`] faults. The rest of the file was not read.
    TooManyFaults,
    /// No name, one that is too long, or one with control characters.
    Name,
    /// The user has had an entry at this line already.
    Twice(usize),
    /// The password can't be used.
    Hash(HashError),
    /// An extra field can't be used.
    Field(FieldError),
    /// In the value of this field is a `%` that isn't `%u`, `%n`, `%d` or `%%`.
    Percent(Box<str>),
    /// `nopassword` beside a password.
    NoPasswordWithPassword,
    /// `nopassword` beside `pass=` or `master=`: nobody would verify anything.
    NoPasswordWithProof,
    /// `nopassword` beside `master_user`: anybody could open any mailbox.
    NoPasswordMaster,
}

/// A password in a file that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// A `{` without its `}`.
    NoEnd,
    /// Nobody here knows the scheme.
    Scheme,
    /// Without a scheme, or with CRYPT, and not `$5$`, `$6$` or `$2`.
    Crypt,
    /// Not what the scheme says.
    Malformed,
    /// SHA-crypt with more than [`SHA_ROUNDS_MAX`] rounds.
    TooManyRounds,
    /// bcrypt with a cost above [`BCRYPT_COST_MAX`].
    BcryptCost,
    /// Argon2 with more memory or passes than it may have.
    Argon2Cost,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.file, self.line, self.kind)
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::LineTooLong => write!(f, "the line has more than {ENTRY_BYTES_MAX} bytes"),
            FaultKind::TooManyUsers => write!(
                f,
                "more than {USERS_MAX} users; the rest was not read: split the file"
            ),
            FaultKind::TooManyFaults => {
                write!(
                    f,
                    "more than {FAULTS_MAX} faults; the rest was not read: correct these first"
                )
            }
            FaultKind::Name => {
                f.write_str("the user's name is empty, longer than 255 bytes, or has control characters")
            }
            FaultKind::Twice(line) => write!(
                f,
                "the user has an entry at line {line} already (case doesn't count): remove one"
            ),
            FaultKind::Hash(error) => error.fmt(f),
            FaultKind::Field(error) => write!(f, "the extra field {error}"),
            FaultKind::Percent(name) => write!(
                f,
                "the extra field {name}= has a % that is none of %u, %n, %d and %%: write %% for a % itself"
            ),
            FaultKind::NoPasswordWithPassword => {
                f.write_str("nopassword stands beside a password: remove one of them")
            }
            FaultKind::NoPasswordWithProof => f.write_str(
                "nopassword stands beside pass= or master=, so that nobody would verify the client's password: \
                 remove nopassword, or the other one",
            ),
            FaultKind::NoPasswordMaster => f.write_str(
                "nopassword stands beside master_user, so that anybody could open any mailbox: remove one of them",
            ),
        }
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::NoEnd => f.write_str("the password's scheme has no }"),
            HashError::Scheme => f.write_str(
                "the password's scheme is not known: use SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, ARGON2ID, ARGON2I, \
                 SSHA512, SSHA256, SHA512, SHA256 or PLAIN",
            ),
            HashError::Crypt => f.write_str(
                "the password is none of $5$, $6$ and $2 of crypt(3): write its scheme before it, as in {PLAIN}",
            ),
            HashError::Malformed => f.write_str(
                "the password is not what its scheme makes: make it again with doveadm pw, and look whether it was cut",
            ),
            HashError::TooManyRounds => write!(
                f,
                "the password's hash has more than {SHA_ROUNDS_MAX} rounds: make one with less"
            ),
            HashError::BcryptCost => write!(
                f,
                "the password's hash has a cost above {BCRYPT_COST_MAX}: make one with less"
            ),
            HashError::Argon2Cost => write!(
                f,
                "the password's hash takes more than {ARGON2_KIB_MAX} KiB of memory, {SHA_ROUNDS_MAX} passes, 64 lanes, or \
                 {ARGON2_WORK_KIB_MAX} KiB as memory times passes: make one with less"
            ),
        }
    }
}
