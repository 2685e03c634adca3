//! What comes over a connection, as lines first and as frames later.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::framing::{Found, find};

const CHUNK_BYTES: usize = 64 << 10;
/// A buffer that grew beyond this for a large frame is given back afterwards.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// A connection's reading side. What was read too far stays in here, not in a future, so any wait may be dropped.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub fn new(reader: R) -> Self {
        Incoming {
            reader,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Waits for more bytes; zero is the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(CHUNK_BYTES);
        self.reader.read_buf(&mut self.buffer).await
    }

    /// The next line without its end, if it has come.
    pub fn line(&mut self) -> Option<String> {
        let rest = &self.buffer[self.start..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.start += end + 1;
        Some(line)
    }

    /// What has come and was not taken.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The frame that comes next; call `skip` with its bytes when it is done with.
    pub fn frame(&self) -> Found<'_> {
        find(self.rest())
    }

    pub fn skip(&mut self, bytes: usize) {
        self.start += bytes;
    }
}
