//! Dialogues with clients, cut at every place.

use super::*;

fn front_with(capabilities: &[&str]) -> Front {
    let settings = FrontSettings {
        host: "mail.example".into(),
        greeting: "ready".into(),
        capabilities: capabilities.iter().map(|line| Box::from(*line)).collect(),
        offers_starttls: true,
        allows_cleartext: false,
        offers_oauth: false,
    };
    Front::new(settings.into(), false)
}

fn front() -> Front {
    front_with(&["8BITMIME", "CHUNKING", "SIZE 100"])
}

/// All that came of it: steps in words, and what was said. Every recipient but `no@...` is told yes.
fn played(front: &mut Front, input: &mut Input, told: &mut Vec<String>) -> String {
    let mut said = Vec::new();
    loop {
        let step = front.feed(input, &mut said);
        match step {
            Step::More => break,
            Step::Content(content) => {
                let text = String::from_utf8_lossy(&content).into_owned();
                match told.last_mut().filter(|last| last.starts_with('=')) {
                    Some(last) => last.push_str(&text),
                    None => told.push(format!("={text}")),
                }
            }
            Step::Recipient(recipient) => {
                if !recipient.address.starts_with("no@") {
                    front.recipient_accepted();
                }
                told.push(recipient.address);
            }
            Step::StartTls => {
                told.push("StartTls".to_owned());
                front.tls_started();
            }
            Step::Close => {
                told.push("Close".to_owned());
                break;
            }
            other => told.push(format!("{other:?}")),
        }
    }
    String::from_utf8(said).expect("ASCII")
}

/// The same, cut at every place: it must not matter.
fn play(make: impl Fn() -> Front, text: &[u8]) -> (String, Vec<String>) {
    let mut first = None;
    for cut in 0..=text.len() {
        let (mut front, mut input, mut told) = (make(), Input::default(), Vec::new());
        input.extend(&text[..cut]);
        let mut said = played(&mut front, &mut input, &mut told);
        if told.last().is_none_or(|last| last != "Close") {
            input.extend(&text[cut..]);
            said += &played(&mut front, &mut input, &mut told);
        }
        let all = (said, told);
        assert_eq!(*first.get_or_insert_with(|| all.clone()), all, "cut at {cut}");
    }
    first.expect("there is a cut at 0")
}

#[test]
fn two_messages_come_in_one_go() {
    let text =
        b"LHLO mx\r\nMAIL FROM:<a@b> SIZE=10\r\nRCPT TO:<c@d>\r\nRCPT TO:<no@d>\r\nDATA\r\nx\r\n..\r\n.\r\n\
                 MAIL FROM:<>\r\nRCPT TO:<e@f>\r\nBDAT 6\r\nRSET\r\nBDAT 5 LAST\r\n\r\n.\r\nQUIT\r\n";
    let (said, told) = play(front, text);
    assert_eq!(
        said,
        "250-mail.example\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SIZE 100\r\n250 STARTTLS\r\n250 2.1.0 OK\r\n354 OK\r\n\
         250 2.1.0 OK\r\n250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"
    );
    assert_eq!(
        told,
        [
            "Reset",
            "c@d",
            "no@d",
            "Begin { is_chunked: false }",
            "=x\r\n.\r\n",
            "End",
            "e@f",
            "Begin { is_chunked: true }",
            "=RSET\r\n\r\n.\r\n",
            "End",
            "Close",
        ],
        "bytes of a chunk are no commands"
    );
}

#[test]
fn an_unwanted_chunk_is_passed_over_whole() {
    let text = b"BDAT 6\r\nQUIT\r\nLHLO mx\r\nMAIL FROM:<a@b>\r\nRCPT TO:<no@d>\r\nBDAT 6 LAST\r\nQUIT\r\nDATA\r\nNOOP\r\n";
    let (said, told) = play(|| front_with(&[]), text);
    assert_eq!(
        said,
        "503 5.5.1 No valid recipients\r\n250-mail.example\r\n250 STARTTLS\r\n250 2.1.0 OK\r\n\
         503 5.5.1 No valid recipients\r\n503 5.5.1 No valid recipients\r\n250 2.0.0 OK\r\n"
    );
    assert_eq!(told, ["Reset", "no@d"]);
}

#[test]
fn a_chunk_without_a_length_ends_the_connection() {
    for size in ["", "x", "-1", "+1", "1 FIRST", "1 LAST x", "99999999999999999999"] {
        let text = format!("BDAT {size}\r\nNOOP\r\n");
        let (said, told) = play(front, text.as_bytes());
        assert_eq!(said, "501 5.5.4 Invalid chunk size\r\n", "{size}");
        assert_eq!(told, ["Close"]);
    }
}

