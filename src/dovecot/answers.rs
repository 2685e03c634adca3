//! The direction in which lines are completed: read, ask the desk, write.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{debug, warn};

use super::broken::{Broken, write_all_within};
use super::{Answer, Answered, Completer, Counters, Desk, Replies, Rule, Taken, WaitLimits};
use crate::world::{Address, Clock, Instant, World, deadline, select};

/// The desk gives batches back at once; after so long its process is in a bad way.
const DESK_SILENCE_MAX: Duration = Duration::from_secs(10);

/// What is written at once keeps its buffer up to this size, in bytes.
const OUT_BYTES_KEPT: usize = 256 << 10;

/// What a door's connections share.
#[derive(Clone, Debug)]
pub(super) struct Shared<W, D> {
    pub world: W,
    pub desk: D,
    pub counters: Arc<Counters>,
    /// Where the door is, for the log.
    pub door: Address,
}

/// The lines of one connection on their way to whoever asked.
#[derive(Debug)]
pub(super) struct Answers<W, D> {
    shared: Shared<W, D>,
    completer: Completer,
    answer_age: Duration,
    from_desk: UnboundedReceiver<Answered>,
    out: Vec<u8>,
    /// Until when the answers in `out` are sure to be true.
    out_within: Option<Instant>,
    /// Told once, when the first line was completed.
    on_first_lookup: Option<OnFirstLookup>,
}

/// Which process to remember once it has been told of a backend.
#[derive(Debug)]
pub(super) struct OnFirstLookup {
    pub processes: super::Processes,
    pub pid: Option<i32>,
}

impl<W: World, D: Desk> Shared<W, D> {
    /// Logs and counts the end of a connection.
    pub(super) fn ended(&self, ended: Result<(), Broken>) {
        match ended {
            Ok(()) => debug!("{}: connection closed", self.door),
            Err(broken) => {
                self.counters.broken();
                self.warn(&format!("connection dropped: {broken}"));
            }
        }
    }

    pub(super) fn warn(&self, what: &str) {
        if let Some(left_out) = self.counters.connections().may_log(self.world.clock().now()) {
            warn!(left_out, "{}: {what}", self.door);
        }
    }
}

impl<W: World, D: Desk> Answers<W, D> {
    pub(super) fn new(shared: Shared<W, D>, rule: Rule, limits: WaitLimits) -> Self {
        let (replies, from_desk) = Replies::new();
        Answers {
            shared,
            completer: Completer::new(rule, limits, replies),
            from_desk,
            out: Vec::new(),
            out_within: None,
            answer_age: limits.answer_age,
            on_first_lookup: None,
        }
    }

    /// Notes the process at the other end before the first line is completed for it.
    pub(super) fn noting(mut self, process: OnFirstLookup) -> Self {
        self.on_first_lookup = Some(process);
        self
    }

    /// Takes bytes that were read before.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.completer.room().extend(bytes);
    }

    /// Completes what comes from `reading` and writes it to `writing` until either closes.
    ///
    /// # Errors
    /// A line was too long, or a socket failed or stalled.
    pub(super) async fn run(
        mut self,
        mut reading: impl AsyncRead + Unpin,
        mut writing: impl AsyncWrite + Unpin,
    ) -> Result<(), Broken> {
        loop {
            if !self.take(&mut writing).await? || !self.write(&mut writing).await? {
                return Ok(());
            }
            let clock = self.shared.world.clock();
            let wakeup = self.completer.next_wakeup();
            let from_desk = &mut self.from_desk;
            select! {
                answered = from_desk.recv() => self.late(answered),
                read = reading.read_buf(self.completer.room()) => match read {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => return Broken::from_socket(error),
                },
                () = at(clock, wakeup) => self.completer.expire(clock.now(), &mut self.out),
            }
        }
    }

    /// Brings the lines that were read to the desk and back; false when the client has gone.
    async fn take(&mut self, writing: &mut (impl AsyncWrite + Unpin)) -> Result<bool, Broken> {
        let desk = &self.shared.desk;
        let batch = match self.completer.take_lines(|name| desk.key(name))? {
            Taken::Nothing => return Ok(true),
            Taken::Lines => {
                self.completer.pass(&mut self.out);
                return Ok(true);
            }
            Taken::Lookups(batch) => batch,
        };
        if let Some(process) = self.on_first_lookup.take() {
            process.processes.note(process.pid);
        }
        desk.ask(batch);
        let until = self.now().plus(DESK_SILENCE_MAX);
        loop {
            // Nothing waits here for the desk: what stands in `out` grows old.
            if !self.write(writing).await? {
                return Ok(false);
            }
            let clock = self.shared.world.clock();
            match deadline(clock, until, self.from_desk.recv()).await {
                Ok(Some(Answered::Batch { batch, decided })) => {
                    let (now, age) = self.aged(decided);
                    self.completer.answered(batch, age, now, &mut self.out);
                    return Ok(true);
                }
                Ok(Some(Answered::Late { id, answer, decided })) => self.late_answer(id, &answer, decided),
                Ok(None) | Err(_) => {
                    return Err(Broken::DeskSilent {
                        waited: DESK_SILENCE_MAX,
                    });
                }
            }
        }
    }

    fn late_answer(&mut self, id: u64, answer: &Answer, decided: Instant) {
        let (_, age) = self.aged(decided);
        self.completer.late(id, answer, age, &mut self.out);
    }

    /// Now, and how old an answer is that was true then and goes into `out`.
    fn aged(&mut self, decided: Instant) -> (Instant, Duration) {
        let now = self.now();
        let age = now.since(decided);
        if age <= self.answer_age {
            let within = decided.plus(self.answer_age);
            self.out_within = Some(self.out_within.map_or(within, |other| other.min(within)));
        }
        (now, age)
    }

    fn now(&self) -> Instant {
        self.shared.world.clock().now()
    }

    /// Writes what there is; false when the client has gone.
    async fn write(&mut self, writing: &mut (impl AsyncWrite + Unpin)) -> Result<bool, Broken> {
        self.count();
        let clock = self.shared.world.clock();
        let is_there = write_all_within(self.out_within, clock, "client", writing, &self.out).await?;
        if self.out.capacity() > OUT_BYTES_KEPT {
            self.out = Vec::new();
        }
        self.out.clear();
        self.out_within = None;
        Ok(is_there)
    }

    /// Writes a late answer, and all others that are there.
    fn late(&mut self, first: Option<Answered>) {
        let mut next = first;
        while let Some(answered) = next {
            match answered {
                Answered::Late { id, answer, decided } => self.late_answer(id, &answer, decided),
                Answered::Batch { .. } => debug!("{}: a batch came back twice", self.shared.door),
            }
            next = self.from_desk.try_recv().ok();
        }
    }

    fn count(&mut self) {
        let shared = &self.shared;
        let Some(failure) = shared.counters.add(self.completer.take_tally()) else {
            return;
        };
        let (user, why) = (failure.user, failure.why);
        shared.warn(&format!("user {user:?} host lookup failed: {why}"));
    }
}

/// Ends at that time, if there is one.
pub(super) async fn at<C: Clock>(clock: &C, time: Option<Instant>) {
    match time {
        Some(time) => clock.sleep_until(time).await,
        None => pending().await,
    }
}
