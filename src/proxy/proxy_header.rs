//! The header of HAProxy's PROXY protocol, written and read (`doc/proxy-protocol.txt` there; sections are its own).
//!
//! Who may send one is left to the engine: whoever sends one is believed. The checksum of version 2 (section 2.2.3) is
//! not looked at; TCP has its own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

/// Bytes that a header of version 1 may have, with its CRLF (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// Bytes that a header of version 2 may have, with all its vectors; the field could say 64 KiB.
const BLOCK_BYTES_MAX: usize = 4096;
/// Bytes of version 2 before the addresses.
const PREAMBLE_BYTES: usize = 16;

const LINE_START: &[u8] = b"PROXY ";
const BLOCK_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

const VERSION: u8 = 0x20;
const COMMAND_LOCAL: u8 = 0;
const COMMAND_PROXY: u8 = 1;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
/// Unspecified, IPv4, IPv6 and Unix.
const FAMILIES: RangeInclusive<u8> = 0..=3;
/// Unspecified, stream and datagram.
const TRANSPORTS: RangeInclusive<u8> = 0..=2;

/// The vector about TLS: flags in one byte, the certificate's verdict in four, and more vectors (section 2.2.6).
const TYPE_SSL: u8 = 0x20;
const SSL_BYTES: u16 = 5;
const CLIENT_SSL: u8 = 0x01;
/// Anything but zero says that no certificate of the client was verified.
const NOT_VERIFIED: u32 = 1;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The connection's own addresses are to be used: the proxy speaks for itself, as in a health check, or for something
    /// that isn't TCP.
    Local,
    /// The proxy speaks for a client.
    Proxied {
        /// Where the client is.
        source: SocketAddr,
        /// Where he has connected to.
        destination: SocketAddr,
        /// He speaks TLS with the proxy. Version 1 can't say so.
        is_tls: bool,
    },
}

/// Why bytes are no header. The connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// They begin like neither version.
    Unrecognized,
    /// They are more than a header may have.
    TooLong,
    /// A version, command, family or transport that the specification doesn't know.
    Unspecified,
    /// The line of version 1 isn't written as it must be.
    Line,
    /// Fewer bytes than the addresses need.
    Addresses,
    /// The vectors after the addresses don't fit into one another.
    Vectors,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderError::Unrecognized => "not a header of the PROXY protocol",
            HeaderError::TooLong => "the PROXY header is too long",
            HeaderError::Unspecified => "the PROXY header has a version, command or family that is unknown",
            HeaderError::Line => "the PROXY header's line is malformed",
            HeaderError::Addresses => "the PROXY header is too short for its addresses",
            HeaderError::Vectors => "the PROXY header's vectors are malformed",
        })
    }
}

impl std::error::Error for HeaderError {}

/// A header of version 2 for a client at `source` who has connected to `destination`. When only one of them is IPv4, it is
/// mapped into IPv6 (`::ffff:`).
///
/// TLS is told of without its version, which nobody here knows, and without a client's certificate.
pub fn encode_v2(source: SocketAddr, destination: SocketAddr, is_tls: bool) -> Vec<u8> {
    let mut block = Vec::with_capacity(64);
    let family = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            block.extend_from_slice(&source.octets());
            block.extend_from_slice(&destination.octets());
            TCP_OVER_IPV4
        }
        (source, destination) => {
            block.extend_from_slice(&as_ipv6(source).octets());
            block.extend_from_slice(&as_ipv6(destination).octets());
            TCP_OVER_IPV6
        }
    };
    block.extend_from_slice(&source.port().to_be_bytes());
    block.extend_from_slice(&destination.port().to_be_bytes());
    if is_tls {
        block.push(TYPE_SSL);
        block.extend_from_slice(&SSL_BYTES.to_be_bytes());
        block.push(CLIENT_SSL);
        block.extend_from_slice(&NOT_VERIFIED.to_be_bytes());
    }
    let length = u16::try_from(block.len()).expect("two addresses and one vector are under 64 bytes");
    let mut header = Vec::with_capacity(PREAMBLE_BYTES + block.len());
    header.extend_from_slice(BLOCK_START);
    header.extend_from_slice(&[VERSION | COMMAND_PROXY, family]);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&block);
    header
}

/// The header of either version that `bytes` begin with, and how many of them it has; nothing while more have to come.
///
/// # Errors
/// They are no header, whatever may come.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    if begins_alike(bytes, LINE_START) {
        return parse_line(bytes);
    }
    if begins_alike(bytes, BLOCK_START) {
        return parse_block(bytes);
    }
    Err(HeaderError::Unrecognized)
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// As far as both go, they are the same.
fn begins_alike(bytes: &[u8], start: &[u8]) -> bool {
    let count = bytes.len().min(start.len());
    bytes[..count] == start[..count]
}

