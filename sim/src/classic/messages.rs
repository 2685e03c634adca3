//! The lines of Dovecot 2.3's ring protocol, read and written as `director-connection.c` does. What they mean is left
//! to the rooms beside this one.

use std::fmt;
use std::net::IpAddr;

/// The version of the protocol that is spoken here, as its VERSION line has it.
pub const MINOR_VERSION: u32 = 9;

/// Longest line that a director reads, with its end.
const LINE_BYTES_MAX: usize = 1024;

/// Where a director listens. Their order, by address and then by port, is the order of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its address.
    pub ip: IpAddr,
    /// The port of its ring listener.
    pub port: u16,
}

/// Who began what is told, and which of his tellings it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub director: Place,
    /// The count of his tellings, from 1.
    pub seq: u32,
}

/// A mail server as a HOST line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLine {
    /// Its address.
    pub ip: IpAddr,
    /// Its weight.
    pub vhosts: u32,
    /// The users it serves; empty for those without a tag.
    pub tag: String,
    /// Whether it takes no new users.
    pub is_down: bool,
    /// When that changed last, in Unix seconds; 0 for never.
    pub updown_changed_s: u32,
    /// Its name, empty when it has none.
    pub hostname: String,
}

/// A SYNC, which goes once round the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Who began it.
    pub director: Place,
    /// Which of his.
    pub seq: u32,
    /// The oldest version on its way.
    pub minor: u32,
    /// When it was sent, in Unix seconds.
    pub timestamp_s: u32,
    /// The sender's host list in one number; 0 when it said none.
    pub hosts_hash: u32,
}

/// One line. Hashes are those of user names, timestamps are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the words of the protocol, in the order of its fields"
)]
pub enum Message {
    Version {
        minor: u32,
    },
    Me {
        director: Place,
        unix_s: Option<u32>,
    },
    Director(Place),
    DirectorRemove(Place),
    HostHandStart {
        is_handshaked: bool,
    },
    HostHandEnd {
        is_handshaked: bool,
    },
    /// Without an origin inside the host list of a handshake, with one everywhere else.
    Host {
        origin: Option<Origin>,
        host: HostLine,
    },
    HostRemove {
        origin: Origin,
        ip: IpAddr,
    },
    HostFlush {
        origin: Origin,
        ip: IpAddr,
    },
    /// `U`, a user in a handshake.
    HandshakeUser {
        hash: u32,
        host: IpAddr,
        timestamp_s: u32,
        is_weak: bool,
    },
    User {
        hash: u32,
        host: IpAddr,
        timestamp_s: Option<u32>,
    },
    UserWeak {
        origin: Origin,
        hash: u32,
        host: IpAddr,
    },
    UserMove {
        origin: Origin,
        hash: u32,
        host: IpAddr,
    },
    UserKickHash {
        origin: Origin,
        hash: u32,
        except: IpAddr,
    },
    UserKilled {
        hash: u32,
    },
    UserKilledEverywhere {
        origin: Origin,
        hash: u32,
    },
    Options(String),
    Done,
    Sync(Sync),
    Connect(Place),
    Quit(String),
    Ping {
        unix_s: u32,
        buffered: u32,
    },
    Pong {
        unix_s: u32,
        buffered: u32,
    },
}

/// Why a line was not understood, in the director's own words for its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The first field of the line.
    pub command: String,
    /// What is wrong with it.
    pub words: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {}: {}", self.command, self.words)
    }
}

impl std::error::Error for BadLine {}

impl Message {
    /// Reads a line without its end. Inside the host list of a handshake a HOST has no origin.
    ///
    /// # Errors
    /// The line is none of the protocol; a director closes the connection then.
    pub fn parse(line: &str, is_in_host_list: bool) -> Result<Message, BadLine> {
        let mut fields = Fields(line.split('\t'));
        let command = fields.0.next().unwrap_or_default();
        let message = if line.len() >= LINE_BYTES_MAX {
            Err("longer than 1024 bytes")
        } else {
            read(command, &mut fields, is_in_host_list)
        };
        message.map_err(|words| BadLine {
            command: command.to_owned(),
            words,
        })
    }
}

