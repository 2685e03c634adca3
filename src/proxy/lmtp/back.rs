//! The backend's side: the words of one transaction there, as far as its sender was told; then what else is said.

use std::collections::VecDeque;

use super::arguments::{Argument, extension_of};
use crate::proxy::submission::reply::{Replies, Reply};
use crate::proxy::submission::xclient;
use crate::proxy::{Input, Origin};

/// What a backend may be told by XCLIENT: who the client is, and through how many proxies more a mail may go.
const ATTRIBUTES: [&[u8]; 4] = [b"ADDR", b"PORT", b"TTL", b"SESSION"];

/// What the backend is told before its first recipient.
#[derive(Clone, Debug)]
pub struct Opening {
    /// This host's name.
    pub host: Box<str>,
    /// Whom the backend is told about, if it is told.
    pub origin: Option<Origin>,
    /// STARTTLS before anything is said of the mail.
    pub wants_starttls: bool,
    /// The sender.
    pub mail: Argument,
}

/// What is to be done, once what was written is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// More bytes have to come.
    More,
    /// A TLS handshake; then the back is told.
    StartTls,
    /// The sender is told; the backend has taken him.
    Ready,
    /// The backend refuses the sender, in its own words.
    Refused(Reply),
    /// The backend can't be used: for the log, in words.
    Failed(String),
}

/// One transaction at one backend.
#[derive(Debug)]
pub struct Back {
    opening: Opening,
    phase: Phase,
    replies: Replies,
    /// Extensions in upper case, and XCLIENT's attributes.
    offers: Vec<Vec<u8>>,
    attributes: Vec<Vec<u8>>,
}

/// What the backend's next reply is to.
#[derive(Debug)]
enum Phase {
    Greeting,
    Lhlo(Purpose),
    StartTls,
    /// Nothing: the engine does the handshake.
    Handshake,
    /// Nothing: the handshake is done, LHLO is still to be said.
    Encrypted,
    /// XCLIENT, with these commands to follow.
    Xclient(VecDeque<String>),
    Mail,
    /// What the engine asks.
    Open,
}

/// What is next once the backend has told what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    StartTls,
    Identity,
    Mail,
}

