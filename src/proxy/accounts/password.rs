//! A password as a file keeps it: Dovecot's schemes (Dovecot 2.3, "Password Schemes"), each with a limit of what it costs.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use bcrypt::HashParts;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::fault::HashError;
use super::limits::{
    ARGON2_KIB_MAX, ARGON2_WORK_KIB_MAX, BCRYPT_COST_MAX, PASSWORD_BYTES_MAX, SHA_ROUNDS_MAX,
};

/// Rounds of SHA-crypt if the hash says nothing, and least rounds (Drepper, "Unix crypt using SHA-256 and SHA-512").
const SHA_ROUNDS: u32 = 5_000;
const SHA_ROUNDS_MIN: u32 = 1_000;
const SHA_SALT_BYTES_MAX: usize = 16;
/// Bytes that an Argon2 hash and its salt may have; libargon2 makes 32 and 16.
const ARGON2_BYTES_MAX: usize = 64;
/// libsodium knows one lane only; others write a few.
const ARGON2_LANES_MAX: u32 = 64;

/// A password that can be verified.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Password {
    /// Also PLAIN: as a digest it can be compared without telling its length, and isn't kept in memory.
    Sha256 {
        salt: Box<[u8]>,
        digest: [u8; 32],
    },
    Sha512 {
        salt: Box<[u8]>,
        digest: Box<[u8; 64]>,
    },
    /// `$5$` and `$6$`, whole.
    ShaCrypt {
        hash: Box<str>,
        rounds: u32,
    },
    /// `$2a$`, `$2b$` and `$2y$`, whole. They are the same but for bugs long gone.
    Bcrypt {
        hash: Box<str>,
        cost: u32,
    },
    Argon2(Box<Argon2Hash>),
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// What a verification costs: a kind, and two numbers that say how much of it.
pub(super) type Cost = (u8, u32, u32);

/// There is no memory for Argon2 now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMemory;

#[derive(Clone, Copy)]
enum Encoding {
    /// Hexadecimal digits if their number is right, or else base64.
    Guessed,
    Hex,
    Base64,
}

impl Password {
    /// What stands in a file: `{SCHEME}rest`, or without a scheme what crypt(3) makes. Nothing if no password can match: it is
    /// empty, or begins with `!` or `*`, as is the way to lock an account.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, HashError> {
        let (scheme, rest) = match text.strip_prefix('{') {
            Some(text) => text.split_once('}').ok_or(HashError::NoEnd)?,
            None => ("CRYPT", text),
        };
        let scheme = scheme.to_ascii_uppercase();
        let is_crypt = scheme.ends_with("CRYPT");
        if rest.is_empty() || (is_crypt && rest.starts_with(['!', '*'])) {
            return Ok(None);
        }
        match scheme.as_str() {
            "CRYPT" => crypt(rest),
            "SHA256-CRYPT" => sha_crypt(rest, "5"),
            "SHA512-CRYPT" => sha_crypt(rest, "6"),
            "BLF-CRYPT" => blowfish(rest),
            "ARGON2I" => argon2(rest, Algorithm::Argon2i),
            "ARGON2ID" => argon2(rest, Algorithm::Argon2id),
            "PLAIN" | "CLEARTEXT" | "CLEAR" => Ok(Password::Sha256 {
                salt: Box::default(),
                digest: Sha256::digest(rest).into(),
            }),
            scheme => salted(scheme, rest),
        }
        .map(Some)
    }

    /// Whether this is the password. Takes as long for any password of at most [`PASSWORD_BYTES_MAX`] bytes of the same length.
    pub(super) fn is(&self, password: &[u8]) -> Result<bool, NoMemory> {
        let has_fitting_length = password.len() <= PASSWORD_BYTES_MAX;
        let password = &password[..password.len().min(PASSWORD_BYTES_MAX)];
        let is_same = match self {
            Password::Sha256 { salt, digest } => {
                let found = Sha256::new().chain_update(password).chain_update(salt).finalize();
                found[..].ct_eq(digest).into()
            }
            Password::Sha512 { salt, digest } => {
                let found = Sha512::new().chain_update(password).chain_update(salt).finalize();
                found[..].ct_eq(&digest[..]).into()
            }
            Password::ShaCrypt { hash, .. } => ShaCrypt::default().verify_password(password, &**hash).is_ok(),
            Password::Bcrypt { hash, .. } => bcrypt::verify(password, hash).unwrap_or(false),
            Password::Argon2(hash) => hash.is(password)?,
        };
        Ok(is_same && has_fitting_length)
    }

    /// Takes more than about 100 microseconds. The digests take some microseconds.
    pub(super) fn is_slow(&self) -> bool {
        !matches!(self, Password::Sha256 { .. } | Password::Sha512 { .. })
    }

    /// Passwords of the same cost take the same time.
    pub(super) fn cost(&self) -> Cost {
        match self {
            Password::Sha256 { .. } => (0, 0, 0),
            Password::Sha512 { .. } => (1, 0, 0),
            Password::ShaCrypt { hash, rounds } => (if hash.starts_with("$5") { 2 } else { 3 }, *rounds, 0),
            Password::Bcrypt { cost, .. } => (4, *cost, 0),
            Password::Argon2(hash) => (5, hash.params.m_cost(), hash.params.t_cost()),
        }
    }
}

