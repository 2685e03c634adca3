//! Text as IMAP writes it: lines, quoted strings, and the announcement of a literal. What is said in them is left to others.

/// Bytes that a line may have (RFC 7162, section 4).
pub(super) const LINE_BYTES_MAX: usize = 8192;
/// Bytes of a backend's words that are shown in a log.
const SHOWN_BYTES_MAX: usize = 200;

/// What the end of a line says of the literal that follows it (RFC 3501, section 4.3, and RFC 7888).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Bytes; more than can be counted are `usize::MAX`.
    pub(super) size: usize,
    /// The sender waits for a `+` before he sends it.
    pub(super) is_synchronising: bool,
}

/// A line without the announcement at its end, and what that announces.
///
/// Only the end is looked at, not what stands before it: also where the rest is no IMAP, the bytes that a client announces
/// must not be taken for commands.
pub(super) fn split_literal(line: &[u8]) -> (&[u8], Option<Literal>) {
    let Some(inner) = line.strip_suffix(b"}") else {
        return (line, None);
    };
    let (inner, is_synchronising) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let Some(open) = memchr::memrchr(b'{', inner) else {
        return (line, None);
    };
    let digits = &inner[open + 1..];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return (line, None);
    }
    let size = digits.iter().fold(0_usize, |size, digit| {
        size.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    });
    let literal = Literal {
        size,
        is_synchronising,
    };
    (&line[..open], Some(literal))
}

/// A quoted string, if these bytes may stand in one: printable ASCII.
pub(super) fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    if !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return None;
    }
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    Some(quoted)
}

/// Our own words for the end of a line: what could break the line becomes a space.
pub(super) fn in_one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// Bytes from a peer for a log: printable, and not too many.
pub(super) fn shown(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let shown = bytes.iter().map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    });
    shown.collect()
}

/// The first word, and what stands after the space behind it.
pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', text) {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(size: usize, is_synchronising: bool) -> Option<Literal> {
        Some(Literal {
            size,
            is_synchronising,
        })
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(
            split_literal(b"a LOGIN {3}"),
            (&b"a LOGIN "[..], literal(3, true))
        );
        assert_eq!(
            split_literal(b"a LOGIN {30+}"),
            (&b"a LOGIN "[..], literal(30, false))
        );
        assert_eq!(
            split_literal(b"{4294967296}"),
            (&b""[..], literal(4_294_967_296, true))
        );
        assert_eq!(
            split_literal(b"{99999999999999999999999999+}"),
            (&b""[..], literal(usize::MAX, false))
        );
        for none in [
            &b"{}"[..],
            b"{+}",
            b"{-1}",
            b"{1 }",
            b"{1++}",
            b"1}",
            b"}",
            b"\"{1}\"",
            b"{1",
        ] {
            assert_eq!(split_literal(none), (none, None));
        }
    }

    #[test]
    fn what_can_not_be_quoted_is_not() {
        assert_eq!(quoted(b"a\"b\\c"), Some(b"\"a\\\"b\\\\c\"".to_vec()));
        assert_eq!(quoted(b"a\r\nb"), None);
        assert_eq!(quoted("ü".as_bytes()), None);
    }

    #[test]
    fn words_for_the_log_are_printable_and_short() {
        assert_eq!(shown(b"a\x1b[31m\nb"), "a?[31m?b");
        assert_eq!(shown(&[b'x'; 300]), "x".repeat(200));
        assert_eq!(in_one_line("a\r\n* OK b"), "a  * OK b");
    }
}