#[test]
fn commands_out_of_order_are_refused_and_a_reset_ends_a_message_in_chunks() {
    let text = b"EHLO mx\r\nMAIL FROM:<a@b>\r\nLHLO\r\nLHLO mx\r\nRCPT TO:<c@d>\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n\
                 RCPT TO:<c@d>\r\nBDAT 1\r\nxDATA\r\nVRFY c\r\nRSET\r\nDATA\r\n";
    let (said, told) = play(front, text);
    let codes: Vec<&str> = said.lines().map(|line| &line[..9]).collect();
    assert_eq!(
        codes,
        [
            "500 5.5.1",
            "503 5.5.1",
            "501 5.5.4",
            "250-mail.",
            "250-8BITM",
            "250-CHUNK",
            "250-SIZE ",
            "250 START",
            "503 5.5.1",
            "250 2.1.0",
            "503 5.5.1",
            "250 2.0.0",
            "503 5.5.1",
            "252 2.3.3",
            "250 2.0.0",
            "503 5.5.1",
        ]
    );
    assert_eq!(
        told,
        ["Reset", "c@d", "Begin { is_chunked: true }", "=x", "Reset"]
    );
}

#[test]
fn what_comes_in_the_clear_behind_starttls_is_thrown_away() {
    let (mut front, mut input, mut told) = (front(), Input::default(), Vec::new());
    input.extend(b"LHLO mx\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\nRCPT TO:<c@d>\r\n");
    let said = played(&mut front, &mut input, &mut told);
    assert!(
        said.ends_with("220 2.0.0 Begin TLS negotiation now.\r\n"),
        "{said}"
    );
    assert_eq!(told, ["Reset", "StartTls"]);
    input.extend(b"MAIL FROM:<a@b>\r\nSTARTTLS\r\n");
    let said = played(&mut front, &mut input, &mut told);
    assert_eq!(
        said,
        "503 5.5.1 LHLO first\r\n502 5.5.1 TLS is already active.\r\n"
    );
}

#[test]
fn what_is_not_offered_or_no_path_is_refused() {
    for (command, reply) in [
        (&b"MAIL FROM:<a@b> SMTPUTF8"[..], "555 5.5.4"),
        (b"MAIL FROM:<a@b> RET=HDRS", "555 5.5.4"),
        (b"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=101", "552 5.3.4"),
        (b"MAIL FROM:<a@b> SIZE=100", "250 2.1.0"),
        (b"MAIL FROM: <a@b> body=8bitmime", "250 2.1.0"),
        (b"MAIL FROM:<\xc3\xbc@b>", "553 5.6.7"),
        (b"MAIL FROM:<\xff@b>", "501 5.5.4"),
        (b"MAIL FROM:a@b", "501 5.5.4"),
        (b"MAIL TO:<a@b>", "501 5.5.4"),
        (b"MAIL FROM:<a\0@b>", "500 5.5.2"),
        (b"MAIL FROM:<a\r@b>", "500 5.5.2"),
        (b"M\xffIL", "500 5.5.2"),
        (b"", "500 5.5.1"),
    ] {
        let (mut front, mut input) = (front(), Input::default());
        input.extend(b"LHLO mx\r\n");
        played(&mut front, &mut input, &mut Vec::new());
        input.extend(command);
        input.extend(b"\r\n");
        let said = played(&mut front, &mut input, &mut Vec::new());
        assert_eq!(said.get(..9), Some(reply), "{command:?}: {said}");
    }
}

#[test]
fn addresses_with_utf8_are_taken_where_they_are_announced() {
    let text = "LHLO mx\r\nMAIL FROM:<\u{fc}@b> SMTPUTF8\r\nRCPT TO:<\u{e4}@d>\r\n";
    let (said, told) = play(|| front_with(&["SMTPUTF8"]), text.as_bytes());
    assert!(said.ends_with("250 2.1.0 OK\r\n"), "{said}");
    assert_eq!(told, ["Reset", "\u{e4}@d"]);
}

#[test]
fn a_message_that_is_too_large_is_nobodys() {
    let body = "x".repeat(60);
    let text = format!("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 60\r\n{body}BDAT 60 LAST\r\n{body}");
    let (mut front, mut input, mut told) = (front(), Input::default(), Vec::new());
    input.extend(text.as_bytes());
    played(&mut front, &mut input, &mut told);
    assert_eq!(
        told[3..],
        [format!("={body}"), "TooLarge".to_owned(), "End".to_owned()]
    );
}

#[test]
fn nobody_may_talk_nonsense_for_ever() {
    let (said, told) = play(front, &b"X\r\n".repeat(11));
    assert!(
        said.ends_with("421 4.7.0 Too many invalid commands.\r\n"),
        "{said}"
    );
    assert_eq!(told, ["Close"]);
    let (mut front, mut input) = (front(), Input::default());
    input.extend(&[b'x'; LINE_BYTES_MAX + 1]);
    let said = played(&mut front, &mut input, &mut Vec::new());
    assert_eq!(said, "500 5.5.2 Line too long.\r\n");
}

#[test]
fn a_transaction_has_a_thousand_recipients_at_most() {
    let (mut front, mut input, mut told) = (front(), Input::default(), Vec::new());
    input.extend(b"LHLO mx\r\nMAIL FROM:<>\r\n");
    input.extend(&b"RCPT TO:<c@d>\r\n".repeat(RECIPIENTS_MAX + 1));
    let said = played(&mut front, &mut input, &mut told);
    assert!(said.ends_with("\r\n452 4.5.3 Too many recipients\r\n"), "{said}");
    assert_eq!(told.len(), 1 + RECIPIENTS_MAX);
}
