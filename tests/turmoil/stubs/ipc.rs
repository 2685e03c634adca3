//! The `ipc` service of Dovecot 2.3: kicks what the login processes of its host proxy.

use std::io;
use std::time::Duration;

use maildirector::world::{Address, Listen, Listener, Network, Stream, World, sleep};
use tokio::io::AsyncWriteExt;

use super::BASE;
use super::lines::Lines;
use crate::dice::Dice;
use crate::truth::Truth;
use crate::world::SimWorld;

type SimStream = <<SimWorld as World>::Network as Network>::Stream;

/// The service of one host.
#[derive(Clone)]
struct Ipc {
    world: SimWorld,
    truth: Truth,
    member: usize,
    kick_ms_max: u64,
}

/// Serves `ipc` for ever; a command takes up to `kick_ms_max`.
pub async fn serve_ipc(world: SimWorld, truth: Truth, member: usize, kick_ms_max: u64, mut dice: Dice) {
    let listen = Listen {
        address: Address::Unix(format!("{BASE}/ipc").into()),
        mode: 0o600,
        owner: None,
        group: None,
    };
    let listener = world.network().bind(&listen).await.expect("nobody else listens");
    let ipc = Ipc {
        world: world.clone(),
        truth,
        member,
        kick_ms_max,
    };
    while let Ok((stream, _)) = listener.accept().await {
        let (ipc, dice) = (ipc.clone(), dice.split());
        world
            .spawn("ipc", async move {
                // Whatever ends the conversation, the client makes another.
                let _ = ipc.converse(stream, dice).await;
            })
            .detach();
    }
}

impl Ipc {
    async fn converse(self, stream: SimStream, mut dice: Dice) -> io::Result<()> {
        let (reading, mut writing) = stream.into_split();
        let mut lines = Lines::new(reading);
        loop {
            let line = lines.next().await?;
            sleep(
                self.world.clock(),
                Duration::from_millis(dice.below(self.kick_ms_max + 1)),
            )
            .await;
            let answer = self.answer(&line);
            writing.write_all(answer.as_bytes()).await?;
        }
    }

    fn answer(&self, line: &str) -> String {
        let fields: Vec<&str> = line.split('\t').collect();
        let here = self.member;
        let ended = match fields.as_slice() {
            ["proxy", "*", "KICK-DIRECTOR-HASH", hash] => {
                let hash: Option<u32> = hash.parse().ok();
                self.truth
                    .end_all(|session| session.member == here && Some(session.hash) == hash)
            }
            ["proxy", "*", "KICK-HOST", hosts @ ..] => {
                let hosts: Vec<_> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
                self.truth
                    .end_all(|session| session.member == here && hosts.contains(&session.backend))
            }
            ["proxy", "*", "KICK-ALT", ..] => 0,
            _ => return "-Unknown command\n".to_owned(),
        };
        self.truth.facts().kicked += ended;
        format!("+{ended}\n")
    }
}
