//! One entry of `director_mail_servers`: an address, a range or a name, perhaps with a tag.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::complaint::{Complaint, Quoted};
use super::host::{Host, parse_ip, refuse_short_form};
use crate::topology::{ChangeError, TAG_BYTES_MAX};

/// How many of the last bits of a range's ends may differ.
const RANGE_BITS_V4: u32 = 8;
const RANGE_BITS_V6: u32 = 16;

/// Backends of one entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSpec {
    /// Where they are.
    pub place: BackendPlace,
    /// The name of their tag; empty for the default one.
    pub tag: Box<str>,
}

/// Where the backends of one entry are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendPlace {
    /// One backend.
    Ip(IpAddr),
    /// A backend at each address; both ends belong to it, and only their last 8 bits (IPv6: 16) may differ.
    Range {
        /// The lowest address.
        first: IpAddr,
        /// The highest address.
        last: IpAddr,
    },
    /// A backend at each address that the name has.
    Name(Box<str>),
}

impl BackendSpec {
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        let (place, tag) = text.split_once('@').unwrap_or((text, ""));
        check_tag(tag)?;
        Ok(BackendSpec {
            place: parse_place(place)?,
            tag: tag.into(),
        })
    }

    /// The addresses that are written down, lowest first; none for a name.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let (first, count) = match self.place {
            BackendPlace::Ip(ip) => (ip, 1),
            BackendPlace::Range { first, last } => (first, distance(first, last) + 1),
            BackendPlace::Name(_) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        };
        (0..count).map(move |offset| above(first, offset))
    }
}

impl fmt::Display for BackendSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            BackendPlace::Ip(ip) => write!(f, "{ip}")?,
            BackendPlace::Range { first, last } => write!(f, "{first}-{last}")?,
            BackendPlace::Name(name) => f.write_str(name)?,
        }
        if self.tag.is_empty() {
            return Ok(());
        }
        write!(f, "@{}", self.tag)
    }
}

fn parse_place(text: &str) -> Result<BackendPlace, Complaint> {
    if let Some((first, last)) = text.split_once('-')
        && let (Some(first_ip), Some(last_ip)) = (parse_ip(first), parse_ip(last))
    {
        refuse_short_form(first, first_ip)?;
        refuse_short_form(last, last_ip)?;
        check_range(text, first_ip, last_ip)?;
        return Ok(BackendPlace::Range {
            first: first_ip,
            last: last_ip,
        });
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && parse_ip(text).is_none()
        && Host::parse(host).is_ok()
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(Complaint::with_hint(
            format!("{} has a port, which a backend may not have", Quoted(text)),
            "the passdb names the port",
        ));
    }
    Ok(match Host::parse(text)? {
        Host::Ip(ip) => BackendPlace::Ip(ip),
        Host::Name(name) => BackendPlace::Name(name),
    })
}

fn check_range(text: &str, first: IpAddr, last: IpAddr) -> Result<(), Complaint> {
    let quoted = Quoted(text);
    if first.is_ipv4() != last.is_ipv4() {
        return Err(Complaint::new(format!(
            "{quoted} goes from one address family to another"
        )));
    }
    if first > last {
        let hint = format!("write {last}-{first}");
        return Err(Complaint::with_hint(
            format!("{quoted} ends before it begins"),
            hint,
        ));
    }
    let (differing, allowed) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (
            32 - (first.to_bits() ^ last.to_bits()).leading_zeros(),
            RANGE_BITS_V4,
        ),
        (IpAddr::V6(first), IpAddr::V6(last)) => (
            128 - (first.to_bits() ^ last.to_bits()).leading_zeros(),
            RANGE_BITS_V6,
        ),
        _ => unreachable!("the families were compared above"),
    };
    if differing > allowed {
        return Err(Complaint::with_hint(
            format!("{quoted} differs in its last {differing} bits, the limit is {allowed}"),
            "write several ranges",
        ));
    }
    Ok(())
}

pub(super) fn check_tag(tag: &str) -> Result<(), Complaint> {
    let refused = if tag.len() > TAG_BYTES_MAX {
        ChangeError::TagTooLong {
            bytes: tag.len(),
            max: TAG_BYTES_MAX,
        }
    } else if tag.chars().any(|c| c.is_control() || c == '@') {
        ChangeError::BadTag { tag: tag.into() }
    } else {
        return Ok(());
    };
    Err(Complaint::new(refused.to_string()))
}

/// How far `last` is above `first`; the ends of a checked range are close together.
fn distance(first: IpAddr, last: IpAddr) -> u32 {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => last.to_bits().saturating_sub(first.to_bits()),
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let apart = last.to_bits().saturating_sub(first.to_bits());
            u32::try_from(apart).unwrap_or(u32::from(u16::MAX))
        }
        _ => 0,
    }
}

fn above(first: IpAddr, offset: u32) -> IpAddr {
    match first {
        IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(offset)).into(),
        IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().wrapping_add(offset.into())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        let spec = BackendSpec::parse(text).unwrap();
        spec.addresses().map(|ip| ip.to_string()).collect()
    }

    #[test]
    fn a_range_names_both_ends_and_what_is_between() {
        assert_eq!(
            addresses("10.0.0.9-10.0.0.11"),
            ["10.0.0.9", "10.0.0.10", "10.0.0.11"]
        );
        assert_eq!(addresses("fd00::ff-fd00::100"), ["fd00::ff", "fd00::100"]);
        assert_eq!(addresses("10.0.0.7@gold"), ["10.0.0.7"]);
        assert_eq!(addresses("10.0.0.0-10.0.0.255").len(), 256);
        assert_eq!(addresses("fd00::-fd00::ffff").len(), 65_536);
    }

    #[test]
    fn names_may_hold_hyphens() {
        let spec = BackendSpec::parse("mail-1.example.com@eu west").unwrap();
        assert_eq!(spec.place, BackendPlace::Name("mail-1.example.com".into()));
        assert_eq!((&*spec.tag, spec.addresses().count()), ("eu west", 0));
    }

    #[test]
    fn what_is_wrong_with_a_backend_is_said() {
        for (text, message) in [
            (
                "10.0.0.1-fd00::1",
                "\"10.0.0.1-fd00::1\" goes from one address family to another",
            ),
            ("10.0.0.9-10.0.0.1", "\"10.0.0.9-10.0.0.1\" ends before it begins"),
            (
                "10.0.0.1-10.0.1.1",
                "\"10.0.0.1-10.0.1.1\" differs in its last 9 bits, the limit is 8",
            ),
            (
                "fd00::-fd00::1:0",
                "\"fd00::-fd00::1:0\" differs in its last 17 bits, the limit is 16",
            ),
            (
                "10.0.0.1:143",
                "\"10.0.0.1:143\" has a port, which a backend may not have",
            ),
            (
                "mail1:143",
                "\"mail1:143\" has a port, which a backend may not have",
            ),
            (
                "10.0.0.1@a@b",
                "the tag \"a@b\" holds a control character or an @",
            ),
        ] {
            assert_eq!(BackendSpec::parse(text).unwrap_err().message, message);
        }
    }

    #[test]
    fn entries_are_written_as_they_are_read() {
        for text in [
            "10.0.0.1",
            "10.0.0.1-10.0.0.9@gold",
            "fd00::1@x",
            "mail1.example.com",
        ] {
            assert_eq!(BackendSpec::parse(text).unwrap().to_string(), text);
        }
    }
}
