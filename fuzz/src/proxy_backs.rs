//! What a backend says to one of our own proxies during a login: the first byte chooses the protocol and the login, the second how
//! the rest is cut.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maildirector::proxy::{
    BackLogin, BackStep, Credentials, Input, Mechanism, Origin, imap, pop3, sieve, submission,
};

const PASSWORD: &[u8] = b"xyzzy-plugh";

/// What one way of cutting led to.
#[derive(Debug, PartialEq, Eq)]
struct Led {
    said: Vec<u8>,
    /// Of that, so much before TLS.
    said_before_tls: usize,
    end: Option<BackStep>,
}

/// However the bytes are cut, the same is said and done; nothing of the password is said before TLS where that is wanted, nor
/// in words for the log.
pub fn run(bytes: &[u8]) {
    let &[choice, cut, ref said @ ..] = bytes else {
        return;
    };
    let wants_starttls = choice & 4 != 0;
    let login = BackLogin {
        credentials: credentials(choice),
        origin: (choice & 8 != 0).then(|| Origin {
            client: ([192, 0, 2, 1], 4711).into(),
            local: ([192, 0, 2, 2], 143).into(),
            session: "0123456789abcdef".into(),
            ttl: 3,
            helo: Some("client.example".into()),
            is_tls: true,
        }),
        host: "mail.example.org".into(),
        wants_starttls,
    };
    let part = usize::from(cut) % 7 + 1;
    macro_rules! both {
        ($protocol:ident) => {{
            let led = |part| led!($protocol, &login, said, part);
            let (whole, cut) = (led(said.len().max(1)), led(part));
            // Who says more with his word for TLS has broken the protocol, who says it later has not.
            if !wants_starttls {
                assert_eq!(whole, cut, "cut into parts of {part} bytes");
            }
            [whole, cut]
        }};
    }
    let ways = match choice & 3 {
        0 => both!(imap),
        1 => both!(pop3),
        2 => both!(sieve),
        _ => both!(submission),
    };
    let secret = STANDARD.encode(login.credentials.response.bytes());
    let has = |text: &[u8], word: &[u8]| text.windows(word.len()).any(|part| part == word);
    for led in ways {
        let clear = &led.said[..led.said_before_tls];
        assert!(
            !wants_starttls || !has(clear, PASSWORD) && !has(clear, secret.as_bytes()),
            "a password in the clear"
        );
        if let Some(BackStep::Failed(why)) = &led.end {
            assert!(!why.chars().any(char::is_control), "a fault is one line: {why:?}");
        }
    }
}

fn credentials(choice: u8) -> Credentials {
    let made = match choice >> 6 {
        1 => Credentials::of_response(
            Mechanism::XOauth2,
            b"user=alice\x01auth=Bearer xyzzy-plugh\x01\x01".to_vec(),
        ),
        2 => Credentials::of_response(
            Mechanism::OauthBearer,
            b"n,a=alice,\x01auth=Bearer xyzzy-plugh\x01\x01".to_vec(),
        ),
        _ => Credentials::of_password(b"alice", PASSWORD),
    };
    made.expect("they can be used")
}

/// Feeds a back until the login is over, or nothing is left.
#[macro_export]
#[doc(hidden)]
macro_rules! __led_back {
    ($protocol:ident, $login:expr, $bytes:expr, $part:expr) => {{
        let mut back = $protocol::Back::new($login.clone());
        let (mut input, mut said) = (Input::default(), Vec::new());
        let (mut said_before_tls, mut end, mut is_tls) = (0, None, false);
        let mut parts = $bytes.chunks($part);
        while end.is_none() {
            let step = back.feed(&mut input, &mut said);
            if !is_tls {
                said_before_tls = said.len();
            }
            match step {
                BackStep::More => match parts.next() {
                    Some(part) => input.extend(part),
                    None => break,
                },
                BackStep::StartTls => {
                    assert!(
                        !is_tls && $login.wants_starttls,
                        "TLS begins once, where it is wanted"
                    );
                    is_tls = true;
                    back.tls_started();
                }
                step => end = Some(step),
            }
        }
        Led {
            said,
            said_before_tls,
            end,
        }
    }};
}
use crate::__led_back as led;
