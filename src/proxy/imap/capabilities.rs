//! What a backend can do. What is made of it is left to the back.

use super::text::split_word;

/// The words of a CAPABILITY response or response code (RFC 3501, section 7.2.1), in upper case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    words: Vec<Vec<u8>>,
}

impl Capabilities {
    /// From `CAPABILITY IMAP4rev1 ...`, if it is that.
    pub(super) fn of_response(text: &[u8]) -> Option<Self> {
        let (first, rest) = split_word(text);
        if !first.eq_ignore_ascii_case(b"CAPABILITY") {
            return None;
        }
        let words = rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        Some(Capabilities {
            words: words.map(<[u8]>::to_ascii_uppercase).collect(),
        })
    }

    /// From the text of a status response, `[CAPABILITY IMAP4rev1 ...] ...`, if it starts with that.
    pub(super) fn of_code(text: &[u8]) -> Option<Self> {
        let code = text.strip_prefix(b"[")?;
        let end = memchr::memchr(b']', code)?;
        Self::of_response(&code[..end])
    }

    /// This word is among them; it is given in upper case.
    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_as_a_response_and_as_a_code() {
        let response = Capabilities::of_response(b"capability IMAP4rev1 auth=plain  ID");
        assert_eq!(
            response,
            Capabilities::of_code(b"[CAPABILITY IMAP4rev1 AUTH=PLAIN ID] Hello.")
        );
        let capabilities = response.expect("understood");
        assert!(capabilities.has("IMAP4REV1") && capabilities.has("AUTH=PLAIN") && capabilities.has("ID"));
        assert!(!capabilities.has("AUTH") && !capabilities.has(""));
    }

    #[test]
    fn other_words_are_none() {
        assert_eq!(Capabilities::of_response(b"CAPABILITYX A"), None);
        assert_eq!(Capabilities::of_code(b"[ALERT] CAPABILITY A"), None);
        assert_eq!(Capabilities::of_code(b"[CAPABILITY A"), None);
        assert_eq!(Capabilities::of_code(b"CAPABILITY A"), None);
    }
}
