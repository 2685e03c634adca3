//! The admin door: greets, takes one line at a time, and answers each before it reads the next.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tracing::info;

use super::counts::{Counts, LastCount};
use super::everywhere::Everywhere;
use super::office::Admin;
use super::reply::line;
use super::request::COMMAND_BYTES_MAX;
use super::{Plan, Request, Who, Whom, rows};
use crate::config::MemberSpec;
use crate::dovecot::answers::Shared;
use crate::dovecot::broken::{Broken, write_all};
use crate::dovecot::door::{Door, StreamOf, open};
use crate::dovecot::{Counters, Desk};
use crate::world::{Clock, Listen, Stream, World, deadline};

/// What both sides say first, but for the minor version.
const GREETING: &str = "VERSION\tdirector-doveadm\t1\t";

/// How long a client may take to say so.
const GREETING_MAX: Duration = Duration::from_secs(30);

/// Moves that are decided together; a director takes no more changes in one command.
const MOVES_MAX: usize = 10_000;

/// What is read at a time: so many moves fit that were sent without waiting for answers.
const READ_BYTES: usize = 256 << 10;

/// How long a client may say nothing between two commands.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// An admin door.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where admins connect. Whoever can is an admin.
    pub listen: Listen,
    /// The members, with their addresses.
    pub members: Arc<[MemberSpec]>,
    /// Connections at a time.
    pub connections_max: usize,
}

/// Opens an admin door.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_admin<W: World, D: Desk>(world: W, desk: D, settings: AdminSettings) -> io::Result<Door> {
    let counters = Arc::new(Counters::default());
    let admin = Arc::new(Admin {
        shared: Shared {
            world: world.clone(),
            desk,
            counters: counters.clone(),
            door: settings.listen.address.clone(),
        },
        members: settings.members,
        last_count: LastCount::default(),
    });
    let serve = move |client: StreamOf<W>| {
        let admin = admin.clone();
        async move {
            let pid = client.peer_pid();
            let (reading, writing) = client.into_split();
            let conversation = Conversation {
                admin: &admin,
                lines: Lines::new(reading),
                writing,
                is_gone: false,
                pid,
            };
            let ended = conversation.run().await;
            admin.shared.ended(ended);
        }
    };
    open(world, &settings.listen, settings.connections_max, counters, serve).await
}

struct Conversation<'a, W, D, R, T> {
    admin: &'a Admin<W, D>,
    lines: Lines<R>,
    writing: T,
    /// The client does not hear us any more.
    is_gone: bool,
    pid: Option<i32>,
}

