//! What waits to be written to one link, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::framing::Framed;

/// What waits to be written to one link. When too much does, the oldest is dropped: members repeat what matters, and
/// the newer says more.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Framed>,
    bytes: usize,
    dropped: u64,
    is_closed: bool,
}

impl Queue {
    pub fn new(bytes_max: usize) -> Self {
        Queue {
            state: Mutex::default(),
            changed: Notify::new(),
            bytes_max,
        }
    }

    pub fn push(&self, framed: Framed) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        state.bytes += framed.bytes();
        state.frames.push_back(framed);
        while state.bytes > self.bytes_max {
            let Some(oldest) = state.frames.pop_front() else {
                break;
            };
            state.bytes -= oldest.bytes();
            state.dropped += 1;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing more comes; what waits is still written.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for something, then moves about `bytes` of it behind what is in `out`. False: it is closed and empty.
    pub async fn take(&self, out: &mut Vec<u8>, bytes: usize) -> bool {
        loop {
            {
                let mut state = self.state();
                while out.len() < bytes
                    && let Some(framed) = state.frames.pop_front()
                {
                    state.bytes -= framed.bytes();
                    framed.write(out);
                }
                if !out.is_empty() {
                    return true;
                }
                if state.is_closed {
                    return false;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Bytes that wait, and messages that were dropped.
    pub fn status(&self) -> (usize, u64) {
        let state = self.state();
        (state.bytes, state.dropped)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::agreement::Boot;
    use crate::ring::framing::{Found, Head, find};
    use crate::topology::MemberId;

    fn framed(sequence: u64) -> Framed {
        Framed {
            head: Head {
                origin: MemberId::from_index(1),
                boot: Boot::from_bits(1),
                sequence,
                to: None,
                hops: 1,
            },
            payload: Arc::from([0; 100].as_slice()),
        }
    }

    #[test]
    fn the_oldest_is_dropped_and_counted_when_too_much_waits() {
        let each = framed(0).bytes();
        let queue = Queue::new(3 * each + 1);
        for sequence in 0..5 {
            queue.push(framed(sequence));
        }
        assert_eq!(queue.status(), (3 * each, 2));
        queue.close();
        queue.push(framed(9));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let mut out = Vec::new();
        runtime.expect("a runtime can be made").block_on(async {
            assert!(queue.take(&mut out, 10 * each).await);
            assert!(!queue.take(&mut Vec::new(), 1).await);
        });
        let mut rest = &out[..];
        let mut sequences = Vec::new();
        while let Found::Message(head, _, used) = find(rest) {
            sequences.push(head.sequence);
            rest = &rest[used..];
        }
        assert_eq!(sequences, [2, 3, 4]);
    }
}
