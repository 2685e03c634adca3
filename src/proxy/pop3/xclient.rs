//! Dovecot's XCLIENT, by which a proxy says for whom it speaks: read from the proxy in front, written for the backend.
//!
//! Whether what is read is believed is left to the engine.

use std::net::IpAddr;

use crate::proxy::{Claims, Origin};

/// Bytes of a session's name, as in Dovecot.
const SESSION_BYTES_MAX: usize = 64;

/// What stands in a backend's greeting when it takes XCLIENT from this host.
const ANNOUNCEMENT: &[u8] = b"[XCLIENT]";

/// The claims with what the arguments `KEY=value KEY=value` say besides. Keys that are unknown are passed over: Dovecot's
/// proxies send more of them in later versions. Nothing when a value can't be used.
pub(super) fn claims(arguments: &[u8], before: &Claims) -> Option<Claims> {
    let arguments = std::str::from_utf8(arguments).ok()?;
    let mut claims = before.clone();
    let (mut address, mut port) = before.client.unzip();
    for argument in arguments.split(' ') {
        let Some((key, value)) = argument.split_once('=') else {
            continue;
        };
        match key.to_ascii_uppercase().as_str() {
            "ADDR" => address = Some(value.parse::<IpAddr>().ok()?),
            "PORT" => port = Some(number(value)?),
            "TTL" => claims.ttl = Some(u8::try_from(number(value)?).ok()?),
            "SESSION" if is_session(value) => claims.session = Some(value.into()),
            "SESSION" => return None,
            _ => {}
        }
    }
    claims.client = address.map(|address| (address, port.unwrap_or(0)));
    Some(claims)
}

/// Whether the line by which a backend greets announces that it takes XCLIENT.
pub(super) fn is_announced(greeting: &[u8]) -> bool {
    greeting.split(|byte| *byte == b' ').nth(1) == Some(ANNOUNCEMENT)
}

/// The command that tells a backend of the client, with its line end.
pub(super) fn command(origin: &Origin) -> String {
    let address = origin.client.ip().to_canonical();
    let mut line = format!("XCLIENT ADDR={address} PORT={}", origin.client.port());
    if is_session(&origin.session) {
        line.push_str(" SESSION=");
        line.push_str(&origin.session);
    }
    line.push_str(&format!(" TTL={}\r\n", origin.ttl));
    line
}

/// Digits alone: the standard library would take a sign, too.
fn number(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

fn is_session(text: &str) -> bool {
    (1..=SESSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(client: &str, session: &str) -> Origin {
        Origin {
            client: client.parse().expect("an address with a port"),
            local: "192.0.2.2:110".parse().expect("an address with a port"),
            session: session.into(),
            ttl: 4,
            helo: None,
            is_tls: false,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let line = command(&origin("[2001:db8::1]:4711", "a+b/c"));
        assert_eq!(line, "XCLIENT ADDR=2001:db8::1 PORT=4711 SESSION=a+b/c TTL=4\r\n");
        let arguments = line.trim_end().strip_prefix("XCLIENT ").expect("as written");
        let expected = Claims {
            client: Some(("2001:db8::1".parse().expect("an address"), 4711)),
            ttl: Some(4),
            session: Some("a+b/c".into()),
        };
        assert_eq!(claims(arguments.as_bytes(), &Claims::default()), Some(expected));
    }

    #[test]
    fn an_address_of_ipv4_is_written_as_one() {
        assert_eq!(
            command(&origin("[::ffff:192.0.2.1]:1", "s")),
            "XCLIENT ADDR=192.0.2.1 PORT=1 SESSION=s TTL=4\r\n"
        );
    }

    #[test]
    fn a_session_that_would_break_the_line_is_left_out() {
        let long = "x".repeat(SESSION_BYTES_MAX + 1);
        for session in ["", "a b", "a\r\nQUIT", "a\0", "\u{e4}", long.as_str()] {
            assert_eq!(
                command(&origin("192.0.2.1:1", session)),
                "XCLIENT ADDR=192.0.2.1 PORT=1 TTL=4\r\n"
            );
        }
    }

    #[test]
    fn later_claims_are_added_to_earlier_ones() {
        let first = claims(b"addr=192.0.2.1 TTL=3", &Claims::default()).expect("usable");
        let both = claims(b"PORT=99 FORWARD=eA== nothing  ", &first).expect("usable");
        let expected = Claims {
            client: Some(("192.0.2.1".parse().expect("an address"), 99)),
            ttl: Some(3),
            session: None,
        };
        assert_eq!(both, expected);
    }

    #[test]
    fn bad_values_are_refused() {
        let long = format!("SESSION={}", "x".repeat(SESSION_BYTES_MAX + 1));
        for arguments in [
            &b"ADDR="[..],
            b"ADDR=host",
            b"ADDR=192.0.2.1:5",
            b"ADDR=[::1]",
            b"PORT=65536",
            b"PORT=+1",
            b"PORT=",
            b"TTL=256",
            b"TTL=-1",
            b"SESSION=",
            b"SESSION=a\0b",
            b"SESSION=\xff",
            long.as_bytes(),
        ] {
            assert_eq!(claims(arguments, &Claims::default()), None, "{arguments:?}");
        }
    }

    #[test]
    fn only_the_first_word_of_a_greeting_announces() {
        assert!(is_announced(b"+OK [XCLIENT] Dovecot ready."));
        assert!(!is_announced(b"+OK Dovecot [XCLIENT] ready."));
        assert!(!is_announced(b"+OK"));
    }
}