type Read<T> = Result<T, &'static str>;

/// The fields after the command.
struct Fields<'a>(std::str::Split<'a, char>);

impl Fields<'_> {
    fn number(&mut self) -> Read<u32> {
        let field = self.0.next().ok_or("missing parameters")?;
        number(field)
    }

    fn ip(&mut self) -> Read<IpAddr> {
        let field = self.0.next().ok_or("missing parameters")?;
        field.parse().map_err(|_| "invalid IP")
    }

    fn place(&mut self) -> Read<Place> {
        let ip = self.ip()?;
        let port = u16::try_from(self.number()?).map_err(|_| "invalid port")?;
        if port == 0 {
            return Err("invalid port");
        }
        Ok(Place { ip, port })
    }

    fn origin(&mut self) -> Read<Origin> {
        Ok(Origin {
            director: self.place()?,
            seq: self.number()?,
        })
    }

    fn optional_number(&mut self) -> Read<Option<u32>> {
        self.0.next().map(number).transpose()
    }

    fn flag(&mut self) -> Read<bool> {
        Ok(self.number()? != 0)
    }

    fn rest(&mut self) -> String {
        self.0.by_ref().collect::<Vec<_>>().join(" ")
    }

    /// Commands with an origin take no more fields than they have.
    fn end<T>(&mut self, message: T) -> Read<T> {
        match self.0.next() {
            None => Ok(message),
            Some(_) => Err("invalid parameters"),
        }
    }

    fn host(&mut self) -> Read<HostLine> {
        let (ip, vhosts) = (self.ip()?, self.number()?);
        let tag = self.0.next().unwrap_or_default().to_owned();
        let (mut is_down, mut updown_changed_s) = (false, 0);
        if let Some(field) = self.0.next() {
            is_down = match field.as_bytes().first() {
                Some(b'D') => true,
                Some(b'U') => false,
                _ => return Err("invalid up/down parameter"),
            };
            updown_changed_s = number(&field[1..])?;
        }
        let hostname = self.0.next().unwrap_or_default().to_owned();
        Ok(HostLine {
            ip,
            vhosts,
            tag,
            is_down,
            updown_changed_s,
            hostname,
        })
    }
}

fn number(field: &str) -> Read<u32> {
    match field.bytes().all(|byte| byte.is_ascii_digit()) {
        true => field.parse().map_err(|_| "invalid number"),
        false => Err("invalid number"),
    }
}

fn read(command: &str, fields: &mut Fields<'_>, is_in_host_list: bool) -> Read<Message> {
    Ok(match command {
        "VERSION" => {
            if fields.0.next() != Some("director") || fields.number()? != 1 {
                return Err("wrong protocol");
            }
            Message::Version {
                minor: fields.number()?,
            }
        }
        "ME" => Message::Me {
            director: fields.place()?,
            unix_s: fields.optional_number()?,
        },
        "DIRECTOR" => Message::Director(fields.place()?),
        "DIRECTOR-REMOVE" => Message::DirectorRemove(fields.place()?),
        "HOST-HAND-START" => Message::HostHandStart {
            is_handshaked: fields.flag()?,
        },
        "HOST-HAND-END" => Message::HostHandEnd {
            is_handshaked: fields.flag()?,
        },
        "HOST" => Message::Host {
            origin: match is_in_host_list {
                true => None,
                false => Some(fields.origin()?),
            },
            host: fields.host()?,
        },
        "U" => Message::HandshakeUser {
            hash: fields.number()?,
            host: fields.ip()?,
            timestamp_s: fields.number()?,
            is_weak: fields.0.next() == Some("w"),
        },
        "USER" => Message::User {
            hash: fields.number()?,
            host: fields.ip()?,
            timestamp_s: fields.optional_number()?,
        },
        "OPTIONS" => Message::Options(fields.rest()),
        "DONE" => Message::Done,
        "SYNC" => Message::Sync(Sync {
            director: fields.place()?,
            seq: fields.number()?,
            minor: fields.optional_number()?.unwrap_or(0),
            timestamp_s: fields.optional_number()?.unwrap_or(0),
            hosts_hash: fields.optional_number()?.unwrap_or(0),
        }),
        "QUIT" => Message::Quit(fields.rest()),
        "PING" => Message::Ping {
            unix_s: fields.optional_number()?.unwrap_or(0),
            buffered: fields.optional_number()?.unwrap_or(0),
        },
        "PONG" => Message::Pong {
            unix_s: fields.optional_number()?.unwrap_or(0),
            buffered: fields.optional_number()?.unwrap_or(0),
        },
        _ => {
            let message = read_exact(command, fields)?;
            return fields.end(message);
        }
    })
}

