//! A host of the configuration, an address or a name, and the members' list that is made of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::complaint::{Complaint, Quoted};

/// The longest host name that DNS has, in bytes.
const HOST_BYTES_MAX: usize = 253;

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// At this address.
    Ip(IpAddr),
    /// Where this name leads; to be resolved.
    Name(Box<str>),
}

impl Host {
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        if let Some(ip) = parse_ip(text) {
            return refuse_short_form(text, ip).map(Host::Ip);
        }
        check_name(text)?;
        Ok(Host::Name(text.into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(ip) => write!(f, "{ip}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// One entry of `director_servers`: `host`, `host:port`, `ip`, `[v6]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Where.
    pub host: Host,
    /// The port, when it is written; else that of this process.
    pub port: Option<u16>,
}

impl ServerSpec {
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        if text.contains('@') {
            return Err(Complaint::new(format!(
                "{} has a tag, which only director_mail_servers may have",
                Quoted(text)
            )));
        }
        if let Some((first, last)) = text.split_once('-')
            && parse_ip(first).is_some()
            && parse_ip(last).is_some()
        {
            return Err(Complaint::with_hint(
                format!(
                    "{} is a range, which only director_mail_servers may have",
                    Quoted(text)
                ),
                "write each address",
            ));
        }
        if let Some(ip) = parse_ip(text) {
            let host = refuse_short_form(text, ip).map(Host::Ip)?;
            return Ok(ServerSpec { host, port: None });
        }
        match text.rsplit_once(':') {
            Some((host, port)) => Ok(ServerSpec {
                host: Host::parse(host)?,
                port: Some(parse_port(port, text)?),
            }),
            None => Ok(ServerSpec {
                host: Host::parse(text)?,
                port: None,
            }),
        }
    }
}

impl fmt::Display for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (host, None) => write!(f, "{host}"),
            (Host::Ip(IpAddr::V6(ip)), Some(port)) => write!(f, "[{ip}]:{port}"),
            (host, Some(port)) => write!(f, "{host}:{port}"),
        }
    }
}

/// An address as Dovecot reads it: IPv6 with or without brackets, IPv4 in any form of `inet_aton`, as `10.1` for
/// 10.0.0.1.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    if let Some(bare) = text.strip_prefix('[') {
        let v6: Ipv6Addr = bare.strip_suffix(']')?.parse().ok()?;
        return Some(v6.into());
    }
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    }
    let parts: Vec<u32> = text.split('.').map(parse_part).collect::<Option<_>>()?;
    let (last, before) = parts.split_last()?;
    let bytes_of_last = 4usize.checked_sub(before.len()).filter(|bytes| *bytes > 0)?;
    if before.iter().any(|part| *part > 255) || u64::from(*last) >> (8 * bytes_of_last) != 0 {
        return None;
    }
    let high = before
        .iter()
        .zip([24, 16, 8])
        .fold(0, |bits, (part, shift)| bits | (part << shift));
    Some(Ipv4Addr::from_bits(high | last).into())
}

/// One part of an IPv4 address: decimal, octal after `0`, hexadecimal after `0x`.
fn parse_part(text: &str) -> Option<u32> {
    let lowered = text.to_ascii_lowercase();
    let (digits, radix) = match (lowered.strip_prefix("0x"), lowered.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (lowered.as_str(), 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// `10.1` and `010.0.0.1` surprise whoever reads them; Dovecot takes them, a configuration that lasts should not.
pub(super) fn refuse_short_form(text: &str, ip: IpAddr) -> Result<IpAddr, Complaint> {
    if ip.is_ipv4() && text.parse() != Ok(ip) {
        let hint = format!("Dovecot reads it as {ip}; write that if it is meant");
        return Err(Complaint::with_hint(
            format!("{} is no full IPv4 address", Quoted(text)),
            hint,
        ));
    }
    Ok(ip)
}

pub(super) fn parse_port(text: &str, whole: &str) -> Result<u16, Complaint> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = is_number.then(|| text.parse().ok()).flatten();
    port.filter(|port| *port != 0).ok_or_else(|| {
        let message = format!("{} has no port of 1 to 65535 after the colon", Quoted(whole));
        Complaint::with_hint(message, "IPv6 addresses with a port are written [fd00::1]:9090")
    })
}

fn check_name(name: &str) -> Result<(), Complaint> {
    let quoted = Quoted(name);
    if name.len() > HOST_BYTES_MAX {
        let bytes = name.len();
        return Err(Complaint::new(format!(
            "{quoted} has {bytes} bytes, a host name has at most {HOST_BYTES_MAX}"
        )));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut labels = name.strip_suffix('.').unwrap_or(name).split('.');
    if !labels
        .clone()
        .all(|label| !label.is_empty() && label.bytes().all(is_letter))
    {
        return Err(Complaint::new(format!(
            "{quoted} is neither an IP address nor a host name"
        )));
    }
    // No top-level domain is a number, so this was meant to be an address.
    if labels
        .next_back()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(Complaint::new(format!("{quoted} is no IP address")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_inet_aton_and_inet_pton_do() {
        for (text, ip) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.1", "10.0.0.1"),
            ("1", "0.0.0.1"),
            ("10.1.256", "10.1.1.0"),
            ("010.0x10.0.1", "8.16.0.1"),
            ("fd00::1", "fd00::1"),
            ("[FD00:0::1]", "fd00::1"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ] {
            assert_eq!(parse_ip(text), Some(ip.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "mail1",
            "10.0.0.256",
            "10.0.0.1.2",
            "256.1",
            "1.2.3.",
            ".1",
            "08",
            "+1",
            "1.-2",
            "0x",
            "[10.0.0.1]",
            "[fd00::1",
            "fe80::1%lo",
            "4294967296",
        ] {
            assert_eq!(parse_ip(text), None, "{text}");
        }
    }

    #[test]
    fn members_are_hosts_with_or_without_ports() {
        for text in [
            "10.0.0.1",
            "10.0.0.1:9091",
            "d1.example.com",
            "d1:9090",
            "fd00::1",
            "[fd00::1]:9090",
        ] {
            assert_eq!(ServerSpec::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ServerSpec::parse("[fd00::1]").unwrap().to_string(), "fd00::1");
    }

    #[test]
    fn what_is_wrong_with_a_host_is_said() {
        for (text, message) in [
            (
                "10.0.0.1@gold",
                "\"10.0.0.1@gold\" has a tag, which only director_mail_servers may have",
            ),
            (
                "10.0.0.1-10.0.0.3",
                "\"10.0.0.1-10.0.0.3\" is a range, which only director_mail_servers may have",
            ),
            ("10.0.0.300", "\"10.0.0.300\" is no IP address"),
            ("10.1", "\"10.1\" is no full IPv4 address"),
            (
                "10.0.0.1:0",
                "\"10.0.0.1:0\" has no port of 1 to 65535 after the colon",
            ),
            (
                "10.0.0.1:+9",
                "\"10.0.0.1:+9\" has no port of 1 to 65535 after the colon",
            ),
            ("d1:", "\"d1:\" has no port of 1 to 65535 after the colon"),
            ("d1,d2", "\"d1,d2\" is neither an IP address nor a host name"),
            (
                "fd00::zz:1",
                "\"fd00::zz\" is neither an IP address nor a host name",
            ),
        ] {
            assert_eq!(ServerSpec::parse(text).unwrap_err().message, message);
        }
    }
}