impl Back {
    /// A connection to the backend, with nothing said yet; with implicit TLS after its handshake.
    pub fn new(opening: Opening) -> Self {
        Back {
            opening,
            phase: Phase::Greeting,
            replies: Replies::default(),
            offers: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Takes what the backend has said, until its sender is told. To be fed once, with whatever is there, after
    /// [`tls_started`](Self::tls_started).
    pub fn open(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Opened {
        if matches!(self.phase, Phase::Encrypted) {
            self.say_lhlo(Purpose::Identity, out);
        }
        loop {
            match self.phase {
                Phase::Handshake => return Opened::More,
                Phase::Open => return Opened::Ready,
                _ => {}
            }
            let opened = match self.take_reply(input) {
                Ok(None) => return Opened::More,
                Ok(Some(reply)) => self.understand(reply, out),
                Err(text) => Opened::Failed(text),
            };
            if opened == Opened::StartTls {
                // Nobody knows who has written what came in the clear.
                input.clear();
            }
            if opened != Opened::More {
                return opened;
            }
        }
    }

    /// The handshake after [`Opened::StartTls`] is done.
    pub fn tls_started(&mut self) {
        self.phase = Phase::Encrypted;
    }

    /// The next whole reply.
    ///
    /// # Errors
    /// What the backend says is no reply; in words, for the log.
    pub fn take_reply(&mut self, input: &mut Input) -> Result<Option<Reply>, String> {
        let reply = self.replies.take(input)?;
        if reply.is_some() {
            // Each reply may be so long as all of a login may be.
            self.replies = Replies::default();
        }
        Ok(reply)
    }

    /// Whether messages may come in chunks.
    pub fn takes_chunks(&self) -> bool {
        self.offers("CHUNKING")
    }

    /// Asks whether it takes mail for this one.
    pub fn say_recipient(&self, recipient: &Argument, out: &mut Vec<u8>) {
        self.say_path("RCPT TO", recipient, out);
    }

    fn understand(&mut self, reply: Reply, out: &mut Vec<u8>) -> Opened {
        match (std::mem::replace(&mut self.phase, Phase::Open), reply.code) {
            (Phase::Greeting, 220) => {
                let purpose = if self.opening.wants_starttls {
                    Purpose::StartTls
                } else {
                    Purpose::Identity
                };
                self.say_lhlo(purpose, out)
            }
            (Phase::Lhlo(purpose), 250) => {
                self.note_offers(&reply);
                self.go_on(purpose, out)
            }
            (Phase::StartTls, 220) => {
                self.phase = Phase::Handshake;
                Opened::StartTls
            }
            (Phase::Xclient(commands), 220) => self.tell_identity(commands, out),
            (Phase::Mail, 200..=299) => Opened::Ready,
            // 421 means this connection, and not the one of the client.
            (Phase::Mail, 400..) if reply.code != 421 => Opened::Refused(reply),
            (phase, _) => Opened::Failed(format!(
                "{} was answered with {}",
                phase.name(),
                reply.printable()
            )),
        }
    }

    fn go_on(&mut self, purpose: Purpose, out: &mut Vec<u8>) -> Opened {
        match purpose {
            Purpose::StartTls if self.offers("STARTTLS") => {
                out.extend_from_slice(b"STARTTLS\r\n");
                self.phase = Phase::StartTls;
                Opened::More
            }
            Purpose::StartTls => Opened::Failed("STARTTLS is not offered".to_owned()),
            Purpose::Identity => {
                let origin = self.opening.origin.as_ref();
                let commands = origin.map(|origin| xclient::commands(origin, &self.attributes));
                match commands {
                    Some(commands) if !commands.is_empty() => self.tell_identity(commands.into(), out),
                    _ => self.say_mail(out),
                }
            }
            Purpose::Mail => self.say_mail(out),
        }
    }

    /// Says the next of the commands, or greets anew when there are no more.
    fn tell_identity(&mut self, mut commands: VecDeque<String>, out: &mut Vec<u8>) -> Opened {
        let Some(command) = commands.pop_front() else {
            return self.say_lhlo(Purpose::Mail, out);
        };
        out.extend_from_slice(format!("{command}\r\n").as_bytes());
        self.phase = Phase::Xclient(commands);
        Opened::More
    }

    fn say_lhlo(&mut self, purpose: Purpose, out: &mut Vec<u8>) -> Opened {
        out.extend_from_slice(format!("LHLO {}\r\n", self.opening.host).as_bytes());
        self.phase = Phase::Lhlo(purpose);
        Opened::More
    }

    fn say_mail(&mut self, out: &mut Vec<u8>) -> Opened {
        let mail = &self.opening.mail;
        if mail.parameter("SMTPUTF8").is_some() && !self.offers("SMTPUTF8") {
            // RFC 6531, section 3.5: such a mail goes to nobody who does not know of it.
            return Opened::Refused(Reply {
                code: 550,
                bytes: b"550 5.6.7 The mail server does not take SMTPUTF8\r\n".to_vec(),
            });
        }
        self.say_path("MAIL FROM", mail, out);
        self.phase = Phase::Mail;
        Opened::More
    }

    fn say_path(&self, command: &str, argument: &Argument, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{command}:<{}>", argument.address).as_bytes());
        for parameter in &argument.parameters {
            if extension_of(parameter).is_some_and(|extension| self.offers(extension)) {
                out.extend_from_slice(format!(" {parameter}").as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn offers(&self, extension: &str) -> bool {
        self.offers.iter().any(|offered| offered == extension.as_bytes())
    }

    fn note_offers(&mut self, reply: &Reply) {
        self.offers.clear();
        self.attributes.clear();
        // The first line is the host's.
        for text in reply.texts().skip(1) {
            let text = text.to_ascii_uppercase();
            let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
            let Some(extension) = words.next() else {
                continue;
            };
            if extension == b"XCLIENT" {
                let known = words.filter(|word| ATTRIBUTES.contains(word));
                self.attributes.extend(known.map(<[u8]>::to_vec));
            }
            self.offers.push(extension.to_vec());
        }
    }
}

impl Phase {
    /// What a reply is to, for a log.
    fn name(&self) -> &'static str {
        match self {
            Phase::Greeting => "the connection",
            Phase::Lhlo(_) => "LHLO",
            Phase::StartTls => "STARTTLS",
            Phase::Xclient(_) => "XCLIENT",
            Phase::Mail => "MAIL",
            Phase::Handshake | Phase::Encrypted | Phase::Open => "nothing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(mail: &str, is_told: bool, wants_starttls: bool) -> Opening {
        let origin = Origin {
            client: "192.0.2.7:40000".parse().expect("an address"),
            local: "192.0.2.1:24".parse().expect("an address"),
            session: "s1".into(),
            ttl: 4,
            helo: Some("mx.example".into()),
            is_tls: false,
        };
        Opening {
            host: "director.example".into(),
            origin: is_told.then_some(origin),
            wants_starttls,
            mail: Argument::parse(mail.as_bytes()).expect("a path"),
        }
    }

    /// What is said, and what comes of it; each reply comes byte by byte.
    fn talk(back: &mut Back, replies: &str) -> (String, Opened) {
        let (mut input, mut out) = (Input::default(), Vec::new());
        let mut opened = back.open(&mut input, &mut out);
        for byte in replies.bytes() {
            assert_eq!(opened, Opened::More, "there is more to come: {replies:?}");
            input.extend(&[byte]);
            opened = back.open(&mut input, &mut out);
        }
        (String::from_utf8(out).expect("ASCII"), opened)
    }

    #[test]
    fn only_what_the_backend_announces_is_said() {
        let mut back = Back::new(opening("<a@b> SIZE=7 BODY=8BITMIME RET=HDRS", true, false));
        let replies = "220 b\r\n250-b\r\n250-8BITMIME\r\n250-SIZE 1000\r\n250 XCLIENT ADDR PORT TTL PROTO TIMEOUT\r\n\
                       220 b\r\n250-b\r\n250-8bitmime\r\n250 CHUNKING\r\n250 OK\r\n";
        let (said, opened) = talk(&mut back, replies);
        assert_eq!(
            said,
            "LHLO director.example\r\nXCLIENT ADDR=192.0.2.7 PORT=40000 TTL=4\r\nLHLO director.example\r\n\
             MAIL FROM:<a@b> BODY=8BITMIME\r\n"
        );
        assert_eq!(opened, Opened::Ready);
        assert!(back.takes_chunks());
        let mut out = Vec::new();
        let recipient = Argument::parse(b"<Ann+x@example.org> NOTIFY=NEVER").expect("a path");
        back.say_recipient(&recipient, &mut out);
        assert_eq!(out, b"RCPT TO:<Ann+x@example.org>\r\n");
    }

    #[test]
    fn nothing_is_said_of_the_mail_before_tls() {
        let mut back = Back::new(opening("<>", true, true));
        let (said, opened) = talk(&mut back, "220 b\r\n250-b\r\n250 STARTTLS\r\n220 go\r\n");
        assert_eq!(
            (said.as_str(), opened),
            ("LHLO director.example\r\nSTARTTLS\r\n", Opened::StartTls)
        );
        back.tls_started();
        let (said, opened) = talk(&mut back, "250 b\r\n250 OK\r\n");
        assert_eq!(said, "LHLO director.example\r\nMAIL FROM:<>\r\n");
        assert_eq!(opened, Opened::Ready);

        let mut back = Back::new(opening("<>", true, true));
        let (_, opened) = talk(&mut back, "220 b\r\n250 b\r\n");
        assert_eq!(opened, Opened::Failed("STARTTLS is not offered".to_owned()));
    }

    #[test]
    fn a_refused_sender_gets_the_backends_words() {
        let mut back = Back::new(opening("<a@b>", false, false));
        let (_, opened) = talk(&mut back, "220 b\r\n250 b\r\n452 4.3.1 Full\r\n");
        let Opened::Refused(reply) = opened else {
            panic!("the sender is refused, but {opened:?}");
        };
        assert_eq!(reply.bytes, b"452 4.3.1 Full\r\n");
    }

    #[test]
    fn a_mail_with_utf8_goes_to_nobody_who_does_not_know_of_it() {
        let mut back = Back::new(opening("<a@b> SMTPUTF8", false, false));
        let (said, opened) = talk(&mut back, "220 b\r\n250 b\r\n");
        assert_eq!(said, "LHLO director.example\r\n");
        assert!(
            matches!(opened, Opened::Refused(Reply { code: 550, .. })),
            "{opened:?}"
        );
    }

    #[test]
    fn a_backend_that_talks_nonsense_is_not_used() {
        for (replies, why) in [
            ("421 busy\r\n", "the connection was answered with 421 busy"),
            ("* OK IMAP\r\n", "not a reply of SMTP: * OK IMAP"),
            ("220 b\r\n500 what\r\n", "LHLO was answered with 500 what"),
            ("220 b\r\n250 b\r\n354 go\r\n", "MAIL was answered with 354 go"),
        ] {
            let mut back = Back::new(opening("<a@b>", false, false));
            let (_, opened) = talk(&mut back, replies);
            assert_eq!(opened, Opened::Failed(why.to_owned()), "{replies}");
        }
    }
}
