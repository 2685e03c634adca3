//! A backend that speaks as much IMAP as a proxy's login and its clients need, and says where it is.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncWriteExt, split};
use turmoil::net::{TcpListener, TcpStream};

use super::lines::Lines;

/// Its port.
pub const PORT: u16 = 143;

/// Serves for ever.
///
/// # Errors
/// The simulated host can't listen.
pub async fn serve_imap(ip: IpAddr) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        #[expect(clippy::disallowed_methods, reason = "a backend is no process of ours")]
        drop(tokio::task::spawn_local(async move {
            // Whatever ends it, the client makes another.
            let _ = serve(stream, ip).await;
        }));
    }
}

async fn serve(stream: TcpStream, ip: IpAddr) -> io::Result<()> {
    let (reading, mut writing) = split(stream);
    let mut lines = Lines::new(reading);
    writing
        .write_all(b"* OK [CAPABILITY IMAP4rev1 ID] ready\r\n")
        .await?;
    loop {
        let line = lines.next().await?;
        let mut words = line.trim_end().split(' ');
        let tag = words.next().unwrap_or("*");
        let answer = match words.next() {
            Some("LOGIN") => format!("{tag} OK {ip}\r\n"),
            Some("LOGOUT") => format!("* BYE\r\n{tag} OK\r\n"),
            _ => format!("{tag} OK\r\n"),
        };
        writing.write_all(answer.as_bytes()).await?;
    }
}
