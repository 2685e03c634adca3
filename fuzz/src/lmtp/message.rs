//! A message, by DATA and by BDAT, from a mail server to here and from here to a backend.

use maildirector::proxy::FrontSettings;
use maildirector::proxy::lmtp::{Step, Stuffer};

use super::Choice;
use super::front::Dialogue;

/// Both ways its bytes arrive; what is sent on ends once, also for who takes a lone LF for the end of a line.
pub fn run(choice: Choice, content: &[u8]) {
    comes_in(choice, content);
    goes_on(choice, content);
}

fn comes_in(choice: Choice, content: &[u8]) {
    let mut text = b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n".to_vec();
    text.extend(stuffed(content));
    text.extend(b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
    for chunk in content.chunks(1 + usize::from(choice.mask)) {
        text.extend(format!("BDAT {}\r\n", chunk.len()).bytes());
        text.extend(chunk);
    }
    text.extend(b"BDAT 0 LAST\r\nQUIT\r\n");
    let settings = FrontSettings {
        host: "mail.example.org".into(),
        greeting: "Ready.".into(),
        capabilities: Vec::new(),
        offers_starttls: false,
        allows_cleartext: false,
        offers_oauth: false,
    };
    let mut dialogue = Dialogue::new(settings, false, 0);
    // The address has three bytes, and so it is taken.
    for part in text.chunks(choice.part) {
        dialogue.hear(part);
    }
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for step in &dialogue.told {
        match step {
            Step::Begin { .. } => messages.push(Vec::new()),
            Step::Content(content) => messages.last_mut().expect("it has begun").extend(content),
            _ => {}
        }
    }
    assert_eq!(messages, [whole(content), content.to_vec()]);
    let ends = dialogue.told.iter().filter(|step| **step == Step::End).count();
    assert_eq!((ends, dialogue.told.last()), (2, Some(&Step::Close)));
}

fn goes_on(choice: Choice, content: &[u8]) {
    let (mut stuffer, mut wire) = (Stuffer::default(), Vec::new());
    for part in content.chunks(choice.part) {
        stuffer.write(part, &mut wire);
    }
    stuffer.end(&mut wire);
    let mut read: Vec<u8> = Vec::new();
    let mut lines = wire.split_inclusive(|byte| *byte == b'\n');
    for line in &mut lines {
        match line {
            b".\r\n" | b".\n" => break,
            [b'.', rest @ ..] => read.extend(rest),
            line => read.extend(line),
        }
    }
    assert_eq!(lines.next(), None, "something follows the end");
    assert_eq!(read, whole(content));
}

/// As RFC 5321 has it, with its end.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (at, byte) in content.iter().enumerate() {
        if *byte == b'.' && (at == 0 || content[..at].ends_with(b"\r\n")) {
            wire.push(b'.');
        }
        wire.push(*byte);
    }
    if !content.is_empty() && !content.ends_with(b"\r\n") {
        wire.extend(b"\r\n");
    }
    wire.extend(b".\r\n");
    wire
}

/// With the end of its last line.
fn whole(content: &[u8]) -> Vec<u8> {
    let mut whole = content.to_vec();
    if !content.is_empty() && !content.ends_with(b"\r\n") {
        whole.extend(b"\r\n");
    }
    whole
}
