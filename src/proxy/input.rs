//! Bytes that have come and are not understood yet.

/// A line was longer than it may be. The connection is no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes that a line may have.
    pub limit: usize,
}

/// What was read from a socket and is still to be understood.
#[derive(Clone, Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Input {
    /// More has come.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).extend_from_slice(bytes);
    }

    /// Where more is to be put, behind what is there: with room for so many bytes.
    pub fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.start == self.bytes.len() {
            self.clear();
        }
        self.bytes.reserve(bytes);
        &mut self.bytes
    }

    /// What is there.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The first `count` bytes are understood; at most all that are there.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
    }

    /// Forgets all that is there, as after a STARTTLS: nobody knows who has written it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// The next line without its LF or CRLF, once it is whole.
    ///
    /// # Errors
    /// It has more than `limit` bytes.
    pub fn take_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(end) = memchr::memchr(b'\n', self.unread()) else {
            // A CR may be the half of an end that is still to come.
            let unread = self.unread();
            let line = unread.strip_suffix(b"\r").unwrap_or(unread);
            return if line.len() > limit {
                Err(TooLong { limit })
            } else {
                Ok(None)
            };
        };
        let line = &self.unread()[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > limit {
            return Err(TooLong { limit });
        }
        let line = line.to_vec();
        self.consume(end + 1);
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_there_once_it_is_whole() {
        let mut input = Input::default();
        input.extend(b"a001 no");
        assert_eq!(input.take_line(10), Ok(None));
        input.extend(b"op\r\nrest");
        assert_eq!(input.take_line(10), Ok(Some(b"a001 noop".to_vec())));
        assert_eq!(input.unread(), b"rest");
    }

    #[test]
    fn a_line_without_an_end_is_not_waited_for() {
        let mut input = Input::default();
        input.extend(&[b'x'; 11]);
        assert_eq!(input.take_line(10), Err(TooLong { limit: 10 }));
    }

    #[test]
    fn a_longest_line_may_come_in_two_parts() {
        let mut input = Input::default();
        input.extend(b"0123456789\r");
        assert_eq!(input.take_line(10), Ok(None));
        input.extend(b"\n");
        assert_eq!(input.take_line(10), Ok(Some(b"0123456789".to_vec())));
        input.extend(b"0123456789x\n");
        assert_eq!(input.take_line(10), Err(TooLong { limit: 10 }));
    }
}