impl<W, D, R, T> Conversation<'_, W, D, R, T>
where
    W: World,
    D: Desk,
    R: AsyncRead + Unpin,
    T: AsyncWrite + Unpin,
{
    async fn run(mut self) -> Result<(), Broken> {
        self.say(format!("{GREETING}0\n").as_bytes()).await?;
        let stranger = Broken::Stranger { wanted: GREETING };
        match self.next_line(GREETING_MAX).await {
            Some(Next::Line(line)) if is_greeting(&line) => {}
            Some(Next::End(ended)) => return ended,
            None | Some(Next::Line(_) | Next::TooLong) => return Err(stranger),
        }
        loop {
            let line = match self.next_line(IDLE_MAX).await {
                Some(Next::Line(line)) => line,
                Some(Next::End(ended)) => return ended,
                Some(Next::TooLong) => {
                    let text = format!("the line is longer than {COMMAND_BYTES_MAX} bytes\n");
                    return self.say(text.as_bytes()).await.map(|_| ());
                }
                None => return Ok(()),
            };
            let goes_on = match Request::parse(&line) {
                // Whoever left without waiting for answers wants his orders carried out all the same, as poolmon does.
                Ok(request) if self.is_gone && !request.is_change() => true,
                Ok(request @ Request::UserMove { .. }) => self.serve_moves(request, line).await?,
                Ok(request) => self.serve(request, &line).await?,
                Err(error) => self.say(line_of(&error).as_bytes()).await?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Answers one request; false when the conversation is over.
    async fn serve(&mut self, request: Request, line: &[u8]) -> Result<bool, Broken> {
        let desk = &self.admin.shared.desk;
        let user = who(&request).map(|who| Whom::of(&who, |name| desk.key(name)));
        let mut site = self.admin.site();
        let is_change = request.is_change();
        // A director that has stopped answers nothing: to close says more than an answer that looks complete.
        let Some(planned) = self.admin.plan(&request, user, &site).await? else {
            return Ok(false);
        };
        let planned = match planned {
            Plan::AskOthers(hashes) => {
                let mut elsewhere = Vec::new();
                for hash in hashes {
                    let Some(held) = Everywhere::of_hash(self.admin, hash).await? else {
                        return Ok(false);
                    };
                    elsewhere.extend(held);
                }
                site.elsewhere = Some(elsewhere);
                let Some(planned) = self.admin.plan(&request, user, &site).await? else {
                    return Ok(false);
                };
                planned
            }
            planned => planned,
        };
        let answer = match planned {
            Plan::Say(answer) => answer,
            Plan::ListHosts => match self.hosts().await? {
                Some(answer) => answer,
                None => return Ok(false),
            },
            Plan::ListUsers(backend) => return self.list_users(backend).await,
            Plan::Change(changes) => self.admin.command(changes).await.into_bytes(),
            Plan::FlushSlowly {
                users,
                at_a_time,
                then,
            } => self
                .admin
                .flush_slowly(&users, at_a_time, then)
                .await?
                .into_bytes(),
            Plan::Kick(whose) => {
                desk.kick(whose);
                b"OK\n".to_vec()
            }
            // Nobody is asked twice; the director stopped meanwhile.
            Plan::AskOthers(_) => return Ok(false),
        };
        if is_change {
            self.log(line, &answer);
        }
        self.say(&answer).await
    }

    /// Answers a move and those that the client has sent behind it without waiting: one round decides them all, or
    /// each has one of its own when one of them is refused.
    async fn serve_moves(&mut self, first: Request, line: Vec<u8>) -> Result<bool, Broken> {
        let mut moves = vec![(first, line)];
        while moves.len() < MOVES_MAX
            && let Some(next) = self.lines.next_if(as_move)
        {
            moves.push(next);
        }
        if let [(request, line)] = &moves[..] {
            return self.serve(request.clone(), line).await;
        }
        let site = self.admin.site();
        let (mut answers, mut changes) = (Vec::with_capacity(moves.len()), Vec::new());
        for (request, _) in &moves {
            let desk = &self.admin.shared.desk;
            let user = who(request).map(|who| Whom::of(&who, |name| desk.key(name)));
            match self.admin.plan(request, user, &site).await? {
                Some(Plan::Say(answer)) => answers.push(Some(answer)),
                Some(Plan::Change(wanted)) => {
                    answers.push(None);
                    changes.push(wanted);
                }
                // The director has stopped; a move is nothing else.
                _ => return Ok(false),
            }
        }
        let mut decided = self.admin.command_all(changes).await.into_iter();
        let mut said = Vec::new();
        for ((_, line), answer) in moves.iter().zip(answers) {
            let answer = answer.or_else(|| decided.next()).unwrap_or_default();
            self.log(line, &answer);
            said.extend(answer);
        }
        self.say(&said).await
    }

    /// The backends with the users that all directors hold there; `None` when the director has stopped.
    async fn hosts(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let looked = self.admin.read(|director, now| {
            let counts = director.holds().count_by_backend();
            let own: Counts = counts.map(|(backend, count)| (backend, count.into())).collect();
            let is_alone = director.directors_heard(now).is_empty();
            (director.topology().clone(), is_alone.then_some(own))
        });
        let Some((topology, own)) = looked.await? else {
            return Ok(None);
        };
        let counts = match own {
            Some(own) => Some(Arc::new(own)),
            None => Everywhere::count(self.admin).await?,
        };
        Ok(counts.map(|counts| rows::hosts(&topology, &counts)))
    }

    async fn list_users(&mut self, backend: Option<IpAddr>) -> Result<bool, Broken> {
        let unix_now_s = self.admin.shared.world.clock().unix_seconds();
        let mut walk = Everywhere::new(self.admin, 0, u32::MAX);
        while walk.has_more() {
            let Some(page) = walk.page().await? else {
                return Ok(false);
            };
            self.say(&rows::users(&page, unix_now_s, backend)).await?;
            if self.is_gone {
                return Ok(true);
            }
        }
        self.say(b"\n").await
    }

    async fn next_line(&mut self, within: Duration) -> Option<Next> {
        let clock = self.admin.shared.world.clock();
        let until = clock.now().plus(within);
        deadline(clock, until, self.lines.next()).await.ok()
    }

    /// Says it to a client that is still there; true, since what he said before he left is still to be heard.
    async fn say(&mut self, bytes: &[u8]) -> Result<bool, Broken> {
        if !self.is_gone {
            let clock = self.admin.shared.world.clock();
            self.is_gone = !write_all(clock, "admin", &mut self.writing, bytes).await?;
        }
        Ok(true)
    }

    /// Who changed what is worth a line each time.
    fn log(&self, command: &[u8], answer: &[u8]) {
        let [command, answer] =
            [command, answer].map(|bytes| String::from_utf8_lossy(bytes.trim_ascii_end()));
        let pid = self.pid.unwrap_or(0);
        info!(pid, "admin: {}: {answer}", command.escape_debug());
    }
}

fn who(request: &Request) -> Option<Who> {
    match request {
        Request::UserLookup { who, .. } | Request::UserMove { who, .. } => Some(who.clone()),
        // Here a number is a name.
        Request::UserKick { name } => Some(Who::Name(name.clone())),
        _ => None,
    }
}

fn as_move(line: &[u8]) -> Option<(Request, Vec<u8>)> {
    match Request::parse(line) {
        Ok(request @ Request::UserMove { .. }) => Some((request, line.to_vec())),
        _ => None,
    }
}

fn line_of(error: &super::RequestError) -> String {
    line(&error.to_string())
}

fn is_greeting(line: &[u8]) -> bool {
    let minor = line.strip_prefix(GREETING.as_bytes()).map(<[u8]>::trim_ascii_end);
    minor.is_some_and(|minor| !minor.is_empty() && minor.iter().all(u8::is_ascii_digit))
}

/// What comes next from a client.
enum Next {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A line that is too long; nothing behind it is read.
    TooLong,
    /// Nothing more, by the client's will or a broken socket.
    End(Result<(), Broken>),
}

/// The lines of a client, whatever portions they come in.
struct Lines<R> {
    reading: R,
    bytes: Vec<u8>,
    /// Where in them the next line begins.
    at: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(reading: R) -> Self {
        Lines {
            reading,
            bytes: Vec::new(),
            at: 0,
        }
    }

    /// Nothing is lost when the wait for it is given up.
    async fn next(&mut self) -> Next {
        loop {
            if let Some(line) = self.next_if(|line| Some(line.to_vec())) {
                return Next::Line(line);
            }
            if self.bytes.len() - self.at > COMMAND_BYTES_MAX {
                return Next::TooLong;
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            self.bytes.reserve(READ_BYTES);
            match self.reading.read_buf(&mut self.bytes).await {
                Ok(0) => return Next::End(Ok(())),
                Ok(_) => {}
                Err(error) => return Next::End(Broken::from_socket(error)),
            }
        }
    }

    /// The next line, if it is there already and wanted.
    fn next_if<T>(&mut self, wanted: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let rest = &self.bytes[self.at..];
        let end = memchr(b'\n', rest).filter(|end| *end <= COMMAND_BYTES_MAX)?;
        let found = wanted(&rest[..end])?;
        self.at += end + 1;
        Some(found)
    }
}
