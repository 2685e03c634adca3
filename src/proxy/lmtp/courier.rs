//! One backend's share of a transaction: a task of its own that holds the connection, and the permits of the recipients there.
//!
//! All that is written goes under the permits of all of them and under the gate: when one is taken back, or the gate shuts, the
//! connection is closed, and so the backend never gets the end of the message.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::arguments::Argument;
use super::back::{Back, Opened, Opening};
use super::dots::Stuffer;
use crate::proxy::channel::Channel;
use crate::proxy::entry::{READ_BYTES, Stop, StreamOf, read, write};
use crate::proxy::reception::Reception;
use crate::proxy::submission::reply::Reply;
use crate::proxy::{Admitted, Desk, Input, Origin};
use crate::world::{Clock, Instant, World, deadline, select};

/// How long a backend may take to take in a part of the message.
const PART_MAX: Duration = Duration::from_secs(60);
/// How long it may take for the replies at the end (RFC 5321, section 4.5.3.2.6).
const FINAL_REPLY_MAX: Duration = Duration::from_secs(600);
/// How long a backend that has the whole message is waited for when its user is moved meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// How long it may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// What a courier is told.
pub(super) enum Order {
    /// Somebody is to get the mail.
    Recipient {
        admitted: Admitted,
        recipient: Argument,
        reply: oneshot::Sender<Answer>,
    },
    /// The message begins.
    Begin { is_chunked: bool },
    /// A part of it.
    Content(Arc<[u8]>),
    /// Its end. Without this order, it never ends for the backend.
    End,
}

/// What came of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The backend's own words.
    Said(Reply),
    /// The director does not want it any more.
    Revoked,
    /// The backend can't be used; in words, for the log.
    Failed(String),
}

/// Why a courier stops.
enum End {
    Revoked,
    Failed(String),
    /// The backend does not want the message, in its own words.
    Refused(Reply),
    /// The client wants no more of it.
    Forgotten,
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Revoked => End::Revoked,
            Stop::Failed(why) => End::Failed(why),
        }
    }
}

/// Fields are dropped in this order: when a permit is gone, nothing can reach the backend any more.
pub(super) struct Courier<W: World, D> {
    channel: Option<Channel<StreamOf<W>>>,
    /// Of the recipients whom the backend has taken, in order.
    permits: Vec<Admitted>,
    reception: Arc<Reception<W, D>>,
    origin: Origin,
    back: Back,
    input: Input,
    /// What the backend has said to the sender, if that was a no.
    refused: Option<Reply>,
    /// What it has said to the message.
    answers: Vec<Answer>,
    /// It has the end of the message.
    is_sent: bool,
}

impl<W: World, D: Desk> Courier<W, D> {
    /// One who has not set out yet. `origin` is told by a PROXY header, if there is one.
    pub fn new(reception: Arc<Reception<W, D>>, origin: Origin, opening: Opening) -> Self {
        Courier {
            channel: None,
            permits: Vec::new(),
            reception,
            origin,
            back: Back::new(opening),
            input: Input::default(),
            refused: None,
            answers: Vec::new(),
            is_sent: false,
        }
    }

    /// Follows orders. `outcome` gets an answer for each recipient whom the backend has taken, in order.
    pub async fn run(mut self, mut orders: Receiver<Order>, outcome: oneshot::Sender<Vec<Answer>>) {
        let ended = self.serve(&mut orders).await;
        let count = self.permits.len();
        let mut answers = std::mem::take(&mut self.answers);
        let rest = match ended {
            Ok(()) => {
                // Whoever has gone hears nothing.
                let _ = outcome.send(answers);
                return self.say_goodbye().await;
            }
            Err(End::Revoked | End::Forgotten) => Answer::Revoked,
            Err(End::Failed(why)) => Answer::Failed(why),
            Err(End::Refused(reply)) => Answer::Said(reply),
        };
        // No more orders are taken, and nothing is written any more, before anybody hears of it.
        drop(orders);
        drop(self);
        answers.resize(count, rest);
        let _ = outcome.send(answers);
    }

    async fn serve(&mut self, orders: &mut Receiver<Order>) -> Result<(), End> {
        loop {
            match self.next(orders).await? {
                Order::Recipient {
                    admitted,
                    recipient,
                    reply,
                } => {
                    let answered = self.recipient(admitted, &recipient).await;
                    let (answer, ended) = match answered {
                        Ok(said) => (Answer::Said(said), Ok(())),
                        Err(End::Failed(why)) => (Answer::Failed(why.clone()), Err(End::Failed(why))),
                        Err(other) => (Answer::Revoked, Err(other)),
                    };
                    if ended.is_err() {
                        self.channel = None;
                    }
                    // Whoever has gone hears nothing.
                    let _ = reply.send(answer);
                    ended?;
                }
                Order::Begin { is_chunked } => return self.carry(is_chunked, orders).await,
                Order::Content(_) | Order::End => return Err(End::Forgotten),
            }
        }
    }

