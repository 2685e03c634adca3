//! The ID command (RFC 2971) as proxies use it to tell each other whom they speak for. Whether a claim is believed is left
//! to the engine.

use std::net::IpAddr;

use super::command::Word;
use super::text::quoted;
use crate::proxy::{Claims, Origin};

/// Fields that a client may send (RFC 2971, section 3.3).
const FIELDS_MAX: usize = 30;
/// Bytes that a session's name may have.
const SESSION_BYTES_MAX: usize = 64;

/// What the client has claimed so far and claims with these arguments; nothing if they are not those of an ID command.
/// Fields that are not known, and values that make no sense, are passed over.
pub(super) fn claimed(arguments: &[Word], before: &Claims) -> Option<Claims> {
    let mut claims = before.clone();
    let (mut address, mut port) = (None, 0);
    for (field, value) in fields(arguments)? {
        let Some(value) = value else {
            continue;
        };
        match field.to_ascii_lowercase().as_slice() {
            b"x-originating-ip" => address = value.parse::<IpAddr>().ok().or(address),
            b"x-originating-port" => port = value.parse().unwrap_or(port),
            b"x-proxy-ttl" => claims.ttl = value.parse().ok().or(claims.ttl),
            b"x-session-id" if is_session(value) => claims.session = Some(value.into()),
            _ => {}
        }
    }
    if let Some(address) = address {
        claims.client = Some((address, port));
    }
    Some(claims)
}

/// The arguments of the ID command that tells a backend where the client is, in the words that Dovecot understands.
pub(super) fn introduction(origin: &Origin) -> Vec<u8> {
    let fields = [
        ("x-session-id", origin.session.to_string()),
        ("x-originating-ip", origin.client.ip().to_canonical().to_string()),
        ("x-originating-port", origin.client.port().to_string()),
        ("x-connected-ip", origin.local.ip().to_canonical().to_string()),
        ("x-connected-port", origin.local.port().to_string()),
        ("x-proxy-ttl", origin.ttl.to_string()),
    ];
    // A name that can't be quoted is not worth a login.
    let pairs = fields.iter().filter_map(|(field, value)| {
        let value = quoted(value.as_bytes())?;
        Some([b"\"", field.as_bytes(), b"\" ", &value].concat())
    });
    let pairs: Vec<Vec<u8>> = pairs.collect();
    [b"(", &pairs.join(&b' ')[..], b")"].concat()
}

/// Names and values. A value that is NIL or no text is nothing.
fn fields(arguments: &[Word]) -> Option<Vec<(&[u8], Option<&str>)>> {
    let inner = match arguments {
        [Word::Atom(nil)] if nil.eq_ignore_ascii_case(b"NIL") => return Some(Vec::new()),
        [Word::Open, inner @ .., Word::Close] => inner,
        _ => return None,
    };
    if inner.len() > 2 * FIELDS_MAX {
        return None;
    }
    let pairs = inner.chunks(2).map(|pair| match pair {
        [Word::String(field), Word::String(value)] => {
            Some((field.as_slice(), std::str::from_utf8(value).ok()))
        }
        [Word::String(field), Word::Atom(nil)] if nil.eq_ignore_ascii_case(b"NIL") => {
            Some((field.as_slice(), None))
        }
        _ => None,
    });
    pairs.collect()
}

/// It is handed on in commands, and written to logs.
fn is_session(name: &str) -> bool {
    (1..=SESSION_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Word {
        Word::String(text.as_bytes().to_vec())
    }

    fn list(texts: &[&str]) -> Vec<Word> {
        let mut words = vec![Word::Open];
        words.extend(texts.iter().map(|text| string(text)));
        words.push(Word::Close);
        words
    }

    fn claimed_by(texts: &[&str]) -> Option<Claims> {
        claimed(&list(texts), &Claims::default())
    }

    #[test]
    fn a_proxy_says_whom_it_speaks_for() {
        let claims = claimed_by(&[
            "X-Originating-IP",
            "2001:db8::1",
            "x-originating-port",
            "55",
            "x-proxy-ttl",
            "3",
            "x-session-id",
            "s1",
            "name",
            "client",
        ]);
        let expected = Claims {
            client: Some(("2001:db8::1".parse().unwrap(), 55)),
            ttl: Some(3),
            session: Some("s1".into()),
        };
        assert_eq!(claims, Some(expected.clone()));
        assert_eq!(claimed(&list(&["name", "c"]), &expected), Some(expected));
    }

    #[test]
    fn claims_that_make_no_sense_are_passed_over() {
        let claims = claimed_by(&[
            "x-originating-ip",
            "1.2.3.400",
            "x-originating-port",
            "99999",
            "x-proxy-ttl",
            "-1",
            "x-session-id",
            "a\r\nb",
        ]);
        assert_eq!(claims, Some(Claims::default()));
        let long = "s".repeat(65);
        assert_eq!(claimed_by(&["x-session-id", &long]), Some(Claims::default()));
        let words = [
            Word::Open,
            string("x-session-id"),
            Word::Atom(b"nil".to_vec()),
            Word::Close,
        ];
        assert_eq!(claimed(&words, &Claims::default()), Some(Claims::default()));
    }

    #[test]
    fn what_is_no_list_of_pairs_is_refused() {
        assert_eq!(claimed_by(&["odd"]), None);
        assert_eq!(claimed_by(&["x"; 60]), Some(Claims::default()));
        assert_eq!(claimed_by(&["x"; 62]), None);
        assert_eq!(claimed(&[], &Claims::default()), None);
        assert_eq!(claimed(&[Word::Open], &Claims::default()), None);
        let nested = [
            Word::Open,
            Word::Open,
            string("a"),
            string("b"),
            Word::Close,
            Word::Close,
        ];
        assert_eq!(claimed(&nested, &Claims::default()), None);
        let nil = [Word::Atom(b"Nil".to_vec())];
        assert_eq!(claimed(&nil, &Claims::default()), Some(Claims::default()));
    }

    #[test]
    fn a_backend_is_told_in_quoted_strings_only() {
        let mut origin = Origin {
            client: "[::ffff:192.0.2.9]:55".parse().unwrap(),
            local: "[2001:db8::1]:143".parse().unwrap(),
            session: "a\"b".into(),
            ttl: 4,
            helo: None,
            is_tls: false,
        };
        let rest = r#""x-originating-ip" "192.0.2.9" "x-originating-port" "55" "x-connected-ip" "2001:db8::1" "x-connected-port" "143" "x-proxy-ttl" "4")"#;
        let told = String::from_utf8(introduction(&origin)).unwrap();
        assert_eq!(told, format!(r#"("x-session-id" "a\"b" {rest}"#));
        origin.session = "a\r\nb".into();
        let told = String::from_utf8(introduction(&origin)).unwrap();
        assert_eq!(told, format!("({rest}"));
    }
}
