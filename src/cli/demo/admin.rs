//! Commands through a director's admin socket, in the words that `doveadm director` uses.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::world::{Address, Clock, Network, RealWorld, Stream, World, deadline};

/// The door, relative to Dovecot's base_dir.
const SOCKET: &str = "director-admin";
const GREETING: &str = "VERSION\tdirector-doveadm\t1\t0";
/// A director answers within 35 s, one way or the other.
const ANSWERS_MAX: Duration = Duration::from_secs(80);

/// Has the director beside `base` carry out these commands one after the other; why it did not.
pub(super) async fn command(world: &RealWorld, base: &Path, commands: &[String]) -> Result<(), String> {
    let until = world.clock().now().plus(ANSWERS_MAX);
    match deadline(world.clock(), until, say(world, base, commands)).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => Err(error.to_string()),
        Err(timed_out) => Err(timed_out.to_string()),
    }
}

async fn say(world: &RealWorld, base: &Path, commands: &[String]) -> io::Result<Result<(), String>> {
    let socket = Address::Unix(base.join(SOCKET));
    let (reading, mut writing) = world.network().connect(&socket, None).await?.into_split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(format!("{GREETING}\n").as_bytes()).await?;
    lines.next_line().await?;
    for command in commands {
        writing.write_all(format!("{command}\n").as_bytes()).await?;
        match lines.next_line().await?.as_deref() {
            Some("OK") => {}
            Some(other) => return Ok(Err(other.to_owned())),
            None => return Ok(Err("the director hung up".to_owned())),
        }
    }
    Ok(Ok(()))
}