/// The commands in which a field too much is an error.
fn read_exact(command: &str, fields: &mut Fields<'_>) -> Read<Message> {
    Ok(match command {
        "HOST-REMOVE" => Message::HostRemove {
            origin: fields.origin()?,
            ip: fields.ip()?,
        },
        "HOST-FLUSH" => Message::HostFlush {
            origin: fields.origin()?,
            ip: fields.ip()?,
        },
        "USER-WEAK" => Message::UserWeak {
            origin: fields.origin()?,
            hash: fields.number()?,
            host: fields.ip()?,
        },
        "USER-MOVE" => Message::UserMove {
            origin: fields.origin()?,
            hash: fields.number()?,
            host: fields.ip()?,
        },
        "USER-KICK-HASH" => Message::UserKickHash {
            origin: fields.origin()?,
            hash: fields.number()?,
            except: fields.ip()?,
        },
        "USER-KILLED" => Message::UserKilled {
            hash: fields.number()?,
        },
        "USER-KILLED-EVERYWHERE" => Message::UserKilledEverywhere {
            origin: fields.origin()?,
            hash: fields.number()?,
        },
        "CONNECT" => Message::Connect(fields.place()?),
        _ => return Err("unknown command"),
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}", self.ip, self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}", self.director, self.seq)
    }
}

impl fmt::Display for HostLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.is_down { 'D' } else { 'U' };
        let HostLine { ip, vhosts, tag, .. } = self;
        write!(
            f,
            "{ip}\t{vhosts}\t{tag}\t{letter}{}\t{}",
            self.updown_changed_s, self.hostname
        )
    }
}

