//! Keeps asking Dovecot's kick service until every kick is done.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::lines::{ANSWER_BYTES_MAX, KickBy, Said};
use super::queue::{Kick, KickDone, Queue};
use crate::dovecot::Processes;
use crate::dovecot::answers::at;
use crate::world::{Address, Clock, Network, Task, World, deadline, select, sleep};

/// Kicks that are not done; further ones are refused.
pub const KICKS_MAX: usize = 1_000_000;

/// How long the service may take to accept and greet.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// How long it may take for the commands sent at once: each is answered by every login process.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// The first and the longest pause before trying again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How kicks are carried out.
#[derive(Clone, Debug)]
pub struct KickSettings {
    /// By which service; none when nothing can be kicked: then every kick is done at once.
    pub by: Option<KickBy>,
    /// Its socket.
    pub service: Address,
    /// `director_user_kick_delay`: how long an answer may be on its way to a login process.
    pub delay: Duration,
    /// The login processes that may have sessions. When all have ended and the service is gone with them, kicks are
    /// done.
    pub processes: Processes,
}

/// What kicks count.
#[derive(Debug, Default)]
pub struct KickCounters {
    waiting: AtomicUsize,
    done: AtomicU64,
    errors: AtomicU64,
    failures: AtomicU64,
}

/// Too many kicks are not done; this one was not begun. The service has been away for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyKicks;

impl fmt::Display for TooManyKicks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KICKS_MAX} kicks wait already, which is the limit")
    }
}

impl std::error::Error for TooManyKicks {}

/// The way to the task that kicks. Dropping it ends the task.
#[derive(Debug)]
#[must_use = "kicking ends when this is dropped"]
pub struct Kicks {
    to_task: UnboundedSender<Kick>,
    counters: Arc<KickCounters>,
    _task: Task,
}

impl Kicks {
    /// Begins a kick; its token comes back when it is done. One whose token is under way is not begun again.
    ///
    /// # Errors
    /// Too many are not done; nothing was begun.
    pub fn kick(&self, kick: Kick) -> Result<(), TooManyKicks> {
        if self.counters.waiting() >= KICKS_MAX {
            return Err(TooManyKicks);
        }
        self.counters.waiting.fetch_add(1, Ordering::Relaxed);
        // The task ends only with this.
        let _ = self.to_task.send(kick);
        Ok(())
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<KickCounters> {
        &self.counters
    }
}

impl KickCounters {
    /// Kicks that are not done.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Kicks that are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Commands that were answered with an error; they are repeated.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// How often the service could not be reached or did not answer.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// Starts kicking; what is done is told to `done`.
pub fn start_kicks<W: World>(world: W, settings: KickSettings, done: UnboundedSender<KickDone>) -> Kicks {
    let (to_task, kicks) = unbounded_channel();
    let counters = Arc::new(KickCounters::default());
    let kicker = Kicker {
        world: world.clone(),
        counters: counters.clone(),
        to_daemon: done,
        back_off: BACK_OFF.0,
        is_failing: false,
    };
    let task = match settings.by {
        None => world.spawn("kicks", kicker.kick_nobody(kicks)),
        Some(by) => {
            let queue = Queue::new(by, settings.delay);
            world.spawn("kicks", kicker.run(settings, by, queue, kicks))
        }
    };
    Kicks {
        to_task,
        counters,
        _task: task,
    }
}

struct Kicker<W> {
    world: W,
    counters: Arc<KickCounters>,
    to_daemon: UnboundedSender<KickDone>,
    back_off: Duration,
    is_failing: bool,
}

/// A connection to the service, greeted.
struct Connection<S> {
    stream: S,
    by: KickBy,
    bytes: Vec<u8>,
}

impl<W: World> Kicker<W> {
    async fn kick_nobody(self, mut kicks: UnboundedReceiver<Kick>) {
        while let Some(Kick::User { token, .. } | Kick::All { token, .. }) = kicks.recv().await {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            self.tell(&mut vec![KickDone { token }]);
        }
    }

    async fn run(
        mut self,
        settings: KickSettings,
        by: KickBy,
        mut queue: Queue,
        mut kicks: UnboundedReceiver<Kick>,
    ) {
        loop {
            let clock = self.world.clock();
            select! {
                kick = kicks.recv() => match kick {
                    Some(kick) => self.take(kick, &mut queue, &mut kicks),
                    None => return,
                },
                () = at(clock, queue.next_wakeup()) => {
                    match self.work(&settings, by, &mut queue, &mut kicks).await {
                        Ok(()) => self.recovered(&settings.service),
                        Err(error) => self.failed(&settings, &mut queue, &error).await,
                    }
                }
            }
        }
    }

