//! Dovecot's login processes beside one director: one connection to `login/director`, and the sessions that came of it.
//!
//! As in Dovecot, sessions are the login process's: they go on when the director dies, and end when it is told to kick
//! them. A session counts from the moment in which its answer was read, before there is a connection to the backend.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::topology::HashFormat;
use crate::world::{Address, Clock, Network, RealWorld, Stream, World, deadline, select, sleep};

/// The doors, relative to Dovecot's base_dir.
const LOGIN: &str = "login/director";
const NOTIFY: &str = "login/proxy-notify";
/// After a connection to the director that failed or ended.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);
/// How long a client waits for the answer to one login before it hangs up.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How often a kick looks whether the sessions have ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Why a login was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refused {
    /// The login process has no connection to its director.
    DirectorAway,
    /// The director answered with a temporary failure.
    TemporaryFailure,
    /// Nobody answered in time.
    Silence,
}

/// The login processes beside one director; clones share them.
#[derive(Clone, Debug)]
pub(super) struct LoginProcess {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    director: u16,
    world: RealWorld,
    base: PathBuf,
    format: HashFormat,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    to_director: Option<UnboundedSender<String>>,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    sessions: BTreeMap<u64, Session>,
}

#[derive(Debug)]
struct Waiting {
    user: String,
    answer: oneshot::Sender<Result<Placed, Refused>>,
}

/// What a kick needs to know of a session.
#[derive(Debug)]
pub(super) struct Session {
    /// Dovecot's hash of the user's name.
    pub hash: u32,
    /// The backend.
    pub backend: IpAddr,
    kick: Option<oneshot::Sender<()>>,
}

/// A session that was let in. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Placed {
    /// Where to.
    pub backend: SocketAddr,
    /// How often the director wants to hear that it goes on.
    pub refresh: Duration,
    /// Told when it must end.
    pub kicked: oneshot::Receiver<()>,
    id: u64,
    process: LoginProcess,
}

impl LoginProcess {
    /// Beside this director; connected once [`LoginProcess::run`] runs.
    pub fn new(world: RealWorld, director: u16, base: &Path, format: HashFormat) -> Self {
        LoginProcess {
            shared: Arc::new(Shared {
                director,
                world,
                base: base.to_path_buf(),
                format,
                state: Mutex::default(),
            }),
        }
    }

    /// Which director it asks.
    pub fn director(&self) -> u16 {
        self.shared.director
    }

    /// Keeps a connection to the director for ever.
    pub async fn run(self) {
        loop {
            // Why it ended makes no difference: what waits is told that the director is away.
            let _ = self.talk().await;
            {
                let mut state = self.state();
                state.to_director = None;
                state.waiting.clear();
            }
            sleep(self.shared.world.clock(), RECONNECT_AFTER).await;
        }
    }

