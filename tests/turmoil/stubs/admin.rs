//! An admin with `doveadm director`.

use std::io;

use maildirector::world::{Address, Network, Stream, World};
use tokio::io::AsyncWriteExt;

use super::BASE;
use super::lines::Lines;
use crate::world::SimWorld;

const VERSION: &str = "VERSION\tdirector-doveadm\t1\t0\n";

/// Gives commands, one after the other; the answers' first lines.
///
/// # Errors
/// The director is not there, or went away before it had answered.
pub async fn command(world: SimWorld, commands: &[String]) -> io::Result<Vec<String>> {
    let door = Address::Unix(format!("{BASE}/director-admin").into());
    let stream = world.network().connect(&door, None).await?;
    let (reading, mut writing) = stream.into_split();
    let mut lines = Lines::new(reading);
    writing.write_all(VERSION.as_bytes()).await?;
    lines.next().await?;
    let mut answers = Vec::new();
    for command in commands {
        writing.write_all(format!("{command}\n").as_bytes()).await?;
        answers.push(lines.next().await?);
    }
    Ok(answers)
}

/// Whether this says what became of a command, for good. All else may or may not have been done.
pub fn is_final(answer: &io::Result<Vec<String>>) -> bool {
    let Ok(lines) = answer else { return false };
    let vain = ["not decided within", "no coordinator within", "too many "];
    lines
        .iter()
        .all(|line| !vain.iter().any(|vain| line.starts_with(vain)))
}
