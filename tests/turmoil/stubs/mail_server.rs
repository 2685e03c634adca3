//! A mail server: it brings mail for several users at once to the proxies of any director, and comes again for those who have not got it.

use std::io;
use std::time::Duration;

use maildirector::world::{Address, Clock, Network, Stream, World, deadline, sleep};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::letter::{NOBODY, address_of_user, content_of, user_of_address};
use super::lines::Lines;
use crate::dice::Dice;
use crate::mails::Attempt;
use crate::settings::host;
use crate::truth::Truth;
use crate::world::{Machine, Process, SimWorld, true_time};

/// Where directors take mail.
pub const PORT: u16 = 24;
/// When it begins.
const BEGIN: Duration = Duration::from_millis(2_500);
const GAP_MS_MAX: u64 = 400;
const RECIPIENTS_MAX: u64 = 4;
/// A mail comes in so many parts, with pauses.
const PARTS_MAX: u64 = 3;
const PAUSE_MS_MAX: u64 = 250;
/// Between two attempts.
const AGAIN_MS: (u64, u64) = (100, 600);
/// Beyond what a login may wait, what everything else of an attempt may take.
const ATTEMPT_SLACK: Duration = Duration::from_secs(5);
/// What a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// What a mail server knows.
#[derive(Clone)]
pub struct MailServer {
    pub machine: Machine,
    pub truth: Truth,
    /// Directors by number.
    pub directors: Vec<usize>,
    pub users: u32,
    /// Until when it gets new mail.
    pub until: Duration,
    pub login_wait: Duration,
}

/// A mail on one of its ways.
struct Round<'a> {
    truth: &'a Truth,
    attempt: Attempt,
    recipients: Vec<String>,
}

impl MailServer {
    /// Brings mail for ever.
    ///
    /// # Errors
    /// None.
    pub async fn run(self) -> turmoil::Result {
        let process = Process::new("mx", 1);
        let world = self.machine.world(&process);
        sleep(world.clock(), BEGIN).await;
        let mut dice = self.machine.split();
        for mail in 0.. {
            if true_time() >= self.until {
                break;
            }
            let mut users = Vec::new();
            for _ in 0..1 + dice.below(RECIPIENTS_MAX) {
                let user = dice.below(u64::from(self.users)) as u32;
                if !users.contains(&user) {
                    users.push(user);
                }
            }
            self.truth.mail_comes(mail, &users);
            let bringing = self.clone().bring(world.clone(), mail, dice.split());
            process.spawn(bringing).detach();
            sleep(world.clock(), Duration::from_millis(1 + dice.below(GAP_MS_MAX))).await;
        }
        std::future::pending().await
    }

    /// Attempt after attempt, until everybody has it.
    async fn bring(self, world: SimWorld, mail: u32, mut dice: Dice) {
        let clock = world.clock();
        for number in 1.. {
            let users = self.truth.facts().mails.waiting(mail);
            if users.is_empty() {
                return;
            }
            let mut recipients: Vec<String> = users.into_iter().map(address_of_user).collect();
            if dice.once_in(4) {
                let place = dice.below(recipients.len() as u64 + 1) as usize;
                recipients.insert(place, NOBODY.to_owned());
            }
            let round = Round {
                truth: &self.truth,
                attempt: Attempt { mail, number },
                recipients,
            };
            let director = dice.pick(&self.directors);
            let until = clock.now().plus(self.login_wait + ATTEMPT_SLACK);
            // Whatever ends it, whoever has not got it gets it later.
            let _ = deadline(clock, until, round.talk(&world, director, &mut dice)).await;
            let span = Duration::from_millis(dice.range(AGAIN_MS.0, AGAIN_MS.1));
            sleep(clock, span).await;
        }
    }
}

