//! The attributes of XCLIENT (Postfix's XCLIENT_README, and Dovecot's SESSION and TTL): what a proxy in front has said,
//! and what a backend is told. Whether it is believed is left to the engine.

use std::net::IpAddr;

use super::words;
use crate::proxy::{Claims, Origin};

/// Bytes that a command may have, with its CRLF (RFC 5321, section 4.5.3.1.4).
const COMMAND_BYTES_MAX: usize = 512;

/// What all XCLIENT commands of a connection have said.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Announcement {
    pub(in crate::proxy) claims: Claims,
    /// How the proxy's client has called himself.
    pub(in crate::proxy) helo: Option<Box<str>>,
    /// Waits for the address, should it come later.
    port: Option<u16>,
}

impl Announcement {
    /// Adds one command's attributes, or nothing at all when one of them is wrong. Unknown ones are passed over, as
    /// Dovecot does: nothing is decided by them.
    ///
    /// # Errors
    /// What is wrong, in words that are ours.
    pub(in crate::proxy) fn add(&mut self, arguments: &[u8]) -> Result<(), &'static str> {
        let mut changed = self.clone();
        for attribute in arguments
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty())
        {
            let equals = memchr::memchr(b'=', attribute).ok_or("Invalid parameters")?;
            changed.add_one(&attribute[..equals], &attribute[equals + 1..])?;
        }
        *self = changed;
        Ok(())
    }

    fn add_one(&mut self, name: &[u8], xtext: &[u8]) -> Result<(), &'static str> {
        let value = words::of_xtext(xtext).ok_or("Invalid xtext in parameter")?;
        if is_unknown(&value) {
            return Ok(());
        }
        match name.to_ascii_uppercase().as_slice() {
            b"ADDR" => {
                let address = address_of(&value).ok_or("Invalid ADDR parameter")?;
                self.claims.client = Some((address, self.port.unwrap_or_default()));
            }
            b"PORT" => {
                let port = number_of(&value).ok_or("Invalid PORT parameter")?;
                self.port = Some(port);
                self.claims.client = self.claims.client.map(|(address, _)| (address, port));
            }
            b"TTL" => {
                let ttl: u32 = number_of(&value).ok_or("Invalid TTL parameter")?;
                self.claims.ttl = Some(u8::try_from(ttl).unwrap_or(u8::MAX));
            }
            b"SESSION" => {
                let session = words::name(&value).ok_or("Invalid SESSION parameter")?;
                self.claims.session = Some(session.into());
            }
            b"HELO" => self.helo = words::name(&value).map(Into::into),
            _ => {}
        }
        Ok(())
    }
}

/// The commands, without their CRLF, that tell a backend of the client: those attributes that it lists (their names in upper
/// case), as far as they are known. One that fits in no line is left out.
///
/// LOGIN is never among them: nobody has checked the password yet, and Postfix takes a LOGIN for a login that is done.
pub(in crate::proxy) fn commands(origin: &Origin, listed: &[Vec<u8>]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let known = attributes(origin).into_iter();
    for (name, value) in known.filter(|(name, _)| listed.iter().any(|listed| listed == name.as_bytes())) {
        let attribute = format!(" {name}={}", words::to_xtext(&value));
        let fits = |command: &String| command.len() + attribute.len() + "\r\n".len() <= COMMAND_BYTES_MAX;
        let verb = "XCLIENT".to_owned();
        match commands.last_mut() {
            Some(last) if fits(last) => last.push_str(&attribute),
            _ if fits(&verb) => commands.push(verb + &attribute),
            _ => {}
        }
    }
    commands
}

fn attributes(origin: &Origin) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        // Postfix would go on with this proxy's name beside the client's address.
        ("NAME", "[UNAVAILABLE]".to_owned()),
        ("ADDR", address_word(origin.client.ip())),
        ("PORT", origin.client.port().to_string()),
        ("DESTADDR", address_word(origin.local.ip())),
        ("DESTPORT", origin.local.port().to_string()),
        ("PROTO", "ESMTP".to_owned()),
        ("SESSION", origin.session.to_string()),
        ("TTL", origin.ttl.to_string()),
    ];
    if let Some(helo) = &origin.helo {
        attributes.push(("HELO", helo.to_string()));
    }
    attributes
}

fn address_word(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("IPV6:{address}"),
    }
}

/// The prefix may be missing: old Dovecots leave it out.
fn address_of(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    match text.split_at_checked("IPV6:".len()) {
        Some((prefix, address)) if prefix.eq_ignore_ascii_case("IPV6:") => {
            address.parse().ok().map(IpAddr::V6)
        }
        _ => text.parse().ok(),
    }
}

