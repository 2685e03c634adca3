//! The user's name in a field of a line.

use memchr::{memchr, memchr2};

use crate::world::unescape;

/// Appends the name that `field` means: up to a NUL, as in Dovecot, or the separator before a master user's name.
pub(super) fn unescape_name(field: &[u8], separator: Option<u8>, out: &mut Vec<u8>) {
    let start = out.len();
    unescape(field, out);
    let length = name_bytes(&out[start..], separator);
    out.truncate(start + length);
}

/// How many bytes of a text, which holds no escapes, are the name.
pub(super) fn name_bytes(text: &[u8], separator: Option<u8>) -> usize {
    let end = match separator {
        None => memchr(0, text),
        Some(separator) => memchr2(0, separator, text),
    };
    end.unwrap_or(text.len())
}
