//! The socket or the program of the hook, within its time.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::order::shown;
use super::{FlushAnswer, FlushOrder};
use crate::config::FlushHook;
use crate::world::{Address, Clock, Network, Stream, World, deadline};

/// More than so many bytes of an answer are not read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// The hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushSettings {
    /// Whom to tell.
    pub hook: FlushHook,
    /// How long it may take.
    pub wait: Duration,
}

/// Why the hook did not do its work, or nobody knows whether it did.
#[derive(Debug)]
#[non_exhaustive]
pub enum FlushError {
    /// It could not be reached, or started.
    Unreachable {
        /// Whom.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// It says so; with what it wrote.
    Failed(String),
    /// Its answer ended without a result.
    Cut,
    /// It took too long and was left, a program killed.
    Late {
        /// So long was waited.
        waited: Duration,
    },
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlushError::Unreachable { what, error } => write!(f, "{what}: {error}"),
            FlushError::Failed(text) => write!(f, "it failed; {text}"),
            FlushError::Cut => f.write_str("its answer ended without + or - on the last line"),
            FlushError::Late { waited } => write!(f, "it took longer than {waited:?}"),
        }
    }
}

impl std::error::Error for FlushError {}

/// Tells the hook of one user, and waits until it is done.
///
/// # Errors
/// It failed, can't be reached or takes too long.
pub async fn flush<W: World>(
    world: &W,
    settings: &FlushSettings,
    order: &FlushOrder,
) -> Result<(), FlushError> {
    let until = world.clock().now().plus(settings.wait);
    let told = async {
        match &settings.hook {
            FlushHook::Unix(path) => {
                let path = order.expand(path);
                tell(world, &Address::Unix(path.into()), order).await
            }
            FlushHook::Tcp { host, port } => {
                let host = order.expand(host);
                let address = resolve(world, &host, *port).await?;
                tell(world, &Address::Tcp(address), order).await
            }
            FlushHook::Program { path, arguments } => run(path, arguments, order).await,
        }
    };
    let waited = settings.wait;
    deadline(world.clock(), until, told)
        .await
        .unwrap_or(Err(FlushError::Late { waited }))
}

async fn resolve<W: World>(world: &W, host: &str, port: u16) -> Result<SocketAddr, FlushError> {
    let unreachable = |error| FlushError::Unreachable {
        what: format!("the address of {host}"),
        error,
    };
    let addresses = world.network().resolve(host).await.map_err(unreachable)?;
    match addresses.first() {
        Some(ip) => Ok(SocketAddr::new(*ip, port)),
        None => Err(unreachable(io::ErrorKind::NotFound.into())),
    }
}

async fn tell<W: World>(world: &W, server: &Address, order: &FlushOrder) -> Result<(), FlushError> {
    let unreachable = |error| FlushError::Unreachable {
        what: server.to_string(),
        error,
    };
    let connected = world.network().connect(server, None).await;
    let (reading, mut writing) = connected.map_err(unreachable)?.into_split();
    writing.write_all(&order.request()).await.map_err(unreachable)?;
    // No more comes: that tells the server to begin.
    writing.shutdown().await.map_err(unreachable)?;
    let answer = read(reading).await.map_err(unreachable)?;
    match FlushAnswer::of(&answer) {
        FlushAnswer::Done => Ok(()),
        FlushAnswer::Failed(text) => Err(FlushError::Failed(text)),
        FlushAnswer::Cut => Err(FlushError::Cut),
    }
}

/// Dropping this kills the program.
async fn run(path: &Path, arguments: &[String], order: &FlushOrder) -> Result<(), FlushError> {
    let unreachable = |error| FlushError::Unreachable {
        what: path.display().to_string(),
        error,
    };
    let mut command = Command::new(path);
    command
        .args(arguments.iter().map(|argument| order.expand(argument)))
        .args(order.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(unreachable)?;
    let said = match child.stdout.take() {
        Some(stdout) => read(stdout).await.map_err(unreachable)?,
        None => Vec::new(),
    };
    let status = child.wait().await.map_err(unreachable)?;
    if status.success() {
        return Ok(());
    }
    Err(FlushError::Failed(format!("{status}; {}", shown(&said))))
}

async fn read(from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    from.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}
