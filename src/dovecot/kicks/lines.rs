//! The words of the two kick protocols.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use crate::agreement::PassdbField;
use crate::topology::UserKey;

/// Backends named in one command. The line stays below 1 KiB.
pub(super) const HOSTS_PER_LINE: usize = 16;

/// The longest answer, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 8_192;

/// Which of Dovecot's services closes sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KickBy {
    /// `ipc` of Dovecot 2.3.
    Ipc,
    /// `anvil` of Dovecot 2.4.
    Anvil,
}

impl KickBy {
    /// What is said first on a new connection.
    pub(super) fn greeting(self) -> &'static [u8] {
        match self {
            KickBy::Ipc => b"",
            // The empty line asks for no admin channel.
            KickBy::Anvil => b"VERSION\tanvil-client\t2\t0\n\n",
        }
    }

    /// What the service says first, but for the minor version; nothing when it does not speak first.
    pub(super) fn greets_with(self) -> Option<&'static str> {
        match self {
            KickBy::Ipc => None,
            KickBy::Anvil => Some("VERSION\tanvil-server\t2\t"),
        }
    }

    /// How many lines kick one user.
    pub(super) fn lines_per_user(self) -> usize {
        match self {
            KickBy::Ipc => 2,
            KickBy::Anvil => 1,
        }
    }

    /// Writes the line of that number, 0 and up, that kicks a user.
    pub(super) fn write_user(self, key: UserKey, line: usize, out: &mut Vec<u8>) {
        let hash = key.hash();
        let written = match (self, line) {
            (KickBy::Ipc, 0) => writeln!(out, "proxy\t*\tKICK-DIRECTOR-HASH\t{hash}"),
            // Sessions whose own name hashes otherwise (destuser, master users) were told the hash.
            (KickBy::Ipc, _) => writeln!(out, "proxy\t*\tKICK-ALT\tuser_director_hash\t{hash}"),
            (KickBy::Anvil, _) => writeln!(out, "KICK-ALT-USER\tuser_director_hash\t{hash}"),
        };
        written.expect("a Vec takes all bytes");
    }

    /// Writes the line that kicks everybody whose login was given this field, which has no control characters.
    pub(super) fn write_with(self, field: &PassdbField, out: &mut Vec<u8>) {
        let command = match self {
            KickBy::Ipc => "proxy\t*\tKICK-ALT",
            KickBy::Anvil => "KICK-ALT-USER",
        };
        let written = writeln!(out, "{command}\t{}\t{}", field.name(), field.value());
        written.expect("a Vec takes all bytes");
    }

    /// What an answer line says; `None` when another line follows for the same command.
    pub(super) fn read(self, line: &[u8]) -> Option<Said> {
        match (self, line.first()) {
            (_, Some(b'-')) => Some(Said::Error(String::from_utf8_lossy(&line[1..]).into())),
            (KickBy::Ipc, Some(b'+')) => Some(Said::Kicked),
            (KickBy::Ipc, Some(b':')) => None,
            (KickBy::Anvil, Some(b'0'..=b'9')) if line.iter().all(u8::is_ascii_digit) => Some(Said::Kicked),
            _ => Some(Said::Nonsense),
        }
    }
}

impl fmt::Display for KickBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KickBy::Ipc => "ipc",
            KickBy::Anvil => "anvil",
        })
    }
}

/// Writes the line that kicks everybody proxied to these backends, at most [`HOSTS_PER_LINE`]; only ipc has it.
pub(super) fn write_hosts(hosts: &[IpAddr], out: &mut Vec<u8>) {
    out.extend(b"proxy\t*\tKICK-HOST");
    for host in hosts {
        write!(out, "\t{host}").expect("a Vec takes all bytes");
    }
    out.push(b'\n');
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Carried out by every process.
    Kicked,
    /// Not carried out, or not by all.
    Error(Box<str>),
    /// Not an answer of this protocol.
    Nonsense,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_kicked_by_the_words_of_each_service() {
        let key = UserKey::of_expanded(b"bob");
        let written = |by: KickBy| {
            let mut out = Vec::new();
            (0..by.lines_per_user()).for_each(|line| by.write_user(key, line, &mut out));
            String::from_utf8(out).expect("text")
        };
        assert_eq!(
            written(KickBy::Ipc),
            "proxy\t*\tKICK-DIRECTOR-HASH\t2677887420\nproxy\t*\tKICK-ALT\tuser_director_hash\t2677887420\n"
        );
        assert_eq!(
            written(KickBy::Anvil),
            "KICK-ALT-USER\tuser_director_hash\t2677887420\n"
        );
    }

    #[test]
    fn sessions_with_a_field_are_kicked_by_one_line() {
        let field = PassdbField::new("user_id", "box 7").expect("plain");
        let written = |by: KickBy| {
            let mut out = Vec::new();
            by.write_with(&field, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(KickBy::Ipc), "proxy\t*\tKICK-ALT\tuser_id\tbox 7\n");
        assert_eq!(written(KickBy::Anvil), "KICK-ALT-USER\tuser_id\tbox 7\n");
    }

    #[test]
    fn hosts_are_kicked_together() {
        let mut out = Vec::new();
        write_hosts(
            &["10.0.0.1".parse().expect("ip"), "fd00::1".parse().expect("ip")],
            &mut out,
        );
        assert_eq!(out, b"proxy\t*\tKICK-HOST\t10.0.0.1\tfd00::1\n");
    }

    #[test]
    fn answers_of_ipc_are_read() {
        let read = |line: &str| KickBy::Ipc.read(line.as_bytes());
        for kicked in ["+0", "+3", "+", "+(null)"] {
            assert_eq!(read(kicked), Some(Said::Kicked), "{kicked}");
        }
        assert_eq!(read(":alice\timap"), None);
        assert_eq!(
            read("-Unknown command"),
            Some(Said::Error("Unknown command".into()))
        );
        for nonsense in ["", "0", "VERSION\tipc-server\t1\t0"] {
            assert_eq!(read(nonsense), Some(Said::Nonsense), "{nonsense}");
        }
    }

    #[test]
    fn answers_of_anvil_are_read() {
        let read = |line: &str| KickBy::Anvil.read(line.as_bytes());
        assert_eq!(read("0"), Some(Said::Kicked));
        assert_eq!(read("12"), Some(Said::Kicked));
        assert_eq!(
            read("-Unknown command"),
            Some(Said::Error("Unknown command".into()))
        );
        for nonsense in ["", "+0", "1x", ":x"] {
            assert_eq!(read(nonsense), Some(Said::Nonsense), "{nonsense}");
        }
    }
}
