//! What may stand in a line without breaking it: names, texts for people, and xtext. What lines mean is left to others.

use std::fmt::Write;

use crate::proxy::FrontSettings;

/// Bytes that a line may have, without its end. RFC 5321 (section 4.5.3.1) wants 512, its extensions more; clients and
/// servers take it easy.
pub(in crate::proxy) const LINE_BYTES_MAX: usize = 8192;

/// Bytes that a name of EHLO or of a session may have; no domain's name is longer (RFC 5321, section 4.5.3.1.2).
pub(in crate::proxy) const NAME_BYTES_MAX: usize = 255;
/// Bytes of somebody else's text that are repeated.
const TEXT_BYTES_MAX: usize = 200;

/// A command line as its verb, in upper case, and what follows.
pub(in crate::proxy) fn command_of(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let line = line.trim_ascii_end();
    let (verb, arguments) = line.split_at(memchr::memchr(b' ', line).unwrap_or(line.len()));
    (verb.to_ascii_uppercase(), arguments.trim_ascii_start())
}

/// Whether both can be understood at all: the verb is a word, and nothing behind it plays with the line.
pub(in crate::proxy) fn is_command(verb: &[u8], arguments: &[u8]) -> bool {
    verb.iter().all(u8::is_ascii_alphabetic) && !arguments.iter().any(u8::is_ascii_control)
}

/// The answer to EHLO or LHLO: who this is, and what is offered, with `more` at the end (RFC 5321, section 4.1.1.1).
pub(in crate::proxy) fn say_offers(
    settings: &FrontSettings,
    is_tls: bool,
    more: Option<&str>,
    out: &mut Vec<u8>,
) {
    let starttls = (settings.offers_starttls && !is_tls).then_some("STARTTLS");
    let capabilities = settings.capabilities.iter().map(|capability| &**capability);
    let lines: Vec<&str> = [&*settings.host]
        .into_iter()
        .chain(capabilities)
        .chain(starttls)
        .chain(more)
        .collect();
    for (index, line) in lines.iter().enumerate() {
        let separator = if index + 1 == lines.len() { ' ' } else { '-' };
        out.extend_from_slice(format!("250{separator}{line}\r\n").as_bytes());
    }
}

/// The name, if it is one word of printable ASCII, at most [`NAME_BYTES_MAX`] bytes.
pub(in crate::proxy) fn name(word: &[u8]) -> Option<&str> {
    if word.is_empty() || word.len() > NAME_BYTES_MAX || !word.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    std::str::from_utf8(word).ok()
}

/// The text as it may be repeated in a line or a log: printable ASCII, everything else as `?`, cut to 200 bytes.
pub(in crate::proxy) fn printable(text: &[u8]) -> String {
    let shown = text.iter().take(TEXT_BYTES_MAX);
    shown
        .map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '?',
        })
        .collect()
}

/// In xtext (RFC 3461, section 4).
pub(in crate::proxy) fn to_xtext(text: &str) -> String {
    let mut xtext = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'+' && byte != b'=' => xtext.push(char::from(byte)),
            _ => write!(xtext, "+{byte:02X}").expect("a String takes all that is written to it"),
        }
    }
    xtext
}

/// Out of xtext; nothing if it is none. Bytes that should have been encoded are taken as they are, as Postfix does.
pub(in crate::proxy) fn of_xtext(xtext: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(xtext.len());
    let mut rest = xtext;
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'+', [high, low, after @ ..]) => {
                text.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                after
            }
            (b'+', _) => return None,
            (byte, after) => {
                text.push(*byte);
                after
            }
        };
    }
    Some(text)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_comes_back_as_what_it_was() {
        let text = "a+b=c d\r\n\u{fc}~!";
        assert_eq!(to_xtext(text), "a+2Bb+3Dc+20d+0D+0A+C3+BC~!");
        assert_eq!(
            of_xtext(to_xtext(text).as_bytes()),
            Some(text.as_bytes().to_vec())
        );
    }

    #[test]
    fn a_broken_hexchar_is_no_xtext() {
        for broken in [&b"+"[..], b"a+", b"+4", b"+4G", b"+-1", b"++41"] {
            assert_eq!(of_xtext(broken), None, "{broken:?}");
        }
        assert_eq!(of_xtext(b"+4a+4A"), Some(b"JJ".to_vec()));
    }

    #[test]
    fn a_name_is_one_word() {
        assert_eq!(name(b"[IPv6:::1]"), Some("[IPv6:::1]"));
        assert_eq!(name(&[b'x'; 255]).map(str::len), Some(255));
        for none in [&b""[..], b"a b", b"a\rb", b"\xfc", &[b'x'; 256]] {
            assert_eq!(name(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_text_can_not_break_a_line() {
        assert_eq!(printable(b"a\r\nb\0\xff c"), "a??b?? c");
        assert_eq!(printable(&[b'x'; 1000]).len(), 200);
    }
}
