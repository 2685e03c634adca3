//! What two processes of one member say to each other before the new one has taken over: frames and sockets through a
//! pair of sockets, of which the new process has one end as its standard input.
//!
//! ```text
//! new: what I would be       old: goes on alone when that is another member, or when no word comes
//! old: addresses, sockets    from here on the old process is no member any more, and the state folder is free
//! old: its sessions, in pieces
//! ```
//!
//! What is said afterwards is `daemon::hand_over`'s.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::daemon::{Kept, Link};
use crate::world::{Address, Socket, receive_frame, receive_sockets, send_frame, send_sockets};

/// Of what is said here.
const VERSION: u32 = 1;
/// How long one process waits for the next word of the other.
const WORD_MAX: Duration = Duration::from_secs(20);
/// Sessions in one frame: names have 255 bytes at most, and a frame 1 MiB.
const SESSIONS_AT_ONCE: usize = 500;

/// What a process is, as far as the one that takes over must be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    version: u32,
    cluster: String,
    member: u16,
    state_folder: PathBuf,
    username_hash: String,
}

impl Identity {
    pub fn of(config: &Config, member: u16) -> Self {
        Identity {
            version: VERSION,
            cluster: config.cluster.to_string(),
            member,
            state_folder: config.state_folder.clone(),
            username_hash: config.username_hash.to_string(),
        }
    }

    /// Whether a process of this kind can go on where the other stopped; else why not.
    pub fn takes_over_from(&self, old: &Identity) -> Result<(), String> {
        let differs = [
            ("what upgrades say", self.version != old.version),
            ("cluster", self.cluster != old.cluster),
            ("the member", self.member != old.member),
            ("state_folder", self.state_folder != old.state_folder),
            ("director_username_hash", self.username_hash != old.username_hash),
        ];
        let differs: Vec<&str> = differs
            .iter()
            .filter_map(|(name, is)| is.then_some(*name))
            .collect();
        if differs.is_empty() {
            Ok(())
        } else {
            Err(format!("{} would be another", differs.join(", ")))
        }
    }
}

/// A piece of the sessions.
#[derive(Debug, Serialize, Deserialize)]
struct Piece {
    kept: Kept,
    is_last: bool,
}

/// Open sockets, and where they are bound.
pub(super) type Sockets = Vec<(Address, OwnedFd)>;

/// What the new process was given.
pub(super) struct Inherited {
    /// Those of the old one.
    pub sockets: Sockets,
    /// The sessions that the old one keeps.
    pub kept: Kept,
    stream: UnixStream,
}

impl Inherited {
    /// The way to the old process, and what it gave.
    pub fn parts(self) -> io::Result<(Sockets, (Kept, Link))> {
        Ok((self.sockets, (self.kept, link(self.stream)?)))
    }
}

/// For what the two say afterwards. To be called in a runtime.
pub(super) fn link(stream: UnixStream) -> io::Result<Link> {
    stream.set_nonblocking(true)?;
    Ok(Link::new(Socket::Unix(tokio::net::UnixStream::from_std(stream)?)))
}

/// The old process's part, up to the new one's word.
pub(super) fn hear(stream: &UnixStream) -> io::Result<Identity> {
    stream.set_read_timeout(Some(WORD_MAX))?;
    stream.set_write_timeout(Some(WORD_MAX))?;
    read(stream)
}

/// The old process's part, when it is no member any more.
pub(super) fn give(stream: &UnixStream, sockets: Sockets, kept: &Kept) -> io::Result<()> {
    let (addresses, sockets): (Vec<Address>, Vec<OwnedFd>) = sockets.into_iter().unzip();
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    write(stream, &addresses)?;
    send_sockets(stream, &sockets)?;
    let mut sessions = kept.sessions.chunks(SESSIONS_AT_ONCE).peekable();
    loop {
        let some = sessions.next().unwrap_or_default().to_vec();
        let is_last = sessions.peek().is_none();
        let kept = Kept {
            pid: kept.pid,
            until_ns: kept.until_ns,
            sessions: some,
        };
        write(stream, &Piece { kept, is_last })?;
        if is_last {
            return Ok(());
        }
    }
}