    /// Takes a kick and all others that have arrived.
    fn take(&self, first: Kick, queue: &mut Queue, kicks: &mut UnboundedReceiver<Kick>) {
        let mut next = Some(first);
        while let Some(kick) = next {
            queue.push(kick);
            next = kicks.try_recv().ok();
        }
        // Kicks that were under way already are counted once.
        self.counters
            .waiting
            .store(queue.len() + kicks.len(), Ordering::Relaxed);
    }

    /// Kicks by one connection until nothing is due.
    async fn work(
        &self,
        settings: &KickSettings,
        by: KickBy,
        queue: &mut Queue,
        kicks: &mut UnboundedReceiver<Kick>,
    ) -> io::Result<()> {
        let clock = self.world.clock();
        let until = clock.now().plus(CONNECT_MAX);
        let connecting = connect(self.world.network(), &settings.service, by);
        let mut connection = deadline(clock, until, connecting).await??;
        let mut commands = Vec::new();
        let mut done = Vec::new();
        while queue.next_wakeup().is_some_and(|due| due <= clock.now()) {
            commands.clear();
            let count = queue.round(clock.now(), &mut commands);
            let until = clock.now().plus(ROUND_MAX);
            let answers = deadline(clock, until, connection.ask(&commands, count)).await??;
            self.count_errors(&settings.service, &answers);
            queue.answered(clock.now(), &answers, &mut done);
            self.tell(&mut done);
            if let Ok(kick) = kicks.try_recv() {
                self.take(kick, queue, kicks);
            }
            self.counters
                .waiting
                .store(queue.len() + kicks.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn count_errors(&self, service: &Address, answers: &[Said]) {
        let mut errors = answers.iter().filter_map(|said| match said {
            Said::Error(why) => Some(why),
            _ => None,
        });
        if let Some(why) = errors.next() {
            let others = errors.count();
            self.counters
                .errors
                .fetch_add(1 + others as u64, Ordering::Relaxed);
            warn!(
                others,
                "{service}: a kick was refused and will be repeated: {why:?}"
            );
        }
    }

    fn tell(&self, done: &mut Vec<KickDone>) {
        self.counters.done.fetch_add(done.len() as u64, Ordering::Relaxed);
        for done in done.drain(..) {
            // A daemon that is ending wants to know nothing.
            let _ = self.to_daemon.send(done);
        }
    }

    fn recovered(&mut self, service: &Address) {
        self.back_off = BACK_OFF.0;
        if std::mem::take(&mut self.is_failing) {
            info!("{service}: kicks are answered again");
        }
    }

    async fn failed(&mut self, settings: &KickSettings, queue: &mut Queue, error: &io::Error) {
        queue.failed();
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let service = &settings.service;
        let is_gone = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        );
        if is_gone && settings.processes.have_ended() {
            let mut done = Vec::new();
            queue.nobody_left(&mut done);
            info!(
                kicks = done.len(),
                "{service}: gone, and all login processes too: nobody is left to kick"
            );
            self.counters.waiting.store(0, Ordering::Relaxed);
            self.tell(&mut done);
            return;
        }
        if !std::mem::replace(&mut self.is_failing, true) || self.back_off >= BACK_OFF.1 {
            let waiting = queue.len();
            warn!("{service}: {waiting} kicks wait, users may stay connected meanwhile: {error}");
        }
        sleep(self.world.clock(), self.back_off).await;
        self.back_off = (2 * self.back_off).min(BACK_OFF.1);
    }
}

/// Connects and greets.
async fn connect<N: Network>(
    network: &N,
    service: &Address,
    by: KickBy,
) -> io::Result<Connection<N::Stream>> {
    let mut stream = network.connect(service, None).await?;
    stream.write_all(by.greeting()).await?;
    let mut connection = Connection {
        stream,
        by,
        bytes: Vec::new(),
    };
    if let Some(greeting) = by.greets_with() {
        let line = connection.line().await?;
        if !line.starts_with(greeting.as_bytes()) {
            return Err(nonsense(by, &line));
        }
    }
    Ok(connection)
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Connection<S> {
    /// Sends commands and collects their answers.
    async fn ask(&mut self, commands: &[u8], count: usize) -> io::Result<Vec<Said>> {
        let mut answers = Vec::with_capacity(count);
        self.stream.write_all(commands).await?;
        while answers.len() < count {
            let line = self.line().await?;
            match self.by.read(&line) {
                None => {}
                Some(Said::Nonsense) => return Err(nonsense(self.by, &line)),
                Some(said) => answers.push(said),
            }
        }
        Ok(answers)
    }

    /// The next line, without its LF.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = memchr(b'\n', &self.bytes) {
                let rest = self.bytes.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.pop();
                return Ok(line);
            }
            if self.bytes.len() > ANSWER_BYTES_MAX {
                let why = format!("an answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it closed the connection",
                ));
            }
        }
    }
}

fn nonsense(by: KickBy, line: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
    let why = format!("{shown:?} is no answer of {by}");
    io::Error::new(io::ErrorKind::InvalidData, why)
}
