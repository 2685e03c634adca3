//! Postfix asks by which transport a recipient's mail goes (socketmap_table(5)), and gets his backend.
//!
//! ```text
//! Postfix   22:lmtp ann+x@example.org,        the map's name, a blank, the key
//! answer    28:OK lmtp:inet:[192.0.2.10]:24,  or NOTFOUND, or TEMP with a reason
//! ```
//!
//! Postfix asks for parts of an address, too, and for recipients elsewhere: those are not found.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;

use super::netstring::{NETSTRING_BYTES_MAX, netstring, write};
use super::reception::{Reception, StreamOf};
use super::{Desk, Query, SocketmapSettings};
use crate::world::{Clock, World, deadline};

/// Postfix keeps a connection for later questions, and opens a new one when it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// How long Postfix may take to read an answer.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// What is read at once, in bytes.
const READ_BYTES: usize = 4_096;

impl SocketmapSettings {
    /// The user whom a question means; nothing if it is for somebody else, or for no user at all.
    fn user(&self, question: &[u8]) -> Option<Box<str>> {
        let question = std::str::from_utf8(question).ok()?;
        let (_map, key) = question.split_once(' ')?;
        let (local, domain) = key.rsplit_once('@')?;
        if !self.domains.has(domain) {
            return None;
        }
        self.lmtp_user.of(local, Some(domain))
    }
}

/// Answers one connection until it is silent for too long.
pub(super) async fn serve<W: World, D: Desk>(
    reception: &Reception<W, D>,
    settings: &SocketmapSettings,
    mut stream: StreamOf<W>,
) {
    if let Err(why) = converse(reception, settings, &mut stream).await {
        reception.counters.broken();
        debug!("{}: {why}", reception.settings.listen.address);
    }
}

async fn converse<W: World, D: Desk>(
    reception: &Reception<W, D>,
    settings: &SocketmapSettings,
    stream: &mut StreamOf<W>,
) -> std::io::Result<()> {
    let clock = reception.world.clock();
    let mut input = Vec::new();
    loop {
        let until = clock.now().plus(SILENCE_MAX);
        let asked = loop {
            let found = netstring(&input).map_err(std::io::Error::other)?;
            if let Some((question, bytes)) = found {
                let asked = settings.user(question);
                input.drain(..bytes);
                break asked;
            }
            input.reserve(READ_BYTES);
            let mut limited = (&mut *stream).take((NETSTRING_BYTES_MAX + READ_BYTES - input.len()) as u64);
            if deadline(clock, until, limited.read_buf(&mut input)).await?? == 0 {
                return Ok(());
            }
        };
        let (answer, within) = match asked {
            None => ("NOTFOUND ".to_owned(), None),
            Some(user) => answer(reception, settings, &user).await,
        };
        let mut out = Vec::new();
        write(&answer, &mut out);
        let until = within.unwrap_or(clock.now().plus(WRITE_MAX));
        deadline(clock, until, stream.write_all(&out)).await??;
    }
}

/// What Postfix is told, and until when that may be said.
async fn answer<W: World, D: Desk>(
    reception: &Reception<W, D>,
    settings: &SocketmapSettings,
    user: &str,
) -> (String, Option<crate::world::Instant>) {
    let query = Query {
        user,
        tag: &settings.tag,
    };
    match reception.look_up(query).await {
        Ok(found) => {
            let (ip, port) = (found.ip, settings.port);
            let within = found.decided.plus(reception.settings.answer_age);
            (format!("OK lmtp:inet:[{ip}]:{port}"), Some(within))
        }
        Err(why) => (format!("TEMP {why}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LmtpUser, UserDomains};

    fn settings(lmtp_user: LmtpUser) -> SocketmapSettings {
        SocketmapSettings {
            domains: UserDomains::new(["example.org"]),
            lmtp_user,
            tag: "".into(),
            port: 24,
        }
    }

    #[test]
    fn a_recipient_is_a_user_of_ours_without_his_detail() {
        let whole = settings(LmtpUser::Address);
        assert_eq!(
            whole.user(b"lmtp Ann+x@Example.org").as_deref(),
            Some("ann@example.org")
        );
        let local = settings(LmtpUser::LocalPart);
        assert_eq!(local.user(b"any Ann+x@Example.org").as_deref(), Some("ann"));
    }

    #[test]
    fn other_domains_and_parts_of_addresses_are_nobody() {
        let settings = settings(LmtpUser::Address);
        for question in [
            &b"lmtp ann@example.com"[..],
            b"lmtp example.org",
            b"lmtp .example.org",
            b"lmtp @example.org",
            b"lmtp *",
            b"lmtp ",
            b"lmtp",
            b"",
            b"lmtp a\x00b@example.org",
            b"lmtp \xff@example.org",
        ] {
            assert_eq!(settings.user(question), None, "{question:?}");
        }
    }
}
