//! What a mail server says.

use maildirector::config::LmtpUser;
use maildirector::proxy::lmtp::{Argument, Front, Step};
use maildirector::proxy::{FrontSettings, Input, NAME_BYTES_MAX};

use super::{Choice, LINE_BYTES_MAX, replies};

/// A command's own reply, without what lists capabilities, has no more bytes; the answer to LHLO has neither.
const REPLY_BYTES_MAX: usize = 300;
/// Where connections end: at QUIT, and where nobody knows what comes next or he has said too much.
const LAST_WORDS: [&str; 4] = ["221 ", "421 ", "500 5.5.2 Line", "501 5.5.4 Invalid chunk"];

/// A client's connection, with an engine that takes some of the recipients.
pub struct Dialogue {
    front: Front,
    input: Input,
    pub said: Vec<u8>,
    /// Of that, what the front has said by itself.
    own_bytes: usize,
    pub told: Vec<Step>,
    pub is_closed: bool,
    taken: usize,
    mask: u8,
}

impl Dialogue {
    pub fn new(settings: FrontSettings, is_tls: bool, mask: u8) -> Self {
        let front = Front::new(settings.into(), is_tls);
        let mut said = Vec::new();
        front.greet(&mut said);
        Dialogue {
            front,
            input: Input::default(),
            own_bytes: said.len(),
            said,
            told: Vec::new(),
            is_closed: false,
            taken: 0,
            mask,
        }
    }

    /// The client says more, and all that follows from it is done.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        while !self.is_closed {
            let (before, unread) = (self.said.len(), self.input.unread().len());
            let step = self.front.feed(&mut self.input, &mut self.said);
            self.own_bytes += self.said.len() - before;
            if step == Step::More {
                break;
            }
            if let Step::Content(content) = &step {
                // A CR behind a dot waits for what comes next.
                let is_of_client = (1..=unread + 1).contains(&content.len());
                assert!(is_of_client, "content out of nothing");
            }
            self.act(step);
        }
        let kept = if self.front.is_in_content() {
            0
        } else {
            LINE_BYTES_MAX + 1
        };
        assert!(
            self.is_closed || self.input.unread().len() <= kept,
            "it waits for more than a line"
        );
    }

    fn act(&mut self, step: Step) {
        match &step {
            Step::Recipient(recipient) => {
                assert!(self.front.mail().is_some(), "a recipient of nothing");
                check_path(recipient);
                let is_taken = (recipient.address.len() + usize::from(self.mask)) % 4 != 0;
                if is_taken {
                    self.front.recipient_accepted();
                    self.taken += 1;
                }
                let reply: &[u8] = if is_taken {
                    b"250 2.1.5 OK\r\n"
                } else {
                    b"550 5.1.1 no\r\n"
                };
                self.said.extend_from_slice(reply);
            }
            Step::Begin { .. } => assert!(self.taken > 0, "a message to nobody"),
            Step::Reset => self.taken = 0,
            Step::StartTls => {
                assert!(
                    self.input.unread().is_empty(),
                    "what was said in the clear is forgotten"
                );
                self.taken = 0;
                self.front.tls_started();
            }
            Step::End => {
                for _ in 0..std::mem::take(&mut self.taken) {
                    self.said.extend_from_slice(b"250 2.0.0 saved\r\n");
                }
            }
            Step::Close => self.is_closed = true,
            Step::More | Step::Content(_) | Step::TooLarge => {}
        }
        self.note(step);
    }

    /// Parts of a message are one, and of one that is too large nothing counts.
    fn note(&mut self, step: Step) {
        match (self.told.last_mut(), step) {
            (Some(Step::Content(all)), Step::Content(more)) => all.extend(more),
            (Some(last @ (Step::Content(_) | Step::TooLarge)), Step::TooLarge) => *last = Step::TooLarge,
            (_, step) => self.told.push(step),
        }
    }
}

/// What a path means is short, and can stand in a command.
fn check_path(path: &Argument) {
    let is_plain = |text: &str| !text.chars().any(|c| c.is_ascii_control());
    assert!(is_plain(&path.address) && path.parameters.iter().all(|word| is_plain(word)));
    assert!(!path.address.is_empty() && !path.parameters.iter().any(|word| word.contains(' ')));
    for named_by in LmtpUser::ALL {
        if let Some(user) = path.user(named_by) {
            assert!(
                !user.is_empty() && user.len() <= NAME_BYTES_MAX && is_plain(&user),
                "{user:?}"
            );
        }
    }
}

