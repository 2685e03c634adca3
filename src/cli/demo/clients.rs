//! Mail clients of the demo's users: they log in through any director, stay a while, and come back when kicked.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::backend::{LOGIN, WELCOME};
use super::login::{LoginProcess, Placed};
use super::observe::Observed;
use super::tally::{Reason, Tally};
use crate::world::{Address, Clock, Network, RealWorld, Stream, World, deadline, select, sleep};

/// A backend that does not answer in this time does not answer.
const WELCOME_MAX: Duration = Duration::from_secs(5);
/// Between two attempts.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(300));
/// Between a session and the next.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(600));

/// How long a client stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    /// At least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

/// What one client needs.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The outside.
    pub world: RealWorld,
    /// Whose it is.
    pub user: String,
    /// Which of the user's.
    pub number: u16,
    /// How long it stays.
    pub stay: Stay,
    /// The login processes of all directors.
    pub logins: Vec<LoginProcess>,
    /// What the directors say of themselves.
    pub observed: Observed,
    /// Where it is counted.
    pub tally: Tally,
}

impl Client {
    /// Logs in and out for ever.
    pub async fn live(self) {
        loop {
            self.pause(PAUSE).await;
            self.tally
                .trying(&self.user, self.number, self.world.clock().now());
            while let Err(reason) = self.session().await {
                self.tally.refused(reason);
                self.pause(RETRY).await;
            }
        }
    }

    /// One session, from the login on; an error when it never began.
    async fn session(&self) -> Result<(), Reason> {
        let chosen = self.below(self.logins.len() as u64) as usize;
        let login = &self.logins[chosen];
        let placed = login.log_in(&self.user).await;
        let mut placed =
            placed.map_err(|refused| Reason::of(refused, self.observed.is_serving(login.director())))?;
        // However it ends, the connection to the backend ends before the session does.
        let began = self.proxied(login, &mut placed).await;
        if began { Ok(()) } else { Err(Reason::Closed) }
    }

    /// The session behind the login process; whether it began.
    async fn proxied(&self, login: &LoginProcess, placed: &mut Placed) -> bool {
        let clock = self.world.clock();
        let (backend, refresh) = (Address::Tcp(placed.backend), placed.refresh);
        let until = clock.now().plus(WELCOME_MAX);
        let opened = select! {
            _kicked = &mut placed.kicked => return false,
            opened = deadline(clock, until, open(&self.world, &backend, &self.user)) => opened,
        };
        let Ok(Ok((mut lines, _writing))) = opened else {
            return false;
        };
        self.tally.logged_in(&self.user, self.number, clock.now());
        let over = clock.now().plus(self.between(self.stay.least, self.stay.most));
        loop {
            let notify_at = clock.now().plus(refresh);
            select! {
                _kicked = &mut placed.kicked => return true,
                () = clock.sleep_until(over) => return true,
                _line = lines.next_line() => return true,
                () = clock.sleep_until(notify_at) => login.notify(&self.user),
            }
        }
    }

    async fn pause(&self, (least, most): (Duration, Duration)) {
        sleep(self.world.clock(), self.between(least, most)).await;
    }

    fn between(&self, least: Duration, most: Duration) -> Duration {
        let millis = most.saturating_sub(least).as_millis() as u64;
        least + Duration::from_millis(self.below(millis + 1))
    }

    fn below(&self, limit: u64) -> u64 {
        self.world.entropy() % limit.max(1)
    }
}

type Opened<R, W> = (tokio::io::Lines<BufReader<R>>, W);

async fn open(
    world: &RealWorld,
    backend: &Address,
    user: &str,
) -> io::Result<Opened<impl tokio::io::AsyncRead + Unpin, impl tokio::io::AsyncWrite + Unpin>> {
    let stream = world.network().connect(backend, None).await?;
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let _greeting = lines.next_line().await?;
    writing.write_all(format!("{LOGIN}{user}\n").as_bytes()).await?;
    let welcome = lines.next_line().await?;
    if welcome.as_deref() == Some(WELCOME.trim_end()) {
        Ok((lines, writing))
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
