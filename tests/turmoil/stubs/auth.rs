//! An auth server that knows everybody: `resp=` is the user's name, and behind a `#` the tag.

use std::io;
use std::time::Duration;

use maildirector::world::{Listen, Listener, Network, Stream, World, sleep};
use tokio::io::AsyncWriteExt;

use super::BASE;
use super::lines::Lines;
use crate::dice::Dice;
use crate::world::SimWorld;

const GREETING: &str = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t14720\nCUID\t1\n\
    COOKIE\t21b6cdaf1f3340cda186d9c0024d48d9\nDONE\n";
const THINKS_MS_MAX: u64 = 20;

type SimStream = <<SimWorld as World>::Network as Network>::Stream;

/// Serves `auth-login` for ever.
pub async fn serve_auth(world: SimWorld, mut dice: Dice) {
    let listen = Listen::unix(format!("{BASE}/auth-login"), 0o600);
    let listener = world.network().bind(&listen).await.expect("nobody else listens");
    while let Ok((stream, _)) = listener.accept().await {
        let (clock, dice) = (world.clock().clone(), dice.split());
        world
            .spawn("auth", async move {
                // Whatever ends the conversation, the client makes another.
                let _ = converse(&clock, stream, dice).await;
            })
            .detach();
    }
}

async fn converse(clock: &<SimWorld as World>::Clock, stream: SimStream, mut dice: Dice) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    writing.write_all(GREETING.as_bytes()).await?;
    let mut lines = Lines::new(reading);
    loop {
        let line = lines.next().await?;
        let mut fields = line.split('\t');
        if fields.next() != Some("AUTH") {
            continue;
        }
        let id = fields.next().unwrap_or("0");
        let who = fields.find_map(|field| field.strip_prefix("resp=")).unwrap_or("");
        let (name, tag) = who.split_once('#').unwrap_or((who, ""));
        let tag = if tag.is_empty() {
            String::new()
        } else {
            format!("\tdirector_tag={tag}")
        };
        sleep(clock, Duration::from_millis(dice.below(THINKS_MS_MAX))).await;
        let answer = format!("OK\t{id}\tuser={name}\tproxy\tpass=secret{tag}\n");
        writing.write_all(answer.as_bytes()).await?;
    }
}