impl Argon2Hash {
    fn is(&self, password: &[u8]) -> Result<bool, NoMemory> {
        let mut found = vec![0; self.digest.len()];
        // Everything else that it could say has been checked when the hash was read.
        Argon2::new(self.algorithm, Version::V0x13, self.params.clone())
            .hash_password_into(password, &self.salt, &mut found)
            .map_err(|_| NoMemory)?;
        Ok(found.ct_eq(&self.digest).into())
    }
}

/// What crypt(3) makes.
fn crypt(hash: &str) -> Result<Password, HashError> {
    match hash.as_bytes() {
        [b'$', b'5', b'$', ..] => sha_crypt(hash, "5"),
        [b'$', b'6', b'$', ..] => sha_crypt(hash, "6"),
        [b'$', b'2', ..] => blowfish(hash),
        _ => Err(HashError::Crypt),
    }
}

/// `$5$rounds=N$salt$digest`, the rounds if they aren't 5000.
fn sha_crypt(hash: &str, id: &str) -> Result<Password, HashError> {
    let mut parts = hash.split('$');
    let is_right_kind = parts.next() == Some("") && parts.next() == Some(id);
    let mut salt = parts.next().ok_or(HashError::Malformed)?;
    let mut rounds = SHA_ROUNDS;
    if let Some(number) = salt.strip_prefix("rounds=") {
        rounds = decimal(number).ok_or(HashError::Malformed)?;
        salt = parts.next().ok_or(HashError::Malformed)?;
    }
    let digest = parts.next().ok_or(HashError::Malformed)?;
    let digest_length = if id == "5" { 43 } else { 86 };
    let is_crypt_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    if !is_right_kind
        || parts.next().is_some()
        || salt.is_empty()
        || salt.len() > SHA_SALT_BYTES_MAX
        || digest.len() != digest_length
        || !digest.bytes().all(is_crypt_base64)
        || !salt.bytes().all(|byte| byte.is_ascii_graphic())
        || rounds < SHA_ROUNDS_MIN
    {
        return Err(HashError::Malformed);
    }
    if rounds > SHA_ROUNDS_MAX {
        return Err(HashError::TooManyRounds);
    }
    let password = Password::ShaCrypt {
        hash: hash.into(),
        rounds,
    };
    // The salt may have characters that the crate doesn't take; then the hash could never match.
    sha_crypt::PasswordHashRef::new(hash).map_err(|_| HashError::Malformed)?;
    Ok(password)
}

