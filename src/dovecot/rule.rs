//! Which lines of an auth server want a backend, and for whom: the lookup rule of Dovecot's director.
//!
//! A line is `OK` or `PASS`, an id, and arguments, separated by tabs. It wants a backend when it says `proxy` or
//! `director_proxy_maybe`, names a user, and has no `host` yet. Nothing is decoded here: what is found is given by
//! its place in the line, so that the many lines that pass cost nothing.

use std::net::IpAddr;
use std::ops::Range;

use memchr::memchr;

/// Which replies a door completes. All other lines pass as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completes {
    /// `OK`, as login processes get it.
    Ok,
    /// `PASS`, as LMTP and doveadm get it.
    Pass,
}

impl Completes {
    /// How such lines start.
    pub fn prefix(self) -> &'static [u8] {
        match self {
            Completes::Ok => b"OK\t",
            Completes::Pass => b"PASS\t",
        }
    }
}

/// Which completed lines also carry `user_director_hash=<hash>`, by which sessions are kicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarksHash {
    /// None: nobody kicks by it.
    Never,
    /// Those whose hashed name is not their `user`: kicks by Dovecot 2.3's own hash of `user` would miss them.
    WhenRenamed,
    /// All: Dovecot 2.4 has no hash of its own.
    Always,
}

/// What one door does with the lines that pass it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which lines.
    pub completes: Completes,
    /// What stands between a user's name and that of the master user who logs in for him; cut off with all that
    /// follows before the name is hashed.
    pub master_user_separator: Option<u8>,
    /// Which lines also carry the hash.
    pub marks_hash: MarksHash,
}

/// What a line wants: places within it, of values that are still escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The request's id.
    pub id: Range<usize>,
    /// The user to be placed: `destuser`, else `user`.
    pub name: Range<usize>,
    /// The first `user`.
    pub user: Option<Range<usize>>,
    /// `director_tag`; empty when there is none.
    pub tag: Range<usize>,
    /// Of a line with `director_proxy_maybe`: who is asking.
    pub own: Option<Own>,
}

/// Where a login came in. A user who belongs to that very place is not proxied when the line says
/// `director_proxy_maybe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Own {
    ip: Option<IpAddr>,
    /// The port that the user would be proxied to, and the one he came in by, when the line has both.
    ports: Option<(u16, u16)>,
}

impl Own {
    pub(super) fn is(&self, backend: IpAddr) -> bool {
        self.ip == Some(backend) && self.ports.is_none_or(|(to, at)| to == at)
    }
}

/// What `line` wants, if it wants a backend. It starts with its command, which has `command` bytes with its tab,
/// and ends before its LF.
pub(super) fn wish(line: &[u8], command: usize) -> Option<Wish> {
    let mut fields = Fields { line, at: command };
    let id = fields.next()?;
    let mut is_proxied = false;
    let mut asks_for_own = false;
    let mut user = None;
    let mut destuser = None;
    let mut tag = 0..0;
    let (mut lip, mut lport, mut port) = (None, None, None);
    for field in fields {
        let text = &line[field.clone()];
        let value = |name: &str| {
            text.starts_with(name.as_bytes())
                .then(|| field.start + name.len()..field.end)
        };
        match text.first() {
            Some(b'p') if is_named(text, b"proxy") => is_proxied = true,
            Some(b'p') => port = value("port=").or(port),
            Some(b'h') if value("host=").is_some() => return None,
            Some(b'l') => {
                lip = value("lip=").or(lip);
                lport = value("lport=").or(lport);
            }
            Some(b'd') if is_named(text, b"director_proxy_maybe") => asks_for_own = true,
            Some(b'd') => {
                destuser = value("destuser=").or(destuser);
                tag = value("director_tag=").unwrap_or(tag);
            }
            Some(b'u') if user.is_none() => user = value("user="),
            _ => {}
        }
    }
    if !is_proxied && !asks_for_own {
        return None;
    }
    let text = |field: Option<Range<usize>>| field.and_then(|field| str::from_utf8(&line[field]).ok());
    let own = asks_for_own.then(|| Own {
        ip: text(lip).and_then(parse_ip),
        ports: text(port)
            .and_then(parse_port)
            .zip(text(lport).and_then(parse_port)),
    });
    let name = destuser.or_else(|| user.clone())?;
    Some(Wish {
        id,
        name,
        user,
        tag,
        own,
    })
}

/// The fields of a line from a place on; a line without any has one that is empty.
struct Fields<'a> {
    line: &'a [u8],
    at: usize,
}

impl Iterator for Fields<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.line.get(start..)?;
        let end = memchr(b'\t', rest).map_or(self.line.len(), |length| start + length);
        self.at = end + 1;
        Some(start..end)
    }
}

/// Whether an argument is `name` alone or `name=...`.
fn is_named(argument: &[u8], name: &[u8]) -> bool {
    argument
        .strip_prefix(name)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'=')))
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| is_number && port != 0)
}

#[cfg(test)]
mod tests;
