//! Where a socket is, on the network or in the file system. Opening it is left to `Network`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a socket listens. Text with a leading slash is a path, anything else `ip:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// What is wrong with the text of an address. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither a path nor an address with a port.
    Malformed {
        /// What was written.
        text: String,
    },
}

/// A socket to be opened, and for a path who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// The permission bits of a path.
    pub mode: u32,
    /// The user whom a path shall belong to, by name or number; none leaves it to the process.
    pub owner: Option<String>,
    /// The group likewise.
    pub group: Option<String>,
}

impl Address {
    /// The path, unless it is on the network.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Tcp(_) => None,
            Address::Unix(path) => Some(path),
        }
    }
}

impl Listen {
    /// A TCP port.
    pub fn tcp(address: SocketAddr) -> Self {
        Listen {
            address: Address::Tcp(address),
            mode: 0,
            owner: None,
            group: None,
        }
    }

    /// A socket in the file system that belongs to the process's own user.
    pub fn unix(path: impl Into<PathBuf>, mode: u32) -> Self {
        Listen {
            address: Address::Unix(path.into()),
            mode,
            owner: None,
            group: None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('/') {
            return Ok(Address::Unix(PathBuf::from(text)));
        }
        let address = text.parse().map_err(|_| AddressError::Malformed {
            text: text.to_owned(),
        })?;
        Ok(Address::Tcp(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Malformed { text } => {
                write!(f, "\"{text}\" is neither ip:port nor a path with a leading slash")
            }
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["10.0.0.1:9090", "[2001:db8::1]:9090", "/run/dovecot/auth-login"] {
            let address: Address = text.parse().expect("the text is an address");
            assert_eq!(address.to_string(), text);
        }
        for text in ["", "10.0.0.1", "localhost:1", "run/dovecot"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
