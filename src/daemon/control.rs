//! The socket by which commands of this machine ask a running member to do something: one question, one answer, both a
//! line of JSON.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tracing::warn;

use super::control_talk::{ControlAnswer, ControlRequest};
use super::desk::CoreDesk;
use super::drain;
use super::reload::Reloads;
use super::who;
use crate::world::{Address, Clock, Instant, Listen, Listener, Network, Task, World, deadline, sleep};

/// The socket's name in the state folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The longest question, in bytes.
const QUESTION_BYTES_MAX: usize = 4_096;
/// How long whoever asks may take to say what.
const QUESTION_MAX: Duration = Duration::from_secs(5);
/// How long whoever asks may take to read the answer.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Where upgrades are asked for.
#[derive(Clone, Debug)]
pub struct Upgrades(Sender<oneshot::Sender<ControlAnswer>>);

impl Upgrades {
    /// And where they are heard of, one at a time.
    pub fn channel() -> (Self, Receiver<oneshot::Sender<ControlAnswer>>) {
        let (asking, asked) = channel(1);
        (Upgrades(asking), asked)
    }

    async fn ask(&self) -> ControlAnswer {
        let (reply, answer) = oneshot::channel();
        if self.0.try_send(reply).is_err() {
            return ControlAnswer::refused("an upgrade is under way already");
        }
        let stopped = || ControlAnswer::refused("the member has stopped meanwhile");
        answer.await.unwrap_or_else(|_| stopped())
    }
}

/// Takes questions, one after the other, until the run is over. Whoever can open the socket is an admin, so only the
/// process's own user can. Ends when another process is the member.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_control<W: World>(
    world: W,
    desk: CoreDesk,
    (reloads, upgrades): (Reloads, Upgrades),
    at: Address,
) -> io::Result<Task> {
    let listen = Listen {
        address: at,
        mode: 0o600,
        owner: None,
        group: None,
    };
    let listener = world.network().bind(&listen).await?;
    let clock = world.clock().clone();
    Ok(world.spawn("control", async move {
        loop {
            let mut stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    let at = &listen.address;
                    warn!("{at}: cannot accept: {error}; tried again in a second");
                    sleep(&clock, Duration::from_secs(1)).await;
                    continue;
                }
            };
            let until = clock.now().plus(QUESTION_MAX);
            let question = question(&clock, until, &mut stream).await;
            let is_upgrade = matches!(question, Ok(ControlRequest::Upgrade));
            let answer = match question {
                Ok(ControlRequest::Upgrade) => upgrades.ask().await,
                Ok(ControlRequest::Reload) => reloads.ask().await,
                Ok(ControlRequest::Drain {
                    ip,
                    deadline_s,
                    per_second,
                }) => {
                    let deadline = Duration::from_secs(deadline_s);
                    drain::drain(&desk, ip, deadline, per_second, clock.unix_seconds()).await
                }
                Ok(ControlRequest::CancelDrain { ip }) => drain::cancel(&desk, ip).await,
                Ok(ControlRequest::Who) => who::who(&desk).await,
                Ok(ControlRequest::Kick { user }) => who::kick(&desk, &user),
                Err(why) => ControlAnswer::refused(why),
            };
            let bytes = serde_json::to_vec(&answer).unwrap_or_default();
            let until = clock.now().plus(WRITE_MAX);
            // Whoever asked may have gone.
            let _ = deadline(&clock, until, async {
                stream.write_all(&bytes).await?;
                stream.shutdown().await
            })
            .await;
            if is_upgrade && answer.is_done {
                return;
            }
        }
    }))
}

async fn question<C: Clock>(
    clock: &C,
    until: Instant,
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<ControlRequest, String> {
    let mut bytes = Vec::with_capacity(QUESTION_BYTES_MAX);
    let reading = async {
        while !bytes.contains(&b'\n') && bytes.len() < QUESTION_BYTES_MAX {
            if stream.read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        Ok::<(), io::Error>(())
    };
    match deadline(clock, until, reading).await {
        Ok(Ok(())) => serde_json::from_slice(&bytes).map_err(|error| format!("this is no question: {error}")),
        Ok(Err(error)) => Err(format!("the question could not be read: {error}")),
        Err(_) => Err(format!("no question within {} s", QUESTION_MAX.as_secs())),
    }
}