    async fn recipient(&mut self, admitted: Admitted, recipient: &Argument) -> Result<Reply, End> {
        if let Some(refused) = &self.refused {
            return Ok(refused.clone());
        }
        self.permits.push(admitted);
        let said = self.ask(recipient).await;
        // One who is not taken is none of those who are answered at the end.
        let is_taken = said.as_ref().is_ok_and(is_yes);
        if !is_taken {
            if said.is_err() {
                self.channel = None;
            }
            self.permits.pop();
        }
        said
    }

    async fn ask(&mut self, recipient: &Argument) -> Result<Reply, End> {
        let limits = &self.reception.settings.limits;
        let until = self.reception.world.clock().now().plus(limits.backend_login);
        if self.channel.is_none()
            && let Some(refused) = self.open(until).await?
        {
            self.refused = Some(refused.clone());
            return Ok(refused);
        }
        let mut out = Vec::new();
        self.back.say_recipient(recipient, &mut out);
        self.write(&out, until).await?;
        let reply = self.reply(until).await?;
        if (300..400).contains(&reply.code) {
            return Err(End::Failed(format!(
                "RCPT was answered with {}",
                reply.printable()
            )));
        }
        Ok(reply)
    }

    /// Connects and tells the sender; what the backend says to him, if that is a no.
    async fn open(&mut self, until: Instant) -> Result<Option<Reply>, End> {
        let reception = Arc::clone(&self.reception);
        let way = reception.way();
        let forgotten = || End::Failed("the connection is gone".to_owned());
        let admitted = self.permits.last().ok_or_else(forgotten)?;
        let leave = reception.leave(admitted);
        self.channel = select! {
            () = any_revoked(&self.permits) => return Err(End::Revoked),
            connected = way.connect(admitted, &self.origin, leave) => connected?,
        };
        let mut out = Vec::new();
        loop {
            let opened = self.back.open(&mut self.input, &mut out);
            self.write(&out, until).await?;
            out.clear();
            match opened {
                Opened::More => self.read(until).await?,
                Opened::StartTls => {
                    let plain = self.channel.take().ok_or_else(forgotten)?;
                    let admitted = self.permits.last().ok_or_else(forgotten)?;
                    self.channel = select! {
                        () = any_revoked(&self.permits) => return Err(End::Revoked),
                        started = way.start_tls(plain, admitted, until) => Some(started?),
                    };
                    self.back.tls_started();
                }
                Opened::Ready => return Ok(None),
                Opened::Refused(reply) => return Ok(Some(reply)),
                Opened::Failed(why) => return Err(End::Failed(why)),
            }
        }
    }

    /// Brings the message, and takes the replies.
    async fn carry(&mut self, is_chunked: bool, orders: &mut Receiver<Order>) -> Result<(), End> {
        if self.permits.is_empty() {
            return Ok(());
        }
        if is_chunked && self.back.takes_chunks() {
            self.carry_chunks(orders).await?;
        } else {
            self.carry_data(orders).await?;
        }
        let until = self.soon(FINAL_REPLY_MAX);
        while self.answers.len() < self.permits.len() {
            let reply = self.reply(until).await?;
            if !(200..300).contains(&reply.code) && reply.code < 400 {
                let why = format!("the message was answered with {}", reply.printable());
                return Err(End::Failed(why));
            }
            self.answers.push(Answer::Said(reply));
        }
        Ok(())
    }

    async fn carry_data(&mut self, orders: &mut Receiver<Order>) -> Result<(), End> {
        self.write(b"DATA\r\n", self.soon(PART_MAX)).await?;
        let reply = self.reply(self.soon(PART_MAX)).await?;
        match reply.code {
            354 => {}
            400.. => return Err(End::Refused(reply)),
            _ => {
                let why = format!("DATA was answered with {}", reply.printable());
                return Err(End::Failed(why));
            }
        }
        let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
        loop {
            out.clear();
            match self.next(orders).await? {
                Order::Content(content) => stuffer.write(&content, &mut out),
                Order::End => {
                    stuffer.end(&mut out);
                    return self.write_end(&out).await;
                }
                Order::Recipient { .. } | Order::Begin { .. } => return Err(End::Forgotten),
            }
            self.write(&out, self.soon(PART_MAX)).await?;
        }
    }