impl Round<'_> {
    async fn talk(&self, world: &SimWorld, director: usize, dice: &mut Dice) -> io::Result<()> {
        let clock = world.clock();
        let proxy = Address::Tcp((host(director), PORT).into());
        let until = clock.now().plus(CONNECT_MAX);
        let connecting = deadline(clock, until, world.network().connect(&proxy, None)).await;
        let stream = connecting.map_err(|_| io::ErrorKind::TimedOut)??;
        let (reading, mut writing) = stream.into_split();
        let mut lines = Lines::new(reading);
        expect(reply(&mut lines).await?, 220)?;
        writing.write_all(b"LHLO mx\r\n").await?;
        expect(reply(&mut lines).await?, 250)?;
        let taken = self.tell_whom(&mut lines, &mut writing, dice).await?;
        if !taken.is_empty() {
            self.give(world, &mut lines, &mut writing, dice).await?;
            for address in taken {
                self.hear_end(&address, &reply(&mut lines).await?);
            }
        }
        writing.write_all(b"QUIT\r\n").await?;
        reply(&mut lines).await.map(drop)
    }

    /// Who of them may get it, in order.
    async fn tell_whom(
        &self,
        lines: &mut Lines<impl AsyncRead + Unpin>,
        writing: &mut (impl AsyncWrite + Unpin),
        dice: &mut Dice,
    ) -> io::Result<Vec<String>> {
        let mut commands = vec![format!("MAIL FROM:<{}@mx>\r\n", self.attempt)];
        let recipients = self.recipients.iter();
        commands.extend(recipients.map(|address| format!("RCPT TO:<{address}>\r\n")));
        let is_pipelined = dice.once_in(2);
        if is_pipelined {
            writing.write_all(commands.concat().as_bytes()).await?;
        }
        let mut taken = Vec::new();
        for (at, command) in commands.iter().enumerate() {
            if !is_pipelined {
                writing.write_all(command.as_bytes()).await?;
            }
            let reply = reply(lines).await?;
            let Some(address) = at.checked_sub(1).map(|at| &self.recipients[at]) else {
                expect(reply, 250)?;
                continue;
            };
            self.expect_for(address, &reply);
            if reply.starts_with('2') {
                taken.push(address.clone());
            }
        }
        Ok(taken)
    }

    /// The message, by DATA or by BDAT.
    async fn give(
        &self,
        world: &SimWorld,
        lines: &mut Lines<impl AsyncRead + Unpin>,
        writing: &mut (impl AsyncWrite + Unpin),
        dice: &mut Dice,
    ) -> io::Result<()> {
        let is_chunked = dice.once_in(2);
        let content = content_of(self.attempt.mail);
        let bytes = if is_chunked {
            content
        } else {
            writing.write_all(b"DATA\r\n").await?;
            expect(reply(lines).await?, 354)?;
            stuffed(&content)
        };
        let part = bytes.len().div_ceil(1 + dice.below(PARTS_MAX) as usize);
        for part in bytes.chunks(part.max(1)) {
            if is_chunked {
                let head = format!("BDAT {}\r\n", part.len());
                writing.write_all(head.as_bytes()).await?;
            }
            writing.write_all(part).await?;
            if is_chunked {
                expect(reply(lines).await?, 250)?;
            }
            sleep(world.clock(), Duration::from_millis(dice.below(PAUSE_MS_MAX))).await;
        }
        let end: &[u8] = if is_chunked { b"BDAT 0 LAST\r\n" } else { b".\r\n" };
        writing.write_all(end).await
    }

    fn hear_end(&self, address: &str, reply: &str) {
        self.expect_for(address, reply);
        if let Some(user) = user_of_address(address)
            && reply.starts_with('2')
        {
            self.truth.mail_is_acknowledged(self.attempt, user);
        }
    }

    /// Each recipient's reply is his, and only who is nobody is refused for good.
    fn expect_for(&self, address: &str, reply: &str) {
        let is_his = reply.contains(&format!(" <{address}> "));
        let is_refusal = reply.starts_with('5') && address != NOBODY;
        let is_yes = reply.starts_with('2') && address == NOBODY;
        if !is_his || is_refusal || is_yes {
            let wrong = format!("{reply:?} for {address}");
            self.truth.mail_server_is_told(self.attempt, &wrong);
        }
    }
}

/// The last line of a reply.
async fn reply(lines: &mut Lines<impl AsyncRead + Unpin>) -> io::Result<String> {
    loop {
        let line = lines.next().await?;
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line);
        }
    }
}

fn expect(reply: String, code: u16) -> io::Result<()> {
    let is_expected = reply.starts_with(&code.to_string());
    is_expected
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("{reply} instead of {code}")))
}

/// With the dots of RFC 5321, section 4.5.2.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    lines.fold(Vec::new(), |mut wire, line| {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire
    })
}