fn blowfish(hash: &str) -> Result<Password, HashError> {
    let parts: HashParts = hash.parse().map_err(|_| HashError::Malformed)?;
    let cost = parts.get_cost();
    match hash.as_bytes() {
        // The one of a bug in crypt_blowfish before 2011, which the crate doesn't have.
        [_, _, b'x', ..] => Err(HashError::Malformed),
        _ if cost < 4 => Err(HashError::Malformed),
        _ if cost > BCRYPT_COST_MAX => Err(HashError::BcryptCost),
        _ => Ok(Password::Bcrypt {
            hash: hash.into(),
            cost,
        }),
    }
}

/// `$argon2id$v=19$m=65536,t=3,p=1$salt$digest` (the encoding of libargon2).
fn argon2(hash: &str, algorithm: Algorithm) -> Result<Password, HashError> {
    let parts: Vec<&str> = hash.splitn(7, '$').collect();
    let &["", id, "v=19", costs, salt, digest] = parts.as_slice() else {
        return Err(HashError::Malformed);
    };
    let number = |text: Option<&str>, name: &str| text?.strip_prefix(name).and_then(decimal);
    let mut costs = costs.split(',');
    let memory = number(costs.next(), "m=").ok_or(HashError::Malformed)?;
    let passes = number(costs.next(), "t=").ok_or(HashError::Malformed)?;
    let lanes = number(costs.next(), "p=").ok_or(HashError::Malformed)?;
    if id != algorithm.as_str() || costs.next().is_some() {
        return Err(HashError::Malformed);
    }
    if memory > ARGON2_KIB_MAX
        || passes > SHA_ROUNDS_MAX
        || lanes > ARGON2_LANES_MAX
        || u64::from(memory) * u64::from(passes) > ARGON2_WORK_KIB_MAX
    {
        return Err(HashError::Argon2Cost);
    }
    let bytes = |text: &str, least: usize| {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        (least..=ARGON2_BYTES_MAX).contains(&bytes.len()).then_some(bytes)
    };
    let salt = bytes(salt, argon2::MIN_SALT_LEN).ok_or(HashError::Malformed)?;
    let digest = bytes(digest, 16).ok_or(HashError::Malformed)?;
    let params = Params::new(memory, passes, lanes, Some(digest.len())).map_err(|_| HashError::Malformed)?;
    Ok(Password::Argon2(Box::new(Argon2Hash {
        algorithm,
        params,
        salt,
        digest,
    })))
}

/// SHA256, SSHA256, SHA512 and SSHA512: the digest, with the salt behind it.
fn salted(scheme: &str, text: &str) -> Result<Password, HashError> {
    let (scheme, encoding) = match scheme.split_once('.') {
        None => (scheme, Encoding::Guessed),
        Some((scheme, "HEX")) => (scheme, Encoding::Hex),
        Some((scheme, "B64" | "BASE64")) => (scheme, Encoding::Base64),
        Some(_) => return Err(HashError::Scheme),
    };
    let (length, is_salted) = match scheme {
        "SHA256" => (32, false),
        "SSHA256" => (32, true),
        "SHA512" => (64, false),
        "SSHA512" => (64, true),
        _ => return Err(HashError::Scheme),
    };
    let bytes = match encoding {
        Encoding::Hex => hex(text),
        // With a salt the length says nothing.
        Encoding::Guessed if !is_salted && text.len() == 2 * length => hex(text),
        Encoding::Guessed | Encoding::Base64 => STANDARD.decode(text).ok(),
    };
    let bytes = bytes.ok_or(HashError::Malformed)?;
    let (digest, salt) = bytes.split_at_checked(length).ok_or(HashError::Malformed)?;
    if salt.is_empty() == is_salted {
        return Err(HashError::Malformed);
    }
    let salt = salt.into();
    Ok(if length == 32 {
        let digest = digest.try_into().map_err(|_| HashError::Malformed)?;
        Password::Sha256 { salt, digest }
    } else {
        let digest: [u8; 64] = digest.try_into().map_err(|_| HashError::Malformed)?;
        let digest = Box::new(digest);
        Password::Sha512 { salt, digest }
    })
}

/// Digits only, without a sign; a zero in front would be another text for the same number.
fn decimal(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_number.then(|| text.parse().ok()).flatten()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks(2) {
        let &[high, low] = pair else { return None };
        bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
