//! A line of the admin protocol to a request: a command, then fields separated by tabs, each tab-escaped.

use std::fmt;
use std::net::IpAddr;

use crate::agreement::PassdbField;
use crate::config::parse_ip;
use crate::world::unescape;

/// The longest line, in bytes, without its end; that of Dovecot's director.
pub const COMMAND_BYTES_MAX: usize = 1_024;

/// The most characters of a line that an answer repeats.
const QUOTED_CHARS_MAX: usize = 80;

/// What an admin asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The backends.
    HostList,
    /// The configured backends that are not there now.
    HostListRemoved,
    /// The members of the ring.
    DirectorList,
    /// Take a director into the ring.
    DirectorAdd {
        /// Its address.
        ip: IpAddr,
        /// Its port; that of this member's own ring when none is named.
        port: Option<u16>,
    },
    /// Have a director leave the ring.
    DirectorRemove {
        /// Its address.
        ip: IpAddr,
        /// Its port; the first director with the address when none is named.
        port: Option<u16>,
    },
    /// Add a backend, or give it another weight.
    HostSet {
        /// Which.
        ip: IpAddr,
        /// The tag of a new one; one that is there must have it already, unless it is empty.
        tag: Box<str>,
        /// Its weight; 100 for a new one, and unchanged for another, when none is named.
        vhosts: Option<u32>,
    },
    /// Give a backend another weight.
    HostUpdate {
        /// Which.
        ip: IpAddr,
        /// The tag that it must have already, unless it is empty.
        tag: Box<str>,
        /// Its weight.
        vhosts: u32,
    },
    /// Send a backend new users again.
    HostUp {
        /// Which.
        ip: IpAddr,
    },
    /// Send a backend no new users.
    HostDown {
        /// Which.
        ip: IpAddr,
    },
    /// Take a backend away.
    HostRemove {
        /// Which.
        ip: IpAddr,
    },
    /// Close the sessions of everybody who is on a backend, or on any, without belonging there.
    HostFlush {
        /// Which; all when there is none.
        ip: Option<IpAddr>,
        /// How many may move at a time, at least 1; all when nothing is said.
        at_a_time: Option<u32>,
    },
    /// Where a user is and belongs.
    UserLookup {
        /// Who.
        who: Who,
        /// Of which tag.
        tag: Box<str>,
    },
    /// The users of a backend, or of all.
    UserList {
        /// Which; all when there is none.
        ip: Option<IpAddr>,
    },
    /// Put a user on a backend.
    UserMove {
        /// Who.
        who: Who,
        /// Where to.
        ip: IpAddr,
    },
    /// Close a user's sessions.
    UserKick {
        /// Whose.
        name: Box<str>,
    },
    /// Close the sessions whose logins were given a passdb field.
    UserKickAlt {
        /// Which.
        field: PassdbField,
    },
}

/// A user as an admin names him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By name.
    Name(Box<str>),
    /// By Dovecot's hash: so `doveadm` names whom it moves.
    Hash(u32),
    /// By a number that may be a name or a hash.
    Number {
        /// As a name.
        name: Box<str>,
        /// As a hash.
        hash: u32,
    },
}

/// Why a line is no request. Nothing changed; whoever wrote it is told, and may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The line is empty.
    Empty,
    /// The line holds bytes that are no text.
    NoText,
    /// No command has this name.
    UnknownCommand {
        /// The name.
        name: Box<str>,
    },
    /// A parameter is missing.
    Missing {
        /// What.
        what: &'static str,
    },
    /// A parameter makes no sense.
    Bad {
        /// What it should have been.
        what: &'static str,
        /// What it was.
        text: Box<str>,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Empty => f.write_str("an empty line is no command"),
            RequestError::NoText => f.write_str("the command is no UTF-8 text"),
            RequestError::UnknownCommand { name } => write!(f, "unknown command {}", quoted(name)),
            RequestError::Missing { what } => write!(f, "{what} is missing"),
            RequestError::Bad { what, text } => write!(f, "{} is no {what}", quoted(text)),
        }
    }
}

impl std::error::Error for RequestError {}

impl Request {
    /// Reads a line, without its end.
    ///
    /// # Errors
    /// It is no request.
    pub fn parse(line: &[u8]) -> Result<Self, RequestError> {
        let fields = fields(line)?;
        let mut fields = fields.iter().map(|field| &**field);
        let command = fields.next().unwrap_or("");
        let mut fields = Fields(fields);
        match command {
            "" => Err(RequestError::Empty),
            "HOST-LIST" => Ok(Request::HostList),
            "HOST-LIST-REMOVED" => Ok(Request::HostListRemoved),
            "DIRECTOR-LIST" => Ok(Request::DirectorList),
            "HOST-SET" => fields.host_set(),
            "HOST-UPDATE" => fields.host_update(),
            "HOST-UP" => fields.ip().map(|ip| Request::HostUp { ip }),
            "HOST-DOWN" => fields.ip().map(|ip| Request::HostDown { ip }),
            "HOST-REMOVE" => fields.ip().map(|ip| Request::HostRemove { ip }),
            "HOST-FLUSH" => fields
                .maybe_ip()
                .map(|ip| Request::HostFlush { ip, at_a_time: None }),
            "HOST-RESET-USERS" => fields.host_reset_users(),
            "USER-LOOKUP" => Ok(Request::UserLookup {
                who: looked_up(fields.next().unwrap_or("")),
                tag: fields.next().unwrap_or("").into(),
            }),
            "USER-LIST" => fields.maybe_ip().map(|ip| Request::UserList { ip }),
            "USER-MOVE" => Ok(Request::UserMove {
                who: who(fields.required("a user")?),
                ip: fields.ip()?,
            }),
            "USER-KICK" => Ok(Request::UserKick {
                name: fields.required("a user")?.into(),
            }),
            "USER-KICK-ALT" => fields.user_kick_alt(),
            "DIRECTOR-ADD" => fields
                .ip_and_port()
                .map(|(ip, port)| Request::DirectorAdd { ip, port }),
            "DIRECTOR-REMOVE" => fields
                .ip_and_port()
                .map(|(ip, port)| Request::DirectorRemove { ip, port }),
            name => Err(RequestError::UnknownCommand { name: name.into() }),
        }
    }

