//! Two members meet: greetings, then each says whether it agrees.
//!
//! Who accepted greets first. So a member whose certificate was not taken learns why before it has written anything
//! that the other would answer with a reset.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::event::Direction;
use super::greeting::{Agreed, END, GREETING_BYTES_MAX, Greeting, escape, shown, unescape};
use super::incoming::Incoming;
use super::refusal::Refusal;
use crate::topology::MemberId;

/// A meeting that came to nothing, and with whom if that became known.
#[derive(Debug)]
pub(super) struct Parted {
    pub peer: Option<MemberId>,
    pub why: Refusal,
}

/// Both ends of a connection.
pub(super) struct Ends<R, W> {
    pub incoming: Incoming<R>,
    pub writer: W,
}

impl From<Refusal> for Parted {
    fn from(why: Refusal) -> Self {
        Parted { peer: None, why }
    }
}

/// This side's judgement of the other, said or tried to say.
pub(super) struct Judged {
    pub verdict: Result<Agreed, Parted>,
    sent: Result<(), Refusal>,
}

/// Exchanges greetings and says what `agree` makes of the other's. Callers bound the time.
pub(super) async fn meet<R, W>(
    ends: &mut Ends<R, W>,
    mine: &Greeting,
    direction: Direction,
    agree: impl FnOnce(&Greeting) -> Result<Agreed, Refusal>,
) -> Result<Judged, Parted>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let text = mine.text();
    let first_bytes = text.find('\n').map_or(0, |end| end + 1);
    // The first line of who dials shows a port that expects TLS, or no ring at all, what this is.
    let (at_once, later) = match direction {
        Direction::Accepted => (text.as_str(), ""),
        Direction::Dialled => text.split_at(first_bytes),
    };
    ends.say(at_once).await?;
    let theirs = ends.greeting(mine.versions).await;
    let peer = theirs.as_ref().ok().map(|theirs| theirs.from);
    let verdict = match theirs {
        // Nobody is there who would understand a verdict.
        Err(why @ (Refusal::Broken { .. } | Refusal::Tls { .. } | Refusal::NotAMember { .. })) => {
            return Err(why.into());
        }
        Err(why) => Err(why),
        Ok(theirs) => agree(&theirs),
    };
    let said = match &verdict {
        Ok(agreed) => format!("{later}ok {}\n", agreed.version),
        Err(why) => format!("{later}refused {}\n", escape(&why.to_string())),
    };
    let sent = ends.say(&said).await;
    let verdict = verdict.map_err(|why| Parted { peer, why });
    Ok(Judged { verdict, sent })
}

/// What the other thinks. Its words come even when this side's could not be sent any more. After a refusal here this
/// only gives the other the time to read it.
pub(super) async fn hear<R, W>(ends: &mut Ends<R, W>, judged: &Judged) -> Result<(), Refusal>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let line = match (ends.line(GREETING_BYTES_MAX).await, &judged.sent) {
            (Ok(line), _) => line,
            (Err(_), Err(why)) => return Err(why.clone()),
            (Err(why), Ok(())) => return Err(why),
        };
        if let Some(why) = line.strip_prefix("refused ") {
            return Err(Refusal::ByOther { why: unescape(why) });
        }
        if line.starts_with("ok ") {
            return judged.sent.clone();
        }
        // The rest of a greeting that was given up after its first line.
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Ends<R, W> {
    async fn say(&mut self, text: &str) -> Result<(), Refusal> {
        let written = self.writer.write_all(text.as_bytes()).await;
        let flushed = match written {
            Ok(()) => self.writer.flush().await,
            Err(error) => Err(error),
        };
        flushed.map_err(|error| broken("it took no greeting", &error))
    }

    async fn greeting(&mut self, spoken: (u16, u16)) -> Result<Greeting, Refusal> {
        let mut lines = Vec::new();
        let mut bytes = 0;
        loop {
            let line = self.line(GREETING_BYTES_MAX - bytes).await?;
            if line == END {
                return Greeting::parse(&lines, spoken);
            }
            bytes += line.len();
            lines.push(line);
            if lines.len() == 1 {
                // A stranger or a distant release is told so by its first line: the rest may never come.
                let first = Greeting::parse(&lines, spoken);
                if let Err(why @ (Refusal::NotAMember { .. } | Refusal::Version { .. })) = first {
                    return Err(why);
                }
            }
        }
    }

    async fn line(&mut self, limit: usize) -> Result<String, Refusal> {
        loop {
            if let Some(line) = self.incoming.line() {
                return Ok(line);
            }
            let come = self.incoming.rest();
            if come.len() > limit {
                let why = format!("more than {GREETING_BYTES_MAX} bytes");
                return Err(Refusal::Malformed { why });
            }
            // A TLS record, of a greeting or of an alert, has no lines.
            if matches!(come.first(), Some(0x15 | 0x16)) {
                let said = shown("\u{16}");
                return Err(Refusal::NotAMember { said });
            }
            match self.incoming.fill().await {
                Ok(0) => {
                    let why = "it closed the connection during the greeting".to_owned();
                    return Err(Refusal::Broken { why });
                }
                Ok(_) => {}
                Err(error) => return Err(broken("it sent no greeting", &error)),
            }
        }
    }
}

fn broken(what: &str, error: &io::Error) -> Refusal {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => Refusal::Tls {
            why: format!(
                "the other side does not take this member's certificate (alert {alert:?}); see ring.certificate \
                 here and ring.ca there"
            ),
        },
        _ => Refusal::Broken {
            why: format!("{what}: {error}"),
        },
    }
}
