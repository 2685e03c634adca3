//! A backend: takes sessions over TCP and writes in the ledger who is there from the first byte to the last.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::ledger::Ledger;
use super::serve::serve_all;
use crate::world::{Listen, RealWorld, Stream, Task};

/// What a proxy says first, before the user's name.
pub(super) const LOGIN: &str = "LOGIN ";
/// What the backend answers.
pub(super) const WELCOME: &str = "OK\n";

/// Opens a backend.
pub(super) async fn open_backend(
    world: &RealWorld,
    ledger: Ledger,
    number: u16,
    listen: SocketAddr,
) -> io::Result<Task> {
    serve_all(world, Listen::tcp(listen), move |client| {
        let ledger = ledger.clone();
        async move {
            // How a session ends makes no difference.
            let _ = serve(client, &ledger, number).await;
        }
    })
    .await
}

async fn serve(client: impl Stream, ledger: &Ledger, backend: u16) -> io::Result<()> {
    let (reading, mut writing) = client.into_split();
    let mut lines = BufReader::new(reading).lines();
    let Some(line) = lines.next_line().await? else {
        return Ok(());
    };
    let Some(user) = line.strip_prefix(LOGIN) else {
        return Ok(());
    };
    let _open = Open::new(ledger, user, backend);
    writing.write_all(WELCOME.as_bytes()).await?;
    while lines.next_line().await?.is_some() {}
    Ok(())
}

/// An open session in the ledger, until it is dropped.
struct Open<'a> {
    ledger: &'a Ledger,
    user: &'a str,
    backend: u16,
}

impl<'a> Open<'a> {
    fn new(ledger: &'a Ledger, user: &'a str, backend: u16) -> Self {
        ledger.begin(user, backend);
        Open {
            ledger,
            user,
            backend,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.ledger.end(self.user, self.backend);
    }
}
