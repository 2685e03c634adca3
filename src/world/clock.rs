//! Reading time and waiting for it.

use std::fmt;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::Instant;

/// One machine's clocks.
pub trait Clock: Clone + Send + Sync + 'static {
    /// Now, on the monotonic clock that counts suspended time.
    fn now(&self) -> Instant;

    /// Seconds since 1970 by the wall clock, which may jump: for certificates, logs and what doveadm prints.
    fn unix_seconds(&self) -> u64;

    /// Ends once `now` is `at` or later, never before.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send;
}

/// The time for something ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer in time")
    }
}

impl std::error::Error for TimedOut {}

impl From<TimedOut> for std::io::Error {
    fn from(timed_out: TimedOut) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, timed_out)
    }
}

/// What the future gives, if it does so before `at`; what is ready counts even when the time has passed.
///
/// # Errors
/// It was not ready in time; it is dropped.
pub async fn deadline<C: Clock, F: Future>(clock: &C, at: Instant, future: F) -> Result<F::Output, TimedOut> {
    let mut future = pin!(future);
    // Most futures are ready at once: those never cost a timer.
    let first = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    if let Poll::Ready(done) = first {
        return Ok(done);
    }
    super::select! {
        done = future => Ok(done),
        () = clock.sleep_until(at) => Err(TimedOut),
    }
}

/// Ends after `span`.
pub async fn sleep<C: Clock>(clock: &C, span: Duration) {
    clock.sleep_until(clock.now().plus(span)).await;
}