fn number_of<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn is_unknown(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"[UNAVAILABLE]") || value.eq_ignore_ascii_case(b"[TEMPUNAVAIL]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            client: "[2001:db8::7]:40000".parse().expect("an address"),
            local: "[::ffff:192.0.2.1]:587".parse().expect("an address"),
            session: "s+1".into(),
            ttl: 4,
            helo: Some("laptop".into()),
            is_tls: false,
        }
    }

    fn listed(names: &str) -> Vec<Vec<u8>> {
        names.split(' ').map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn only_what_the_backend_lists_is_said_and_a_login_never() {
        let names = "NAME ADDR PORT PROTO HELO LOGIN SESSION TTL DESTADDR DESTPORT TIMEOUT";
        assert_eq!(
            commands(&origin(), &listed(names)),
            [
                "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=40000 DESTADDR=192.0.2.1 DESTPORT=587 \
                 PROTO=ESMTP SESSION=s+2B1 TTL=4 HELO=laptop"
            ]
        );
        assert_eq!(
            commands(&origin(), &listed("PORT TTL")),
            ["XCLIENT PORT=40000 TTL=4"]
        );
        assert_eq!(commands(&origin(), &listed("LOGIN FORWARD")), [""; 0]);
    }

    #[test]
    fn a_line_has_no_more_than_512_bytes() {
        let helo = "x".repeat(255);
        let session = "y".repeat(255);
        let origin = Origin {
            session: session.as_str().into(),
            helo: Some(helo.as_str().into()),
            ..origin()
        };
        assert_eq!(
            commands(&origin, &listed("ADDR SESSION HELO")),
            [
                format!("XCLIENT ADDR=IPV6:2001:db8::7 SESSION={session}"),
                format!("XCLIENT HELO={helo}"),
            ]
        );
        let origin = Origin {
            helo: Some("+".repeat(255).into()),
            ..origin
        };
        assert_eq!(commands(&origin, &listed("PORT HELO")), ["XCLIENT PORT=40000"]);
    }

    #[test]
    fn what_is_told_is_understood_on_the_other_side() {
        let mut heard = Announcement::default();
        for command in commands(&origin(), &listed("ADDR PORT PROTO HELO SESSION TTL")) {
            let arguments = command.strip_prefix("XCLIENT").expect("the command");
            assert_eq!(heard.add(arguments.as_bytes()), Ok(()));
        }
        let address = "2001:db8::7".parse().expect("an address");
        let claims = Claims {
            client: Some((address, 40000)),
            ttl: Some(4),
            session: Some("s+1".into()),
        };
        assert_eq!(heard.claims, claims);
        assert_eq!(heard.helo.as_deref(), Some("laptop"));
    }

    #[test]
    fn attributes_come_in_any_case_and_order_and_in_many_commands() {
        let mut heard = Announcement::default();
        assert_eq!(heard.add(b"port=77 ttl=300 FORWARD=x"), Ok(()));
        assert_eq!(heard.claims.client, None);
        assert_eq!(heard.add(b"addr=192.0.2.9 SESSION=[UNAVAILABLE]"), Ok(()));
        let address = "192.0.2.9".parse().expect("an address");
        assert_eq!(
            heard.claims,
            Claims {
                client: Some((address, 77)),
                ttl: Some(255),
                session: None
            }
        );
        assert_eq!(heard.add(b"PORT=78"), Ok(()));
        assert_eq!(heard.claims.client, Some((address, 78)));
    }

    #[test]
    fn a_wrong_attribute_spoils_its_whole_command() {
        for (arguments, error) in [
            (&b"TTL=1 ADDR=mx.example"[..], "Invalid ADDR parameter"),
            (b"TTL=1 ADDR=IPV6:192.0.2.1", "Invalid ADDR parameter"),
            (b"TTL=1 ADDR=\xff\xff\xff\xff\xff\xff", "Invalid ADDR parameter"),
            (b"TTL=1 PORT=65536", "Invalid PORT parameter"),
            (b"PORT=1 TTL=-1", "Invalid TTL parameter"),
            (b"TTL=1 SESSION=a+0D+0Ab", "Invalid SESSION parameter"),
            (b"TTL=1 SESSION=", "Invalid SESSION parameter"),
            (b"TTL=1 HELO=+4", "Invalid xtext in parameter"),
            (b"TTL=1 ADDR", "Invalid parameters"),
        ] {
            let mut heard = Announcement::default();
            assert_eq!(heard.add(arguments), Err(error), "{arguments:?}");
            assert_eq!(heard.claims, Claims::default());
        }
    }
}
