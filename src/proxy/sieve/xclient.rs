//! XCLIENT, Dovecot's way for a proxy to say who the client is: `XCLIENT ADDR=192.0.2.1 PORT=4190 SESSION=name TTL=4`.
//! Who may say it is left to others.

use std::net::IpAddr;

use super::words::{Word, is_of_atom};
use crate::proxy::{Claims, Origin};

/// Bytes of a session's name. Dovecot passes over a longer one, and so does this.
const SESSION_BYTES_MAX: usize = 64;

/// The whole command. A session's name that can't be said is left out.
pub(super) fn command_of(origin: &Origin) -> String {
    let address = origin.client.ip().to_canonical();
    let port = origin.client.port();
    let ttl = origin.ttl;
    let session = &origin.session;
    if is_session(session) && session.bytes().all(is_of_atom) {
        format!("XCLIENT ADDR={address} PORT={port} SESSION={session} TTL={ttl}\r\n")
    } else {
        format!("XCLIENT ADDR={address} PORT={port} TTL={ttl}\r\n")
    }
}

/// What is claimed once these attributes were said, too; unknown ones are passed over. Nothing when one of them can't be
/// understood.
pub(super) fn claims_with(claims: &Claims, attributes: &[Word]) -> Option<Claims> {
    let mut claims = claims.clone();
    let (mut address, mut port): (Option<IpAddr>, Option<u16>) = claims.client.unzip();
    for attribute in attributes {
        let Word::Atom(attribute) = attribute else {
            return None;
        };
        let attribute = str::from_utf8(attribute).ok()?;
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        match name.to_ascii_uppercase().as_str() {
            "ADDR" => address = Some(value.parse().ok()?),
            "PORT" => port = Some(value.parse().ok()?),
            "TTL" => claims.ttl = Some(value.parse().ok()?),
            "SESSION" if is_session(value) => claims.session = Some(value.into()),
            _ => {}
        }
    }
    // A port alone says nothing of the client.
    claims.client = address.map(|address| (address, port.unwrap_or(0)));
    Some(claims)
}

fn is_session(name: &str) -> bool {
    !name.is_empty() && name.len() <= SESSION_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atoms(words: &str) -> Vec<Word> {
        let words = words.split(' ');
        words.map(|word| Word::Atom(word.as_bytes().to_vec())).collect()
    }

    fn origin(client: &str, session: &str) -> Origin {
        Origin {
            client: client.parse().expect("an address"),
            local: "[2001:db8::2]:4190".parse().expect("an address"),
            session: session.into(),
            ttl: 4,
            helo: None,
            is_tls: false,
        }
    }

    #[test]
    fn the_origin_is_said_as_dovecot_wants_it() {
        assert_eq!(
            command_of(&origin("[::ffff:192.0.2.1]:99", "a/b+c=")),
            "XCLIENT ADDR=192.0.2.1 PORT=99 SESSION=a/b+c= TTL=4\r\n"
        );
    }

    #[test]
    fn a_session_that_would_break_the_line_is_left_out() {
        for session in ["", "a b", "a\r\nLOGOUT", "a\"", &"x".repeat(65)] {
            assert_eq!(
                command_of(&origin("[2001:db8::1]:99", session)),
                "XCLIENT ADDR=2001:db8::1 PORT=99 TTL=4\r\n"
            );
        }
    }

    #[test]
    fn claims_add_up() {
        let first = claims_with(&Claims::default(), &atoms("PORT=99 addr=2001:db8::1 FORWARD=x y"));
        let first = first.expect("understood");
        let long = format!("SESSION={}", "x".repeat(65));
        let second = claims_with(&first, &atoms(&format!("SESSION=a= TTL=3 ADDR=192.0.2.1 {long}")));
        assert_eq!(
            second,
            Some(Claims {
                client: Some((IpAddr::from([192, 0, 2, 1]), 99)),
                ttl: Some(3),
                session: Some("a=".into()),
            })
        );
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        for attributes in ["ADDR=here", "ADDR", "PORT=65536", "PORT=-1", "TTL=256", "TTL="] {
            assert_eq!(claims_with(&Claims::default(), &atoms(attributes)), None);
        }
        let text = [Word::Text(b"TTL=1".to_vec())];
        assert_eq!(claims_with(&Claims::default(), &text), None);
    }
}