    async fn carry_chunks(&mut self, orders: &mut Receiver<Order>) -> Result<(), End> {
        loop {
            match self.next(orders).await? {
                Order::Content(content) => {
                    let head = format!("BDAT {}\r\n", content.len());
                    let chunk = [head.as_bytes(), &content].concat();
                    self.write(&chunk, self.soon(PART_MAX)).await?;
                }
                Order::End => return self.write_end(b"BDAT 0 LAST\r\n").await,
                Order::Recipient { .. } | Order::Begin { .. } => return Err(End::Forgotten),
            }
            let reply = self.reply(self.soon(PART_MAX)).await?;
            match reply.code {
                200..300 => {}
                400.. => return Err(End::Refused(reply)),
                _ => {
                    let why = format!("BDAT was answered with {}", reply.printable());
                    return Err(End::Failed(why));
                }
            }
        }
    }

    /// Once this is written the backend delivers, whatever becomes of the permits.
    async fn write_end(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.write(bytes, self.soon(PART_MAX)).await?;
        self.is_sent = true;
        Ok(())
    }

    async fn next(&mut self, orders: &mut Receiver<Order>) -> Result<Order, End> {
        select! {
            () = any_revoked(&self.permits) => Err(End::Revoked),
            order = orders.recv() => order.ok_or(End::Forgotten),
        }
    }

    async fn reply(&mut self, until: Instant) -> Result<Reply, End> {
        loop {
            if let Some(reply) = self.back.take_reply(&mut self.input).map_err(End::Failed)? {
                // It means this connection, and not the one of the client.
                if reply.code == 421 {
                    return Err(End::Failed(format!("it goes: {}", reply.printable())));
                }
                return Ok(reply);
            }
            self.read(until).await?;
        }
    }

    async fn read(&mut self, until: Instant) -> Result<(), End> {
        let clock = self.reception.world.clock();
        let channel = self.channel.as_mut();
        let channel = channel.ok_or_else(|| End::Failed("the connection is gone".to_owned()))?;
        let (permits, is_sent) = (&self.permits, self.is_sent);
        let gate = self.reception.desk.gate();
        let revoked = async {
            any_revoked(permits).await;
            if is_sent {
                // Nothing more is written. As long as the permits are held nobody is let in elsewhere while the backend
                // delivers, and who hears its answer does not send the mail again.
                clock
                    .sleep_until(clock.now().plus(ANSWER_WAIT).min(gate.until()))
                    .await;
            }
        };
        let read = select! {
            () = revoked => return Err(End::Revoked),
            read = deadline(clock, until, read(channel, &mut self.input, READ_BYTES)) => read,
        };
        match read {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(End::Failed("it closed the connection".to_owned())),
            Ok(Err(error)) => Err(Stop::broken(&error).into()),
            Err(_) => Err(End::Failed("it does not answer".to_owned())),
        }
    }

    /// Under the permits of all recipients.
    async fn write(&mut self, bytes: &[u8], until: Instant) -> Result<(), End> {
        let clock = self.reception.world.clock();
        let gate = self.reception.desk.gate();
        let channel = self.channel.as_mut();
        let channel = channel.ok_or_else(|| End::Failed("the connection is gone".to_owned()))?;
        let permits = &self.permits;
        let is_given =
            || gate.is_open(clock.now()) && !permits.iter().any(|admitted| admitted.permit.is_revoked());
        select! {
            () = any_revoked(permits) => Err(End::Revoked),
            written = write(channel, bytes, is_given, (clock, until)) => Ok(written?),
        }
    }

    /// All is answered; a backend that hears QUIT does not complain of a broken connection.
    async fn say_goodbye(mut self) {
        let until = self.soon(GOODBYE_MAX);
        if self.channel.is_some() && self.write(b"QUIT\r\n", until).await.is_ok() {
            // It closes the connection after its reply.
            while self.read(until).await.is_ok() {}
        }
        if let Some(channel) = &mut self.channel {
            let clock = self.reception.world.clock();
            let _ = deadline(clock, until, channel.shutdown()).await;
        }
    }

    fn soon(&self, span: Duration) -> Instant {
        self.reception.world.clock().now().plus(span)
    }
}

fn is_yes(reply: &Reply) -> bool {
    (200..300).contains(&reply.code)
}

/// Waits until one of the permits is taken back.
async fn any_revoked(permits: &[Admitted]) {
    let waits = permits.iter().map(|admitted| Box::pin(admitted.permit.revoked()));
    let mut waits: Vec<_> = waits.collect();
    poll_fn(|context| {
        let is_revoked = waits
            .iter_mut()
            .any(|wait| wait.as_mut().poll(context).is_ready());
        if is_revoked {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