    /// Asks the director for a user's backend.
    pub async fn log_in(&self, user: &str) -> Result<Placed, Refused> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut state = self.state();
            let id = state.next;
            state.next += 1;
            let Some(to_director) = &state.to_director else {
                return Err(Refused::DirectorAway);
            };
            let session = format!("demo{id}");
            let line = format!(
                "AUTH\t{id}\tEXTERNAL\tservice=imap\tsecured=tls\tvalid-client-cert\tsession={session}\t\
                 cert_username={user}\tresp=\n"
            );
            if to_director.send(line).is_err() {
                return Err(Refused::DirectorAway);
            }
            let user = user.to_owned();
            state.waiting.insert(id, Waiting { user, answer });
            id
        };
        let clock = self.shared.world.clock();
        let until = clock.now().plus(ANSWER_MAX);
        match deadline(clock, until, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refused::DirectorAway),
            Err(_) => {
                // An answer that comes later finds nobody.
                self.state().waiting.remove(&id);
                Err(Refused::Silence)
            }
        }
    }

    /// Tells the director that a user's session goes on.
    pub fn notify(&self, user: &str) {
        // Without a director nobody reads, and Dovecot drops what it can't write.
        let opened = pipe::OpenOptions::new().open_sender(self.shared.base.join(NOTIFY));
        if let Ok(pipe) = opened {
            let _ = pipe.try_write(format!("{user}\n").as_bytes());
        }
    }

    /// Ends the sessions that are meant; how many, once they have ended.
    pub async fn kick(&self, is_meant: impl Fn(&Session) -> bool) -> usize {
        let meant: Vec<u64> = {
            let mut state = self.state();
            let meant = state.sessions.iter_mut().filter(|(_, session)| is_meant(session));
            meant
                .map(|(id, session)| {
                    // One that was kicked before is ending already.
                    if let Some(kick) = session.kick.take() {
                        let _ = kick.send(());
                    }
                    *id
                })
                .collect()
        };
        while meant.iter().any(|id| self.state().sessions.contains_key(id)) {
            sleep(self.shared.world.clock(), LOOK_EVERY).await;
        }
        meant.len()
    }

    async fn talk(&self) -> io::Result<()> {
        let socket = Address::Unix(self.shared.base.join(LOGIN));
        let stream = self.shared.world.network().connect(&socket, None).await?;
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        writing.write_all(b"VERSION\t1\t2\nCPID\t1\n").await?;
        while let Some(line) = lines.next_line().await? {
            if line == "DONE" {
                break;
            }
        }
        let (to_director, mut requests) = unbounded_channel::<String>();
        self.state().to_director = Some(to_director);
        loop {
            select! {
                line = lines.next_line() => match line? {
                    Some(line) => self.answered(&line),
                    None => return Ok(()),
                },
                request = requests.recv() => match request {
                    Some(request) => writing.write_all(request.as_bytes()).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn answered(&self, line: &str) {
        let Some((id, answer)) = read_answer(line) else {
            return;
        };
        let mut state = self.state();
        let Some(waiting) = state.waiting.remove(&id) else {
            return;
        };
        let answer = answer.map(|answer| {
            let (kick, kicked) = oneshot::channel();
            let session = Session {
                hash: self.shared.format.key(&waiting.user).hash(),
                backend: answer.backend.ip(),
                kick: Some(kick),
            };
            state.sessions.insert(id, session);
            Placed {
                backend: answer.backend,
                refresh: answer.refresh,
                kicked,
                id,
                process: self.clone(),
            }
        });
        drop(state);
        // Whoever asked may have hung up: then the session ends here.
        let _ = waiting.answer.send(answer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        self.process.state().sessions.remove(&self.id);
    }
}

/// Where a login goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    backend: SocketAddr,
    refresh: Duration,
}

/// The number of a login and what became of it; `None` for other lines.
fn read_answer(line: &str) -> Option<(u64, Result<Answer, Refused>)> {
    let mut fields = line.split('\t');
    let command = fields.next()?;
    let id = fields.next()?.parse().ok()?;
    match command {
        "FAIL" => Some((id, Err(Refused::TemporaryFailure))),
        "OK" => {
            let fields: BTreeMap<&str, &str> = fields.filter_map(|field| field.split_once('=')).collect();
            let ip: IpAddr = fields.get("host")?.parse().ok()?;
            let port = fields.get("port")?.parse().ok()?;
            let refresh = fields.get("proxy_refresh")?.parse().ok()?;
            let answer = Answer {
                backend: SocketAddr::new(ip, port),
                refresh: Duration::from_secs(refresh),
            };
            Some((id, Ok(answer)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_a_director_are_read() {
        let answer = Answer {
            backend: "127.64.1.11:10143".parse().expect("an address"),
            refresh: Duration::from_secs(5),
        };
        assert_eq!(
            read_answer("OK\t7\tuser=u\tproxy\tport=10143\tpass=demo\tproxy_refresh=5\thost=127.64.1.11"),
            Some((7, Ok(answer)))
        );
        assert_eq!(
            read_answer("FAIL\t8\tcode=temp_fail"),
            Some((8, Err(Refused::TemporaryFailure)))
        );
        assert_eq!(read_answer("SPID\t17"), None);
        assert_eq!(read_answer("OK\t7\tuser=u"), None);
    }
}
