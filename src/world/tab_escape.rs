//! Dovecot's tab-escaping of a field, for all that speak in its lines: what would end a field or a line is written as 0x01 and a
//! letter.

use memchr::memchr;

/// Starts an escape.
pub const ESCAPE: u8 = 1;

/// Appends `field` as it is written in a line.
pub fn escape(field: &[u8], out: &mut Vec<u8>) {
    for &byte in field {
        match byte {
            0 => out.extend([ESCAPE, b'0']),
            ESCAPE => out.extend([ESCAPE, b'1']),
            b'\t' => out.extend([ESCAPE, b't']),
            b'\r' => out.extend([ESCAPE, b'r']),
            b'\n' => out.extend([ESCAPE, b'n']),
            _ => out.push(byte),
        }
    }
}

/// Appends what `field`, as it stood in a line, means.
///
/// As in Dovecot an unknown escape means its letter, and an escape without a letter means nothing.
pub fn unescape(field: &[u8], out: &mut Vec<u8>) {
    let mut rest = field;
    while let Some(at) = memchr(ESCAPE, rest) {
        out.extend(&rest[..at]);
        let Some(&letter) = rest.get(at + 1) else { return };
        out.push(match letter {
            b'0' => 0,
            b'1' => ESCAPE,
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            other => other,
        });
        rest = &rest[at + 2..];
    }
    out.extend(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(field: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        escape(field, &mut out);
        out
    }

    fn unescaped(field: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        unescape(field, &mut out);
        out
    }

    #[test]
    fn what_would_end_a_field_is_escaped() {
        assert_eq!(escaped(b"a b\t\r\n\0\x01"), b"a b\x01t\x01r\x01n\x010\x011");
    }

    #[test]
    fn every_byte_survives_its_escape() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&escaped(&all)), all);
    }

    #[test]
    fn odd_escapes_are_read_as_dovecot_reads_them() {
        assert_eq!(unescaped(b"a\x01xb"), b"axb");
        assert_eq!(unescaped(b"a\x01"), b"a");
        assert_eq!(unescaped(b"\x01\x01t"), b"\x01t");
    }
}
