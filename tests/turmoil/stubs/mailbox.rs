//! A backend that takes mail by LMTP: it says who it is for, takes its time to store it, and is busy now and then.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use maildirector::world::{Listen, Listener, Network, Stream, World, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ears::{Ears, Heard};
use super::letter::{content_of, user_of_address};
use crate::dice::Dice;
use crate::mails::Attempt;
use crate::truth::Truth;
use crate::world::{Machine, Process, SimWorld};

/// Its port.
pub const PORT: u16 = 24;
/// What it takes to store a message for one.
const STORES_MS_MAX: u64 = 250;
/// One in so many recipients has to be tried again.
const BUSY_ONCE_IN: u64 = 8;

/// Serves for ever.
///
/// # Errors
/// The simulated host can't listen.
pub async fn serve_mail(ip: IpAddr, truth: Truth, machine: Machine) -> turmoil::Result {
    let process = Process::new("mailbox", 1);
    let world = machine.world(&process);
    let listen = Listen::tcp((ip, PORT).into());
    let listener = world.network().bind(&listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let delivery = Delivery {
            ip,
            truth: truth.clone(),
            world: world.clone(),
            dice: machine.split(),
            attempt: None,
            recipients: Vec::new(),
            content: Vec::new(),
        };
        let serving = async move {
            // Whatever ends it, the mail comes again.
            let _ = delivery.serve(stream).await;
        };
        process.spawn(serving).detach();
    }
}

/// A connection with its transaction.
struct Delivery {
    ip: IpAddr,
    truth: Truth,
    world: SimWorld,
    dice: Dice,
    attempt: Option<Attempt>,
    /// Addresses that were taken, with their users.
    recipients: Vec<(String, u32)>,
    content: Vec<u8>,
}

impl Delivery {
    async fn serve(mut self, stream: impl Stream) -> io::Result<()> {
        let (mut reading, mut writing) = stream.into_split();
        writing.write_all(b"220 mailbox\r\n").await?;
        let (mut ears, mut bytes) = (Ears::default(), Vec::new());
        while reading.read_buf(&mut bytes).await? > 0 {
            for heard in ears.hear(&std::mem::take(&mut bytes)) {
                match heard {
                    Heard::Line(line) => {
                        let answer = self.answer(&line);
                        writing.write_all(answer.as_bytes()).await?;
                        if line == "QUIT" {
                            return Ok(());
                        }
                    }
                    Heard::Begin => self.content.clear(),
                    Heard::Content(content) => self.content.extend(content),
                    Heard::ChunkEnd => writing.write_all(b"250 2.0.0 chunk\r\n").await?,
                    Heard::End => self.store(&mut writing).await?,
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, line: &str) -> String {
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        let path = || Some(line.split_once('<')?.1.split_once('>')?.0.to_owned());
        match verb {
            "LHLO" if self.offers_more() => {
                "250-mailbox\r\n250-CHUNKING\r\n250-XCLIENT ADDR PORT TTL SESSION\r\n250 8BITMIME\r\n"
                    .to_owned()
            }
            "LHLO" => "250-mailbox\r\n250 8BITMIME\r\n".to_owned(),
            "XCLIENT" => "220 mailbox\r\n".to_owned(),
            "MAIL" => {
                self.recipients.clear();
                self.attempt = path().and_then(|address| Attempt::of_sender(&address));
                "250 2.1.0 OK\r\n".to_owned()
            }
            "RCPT" => {
                let address = path().unwrap_or_default();
                match user_of_address(&address) {
                    Some(user) => {
                        self.recipients.push((address.clone(), user));
                        format!("250 2.1.5 <{address}> OK\r\n")
                    }
                    None => format!("550 5.1.1 <{address}> is not here\r\n"),
                }
            }
            "DATA" => "354 go\r\n".to_owned(),
            "QUIT" => "221 2.0.0 bye\r\n".to_owned(),
            _ => "500 5.5.1 what?\r\n".to_owned(),
        }
    }

    /// Every other backend.
    fn offers_more(&self) -> bool {
        matches!(self.ip, IpAddr::V4(ip) if ip.octets()[3] % 2 == 0)
    }

    /// Recipients one after the other, each with his reply (RFC 2033, section 4.2). Once it has the end, it does so whether somebody
    /// hears it or not.
    async fn store(&mut self, writing: &mut (impl tokio::io::AsyncWrite + Unpin)) -> io::Result<()> {
        let Some(attempt) = self.attempt.take() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let is_unchanged = self.content == content_of(attempt.mail);
        let mut written = Ok(());
        for (address, user) in std::mem::take(&mut self.recipients) {
            let span = Duration::from_millis(1 + self.dice.below(STORES_MS_MAX));
            sleep(self.world.clock(), span).await;
            let reply = if self.dice.once_in(BUSY_ONCE_IN) {
                format!("452 4.2.2 <{address}> is busy\r\n")
            } else {
                self.truth.stores(attempt, self.ip, user, is_unchanged);
                format!("250 2.0.0 <{address}> saved\r\n")
            };
            written = written.and(writing.write_all(reply.as_bytes()).await);
        }
        self.truth.delivery_is_answered(attempt, self.ip);
        written
    }
}