    /// Whether it asks for something to be changed.
    pub fn is_change(&self) -> bool {
        !matches!(
            self,
            Request::HostList
                | Request::HostListRemoved
                | Request::DirectorList
                | Request::UserLookup { .. }
                | Request::UserList { .. }
        )
    }
}

/// The fields behind the command.
struct Fields<I>(I);

impl<'a, I: Iterator<Item = &'a str>> Fields<I> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn required(&mut self, what: &'static str) -> Result<&'a str, RequestError> {
        let field = self.next().filter(|field| !field.is_empty());
        field.ok_or(RequestError::Missing { what })
    }

    fn ip(&mut self) -> Result<IpAddr, RequestError> {
        ip(self.required("an IP address")?)
    }

    /// An empty address stands for all.
    fn maybe_ip(&mut self) -> Result<Option<IpAddr>, RequestError> {
        match self.next() {
            None | Some("") => Ok(None),
            Some(text) => ip(text).map(Some),
        }
    }

    fn user_kick_alt(&mut self) -> Result<Request, RequestError> {
        let name = self.required("a field")?;
        let value = self.required("a user")?;
        let field = PassdbField::new(name, value).map_err(|_| RequestError::Bad {
            what: "field with a value for a kick",
            text: format!("{name} {value}").into(),
        })?;
        Ok(Request::UserKickAlt { field })
    }

    fn host_set(&mut self) -> Result<Request, RequestError> {
        let (ip, tag) = self.ip_and_tag()?;
        let vhosts = self.next().map(|text| number(text, "weight")).transpose()?;
        Ok(Request::HostSet { ip, tag, vhosts })
    }

    fn host_update(&mut self) -> Result<Request, RequestError> {
        let (ip, tag) = self.ip_and_tag()?;
        let vhosts = number(self.required("a weight")?, "weight")?;
        Ok(Request::HostUpdate { ip, tag, vhosts })
    }

    fn host_reset_users(&mut self) -> Result<Request, RequestError> {
        let ip = self.maybe_ip()?;
        let at_a_time = self
            .next()
            .map(|text| (text, number(text, "number of moves at a time")));
        match at_a_time {
            Some((_, Err(error))) => Err(error),
            Some((text, Ok(0))) => Err(RequestError::Bad {
                what: "number of moves at a time",
                text: text.into(),
            }),
            None => Ok(Request::HostFlush { ip, at_a_time: None }),
            Some((_, Ok(count))) => Ok(Request::HostFlush {
                ip,
                at_a_time: Some(count),
            }),
        }
    }

    fn ip_and_port(&mut self) -> Result<(IpAddr, Option<u16>), RequestError> {
        let ip = self.ip()?;
        let Some(text) = self.next().filter(|text| !text.is_empty()) else {
            return Ok((ip, None));
        };
        let port = plain_number(text).and_then(|port| u16::try_from(port).ok());
        let port = port.filter(|port| *port != 0).ok_or_else(|| RequestError::Bad {
            what: "port",
            text: text.into(),
        })?;
        Ok((ip, Some(port)))
    }

    fn ip_and_tag(&mut self) -> Result<(IpAddr, Box<str>), RequestError> {
        let field = self.required("an IP address")?;
        let (address, tag) = field.split_once('@').unwrap_or((field, ""));
        Ok((ip(address)?, tag.into()))
    }
}

fn ip(text: &str) -> Result<IpAddr, RequestError> {
    parse_ip(text).ok_or_else(|| RequestError::Bad {
        what: "IP address",
        text: text.into(),
    })
}

fn number(text: &str, what: &'static str) -> Result<u32, RequestError> {
    plain_number(text).ok_or_else(|| RequestError::Bad {
        what,
        text: text.into(),
    })
}

/// Digits alone, as Dovecot takes numbers: no sign.
fn plain_number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

fn who(text: &str) -> Who {
    plain_number(text).map_or_else(|| Who::Name(text.into()), Who::Hash)
}

/// Dovecot takes every number for a hash; there are users whose names are numbers.
fn looked_up(text: &str) -> Who {
    let name = text.into();
    plain_number(text).map_or_else(|| Who::Name(text.into()), |hash| Who::Number { name, hash })
}

/// The fields of a line, unescaped; each up to a NUL, as in Dovecot.
fn fields(line: &[u8]) -> Result<Vec<Box<str>>, RequestError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let fields = line.split(|byte| *byte == b'\t').map(|field| {
        let mut plain = Vec::with_capacity(field.len());
        unescape(field, &mut plain);
        let end = plain.iter().position(|byte| *byte == 0);
        plain.truncate(end.unwrap_or(plain.len()));
        let text = String::from_utf8(plain).map_err(|_| RequestError::NoText)?;
        Ok(text.into_boxed_str())
    });
    fields.collect()
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    format!("\"{}\"", shown.escape_debug())
}
