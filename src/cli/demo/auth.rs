//! An auth server that lets everybody in and sends all to the proxy, as a passdb with `proxy` and without `host` does.

use std::fmt::Write;
use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::serve::serve_all;
use crate::world::{Listen, RealWorld, Stream, Task};

/// Its socket, relative to Dovecot's base_dir.
const SOCKET: &str = "auth-login";

/// What it says first.
const GREETING: &str =
    "VERSION\t1\t2\nMECH\tEXTERNAL\nSPID\t1\nCUID\t1\nCOOKIE\t00000000000000000000000000000000\nDONE\n";

/// Opens it beside one director. `port` is that of the backends.
pub(super) async fn open_auth(world: &RealWorld, base: &Path, port: u16) -> io::Result<Task> {
    let listen = Listen::unix(base.join(SOCKET), 0o600);
    serve_all(world, listen, move |client| async move {
        // A client that hangs up is not missed.
        let _ = serve(client, port).await;
    })
    .await
}

async fn serve(client: impl Stream, port: u16) -> io::Result<()> {
    let (reading, mut writing) = client.into_split();
    writing.write_all(GREETING.as_bytes()).await?;
    let mut lines = BufReader::new(reading).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(answer) = answer(&line, port) {
            writing.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// The answer to a line; none to those of the handshake.
fn answer(line: &str, port: u16) -> Option<String> {
    let mut fields = line.strip_prefix("AUTH\t")?.split('\t');
    let id = fields.next()?;
    let user = fields.find_map(|field| field.strip_prefix("cert_username="));
    let mut answer = String::new();
    match user {
        None => writeln!(answer, "FAIL\t{id}\tcode=invalid_base64"),
        Some(user) => writeln!(answer, "OK\t{id}\tuser={user}\tproxy\tport={port}\tpass=demo"),
    }
    .expect("text grows without fail");
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_has_a_name_is_sent_to_the_proxy() {
        let line = "AUTH\t7\tEXTERNAL\tservice=imap\tcert_username=user17\tresp=";
        assert_eq!(
            answer(line, 143).as_deref(),
            Some("OK\t7\tuser=user17\tproxy\tport=143\tpass=demo\n")
        );
        assert_eq!(answer("CPID\t17", 143), None);
    }
}
