//! The `ipc` service of Dovecot 2.3: kicks what the login processes of its host proxy.

use std::io;
use std::time::Duration;

use maildirector::world::{Listen, Listener, Network, Stream, World, sleep};
use tokio::io::AsyncWriteExt;

use super::BASE;
use super::lines::Lines;
use crate::dice::Dice;
use crate::truth::Truth;
use crate::world::SimWorld;

type SimStream = <<SimWorld as World>::Network as Network>::Stream;

/// The service of one host.
#[derive(Clone)]
pub struct Ipc {
    pub world: SimWorld,
    pub truth: Truth,
    pub member: usize,
    /// How long a command takes at most.
    pub kick_ms_max: u64,
    /// It says so, but kicks nobody.
    pub lies: bool,
}

impl Ipc {
    /// Serves for ever.
    pub async fn serve(self, mut dice: Dice) {
        let listen = Listen::unix(format!("{BASE}/ipc"), 0o600);
        let listener = self
            .world
            .network()
            .bind(&listen)
            .await
            .expect("nobody else listens");
        while let Ok((stream, _)) = listener.accept().await {
            let (ipc, dice) = (self.clone(), dice.split());
            let conversation = async move {
                // Whatever ends it, the client makes another.
                let _ = ipc.converse(stream, dice).await;
            };
            self.world.spawn("ipc", conversation).detach();
        }
    }

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
        if self.lies {
            return "+1\n".to_owned();
        }
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
