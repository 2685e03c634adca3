//! Netstrings, in which Postfix asks and is answered (D. J. Bernstein, 1997; socketmap_table(5)).

use std::fmt;

/// The longest netstring that is taken, in bytes: what Postfix itself takes.
pub const NETSTRING_BYTES_MAX: usize = 100_000;
/// Digits of that length.
const DIGITS_MAX: usize = 6;

/// Bytes that are no netstring. The peer's fault; nothing after them can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetstringError {
    /// It does not begin with a length and a colon.
    Length,
    /// Longer than [`NETSTRING_BYTES_MAX`].
    TooLong,
    /// No comma behind it.
    End,
}

impl fmt::Display for NetstringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetstringError::Length => {
                f.write_str("no netstring: it does not begin with a length and a colon")
            }
            NetstringError::TooLong => write!(f, "a netstring of more than {NETSTRING_BYTES_MAX} bytes"),
            NetstringError::End => f.write_str("no netstring: there is no comma at its end"),
        }
    }
}

impl std::error::Error for NetstringError {}

/// The first netstring of what has come, and how many bytes it took; nothing while it is not whole.
///
/// # Errors
/// There is none.
pub fn netstring(input: &[u8]) -> Result<Option<(&[u8], usize)>, NetstringError> {
    let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX {
        return Err(NetstringError::TooLong);
    }
    let Some(colon) = input.get(digits) else {
        return Ok(None);
    };
    let has_leading_zero = digits > 1 && input[0] == b'0';
    if *colon != b':' || digits == 0 || has_leading_zero {
        return Err(NetstringError::Length);
    }
    let length = input[..digits]
        .iter()
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    if length > NETSTRING_BYTES_MAX {
        return Err(NetstringError::TooLong);
    }
    let start = digits + 1;
    match input.get(start + length) {
        None => Ok(None),
        Some(b',') => Ok(Some((&input[start..start + length], start + length + 1))),
        Some(_) => Err(NetstringError::End),
    }
}

/// Writes one.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text.as_bytes());
    out.push(b',');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let mut bytes = Vec::new();
        write("lmtp ann@example.org", &mut bytes);
        assert_eq!(bytes, b"20:lmtp ann@example.org,");
        for cut in 0..bytes.len() {
            assert_eq!(netstring(&bytes[..cut]), Ok(None), "{cut}");
        }
        bytes.extend_from_slice(b"0:,");
        assert_eq!(netstring(&bytes), Ok(Some((&b"lmtp ann@example.org"[..], 24))));
        assert_eq!(netstring(&bytes[24..]), Ok(Some((&b""[..], 3))));
    }

    #[test]
    fn what_is_no_netstring_is_refused_before_it_is_read() {
        assert_eq!(netstring(b"GET / HTTP/1.1"), Err(NetstringError::Length));
        assert_eq!(netstring(b":"), Err(NetstringError::Length));
        assert_eq!(netstring(b"01:a,"), Err(NetstringError::Length));
        assert_eq!(netstring(b"1:ab"), Err(NetstringError::End));
        assert_eq!(netstring(b"100001:"), Err(NetstringError::TooLong));
        assert_eq!(netstring(b"9999999"), Err(NetstringError::TooLong));
        assert_eq!(netstring(b"100000:"), Ok(None));
    }
}
