//! How each protocol says yes, no and more, and how its commands look.

use crate::config::Protocol;

/// The talks that differ in their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 9051.
    Imap,
    /// RFC 1939, RFC 2595, RFC 5034.
    Pop3,
    /// RFC 5321; LMTP by RFC 2033.
    Smtp {
        /// Whether its hello is LHLO.
        is_lmtp: bool,
    },
    /// RFC 5804.
    Sieve,
}

/// What is said, in the order in which it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing: the server begins.
    Greeting,
    Hello,
    StartTls,
    Login,
    From,
    Recipient,
}

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Yes,
    No,
    /// The answer goes on.
    More,
    /// The server waits for the rest of the command.
    Prompt,
}

impl Dialect {
    /// None for a protocol without words.
    pub fn of(protocol: Protocol) -> Option<Self> {
        Some(match protocol {
            Protocol::Tcp => return None,
            Protocol::Imap => Dialect::Imap,
            Protocol::Pop3 => Dialect::Pop3,
            Protocol::Lmtp => Dialect::Smtp { is_lmtp: true },
            Protocol::Submission => Dialect::Smtp { is_lmtp: false },
            Protocol::Sieve => Dialect::Sieve,
        })
    }

    /// What a line means that comes after `at`.
    pub fn hear(self, at: Command, line: &[u8]) -> Heard {
        match self {
            Dialect::Imap => imap(at, line),
            Dialect::Pop3 => match () {
                () if is_word(line, b"+OK") => Heard::Yes,
                () if at == Command::Login && line.starts_with(b"+") => Heard::Prompt,
                () => Heard::No,
            },
            Dialect::Smtp { .. } => smtp(at, line),
            Dialect::Sieve => sieve(line),
        }
    }

    /// A command as bytes.
    pub fn say(self, command: Command, argument: &str) -> Vec<u8> {
        let line = match (self, command) {
            (_, Command::Greeting) => return Vec::new(),
            (Dialect::Imap, Command::StartTls) => "a1 STARTTLS".to_owned(),
            (Dialect::Imap, _) => "a2 AUTHENTICATE PLAIN".to_owned(),
            (Dialect::Pop3, Command::StartTls) => "STLS".to_owned(),
            (Dialect::Pop3, _) => format!("AUTH PLAIN {argument}"),
            (Dialect::Smtp { is_lmtp: true }, Command::Hello) => "LHLO maildirector.invalid".to_owned(),
            (Dialect::Smtp { .. }, Command::Hello) => "EHLO maildirector.invalid".to_owned(),
            (Dialect::Smtp { .. }, Command::StartTls) => "STARTTLS".to_owned(),
            (Dialect::Smtp { .. }, Command::Login) => format!("AUTH PLAIN {argument}"),
            (Dialect::Smtp { .. }, Command::From) => "MAIL FROM:<>".to_owned(),
            (Dialect::Smtp { .. }, Command::Recipient) => format!("RCPT TO:<{argument}>"),
            (Dialect::Sieve, Command::StartTls) => "STARTTLS".to_owned(),
            (Dialect::Sieve, _) => format!("AUTHENTICATE \"PLAIN\" \"{argument}\""),
        };
        format!("{line}\r\n").into_bytes()
    }

    /// A command's name, without what is secret.
    pub fn name(self, command: Command) -> &'static str {
        match (self, command) {
            (_, Command::Greeting) => "the connection",
            (Dialect::Pop3, Command::StartTls) => "STLS",
            (_, Command::StartTls) => "STARTTLS",
            (Dialect::Smtp { is_lmtp: true }, Command::Hello) => "LHLO",
            (_, Command::Hello) => "EHLO",
            (_, Command::Login) => "the login of the test account",
            (_, Command::From) => "MAIL FROM",
            (_, Command::Recipient) => "RCPT TO",
        }
    }

    /// How to leave.
    pub fn goodbye(self) -> &'static [u8] {
        match self {
            Dialect::Imap => b"a3 LOGOUT\r\n",
            Dialect::Sieve => b"LOGOUT\r\n",
            Dialect::Pop3 | Dialect::Smtp { .. } => b"QUIT\r\n",
        }
    }
}

fn imap(at: Command, line: &[u8]) -> Heard {
    if let Some(untagged) = line.strip_prefix(b"* ") {
        return match at {
            _ if is_word(untagged, b"BYE") => Heard::No,
            Command::Greeting if is_word(untagged, b"OK") || is_word(untagged, b"PREAUTH") => Heard::Yes,
            Command::Greeting => Heard::No,
            _ => Heard::More,
        };
    }
    if at == Command::Login && line.starts_with(b"+") {
        return Heard::Prompt;
    }
    let tagged = match at {
        Command::Greeting => None,
        Command::StartTls => line.strip_prefix(b"a1 "),
        _ => line.strip_prefix(b"a2 "),
    };
    match tagged {
        Some(answer) if is_word(answer, b"OK") => Heard::Yes,
        _ => Heard::No,
    }
}

fn smtp(at: Command, line: &[u8]) -> Heard {
    let wanted: &[u8] = match at {
        Command::Greeting | Command::StartTls => b"220",
        Command::Login => b"235",
        Command::Hello | Command::From | Command::Recipient => b"250",
    };
    // A recipient who is forwarded is one too.
    let is_wanted = line.starts_with(wanted) || (at == Command::Recipient && line.starts_with(b"251"));
    match line.get(3) {
        _ if !is_wanted => Heard::No,
        None | Some(b' ') => Heard::Yes,
        Some(b'-') => Heard::More,
        Some(_) => Heard::No,
    }
}

fn sieve(line: &[u8]) -> Heard {
    match () {
        () if is_word(line, b"OK") => Heard::Yes,
        // A capability is a string, or a literal that holds one.
        () if line.starts_with(b"\"") || line.starts_with(b"{") => Heard::More,
        () => Heard::No,
    }
}

/// Whether a line begins with this word, whatever its case.
fn is_word(line: &[u8], word: &[u8]) -> bool {
    let is_it = line
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word));
    is_it && matches!(line.get(word.len()), None | Some(b' ' | b'\t' | b'('))
}
