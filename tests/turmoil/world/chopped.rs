//! Reads and writes that are cut at random points, and now and then come later than they could.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::dice::Dice;

/// One in so many reads and writes is cut short, and one in so many has to be tried again.
const CUT_ONCE_IN: u64 = 4;
const LATE_ONCE_IN: u64 = 16;
const CUT_BYTES_MAX: u64 = 24;

/// One direction of a stream, cut at random points.
#[derive(Debug)]
pub struct Chopped<S> {
    inner: S,
    dice: Dice,
}

impl<S> Chopped<S> {
    pub fn new(inner: S, dice: Dice) -> Self {
        Chopped { inner, dice }
    }

    /// How many of so many bytes are taken now; `None` for none yet.
    fn bytes(&mut self, all: usize) -> Option<usize> {
        if self.dice.once_in(LATE_ONCE_IN) {
            return None;
        }
        if self.dice.once_in(CUT_ONCE_IN) {
            return Some(all.min(1 + self.dice.below(CUT_BYTES_MAX) as usize));
        }
        Some(all)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Chopped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(bytes) = self.bytes(buffer.remaining()) else {
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        if bytes == buffer.remaining() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let mut short = ReadBuf::new(buffer.initialize_unfilled_to(bytes));
        let polled = Pin::new(&mut self.inner).poll_read(context, &mut short);
        let filled = short.filled().len();
        buffer.advance(filled);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Chopped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(count) = self.bytes(bytes.len()) else {
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        Pin::new(&mut self.inner).poll_write(context, &bytes[..count])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