/// The new process's part.
pub(super) fn take(stream: UnixStream, me: &Identity) -> io::Result<Inherited> {
    stream.set_read_timeout(Some(WORD_MAX))?;
    stream.set_write_timeout(Some(WORD_MAX))?;
    write(&stream, me)?;
    let addresses: Vec<String> = read(&stream)?;
    let addresses: Result<Vec<Address>, _> = addresses.iter().map(|text| text.parse()).collect();
    let addresses =
        addresses.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    let sockets = receive_sockets(&stream, addresses.len())?;
    let mut all: Option<Kept> = None;
    loop {
        let Piece { kept, is_last } = read(&stream)?;
        match &mut all {
            None => all = Some(kept),
            Some(all) => all.sessions.extend(kept.sessions),
        }
        if is_last {
            break;
        }
    }
    Ok(Inherited {
        sockets: addresses.into_iter().zip(sockets).collect(),
        kept: all.unwrap_or_default(),
        stream,
    })
}

fn read<T: DeserializeOwned>(stream: &UnixStream) -> io::Result<T> {
    let bytes = receive_frame(stream)?;
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}

fn write(stream: &UnixStream, word: &impl Serialize) -> io::Result<()> {
    send_frame(stream, &serde_json::to_vec(word)?)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "two processes talk to each other, each blocking"
)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    fn identity(text: &str) -> Identity {
        let config = crate::config::parse(text, "test.toml").expect("it has no faults");
        Identity::of(&config, 1)
    }

    const OLD: &str = "director_servers = \"10.0.0.1\"\ndirector_mail_servers = \"10.0.1.1\"\n";

    #[test]
    fn only_the_same_member_takes_over() {
        let old = identity(OLD);
        let more = identity(&format!("{OLD}lease = \"20s\"\n"));
        assert_eq!(more.takes_over_from(&old), Ok(()));
        let other = identity(&format!(
            "{OLD}state_folder = \"/elsewhere\"\ncluster = \"other\"\n"
        ));
        let why = "cluster, state_folder would be another".to_owned();
        assert_eq!(other.takes_over_from(&old), Err(why));
    }

    fn kept(sessions: usize) -> Kept {
        let session = |id: usize| {
            format!(
                r#"{{"id":{id},"key":{id},"tag":0,"name":"user{id}","backend":"10.0.1.1","protocol":"imap","client":"[::1]:9","since_ns":7}}"#
            )
        };
        let sessions: Vec<String> = (0..sessions).map(session).collect();
        let text = format!(
            r#"{{"pid":17,"until_ns":99,"sessions":[{}]}}"#,
            sessions.join(",")
        );
        serde_json::from_str(&text).expect("it is JSON")
    }

    #[test]
    fn sockets_and_sessions_arrive_whole() {
        for count in [0, 1, SESSIONS_AT_ONCE, SESSIONS_AT_ONCE + 1] {
            let (old, new) = UnixStream::pair().expect("there are descriptors");
            let me = identity(OLD);
            let takes = thread::spawn(move || take(new, &me));
            assert_eq!(hear(&old).expect("it says who it is"), identity(OLD));
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
            let address = listener.local_addr().expect("it listens");
            let sockets = vec![(Address::Tcp(address), OwnedFd::from(listener))];
            give(&old, sockets, &kept(count)).expect("it listens");
            let inherited = takes.join().expect("no panic").expect("all came");
            assert_eq!(inherited.kept, kept(count));
            let [(at, socket)] = <[_; 1]>::try_from(inherited.sockets).expect("one socket");
            assert_eq!(at, Address::Tcp(address));
            let mut client = TcpStream::connect(address).expect("it is still open");
            let (mut served, _) = TcpListener::from(socket).accept().expect("somebody comes");
            served.write_all(b"hello").expect("it is open");
            drop(served);
            let mut heard = String::new();
            client.read_to_string(&mut heard).expect("it is open");
            assert_eq!(heard, "hello");
        }
    }

    #[test]
    fn a_process_that_ends_early_is_an_error_for_the_other() {
        let (old, new) = UnixStream::pair().expect("there are descriptors");
        drop(new);
        let error = hear(&old).expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let (old, new) = UnixStream::pair().expect("there are descriptors");
        let me = identity(OLD);
        let takes = thread::spawn(move || take(new, &me).map(|inherited| inherited.kept));
        hear(&old).expect("it says who it is");
        drop(old);
        let error = takes.join().expect("no panic").expect_err("nothing came");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
