//! A mail program that logs in at a director's own proxy, and says something now and then.

use std::io;
use std::time::Duration;

use maildirector::world::{Address, Network, Stream, World, sleep};
use tokio::io::AsyncWriteExt;

use super::Wanted;
use super::lines::Lines;
use crate::dice::Dice;
use crate::truth::{Outcome, Truth, Who};
use crate::world::{SimWorld, true_time};

/// Where proxies of its own listen: for users of the default tag, and of the second one. Below the ports that the simulated
/// system gives away, for a connection from such a port to itself is an error of its own there.
pub const PORTS: [u16; 2] = [143, 144];
/// Between two commands of a session.
const SAYS_MS_MAX: u64 = 200;

/// One session, from the login to its end, whatever ends it.
pub async fn visit(world: SimWorld, truth: Truth, wanted: Wanted, dice: Dice) {
    // What the other side closes is closed.
    let _ = talk(&world, &truth, wanted, dice).await;
    truth.ended(wanted.login, Outcome::Closed, true_time());
}

async fn talk(world: &SimWorld, truth: &Truth, wanted: Wanted, mut dice: Dice) -> io::Result<()> {
    let Who { user, is_second_tag } = wanted.who;
    let port = PORTS[usize::from(is_second_tag)];
    let proxy = Address::Tcp(([127, 0, 0, 1], port).into());
    let stream = world.network().connect(&proxy, None).await?;
    let (reading, mut writing) = stream.into_split();
    let mut lines = Lines::new(reading);
    lines.next().await?;
    writing
        .write_all(format!("a LOGIN user{user} secret\r\n").as_bytes())
        .await?;
    let answer = loop {
        let line = lines.next().await?;
        if let Some(answer) = line.strip_prefix("a ") {
            break answer.to_owned();
        }
    };
    let backend = answer
        .strip_prefix("OK ")
        .and_then(|at| at.trim_end().parse().ok());
    let outcome = backend.map_or(Outcome::Refused, Outcome::Routed);
    truth.ended(wanted.login, outcome, true_time());
    let mut left = wanted.session;
    while backend.is_some() && !left.is_zero() {
        let pause = Duration::from_millis(dice.range(1, SAYS_MS_MAX)).min(left);
        sleep(world.clock(), pause).await;
        left -= pause;
        writing.write_all(b"b NOOP\r\n").await?;
        while !lines.next().await?.starts_with("b ") {}
    }
    writing.write_all(b"c LOGOUT\r\n").await?;
    lines.next().await.map(drop)
}