impl fmt::Display for Message {
    /// The line without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Version { minor } => write!(f, "VERSION\tdirector\t1\t{minor}"),
            Message::Me { director, unix_s } => match unix_s {
                Some(unix_s) => write!(f, "ME\t{director}\t{unix_s}"),
                None => write!(f, "ME\t{director}"),
            },
            Message::Director(place) => write!(f, "DIRECTOR\t{place}"),
            Message::DirectorRemove(place) => write!(f, "DIRECTOR-REMOVE\t{place}"),
            Message::HostHandStart { is_handshaked } => {
                write!(f, "HOST-HAND-START\t{}", u8::from(*is_handshaked))
            }
            Message::HostHandEnd { is_handshaked } => {
                write!(f, "HOST-HAND-END\t{}", u8::from(*is_handshaked))
            }
            Message::Host { origin, host } => match origin {
                Some(origin) => write!(f, "HOST\t{origin}\t{host}"),
                None => write!(f, "HOST\t{host}"),
            },
            Message::HostRemove { origin, ip } => write!(f, "HOST-REMOVE\t{origin}\t{ip}"),
            Message::HostFlush { origin, ip } => write!(f, "HOST-FLUSH\t{origin}\t{ip}"),
            Message::HandshakeUser {
                hash,
                host,
                timestamp_s,
                is_weak,
            } => {
                let weak = if *is_weak { "\tw" } else { "" };
                write!(f, "U\t{hash}\t{host}\t{timestamp_s}{weak}")
            }
            Message::User {
                hash,
                host,
                timestamp_s,
            } => match timestamp_s {
                Some(timestamp_s) => write!(f, "USER\t{hash}\t{host}\t{timestamp_s}"),
                None => write!(f, "USER\t{hash}\t{host}"),
            },
            Message::UserWeak { origin, hash, host } => write!(f, "USER-WEAK\t{origin}\t{hash}\t{host}"),
            Message::UserMove { origin, hash, host } => write!(f, "USER-MOVE\t{origin}\t{hash}\t{host}"),
            Message::UserKickHash { origin, hash, except } => {
                write!(f, "USER-KICK-HASH\t{origin}\t{hash}\t{except}")
            }
            Message::UserKilled { hash } => write!(f, "USER-KILLED\t{hash}"),
            Message::UserKilledEverywhere { origin, hash } => {
                write!(f, "USER-KILLED-EVERYWHERE\t{origin}\t{hash}")
            }
            Message::Options(words) => write!(f, "OPTIONS\t{words}"),
            Message::Done => f.write_str("DONE"),
            Message::Sync(sync) => write!(
                f,
                "SYNC\t{}\t{}\t{}\t{}\t{}",
                sync.director, sync.seq, sync.minor, sync.timestamp_s, sync.hosts_hash
            ),
            Message::Connect(place) => write!(f, "CONNECT\t{place}"),
            Message::Quit(reason) => write!(f, "QUIT\t{reason}"),
            Message::Ping { unix_s, buffered } => write!(f, "PING\t{unix_s}\t{buffered}"),
            Message::Pong { unix_s, buffered } => write!(f, "PONG\t{unix_s}\t{buffered}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_lines_are_read_and_written_as_they_were() {
        for line in [
            "VERSION\tdirector\t1\t9",
            "ME\t127.0.81.1\t9771\t1795436984",
            "DIRECTOR\t127.0.81.2\t9771",
            "HOST-HAND-START\t0",
            "HOST-HAND-END\t1",
            "OPTIONS\tconsistent-hashing",
            "DONE",
            "U\t370180999\t10.2.0.2\t1795437264",
            "USER\t370180999\t10.2.0.2\t1795437323",
            "USER-WEAK\t127.0.81.1\t9771\t1\t370180999\t10.2.0.2",
            "SYNC\t127.0.81.1\t9771\t1\t9\t1795436984\t3156148877",
            "PING\t1795436984\t72",
            "PONG\t1795436984\t0",
            "CONNECT\t127.0.81.1\t9771",
            "QUIT\tCONNECT requested",
            "HOST\t127.0.81.2\t9771\t2\t10.2.0.2\t50\t\tD1795437035\t",
            "HOST\t127.0.81.3\t9771\t1\t10.2.0.11\t20\ttagx\tU0\t",
            "HOST-REMOVE\t127.0.81.3\t9771\t2\t10.2.0.11",
            "HOST-FLUSH\t127.0.81.3\t9771\t3\t10.2.0.3",
            "USER-KICK-HASH\t127.0.81.3\t9771\t1\t1669653170\t10.2.0.1",
            "USER-MOVE\t127.0.81.2\t9771\t4\t2677887420\t10.2.0.1",
            "USER-KILLED\t2677887420",
            "USER-KILLED-EVERYWHERE\t127.0.81.2\t9771\t5\t2677887420",
        ] {
            assert_eq!(
                Message::parse(line, false).map(|message| message.to_string()),
                Ok(line.to_owned())
            );
        }
        let line = "HOST\t10.2.0.10\t100\ttagx\tU0\t";
        assert_eq!(
            Message::parse(line, true).expect("a host").to_string(),
            line.to_owned()
        );
    }

    #[test]
    fn lines_of_another_protocol_are_refused() {
        for line in [
            "",
            "BOGUS",
            "VERSION\tdirector\t2\t9",
            "USER\tx\t10.0.0.1",
            "USER\t1\t10.0.0.1\t+1",
            "CONNECT\t10.0.0.1\t0",
            "HOST-FLUSH\t127.0.81.3\t9771\t3\t10.2.0.3\tmore",
        ] {
            assert!(Message::parse(line, false).is_err(), "{line}");
        }
    }
}
