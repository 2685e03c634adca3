//! The proxy-notify door: login processes say which users they still proxy, one name a line.
//!
//! Usually a named pipe, into which every login process writes; a socket does as well. Nobody is ever answered.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};
use tracing::info;

use super::answers::Shared;
use super::broken::Broken;
use super::door::{Door, StreamOf, open};
use super::name_in_field::unescape_name;
use super::{Counters, Desk};
use crate::world::{Listen, Network, World, sleep};

/// The longest name, in bytes, with its escapes; that of Dovecot's director.
pub const NAME_LINE_BYTES_MAX: usize = 1_024;

/// What is read at once from the pipe, in bytes: all that the kernel keeps in it.
const READ_BYTES: usize = 65_536;

/// A pause before a pipe that failed is opened again.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// A proxy-notify door.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    /// Where login processes write.
    pub listen: Listen,
    /// What stands between a user's name and that of a master user, as in [`super::Rule`]. Dovecot's director does not
    /// look for it here, and lets users of master logins expire while they are connected.
    pub master_user_separator: Option<u8>,
    /// Connections at a time, of a socket.
    pub connections_max: usize,
}

/// Opens a proxy-notify socket.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_notify_socket<W: World, D: Desk>(
    world: W,
    desk: D,
    settings: NotifySettings,
) -> io::Result<Door> {
    let shared = shared(&world, desk, &settings);
    let counters = shared.counters.clone();
    let separator = settings.master_user_separator;
    let serve = move |client: StreamOf<W>| {
        let shared = shared.clone();
        async move {
            let read = read_names(&shared, client, separator).await;
            shared.ended(read.or_else(Broken::from_socket));
        }
    };
    open(world, &settings.listen, settings.connections_max, counters, serve).await
}

/// Opens a proxy-notify pipe.
///
/// # Errors
/// The pipe can't be made or opened.
pub async fn open_notify_fifo<W: World, D: Desk>(
    world: W,
    desk: D,
    settings: NotifySettings,
) -> io::Result<Door> {
    let shared = shared(&world, desk, &settings);
    let counters = shared.counters.clone();
    let address = settings.listen.address.clone();
    let mut fifo = world.network().fifo(&settings.listen).await?;
    info!("reading from the pipe {address}");
    let task = world.clone().spawn("proxy-notify", async move {
        loop {
            let why = match read_names(&shared, fifo, settings.master_user_separator).await {
                Ok(()) => "it was closed".to_owned(),
                Err(error) => error.to_string(),
            };
            shared.counters.broken();
            shared.warn(&format!("the pipe is opened again: {why}"));
            fifo = loop {
                sleep(world.clock(), REOPEN_PAUSE).await;
                match world.network().fifo(&settings.listen).await {
                    Ok(fifo) => break fifo,
                    Err(error) => shared.warn(&format!("the pipe can't be opened: {error}")),
                }
            };
        }
    });
    Ok(Door::new(address, counters, task))
}

fn shared<W: World, D: Desk>(world: &W, desk: D, settings: &NotifySettings) -> Shared<W, D> {
    Shared {
        world: world.clone(),
        desk,
        counters: Arc::new(Counters::default()),
        door: settings.listen.address.clone(),
    }
}

/// Refreshes the users named until there are no more.
async fn read_names<W: World, D: Desk>(
    shared: &Shared<W, D>,
    mut reading: impl AsyncRead + Unpin,
    separator: Option<u8>,
) -> io::Result<()> {
    let mut names = Names::new(separator);
    loop {
        if reading.read_buf(names.room()).await? == 0 {
            return Ok(());
        }
        let mut users = 0;
        let too_long = names.take(|name| {
            shared.desk.refresh(shared.desk.key(name));
            users += 1;
        });
        shared.counters.refreshed(users);
        if too_long != 0 {
            shared.warn(&format!(
                "{too_long} lines longer than {NAME_LINE_BYTES_MAX} bytes were passed over"
            ));
        }
    }
}

/// The names in what is read, bytes in any portions.
#[derive(Debug)]
pub struct Names {
    separator: Option<u8>,
    bytes: Vec<u8>,
    /// The line that is being read was too long already.
    is_passing_over: bool,
    plain: Vec<u8>,
}

impl Names {
    /// Nothing read. Names end at `separator`.
    pub fn new(separator: Option<u8>) -> Self {
        Names {
            separator,
            bytes: Vec::new(),
            is_passing_over: false,
            plain: Vec::new(),
        }
    }

    /// Where bytes are to be appended as they are read.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() - self.bytes.len() < READ_BYTES / 2 {
            self.bytes.reserve(READ_BYTES);
        }
        &mut self.bytes
    }

    /// Gives every whole line's name to `each`; how many lines were passed over as too long.
    pub fn take(&mut self, mut each: impl FnMut(&str)) -> u64 {
        let mut too_long = 0;
        let mut start = 0;
        while let Some(length) = memchr(b'\n', &self.bytes[start..]) {
            let line = &self.bytes[start..start + length];
            start += length + 1;
            let was_passing_over = std::mem::take(&mut self.is_passing_over);
            if was_passing_over || length > NAME_LINE_BYTES_MAX {
                too_long += 1;
                continue;
            }
            self.plain.clear();
            unescape_name(line, self.separator, &mut self.plain);
            each(&String::from_utf8_lossy(&self.plain));
        }
        self.bytes.drain(..start);
        if self.bytes.len() > NAME_LINE_BYTES_MAX {
            self.is_passing_over = true;
            self.bytes.clear();
        }
        too_long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(names: &mut Names, bytes: &[u8]) -> (Vec<String>, u64) {
        let mut found = Vec::new();
        names.room().extend(bytes);
        let too_long = names.take(|name| found.push(name.to_owned()));
        (found, too_long)
    }

    #[test]
    fn names_come_one_a_line_in_any_portions() {
        let mut names = Names::new(None);
        assert_eq!(taken(&mut names, b"alice\nbo").0, ["alice"]);
        assert_eq!(taken(&mut names, b"").0, [""; 0]);
        assert_eq!(taken(&mut names, b"b\ncarl*master\n").0, ["bob", "carl*master"]);
    }

    #[test]
    fn names_mean_what_lookups_mean() {
        let mut names = Names::new(Some(b'*'));
        assert_eq!(
            taken(&mut names, b"carl*master\na\x01tb\ncaf\xe9\n").0,
            ["carl", "a\tb", "caf\u{fffd}"]
        );
    }

    #[test]
    fn lines_too_long_are_passed_over_whole() {
        let mut names = Names::new(None);
        let long = "x".repeat(NAME_LINE_BYTES_MAX + 1);
        assert_eq!(
            taken(&mut names, format!("{long}\nalice\n").as_bytes()),
            (vec!["alice".into()], 1)
        );
        for _ in 0..100 {
            assert_eq!(taken(&mut names, long.as_bytes()), (vec![], 0));
            assert!(names.bytes.is_empty(), "nothing piles up");
        }
        assert_eq!(taken(&mut names, b"bob\nalice\n"), (vec!["alice".into()], 1));
        let longest = "y".repeat(NAME_LINE_BYTES_MAX);
        assert_eq!(
            taken(&mut names, format!("{longest}\n").as_bytes()),
            (vec![longest], 0)
        );
    }
}
