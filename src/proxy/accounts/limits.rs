//! What is too much in a passwd-file.

/// Bytes that a line may have.
pub const ENTRY_BYTES_MAX: usize = 8 << 10;
/// Users that a file may have.
pub const USERS_MAX: usize = 1_000_000;
/// Faults that are told of a file.
pub const FAULTS_MAX: usize = 100;

/// Bytes that a password may have; more never match. As in crypt(3) of libxcrypt; SHA-crypt takes time for each of them.
pub const PASSWORD_BYTES_MAX: usize = 511;
/// The highest cost of bcrypt: some seconds.
pub const BCRYPT_COST_MAX: u32 = 15;
/// Most rounds of SHA-crypt, and most passes of Argon2.
pub const SHA_ROUNDS_MAX: u32 = 1_000_000;
/// Most memory of Argon2, in KiB.
pub const ARGON2_KIB_MAX: u32 = 256 << 10;
/// Most memory of Argon2 times its passes, in KiB: passes alone would say little about the time.
pub const ARGON2_WORK_KIB_MAX: u64 = 4 << 20;
