//! A backend: takes sessions over TCP and writes in the ledger who is there from the first byte to the last.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::ledger::Ledger;
use super::mailbox;
use super::serve::serve_all;
use crate::world::{Listen, RealWorld, Stream, Task, World, sleep};

/// What the backend says first, as an IMAP server does: it is what the directors' probes wait for.
const GREETING: &str = "* OK demo\r\n";
/// What a proxy says then, before the user's name.
pub(super) const LOGIN: &str = "LOGIN ";
/// What the backend answers.
pub(super) const WELCOME: &str = "OK\n";

/// A login by IMAP counts so much later.
const SETTLE: Duration = Duration::from_millis(50);
/// How often a silent backend looks whether it still is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The backends that accept connections and say nothing; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent {
    backends: Arc<Mutex<BTreeSet<u16>>>,
}

impl Silent {
    /// From now on, or no more.
    pub fn set(&self, backend: u16, is_silent: bool) {
        let mut backends = self.lock();
        if is_silent {
            backends.insert(backend);
        } else {
            backends.remove(&backend);
        }
    }

    async fn wait(&self, world: &RealWorld, backend: u16) {
        while self.lock().contains(&backend) {
            sleep(world.clock(), LOOK_EVERY).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a backend.
pub(super) async fn open_backend(
    world: &RealWorld,
    (ledger, silent): (Ledger, Silent),
    number: u16,
    listen: SocketAddr,
) -> io::Result<Task> {
    let own = world.clone();
    serve_all(world, Listen::tcp(listen), move |client| {
        let (own, ledger, silent) = (own.clone(), ledger.clone(), silent.clone());
        async move {
            silent.wait(&own, number).await;
            // How a session ends makes no difference.
            let _ = serve(&own, client, &ledger, number).await;
        }
    })
    .await
}

async fn serve(world: &RealWorld, client: impl Stream, ledger: &Ledger, backend: u16) -> io::Result<()> {
    let (reading, mut writing) = client.into_split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(GREETING.as_bytes()).await?;
    let Some(line) = lines.next_line().await? else {
        return Ok(());
    };
    let Some(user) = line.strip_prefix(LOGIN) else {
        let begins = async |user: &str| {
            // Sessions of his that were closed elsewhere are seen to be closed by then.
            sleep(world.clock(), SETTLE).await;
            Open::new(ledger, user, backend)
        };
        return mailbox::serve(line, &mut lines, &mut writing, backend, begins).await;
    };
    let _open = Open::new(ledger, user, backend);
    writing.write_all(WELCOME.as_bytes()).await?;
    while lines.next_line().await?.is_some() {}
    Ok(())
}

/// An open session in the ledger, until it is dropped.
struct Open<'a> {
    ledger: &'a Ledger,
    user: String,
    backend: u16,
}

impl<'a> Open<'a> {
    fn new(ledger: &'a Ledger, user: &str, backend: u16) -> Self {
        ledger.begin(user, backend);
        Open {
            ledger,
            user: user.to_owned(),
            backend,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.ledger.end(&self.user, self.backend);
    }
}
