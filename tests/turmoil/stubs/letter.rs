//! Mails and addresses, as those who write and those who read them know them.

use crate::dice::Dice;

/// A recipient whom no backend knows.
pub const NOBODY: &str = "nobody@example.org";
/// Lines of a mail.
const LINES_MAX: u64 = 24;
const LINE_BYTES_MAX: u64 = 60;

/// Where mail for a user goes.
pub fn address_of_user(user: u32) -> String {
    format!("user{user}@example.org")
}

/// The user whom an address means.
pub fn user_of_address(address: &str) -> Option<u32> {
    address.strip_prefix("user")?.split_once('@')?.0.parse().ok()
}

/// A mail's bytes, which its number tells: with lines that look like the end of one.
pub fn content_of(mail: u32) -> Vec<u8> {
    let mut dice = Dice::new(u64::from(mail), 77);
    let mut content = format!("Subject: {mail}\r\n\r\n").into_bytes();
    for _ in 0..dice.below(LINES_MAX) {
        let start: &[u8] = dice.pick(&[b"", b".", b"..", b".QUIT", b"BDAT 7 LAST", b"text"]);
        content.extend_from_slice(start);
        if dice.once_in(2) {
            content.resize(content.len() + dice.below(LINE_BYTES_MAX) as usize, b'x');
        }
        content.extend_from_slice(b"\r\n");
    }
    content
}
