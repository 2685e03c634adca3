//! Lines from a socket; what was read stays when nobody waits any more.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

pub struct Lines<R> {
    reading: R,
    bytes: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(reading: R) -> Self {
        Lines {
            reading,
            bytes: Vec::new(),
        }
    }

    /// The next line without its LF.
    pub async fn next(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.reading.read_buf(&mut self.bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