/// Whole, in parts, and byte by byte.
pub fn run(choice: Choice, said: &[u8]) {
    let settings = settings(choice);
    let is_tls = choice.bits & 4 != 0;
    let dialogue = || Dialogue::new(settings.clone(), is_tls, choice.mask);
    let by_bytes = one_by_one(dialogue(), said);
    check_steps(&by_bytes, is_tls, &settings);
    for part in [said.len().max(1), choice.part] {
        let mut cut = dialogue();
        for part in said.chunks(part) {
            cut.hear(part);
        }
        check_steps(&cut, is_tls, &settings);
        let lines = said.iter().filter(|byte| **byte == b'\n').count();
        assert!(
            cut.own_bytes <= REPLY_BYTES_MAX * (lines + 2),
            "it says more than it was asked"
        );
        // What has come with STARTTLS is thrown away, what comes after it is not.
        if !cut.told.contains(&Step::StartTls) {
            assert_eq!(
                (&by_bytes.said, &by_bytes.told),
                (&cut.said, &cut.told),
                "in parts of {part}"
            );
        }
    }
}

fn settings(choice: Choice) -> FrontSettings {
    let mut capabilities: Vec<Box<str>> = vec!["8BITMIME".into(), "CHUNKING".into(), "PIPELINING".into()];
    if choice.bits & 16 != 0 {
        capabilities.push("SIZE 40".into());
    }
    if choice.bits & 32 != 0 {
        capabilities.extend(["SMTPUTF8".into(), "DSN".into()]);
    }
    FrontSettings {
        host: "mail.example.org".into(),
        greeting: "Ready.".into(),
        capabilities,
        offers_starttls: choice.bits & 8 != 0,
        allows_cleartext: false,
        offers_oauth: false,
    }
}

/// Byte by byte it is seen what each reply is to: to a line, to a chunk, or to a message.
fn one_by_one(mut dialogue: Dialogue, said: &[u8]) -> Dialogue {
    for (at, byte) in said.iter().enumerate() {
        let was_in_content = dialogue.front.is_in_content();
        let (heard, steps, taken) = (dialogue.said.len(), dialogue.told.len(), dialogue.taken);
        dialogue.hear(&[*byte]);
        let said = &dialogue.said[heard..];
        let is_ended = dialogue.told[steps..].contains(&Step::End);
        let expected = match (was_in_content, dialogue.front.is_in_content()) {
            _ if dialogue.is_closed => 1,
            _ if is_ended => taken,
            (true, is_in_content) => usize::from(!is_in_content),
            // To DATA at once, to BDAT behind the chunk.
            (false, true) => usize::from(dialogue.told.last() == Some(&Step::Begin { is_chunked: false })),
            (false, false) => usize::from(*byte == b'\n'),
        };
        let words = String::from_utf8_lossy(said);
        assert_eq!(
            replies(said),
            expected,
            "at byte {at} these are not {expected} replies: {words:?}"
        );
        if dialogue.is_closed {
            assert!(LAST_WORDS.iter().any(|last| words.starts_with(last)), "{words:?}");
            break;
        }
    }
    dialogue
}

/// A message has a beginning and an end, and nothing but its content between; TLS begins once, where it is offered.
fn check_steps(dialogue: &Dialogue, is_tls: bool, settings: &FrontSettings) {
    let (mut is_secure, mut message) = (is_tls, None);
    replies(&dialogue.said);
    for step in &dialogue.told {
        match step {
            Step::Begin { is_chunked } => {
                assert_eq!(message, None, "a message in a message");
                message = Some(*is_chunked);
            }
            Step::Content(_) | Step::TooLarge => assert!(message.is_some(), "content of nothing"),
            Step::End => assert!(message.take().is_some(), "the end of nothing"),
            Step::Recipient(_) => assert_eq!(message, None, "a recipient in a message"),
            Step::Reset | Step::StartTls => {
                assert_ne!(message, Some(false), "a command in a message");
                message = None;
            }
            Step::Close => assert_ne!(message, Some(false), "a command in a message"),
            Step::More => unreachable!("it is no step that is told"),
        }
        if *step == Step::StartTls {
            assert!(
                settings.offers_starttls && !is_secure,
                "TLS begins once, where it is offered"
            );
            is_secure = true;
        }
    }
}
