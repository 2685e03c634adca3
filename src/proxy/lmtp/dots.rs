//! Where a message ends, and the dots that hide such an end in it (RFC 5321, section 4.5.2).
//!
//! Only CRLF, a dot and CRLF end a message here. Some servers take a lone LF for the end of a line, Dovecot among them: what is sent
//! on has no dot alone behind one, so that nobody can smuggle commands past this proxy.

/// Takes the dots out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unstuffer {
    /// At the start of a line.
    #[default]
    LineStart,
    /// In it.
    InLine,
    /// Behind a CR.
    Cr,
    /// Behind the dot at the start of a line.
    Dot,
    /// Behind that dot and a CR.
    DotCr,
}

impl Unstuffer {
    /// Takes `bytes` as far as the end of the message: how many they were, and whether the message has ended.
    pub fn take(&mut self, bytes: &[u8], content: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            if *self == Unstuffer::InLine {
                let end = memchr::memchr(b'\r', &bytes[at..]).map_or(bytes.len(), |cr| at + cr);
                content.extend_from_slice(&bytes[at..end]);
                at = end;
                if at == bytes.len() {
                    break;
                }
            }
            let byte = bytes[at];
            at += 1;
            *self = match (*self, byte) {
                (Unstuffer::LineStart, b'.') => Unstuffer::Dot,
                (Unstuffer::Dot, b'\r') => Unstuffer::DotCr,
                (Unstuffer::DotCr, b'\n') => {
                    *self = Unstuffer::LineStart;
                    return (at, true);
                }
                (state, byte) => {
                    if state == Unstuffer::DotCr {
                        content.push(b'\r');
                    }
                    content.push(byte);
                    match (state, byte) {
                        (_, b'\r') => Unstuffer::Cr,
                        (Unstuffer::Cr, b'\n') => Unstuffer::LineStart,
                        _ => Unstuffer::InLine,
                    }
                }
            };
        }
        (at, false)
    }
}

/// Puts the dots in.
#[derive(Clone, Copy, Debug)]
pub struct Stuffer {
    is_line_start: bool,
    /// What was written ends with CRLF, or is nothing.
    is_at_crlf: bool,
    was_cr: bool,
}

impl Default for Stuffer {
    fn default() -> Self {
        Stuffer {
            is_line_start: true,
            is_at_crlf: true,
            was_cr: false,
        }
    }
}

impl Stuffer {
    /// Writes a part of the message.
    pub fn write(&mut self, content: &[u8], out: &mut Vec<u8>) {
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            if self.is_line_start && line[0] == b'.' {
                out.push(b'.');
            }
            out.extend_from_slice(line);
            self.is_line_start = line.ends_with(b"\n");
            self.is_at_crlf = line.ends_with(b"\r\n") || line == b"\n" && self.was_cr;
            self.was_cr = line.ends_with(b"\r");
        }
    }

    /// Writes the end; a last line without its CRLF gets one.
    pub fn end(self, out: &mut Vec<u8>) {
        if !self.is_at_crlf {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message, and what is left behind its end, if it has one; the bytes come cut at `cut`.
    fn unstuffed(bytes: &[u8], cut: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut unstuffer, mut content) = (Unstuffer::default(), Vec::new());
        let (first, is_ended) = unstuffer.take(&bytes[..cut], &mut content);
        if is_ended {
            return (content, Some(bytes[first..].to_vec()));
        }
        assert_eq!(first, cut);
        let (second, is_ended) = unstuffer.take(&bytes[cut..], &mut content);
        (content, is_ended.then(|| bytes[cut + second..].to_vec()))
    }

    fn stuffed(content: &[u8], cut: usize) -> Vec<u8> {
        let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
        stuffer.write(&content[..cut], &mut out);
        stuffer.write(&content[cut..], &mut out);
        stuffer.end(&mut out);
        out
    }

    #[test]
    fn a_message_is_the_same_wherever_it_is_cut_and_goes_on_as_it_came() {
        let sent = b"a: b\r\n\r\n..\r\n..x\r\n.\r\nRSET\r\n";
        let content = b"a: b\r\n\r\n.\r\n.x\r\n";
        for cut in 0..=sent.len() {
            assert_eq!(
                unstuffed(sent, cut),
                (content.to_vec(), Some(b"RSET\r\n".to_vec())),
                "cut at {cut}"
            );
        }
        for cut in 0..=content.len() {
            assert_eq!(stuffed(content, cut), sent[..sent.len() - 6], "cut at {cut}");
        }
    }

    #[test]
    fn an_empty_message_is_a_dot() {
        assert_eq!(unstuffed(b".\r\n", 1), (Vec::new(), Some(Vec::new())));
        assert_eq!(stuffed(b"", 0), b".\r\n");
    }

    #[test]
    fn what_other_servers_may_take_for_an_end_is_none_and_goes_on_as_none() {
        for (sent, goes_on) in [
            (&b"a\n.\nRCPT\r\n"[..], &b"a\n..\nRCPT\r\n"[..]),
            (b"a\n.\r\nRCPT\r\n", b"a\n..\r\nRCPT\r\n"),
            (b"a\r\n.\nRCPT\r\n", b"a\r\n\nRCPT\r\n"),
            (b"a\r.\rRCPT\r\n", b"a\r.\rRCPT\r\n"),
            (b"a\r\n.\rRCPT\r\n", b"a\r\n\rRCPT\r\n"),
            (b".\nRCPT\r\n", b"\nRCPT\r\n"),
            (b"\r\r\n.\n.\r\nRCPT\r\n", b"\r\r\n\n..\r\nRCPT\r\n"),
        ] {
            for cut in 0..=sent.len() {
                let (content, rest) = unstuffed(sent, cut);
                assert_eq!(rest, None, "{sent:?} has no end");
                let expected = [goes_on, b".\r\n"].concat();
                assert_eq!(stuffed(&content, cut.min(content.len())), expected, "{sent:?}");
            }
        }
    }

    #[test]
    fn a_last_line_without_an_end_gets_one() {
        for (content, expected) in [
            (&b"x"[..], &b"x\r\n.\r\n"[..]),
            (b"x\n", b"x\n\r\n.\r\n"),
            (b"x\r", b"x\r\r\n.\r\n"),
            (b"x\r\n", b"x\r\n.\r\n"),
        ] {
            for cut in 0..=content.len() {
                assert_eq!(stuffed(content, cut), expected, "{content:?} cut at {cut}");
            }
        }
    }
}
