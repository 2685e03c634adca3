//! The connection between the two processes: frames of a length in four bytes and JSON, read and written by tasks of their
//! own.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

use crate::world::{Clock, Stream, Task, World, deadline};

/// The longest frame, in bytes; the longest that is written tells of 10,000 sessions what they forward.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Frames that wait to be looked at; the other process waits when there are more.
const FRAMES_MAX: usize = 1_000;
/// How long the other process may take nothing.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// A connection to the other process.
pub struct Link {
    reading: Box<dyn AsyncRead + Send + Unpin>,
    writing: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Link {
    /// Talks through this connection.
    pub fn new(stream: impl Stream) -> Self {
        let (reading, writing) = stream.into_split();
        Link::of(reading, writing)
    }

    /// Talks through these halves of one.
    pub(super) fn of(
        reading: impl AsyncRead + Send + Unpin + 'static,
        writing: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Link {
            reading: Box::new(reading),
            writing: Box::new(writing),
        }
    }

    /// Both directions, at work. The first is closed when the other process is gone, the second when it takes nothing any more.
    pub(super) fn open<W, I, O>(self, world: &W) -> Talk<I, O>
    where
        W: World,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + Sync + 'static,
    {
        let (heard, hears) = channel(FRAMES_MAX);
        let (says, said) = unbounded_channel();
        let reading = world.spawn("hand-over reader", read(self.reading, heard));
        let writing = world.spawn("hand-over writer", write(world.clone(), self.writing, said));
        Talk {
            hears,
            says,
            writing,
            _reading: reading,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// A connection at work.
pub(super) struct Talk<I, O> {
    pub hears: Receiver<I>,
    pub says: UnboundedSender<O>,
    writing: Task,
    _reading: Task,
}

impl<I, O> Talk<I, O> {
    /// When the other process is gone this goes nowhere; whoever hears notices.
    pub fn say(&self, word: O) {
        let _ = self.says.send(word);
    }

    /// Waits until all that was said is on its way, or can't be.
    pub async fn end(self) {
        drop(self.says);
        self.writing.finished().await;
    }
}

async fn read<I: DeserializeOwned>(mut from: impl AsyncRead + Unpin, heard: tokio::sync::mpsc::Sender<I>) {
    while let Ok(bytes) = frame(&mut from).await {
        let Ok(word) = serde_json::from_slice(&bytes) else {
            return;
        };
        if heard.send(word).await.is_err() {
            return;
        }
    }
}

async fn frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write<W: World, O: Serialize>(
    world: W,
    mut to: impl AsyncWrite + Unpin,
    mut said: UnboundedReceiver<O>,
) {
    let clock = world.clock();
    while let Some(word) = said.recv().await {
        let bytes = serde_json::to_vec(&word).unwrap_or_default();
        let Ok(length) = u32::try_from(bytes.len()) else {
            return;
        };
        let writing = async {
            to.write_u32(length).await?;
            to.write_all(&bytes).await?;
            to.flush().await
        };
        let until = clock.now().plus(WRITE_MAX);
        if !matches!(deadline(clock, until, writing).await, Ok(Ok(()))) {
            return;
        }
    }
}
