//! What a client says to one of our own proxies before the login: the first byte chooses the protocol and what is allowed, the
//! second how the rest is cut.

use std::sync::Arc;

use maildirector::proxy::{FrontSettings, FrontStep, Input, imap, pop3, sieve, submission};

/// What one way of cutting led to.
#[derive(Debug, PartialEq, Eq)]
struct Led {
    said: Vec<u8>,
    steps: Vec<FrontStep>,
    left: Vec<u8>,
}

/// However the bytes are cut, the same is said and done; replies are whole lines; credentials come only where they may.
pub fn run(bytes: &[u8]) {
    let &[choice, cut, ref said @ ..] = bytes else {
        return;
    };
    let is_tls = choice & 4 != 0;
    let settings = Arc::new(FrontSettings {
        host: "mail.example.org".into(),
        greeting: "Ready.".into(),
        capabilities: Vec::new(),
        offers_starttls: choice & 8 != 0,
        allows_cleartext: choice & 16 != 0,
        offers_oauth: choice & 32 != 0,
    });
    let part = usize::from(cut) % 7 + 1;
    macro_rules! both {
        ($protocol:ident) => {{
            let led = |part| led!($protocol, &settings, is_tls, said, part);
            let (whole, cut) = (led(said.len().max(1)), led(part));
            // What has come with STARTTLS is thrown away, what comes after it is not.
            if !whole.steps.contains(&FrontStep::StartTls) {
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
    for led in ways {
        assert!(led.said.ends_with(b"\r\n"), "replies are whole lines");
        check_steps(&led.steps, is_tls, &settings);
    }
}

fn check_steps(steps: &[FrontStep], is_tls: bool, settings: &FrontSettings) {
    let mut is_secure = is_tls;
    for step in steps {
        match step {
            FrontStep::StartTls => {
                assert!(
                    settings.offers_starttls && !is_secure,
                    "TLS begins once, where it is offered"
                );
                is_secure = true;
            }
            FrontStep::Login(credentials) => {
                assert!(is_secure || settings.allows_cleartext, "a password in the clear");
                assert!(!credentials.user.is_empty());
                assert!(!credentials.user.chars().any(char::is_control));
            }
            FrontStep::More | FrontStep::Close => {}
        }
    }
}

/// Feeds a front until it wants to be closed, or nothing is left. Every other login is refused by the backend.
#[macro_export]
#[doc(hidden)]
macro_rules! __led {
    ($protocol:ident, $settings:expr, $is_tls:expr, $bytes:expr, $part:expr) => {{
        let mut front = $protocol::Front::new(Arc::clone($settings), $is_tls);
        let (mut input, mut said, mut steps) = (Input::default(), Vec::new(), Vec::new());
        front.greet(&mut said);
        let mut parts = $bytes.chunks($part);
        let mut is_over = false;
        while !is_over {
            match front.feed(&mut input, &mut said) {
                FrontStep::More => match parts.next() {
                    Some(part) => input.extend(part),
                    None => is_over = true,
                },
                step => {
                    match &step {
                        FrontStep::StartTls => front.tls_started(),
                        FrontStep::Login(_) if steps.len() % 2 == 0 => {
                            front.unavailable("Try again.", &mut said);
                        }
                        FrontStep::Login(_) => front.rejected(b"NO refused\r\n", &mut said),
                        _ => is_over = true,
                    }
                    steps.push(step);
                }
            }
        }
        let mut left = input.unread().to_vec();
        parts.for_each(|part| left.extend_from_slice(part));
        Led { said, steps, left }
    }};
}
use crate::__led as led;
