//! As much IMAP as a mail program needs to log in through a director and see where it is: one mailbox with one message, which
//! names the backend. Any password will do.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt, Lines};

/// The backend's name for itself.
const CAPABILITY: &str = "CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN";

/// Serves one session from its first line on. `begins` is told of the user once he is logged in; what it gives is kept while
/// the session lasts.
///
/// # Errors
/// The connection broke.
pub(super) async fn serve<T>(
    first: String,
    lines: &mut Lines<impl AsyncBufRead + Unpin>,
    writing: &mut (impl AsyncWrite + Unpin),
    backend: u16,
    begins: impl AsyncFnOnce(&str) -> T,
) -> io::Result<()> {
    let mut begins = Some(begins);
    let mut session = None;
    let mut next = Some(first);
    while let Some(line) = next {
        let (tag, command) = line.split_once(' ').unwrap_or(("*", &line));
        let command = command.trim_end();
        if let Some(user) = user_of(command)
            && let Some(begins) = begins.take()
        {
            session = Some(begins(&user).await);
        }
        let answer = answer(tag, command, backend, session.is_some());
        writing.write_all(answer.as_bytes()).await?;
        if verb_of(command) == "LOGOUT" {
            return Ok(());
        }
        next = lines.next_line().await?;
    }
    Ok(())
}

fn verb_of(command: &str) -> String {
    command.split(' ').next().unwrap_or("").to_ascii_uppercase()
}

/// Who logs in by this command; nobody by others.
fn user_of(command: &str) -> Option<String> {
    let mut arguments = command.split(' ').skip(1);
    match verb_of(command).as_str() {
        "LOGIN" => arguments.next().map(|user| user.trim_matches('"').to_owned()),
        "AUTHENTICATE" => arguments.nth(1).and_then(plain_user),
        _ => None,
    }
}

/// Who logs in by the response of SASL PLAIN.
fn plain_user(response: &str) -> Option<String> {
    let bytes = STANDARD.decode(response).ok()?;
    let user = bytes.split(|byte| *byte == 0).nth(1)?;
    Some(String::from_utf8_lossy(user).into_owned())
}

fn answer(tag: &str, command: &str, backend: u16, is_in: bool) -> String {
    let text = format!(
        "Subject: You are on backend {backend}\r\nFrom: maildirector demo\r\n\r\nAnd so are all your sessions.\r\n"
    );
    let verb = verb_of(command);
    match verb.as_str() {
        "CAPABILITY" => format!("* {CAPABILITY}\r\n{tag} OK\r\n"),
        "ID" => format!("* ID (\"name\" \"backend {backend}\")\r\n{tag} OK\r\n"),
        "LOGIN" | "AUTHENTICATE" if is_in => {
            format!("{tag} OK [{CAPABILITY}] You are on backend {backend}.\r\n")
        }
        "LOGOUT" => format!("* BYE\r\n{tag} OK\r\n"),
        "NOOP" => format!("{tag} OK\r\n"),
        _ if !is_in => format!("{tag} BAD Log in first.\r\n"),
        "LIST" | "LSUB" => format!("* {verb} () \"/\" INBOX\r\n{tag} OK\r\n"),
        "SELECT" => opened(tag, "READ-WRITE"),
        "EXAMINE" => opened(tag, "READ-ONLY"),
        "SEARCH" => format!("* SEARCH 1\r\n{tag} OK\r\n"),
        "UID" if command.to_ascii_uppercase().contains("SEARCH") => format!("* SEARCH 1\r\n{tag} OK\r\n"),
        "FETCH" | "UID" => format!(
            "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE {0} BODY[] {{{0}}}\r\n{text})\r\n{tag} OK\r\n",
            text.len()
        ),
        _ => format!("{tag} OK\r\n"),
    }
}

fn opened(tag: &str, how: &str) -> String {
    format!(
        "* FLAGS (\\Seen)\r\n* 1 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 2]\r\n{tag} OK [{how}]\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_either_form_names_the_user() {
        for command in [
            "LOGIN alice secret",
            "login \"alice\" \"secret\"",
            "AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==",
        ] {
            assert_eq!(user_of(command).as_deref(), Some("alice"), "{command}");
        }
        assert_eq!(user_of("SELECT INBOX"), None);
        assert_eq!(answer("a", "SELECT INBOX", 2, false), "a BAD Log in first.\r\n");
        assert!(answer("a", "FETCH 1 BODY[]", 2, true).contains("You are on backend 2"));
    }
}