/// Version 1 (section 2.1).
fn parse_line(bytes: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    let bounded = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', bounded) else {
        return if bytes.len() >= LINE_BYTES_MAX {
            Err(HeaderError::TooLong)
        } else {
            Ok(None)
        };
    };
    let fields = bounded[..end]
        .strip_prefix(LINE_START)
        .and_then(|rest| rest.strip_suffix(b"\r"))
        .ok_or(HeaderError::Line)?;
    let header = line_header(fields).ok_or(HeaderError::Line)?;
    Ok(Some((header, end + 1)))
}

/// What stands between `PROXY` and the line's end; nothing when it isn't written as it must be.
fn line_header(fields: &[u8]) -> Option<Header> {
    let mut fields = fields.split(|byte| *byte == b' ');
    let family = fields.next()?;
    if family == b"UNKNOWN" {
        return Some(Header::Local);
    }
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let (source, destination) = match family {
        b"TCP4" => (
            IpAddr::V4(text()?.parse().ok()?),
            IpAddr::V4(text()?.parse().ok()?),
        ),
        b"TCP6" => (
            IpAddr::V6(text()?.parse().ok()?),
            IpAddr::V6(text()?.parse().ok()?),
        ),
        _ => return None,
    };
    let (source_port, destination_port) = (port(text()?)?, port(text()?)?);
    if fields.next().is_some() {
        return None;
    }
    Some(Header::Proxied {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
        is_tls: false,
    })
}

/// Digits alone, the first not zero unless it is the only one: the standard library would take `+25` and `025`, too.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Version 2 (section 2.2).
fn parse_block(bytes: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    let Some((preamble, rest)) = bytes.split_first_chunk::<PREAMBLE_BYTES>() else {
        return Ok(None);
    };
    let [.., command, family, length_high, length_low] = *preamble;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    if PREAMBLE_BYTES + length > BLOCK_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let is_proxied = match command.checked_sub(VERSION) {
        Some(COMMAND_LOCAL) => false,
        Some(COMMAND_PROXY) => true,
        _ => return Err(HeaderError::Unspecified),
    };
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    let header = if is_proxied {
        block_header(family, block)?
    } else {
        Header::Local
    };
    Ok(Some((header, PREAMBLE_BYTES + length)))
}

/// A family that is specified and isn't TCP is treated as an unspecified one, as section 2.2 allows.
fn block_header(family: u8, block: &[u8]) -> Result<Header, HeaderError> {
    let addresses = match family {
        TCP_OVER_IPV4 => ipv4_addresses(block),
        TCP_OVER_IPV6 => ipv6_addresses(block),
        _ if FAMILIES.contains(&(family >> 4)) && TRANSPORTS.contains(&(family & 0x0f)) => {
            return Ok(Header::Local);
        }
        _ => return Err(HeaderError::Unspecified),
    };
    let (source, destination, vectors) = addresses.ok_or(HeaderError::Addresses)?;
    Ok(Header::Proxied {
        source,
        destination,
        is_tls: says_tls(vectors).ok_or(HeaderError::Vectors)?,
    })
}

/// Source, destination, and what comes after them.
fn ipv4_addresses(block: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (source, rest) = block.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let addresses = [Ipv4Addr::from(*source), Ipv4Addr::from(*destination)];
    with_ports(addresses.map(IpAddr::V4), rest)
}

/// Source, destination, and what comes after them.
fn ipv6_addresses(block: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (source, rest) = block.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let addresses = [Ipv6Addr::from(*source), Ipv6Addr::from(*destination)];
    with_ports(addresses.map(IpAddr::V6), rest)
}

fn with_ports([source, destination]: [IpAddr; 2], block: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (source_port, rest) = block.split_first_chunk::<2>()?;
    let (destination_port, rest) = rest.split_first_chunk::<2>()?;
    let source = SocketAddr::new(source, u16::from_be_bytes(*source_port));
    let destination = SocketAddr::new(destination, u16::from_be_bytes(*destination_port));
    Some((source, destination, rest))
}

/// Whether one of the vectors says that the client speaks TLS; nothing when they are malformed.
fn says_tls(mut vectors: &[u8]) -> Option<bool> {
    let mut is_tls = false;
    while !vectors.is_empty() {
        let (start, rest) = vectors.split_first_chunk::<3>()?;
        let [kind, length_high, length_low] = *start;
        let length = u16::from_be_bytes([length_high, length_low]);
        let (value, rest) = rest.split_at_checked(usize::from(length))?;
        if kind == TYPE_SSL {
            if length < SSL_BYTES {
                return None;
            }
            is_tls |= value[0] & CLIENT_SSL != 0;
        }
        vectors = rest;
    }
    Some(is_tls)
}

#[cfg(test)]
mod tests;
