//! What a backend says.

use maildirector::proxy::lmtp::{Argument, Back, Opened, Opening, Reply};
use maildirector::proxy::{Input, Origin};

use super::{Choice, LINE_BYTES_MAX};

/// Senders, with what they ask for; no address stands in anything but MAIL.
const SENDERS: [&str; 4] = [
    "<xyzzy@plugh>",
    "<xyzzy@plugh> SIZE=7 BODY=8BITMIME RET=HDRS",
    "<xyzzy@pl\u{fc}gh> SMTPUTF8",
    "<\"xyzzy a\"@plugh> ENVID=x",
];
/// Bytes of one reply.
const REPLY_BYTES_MAX: usize = 64 << 10;
/// Bytes of a command but for its path (RFC 5321, section 4.5.3.1.4).
const COMMAND_BYTES_MAX: usize = 512;

/// What one way of cutting led to.
#[derive(Debug, PartialEq, Eq)]
struct Led {
    said: Vec<u8>,
    /// Of that, so much before TLS.
    said_before_tls: usize,
    opened: Opened,
    replies: Vec<Reply>,
    end: Option<String>,
}

/// The same however it is cut; nothing of the mail before TLS; replies come one by one as they were, and faults are one line.
pub fn run(choice: Choice, said: &[u8]) {
    let wants_starttls = choice.bits & 4 != 0;
    let opening = Opening {
        host: "mail.example.org".into(),
        origin: (choice.bits & 8 != 0).then(|| Origin {
            client: ([192, 0, 2, 1], 4711).into(),
            local: ([192, 0, 2, 2], 24).into(),
            session: "0123456789abcdef".into(),
            ttl: 3,
            helo: Some("client.example".into()),
            is_tls: true,
        }),
        wants_starttls,
        mail: argument(SENDERS[usize::from(choice.mask % 4)]),
    };
    let (whole, cut) = (
        led(&opening, said, said.len().max(1)),
        led(&opening, said, choice.part),
    );
    // Who says more with his word for TLS has broken the protocol, who says it later has not.
    if !wants_starttls {
        assert_eq!(whole, cut, "cut into parts of {} bytes", choice.part);
    }
    for led in [whole, cut] {
        check(&led, wants_starttls);
    }
}

fn argument(text: &str) -> Argument {
    Argument::parse(text.as_bytes()).expect("a path")
}

fn check(led: &Led, wants_starttls: bool) {
    let said = String::from_utf8_lossy(&led.said);
    let clear = &said[..led.said_before_tls];
    assert!(
        !wants_starttls || !clear.contains("xyzzy"),
        "a sender in the clear"
    );
    for line in said.split_terminator("\r\n") {
        let is_command = ["LHLO ", "STARTTLS", "XCLIENT ", "MAIL FROM:<", "RCPT TO:<"]
            .iter()
            .any(|verb| line.starts_with(verb));
        let is_line = !line.chars().any(char::is_control) && line.len() + 2 <= COMMAND_BYTES_MAX;
        assert!(is_command && is_line, "no command: {line:?}");
    }
    let has_mail = matches!(led.opened, Opened::Ready);
    assert_eq!(
        said.contains("RCPT TO:<"),
        has_mail,
        "a recipient before his sender"
    );
    if let Opened::Refused(reply) = &led.opened {
        check_reply(reply);
        assert!((400..600).contains(&reply.code) && reply.code != 421);
    }
    led.replies.iter().for_each(check_reply);
    let faults = match &led.opened {
        Opened::Failed(why) => Some(why),
        _ => led.end.as_ref(),
    };
    if let Some(why) = faults {
        assert!(!why.chars().any(char::is_control), "a fault is one line: {why:?}");
    }
}

/// It can be shown to a client as it is.
fn check_reply(reply: &Reply) {
    let Reply { code, bytes } = reply;
    assert!(bytes.len() <= 2 * REPLY_BYTES_MAX && bytes.ends_with(b"\r\n"));
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let (last, lines) = lines.split_last().expect("there is what is behind the last line");
    assert!(last.is_empty() && !lines.is_empty());
    for (at, line) in lines.iter().enumerate() {
        let text = line.strip_suffix(b"\r").expect("lines end with CRLF");
        assert!(text.starts_with(code.to_string().as_bytes()), "another code");
        assert!(!text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'));
        assert_eq!(
            text.get(3) == Some(&b'-'),
            at + 1 < lines.len(),
            "more lines or fewer"
        );
    }
}

/// Feeds a back until the sender is told, and takes replies then, until nothing is left.
fn led(opening: &Opening, bytes: &[u8], part: usize) -> Led {
    let mut back = Back::new(opening.clone());
    let (mut input, mut parts) = (Input::default(), bytes.chunks(part));
    let mut led = Led {
        said: Vec::new(),
        said_before_tls: 0,
        opened: Opened::More,
        replies: Vec::new(),
        end: None,
    };
    let mut is_tls = false;
    loop {
        led.opened = back.open(&mut input, &mut led.said);
        if !is_tls {
            led.said_before_tls = led.said.len();
        }
        match &led.opened {
            Opened::More => match parts.next() {
                Some(part) => input.extend(part),
                None => return led,
            },
            Opened::StartTls => {
                assert!(
                    opening.wants_starttls && !is_tls,
                    "TLS begins once, where it is wanted"
                );
                assert!(
                    input.unread().is_empty(),
                    "what was said in the clear is forgotten"
                );
                is_tls = true;
                back.tls_started();
            }
            Opened::Ready => break,
            Opened::Refused(_) | Opened::Failed(_) => return led,
        }
        assert!(
            input.unread().len() <= LINE_BYTES_MAX + 1 + part,
            "it waits for more than a line"
        );
    }
    back.say_recipient(&argument("<plugh@example.org> NOTIFY=NEVER"), &mut led.said);
    while led.end.is_none() {
        match back.take_reply(&mut input) {
            Ok(Some(reply)) => led.replies.push(reply),
            Ok(None) => match parts.next() {
                Some(part) => input.extend(part),
                None => break,
            },
            Err(why) => led.end = Some(why),
        }
    }
    led
}
