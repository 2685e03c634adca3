//! Dovecot's `ipc` service beside one director, which passes kicks to the login processes and answers when these have.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::login::LoginProcess;
use super::serve::serve_all;
use super::tally::Tally;
use crate::world::{Listen, RealWorld, Stream, Task};

/// Its socket, relative to Dovecot's base_dir.
const SOCKET: &str = "ipc";

/// Opens it.
pub(super) async fn open_ipc(
    world: &RealWorld,
    base: &Path,
    logins: LoginProcess,
    tally: Tally,
) -> io::Result<Task> {
    let listen = Listen::unix(base.join(SOCKET), 0o600);
    serve_all(world, listen, move |client| {
        let (logins, tally) = (logins.clone(), tally.clone());
        async move {
            // A client that hangs up is not missed.
            let _ = serve(client, &logins, &tally).await;
        }
    })
    .await
}

async fn serve(client: impl Stream, logins: &LoginProcess, tally: &Tally) -> io::Result<()> {
    let (reading, mut writing) = client.into_split();
    let mut lines = BufReader::new(reading).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match Meant::read(&line) {
            None => "-Unknown command\n".to_owned(),
            Some(meant) => {
                let kicked = logins
                    .kick(|session| match &meant {
                        Meant::User(hash) => session.hash == *hash,
                        Meant::Backends(backends) => backends.contains(&session.backend),
                        Meant::Nobody => false,
                    })
                    .await;
                tally.kicked(kicked);
                format!("+{kicked}\n")
            }
        };
        writing.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Whose sessions a command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    /// Those of everybody with this hash.
    User(u32),
    /// Those on these backends.
    Backends(Vec<IpAddr>),
    /// Those with fields that none has here.
    Nobody,
}

impl Meant {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("proxy\t*\t")?.split('\t');
        match fields.next()? {
            "KICK-DIRECTOR-HASH" => fields.next()?.parse().ok().map(Meant::User),
            "KICK-HOST" => {
                let backends = fields.map(str::parse).collect::<Result<_, _>>();
                backends.ok().map(Meant::Backends)
            }
            "KICK-ALT" => Some(Meant::Nobody),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kicks_of_a_director_are_read() {
        assert_eq!(
            Meant::read("proxy\t*\tKICK-DIRECTOR-HASH\t17"),
            Some(Meant::User(17))
        );
        assert_eq!(
            Meant::read("proxy\t*\tKICK-ALT\tuser_director_hash\t17"),
            Some(Meant::Nobody)
        );
        let backends = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().expect("an address"));
        assert_eq!(
            Meant::read("proxy\t*\tKICK-HOST\t10.0.0.1\t10.0.0.2"),
            Some(Meant::Backends(backends.to_vec()))
        );
        assert_eq!(Meant::read("proxy\t*\tLIST-FULL"), None);
    }
}
