//! How the user's proof is written for a backend. What the backend answers is left to the back.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::capabilities::Capabilities;
use super::text::{LINE_BYTES_MAX, quoted};
use crate::proxy::{Credentials, Mechanism};

/// Bytes that a string may have to be quoted; longer ones are literals.
const QUOTED_BYTES_MAX: usize = 1024;
/// Bytes that a LITERAL- may have (RFC 7888, section 5).
const LITERAL_MINUS_BYTES_MAX: usize = 4096;

/// The command that logs the user in, under this tag, in parts: each but the first waits for a `+` of the backend. Nothing
/// if the backend takes no such proof.
pub(super) fn login(
    tag: char,
    credentials: &Credentials,
    capabilities: &Capabilities,
) -> Option<Vec<Vec<u8>>> {
    if capabilities.has(&format!("AUTH={}", credentials.mechanism.name())) {
        return Some(authenticate(tag, credentials, capabilities));
    }
    if capabilities.has("LOGINDISABLED") {
        return None;
    }
    let (name, password) = credentials.name_and_password()?;
    let mut parts = vec![format!("{tag} LOGIN ").into_bytes()];
    put_string(&mut parts, name, capabilities);
    put(&mut parts, b" ");
    put_string(&mut parts, password, capabilities);
    put(&mut parts, b"\r\n");
    Some(parts)
}

fn authenticate(tag: char, credentials: &Credentials, capabilities: &Capabilities) -> Vec<Vec<u8>> {
    let mechanism = credentials.mechanism.name();
    let command = format!("{tag} AUTHENTICATE {mechanism}");
    let response = STANDARD.encode(credentials.response.bytes());
    let is_initial = capabilities.has("SASL-IR") && command.len() + 1 + response.len() <= LINE_BYTES_MAX;
    let mut parts = if is_initial {
        vec![format!("{command} {response}\r\n").into_bytes()]
    } else {
        vec![
            format!("{command}\r\n").into_bytes(),
            format!("{response}\r\n").into_bytes(),
        ]
    };
    // Who is refused is told why in a challenge, and answers nothing to it before he gets the refusal itself.
    match credentials.mechanism {
        Mechanism::Plain => {}
        Mechanism::XOauth2 => parts.push(b"\r\n".to_vec()),
        // RFC 7628, section 3.2.3: a single 0x01.
        Mechanism::OauthBearer => parts.push(b"AQ==\r\n".to_vec()),
    }
    parts
}

fn put_string(parts: &mut Vec<Vec<u8>>, text: &[u8], capabilities: &Capabilities) {
    if let Some(quoted) = quoted(text).filter(|quoted| quoted.len() <= QUOTED_BYTES_MAX) {
        return put(parts, &quoted);
    }
    let size = text.len();
    let waits_not =
        capabilities.has("LITERAL+") || (capabilities.has("LITERAL-") && size <= LITERAL_MINUS_BYTES_MAX);
    if waits_not {
        put(parts, format!("{{{size}+}}\r\n").as_bytes());
        put(parts, text);
    } else {
        put(parts, format!("{{{size}}}\r\n").as_bytes());
        parts.push(text.to_vec());
    }
}

fn put(parts: &mut [Vec<u8>], bytes: &[u8]) {
    if let Some(last) = parts.last_mut() {
        last.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(credentials: &Credentials, capabilities: &str) -> Option<Vec<String>> {
        let capabilities = Capabilities::of_response(format!("CAPABILITY {capabilities}").as_bytes());
        let parts = login('L', credentials, &capabilities.expect("a response"))?;
        Some(
            parts
                .iter()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect(),
        )
    }

    fn password(password: &str) -> Credentials {
        Credentials::of_password(b"Alice", password.as_bytes()).expect("usable")
    }

    fn said(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn a_response_is_initial_where_it_may_be_and_fits() {
        let credentials = password("secret");
        let encoded = "AEFsaWNlAHNlY3JldA==";
        assert_eq!(
            parts(&credentials, "SASL-IR AUTH=PLAIN"),
            said(&[&format!("L AUTHENTICATE PLAIN {encoded}\r\n")])
        );
        let waiting = said(&["L AUTHENTICATE PLAIN\r\n", &format!("{encoded}\r\n")]);
        assert_eq!(parts(&credentials, "AUTH=PLAIN LOGINDISABLED"), waiting);
        let long = password(&"x".repeat(7000));
        let lengths = parts(&long, "SASL-IR AUTH=PLAIN").map(|parts| parts.iter().map(String::len).collect());
        assert_eq!(lengths, Some(vec![22, 9346]));
    }

    #[test]
    fn tokens_have_an_answer_to_the_challenge_of_a_refusal() {
        let token = b"user=alice\x01auth=Bearer t\x01\x01".to_vec();
        let xoauth2 = Credentials::of_response(Mechanism::XOauth2, token).expect("usable");
        let encoded = "dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0AQE=";
        assert_eq!(
            parts(&xoauth2, "SASL-IR AUTH=XOAUTH2"),
            said(&[&format!("L AUTHENTICATE XOAUTH2 {encoded}\r\n"), "\r\n"])
        );
        let token = b"n,a=alice,\x01auth=Bearer t\x01\x01".to_vec();
        let bearer = Credentials::of_response(Mechanism::OauthBearer, token).expect("usable");
        let encoded = "bixhPWFsaWNlLAFhdXRoPUJlYXJlciB0AQE=";
        assert_eq!(
            parts(&bearer, "AUTH=OAUTHBEARER"),
            said(&[
                "L AUTHENTICATE OAUTHBEARER\r\n",
                &format!("{encoded}\r\n"),
                "AQ==\r\n"
            ])
        );
        assert_eq!(parts(&bearer, "AUTH=XOAUTH2 AUTH=PLAIN"), None);
    }

    #[test]
    fn without_sasl_the_password_is_quoted_or_a_literal() {
        assert_eq!(
            parts(&password("a\"b"), "IMAP4rev1"),
            said(&["L LOGIN \"Alice\" \"a\\\"b\"\r\n"])
        );
        assert_eq!(
            parts(&password("a\r\nb"), "IMAP4rev1"),
            said(&["L LOGIN \"Alice\" {4}\r\n", "a\r\nb\r\n"])
        );
        let literal = said(&["L LOGIN \"Alice\" {2+}\r\nü\r\n"]);
        assert_eq!(parts(&password("ü"), "LITERAL+"), literal);
        assert_eq!(parts(&password("ü"), "LITERAL-"), literal);
        let long = "x".repeat(5000);
        assert_eq!(
            parts(&password(&long), "LITERAL-"),
            said(&["L LOGIN \"Alice\" {5000}\r\n", &format!("{long}\r\n")])
        );
    }

    #[test]
    fn a_backend_that_takes_no_passwords_gets_none() {
        assert_eq!(parts(&password("x"), "LOGINDISABLED"), None);
        let other = Credentials::of_response(Mechanism::Plain, b"bob\0alice\0x".to_vec()).expect("usable");
        assert_eq!(parts(&other, "IMAP4rev1"), None);
    }
}
