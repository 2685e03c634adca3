//! What a running member is told from outside: that it is to end, or to hand over.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::stay::Asked;
use crate::daemon::{ControlAnswer, Ended, Node};
use crate::world::select;

/// What a member is told from outside.
pub(super) struct Signals {
    pub ends: [Signal; 2],
    upgrades: Signal,
    asked: Receiver<oneshot::Sender<ControlAnswer>>,
}

/// What comes next.
pub(super) enum Next {
    Ended(Ended),
    Upgrade(Asked),
}

impl Signals {
    /// Those of this process, and upgrades that are asked for otherwise.
    pub fn listen(asked: Receiver<oneshot::Sender<ControlAnswer>>) -> Result<Self, Failure> {
        Ok(Signals {
            ends: [
                listen_to(SignalKind::terminate())?,
                listen_to(SignalKind::interrupt())?,
            ],
            upgrades: listen_to(SignalKind::user_defined2())?,
            asked,
        })
    }

    pub async fn next(&mut self, node: &mut Node) -> Next {
        let asked = async {
            match self.asked.recv().await {
                Some(asked) => asked,
                None => std::future::pending().await,
            }
        };
        select! {
            ended = node.ended() => Next::Ended(ended),
            () = told_to_end(&mut self.ends) => Next::Ended(Ended::Stopped),
            asked = asked => Next::Upgrade(Some(asked)),
            _signal = self.upgrades.recv() => Next::Upgrade(None),
        }
    }
}

/// Waits until this process is told to end, once more.
pub(super) async fn told_to_end([terminated, interrupted]: &mut [Signal; 2]) {
    select! {
        _signal = terminated.recv() => {}
        _signal = interrupted.recv() => {}
    }
}

pub(super) fn listen_to(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Start(error.to_string()))
}
