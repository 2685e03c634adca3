//! Mail on its way through the LMTP proxy: the first byte chooses whether the rest is what a mail server says, what a backend says, or
//! a message; the second how it is cut, the third whom backends take.

mod back;
mod front;
mod message;

/// Bytes that a line may have.
const LINE_BYTES_MAX: usize = 8192;
/// Stands for a kibibyte of a line, so that a fuzzer reaches the limits.
const KIBIBYTE: u8 = 0xfe;
/// More is nothing new.
const BYTES_MAX: usize = 40 << 10;

/// What the first three bytes choose.
#[derive(Clone, Copy)]
struct Choice {
    bits: u8,
    part: usize,
    mask: u8,
}

/// However the bytes are cut the same is said and done; every command gets its reply and every taken recipient his own; messages
/// arrive unchanged; nothing that is waited for is longer than a line.
pub fn run(bytes: &[u8]) {
    let &[bits, cut, mask, ref rest @ ..] = bytes else {
        return;
    };
    let part = usize::from(cut) % 7 + 1;
    let choice = Choice { bits, part, mask };
    match bits & 3 {
        1 => back::run(choice, &expanded(rest)),
        2 => message::run(choice, rest),
        _ => front::run(choice, &expanded(rest)),
    }
}

fn expanded(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for byte in bytes {
        match *byte {
            KIBIBYTE => all.extend_from_slice(&[b'x'; 1 << 10]),
            byte => all.push(byte),
        }
    }
    all.truncate(BYTES_MAX);
    all
}

/// Replies in `said`, of which nothing but whole lines was said.
fn replies(said: &[u8]) -> usize {
    let text = std::str::from_utf8(said).expect("replies are ASCII");
    assert!(
        said.is_ascii() && (said.is_empty() || text.ends_with("\r\n")),
        "{text:?}"
    );
    let is_last = |line: &str| {
        let (code, rest) = line.split_at(3);
        let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
        assert!(
            is_code && !rest.chars().any(char::is_control),
            "no reply: {line:?}"
        );
        rest.starts_with(' ')
    };
    text.split_terminator("\r\n").filter(|line| is_last(line)).count()
}
