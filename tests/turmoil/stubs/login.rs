//! A login process: asks at `login/director`, proxies whom it was told of, and says who is still there.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use maildirector::topology::HashFormat;
use maildirector::world::{Address, Network, Stream, World, select, sleep};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::UnboundedReceiver;

use super::BASE;
use super::lines::Lines;
use crate::dice::Dice;
use crate::trace::Trace;
use crate::truth::{Outcome, Session, Truth, Who};
use crate::world::{Machine, SimWorld, current, true_time};

type SimStream = <<SimWorld as World>::Network as Network>::Stream;

/// A client who wants in.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// His number in the truth.
    pub login: usize,
    pub who: Who,
    pub session: Duration,
}

/// A login process.
pub struct LoginProcess {
    pub world: SimWorld,
    pub machine: Machine,
    pub truth: Truth,
    pub trace: Trace,
    pub member: usize,
    pub pid: i32,
    pub dice: Dice,
    /// How long it may be busy before it reads an answer.
    pub busy_ms_max: u64,
}

/// What comes next.
enum Next {
    Line(io::Result<String>),
    Client(Option<Wanted>),
}

impl LoginProcess {
    /// Serves clients for ever.
    pub async fn run(mut self, mut clients: UnboundedReceiver<Wanted>) {
        while let Some(first) = clients.recv().await {
            let mut asked = BTreeMap::from([(1, first)]);
            if let Err(error) = self.converse(&mut asked, &mut clients).await {
                self.trace
                    .note(&current(), format!("the door is closed: {error}"));
            }
            for wanted in asked.into_values() {
                self.truth.ended(wanted.login, Outcome::Closed, true_time());
            }
            sleep(
                self.world.clock(),
                Duration::from_millis(self.dice.range(20, 200)),
            )
            .await;
        }
    }

    async fn converse(
        &mut self,
        asked: &mut BTreeMap<u64, Wanted>,
        clients: &mut UnboundedReceiver<Wanted>,
    ) -> io::Result<()> {
        let door = Address::Unix(format!("{BASE}/login/director").into());
        let stream: SimStream = self.world.network().connect(&door, None).await?;
        let (reading, mut writing) = stream.into_split();
        let mut lines = Lines::new(reading);
        let hello = format!("VERSION\t1\t2\nCPID\t{}\n", self.pid);
        writing.write_all(hello.as_bytes()).await?;
        while lines.next().await? != "DONE" {}
        let mut last = 1;
        let first = asked[&1];
        ask(&mut writing, 1, first.who).await?;
        loop {
            let next = select! {
                line = lines.next() => Next::Line(line),
                client = clients.recv() => Next::Client(client),
            };
            match next {
                Next::Line(line) => self.answered(&line?, asked),
                Next::Client(None) => return Ok(()),
                Next::Client(Some(wanted)) => {
                    last += 1;
                    asked.insert(last, wanted);
                    ask(&mut writing, last, wanted.who).await?;
                }
            }
        }
    }

    fn answered(&mut self, line: &str, asked: &mut BTreeMap<u64, Wanted>) {
        let mut fields = line.split('\t');
        let verdict = fields.next();
        let Some(wanted) = fields
            .next()
            .and_then(|id| id.parse().ok())
            .and_then(|id: u64| asked.remove(&id))
        else {
            return self.complain(line);
        };
        let (mut backend, mut refresh) = (None, None);
        for field in fields {
            if let Some(host) = field.strip_prefix("host=") {
                backend = host.parse().ok();
            }
            if let Some(seconds) = field.strip_prefix("proxy_refresh=") {
                refresh = seconds.parse().ok();
            }
        }
        match (verdict, backend, refresh) {
            (Some("OK"), Some(backend), Some(refresh)) => self.proxy(wanted, backend, refresh),
            (Some("FAIL"), None, None) => self.truth.ended(wanted.login, Outcome::Refused, true_time()),
            _ => self.complain(line),
        }
    }

    fn complain(&self, line: &str) {
        let words = format!("{}: no answer to what was asked: {line:?}", current());
        self.truth.facts().violations.push(words);
    }

    /// Connects a client with the backend that he was sent to, as soon as there is time for it.
    fn proxy(&mut self, wanted: Wanted, backend: IpAddr, refresh_s: u64) {
        self.truth
            .ended(wanted.login, Outcome::Routed(backend), true_time());
        let name = name(wanted.who.user);
        let session = Session {
            who: wanted.who,
            hash: HashFormat::default().key(&name).hash(),
            backend,
            member: self.member,
        };
        let busy = Duration::from_millis(self.dice.below(self.busy_ms_max + 1));
        let (truth, machine) = (self.truth.clone(), self.machine.clone());
        let clock = self.world.clock().clone();
        let proxying = async move {
            sleep(&clock, busy).await;
            let number = truth.open(session);
            let mut left = wanted.session;
            let refresh = Duration::from_secs(refresh_s.max(1));
            while left > refresh {
                sleep(&clock, refresh).await;
                left -= refresh;
                if !truth.is_open(number) {
                    return;
                }
                machine.write_line(Path::new(&format!("{BASE}/login/proxy-notify")), &name);
            }
            sleep(&clock, left).await;
            truth.close(number);
        };
        self.world.spawn("proxy", proxying).detach();
    }
}

/// A user's name.
fn name(user: u32) -> String {
    format!("user{user}")
}

async fn ask(writing: &mut (impl AsyncWriteExt + Unpin), id: u64, who: Who) -> io::Result<()> {
    let tag = if who.is_second_tag { "#b" } else { "" };
    let name = name(who.user);
    let line = format!("AUTH\t{id}\tPLAIN\tservice=imap\tsecured\tresp={name}{tag}\n");
    writing.write_all(line.as_bytes()).await
}
