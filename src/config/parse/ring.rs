//! Reads `[ring]`: where neighbours connect to, and how links are secured.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::absolute_path;
use crate::config::complaint::{Complaint, Quoted};
use crate::config::host::{parse_ip, parse_port, refuse_short_form};
use crate::config::report::Report;
use crate::config::section::Section;
use crate::config::{RING_PORT_DEFAULT, RingSecurity, RingSettings};

pub(in crate::config) const RING_KEYS: [&str; 6] =
    ["address", "ca", "certificate", "insecure", "key", "listen"];

const TLS_KEYS: [&str; 3] = ["ca", "certificate", "key"];

/// In the place of what was written wrongly and is reported: nothing more need be said of it.
const UNKNOWN: Option<RingSecurity> = Some(RingSecurity::Insecure);

pub(super) fn read(top: &Section<'_>, report: &mut Report) -> RingSettings {
    let Some(written) = top.value(report, "ring") else {
        return RingSettings {
            listen: None,
            address: None,
            security: None,
        };
    };
    let Some(section) = top.table(report, "ring", written, "ring.", &RING_KEYS) else {
        return RingSettings {
            listen: None,
            address: None,
            security: UNKNOWN,
        };
    };
    RingSettings {
        listen: section.parsed(report, "listen", "\"10.0.0.1:9090\"", listen),
        address: section.parsed(report, "address", "\"10.0.0.1:9090\"", address),
        security: security(&section, report),
    }
}

fn security(section: &Section<'_>, report: &mut Report) -> Option<RingSecurity> {
    let [ca, certificate, key] = TLS_KEYS.map(|name| pem(section, report, name));
    let insecure = section.flag(report, "insecure");
    if insecure.is_none() && section.table.contains_key("insecure") {
        return UNKNOWN;
    }
    let is_there = |name: &&&str| section.table.contains_key(**name);
    let written = TLS_KEYS.iter().filter(is_there).count();
    if let Some(insecure) = insecure.filter(|insecure| insecure.value) {
        if written > 0 {
            let complaint = Complaint::with_hint(
                "is true, although certificates are named",
                "leave out one of them",
            );
            section.complain(report, insecure.line, "insecure", complaint);
        }
        return Some(RingSecurity::Insecure);
    }
    if written == 0 {
        return None;
    }
    for name in TLS_KEYS {
        section.report_missing(report, name, "ca, certificate and key belong together");
    }
    match (ca, certificate, key) {
        (Some(ca), Some(certificate), Some(key)) => Some(RingSecurity::Tls { ca, certificate, key }),
        _ => UNKNOWN,
    }
}

fn pem(section: &Section<'_>, report: &mut Report, name: &'static str) -> Option<PathBuf> {
    let path = section.parsed(report, name, "\"/etc/maildirector/ca.pem\"", absolute_path);
    path.map(|path| path.value)
}

/// `IP`, `IP:PORT`, `[v6]:PORT`, or `*` for the IP.
fn listen(text: &str) -> Result<SocketAddr, Complaint> {
    if let Some(ip) = ip_or_any(text)? {
        return Ok(SocketAddr::new(ip, RING_PORT_DEFAULT));
    }
    let no_address = || {
        let message = format!("{} is no address to listen on", Quoted(text));
        Complaint::with_hint(message, "as in \"10.0.0.1:9090\", or \"*:9090\"")
    };
    let (ip, port) = text.rsplit_once(':').ok_or_else(no_address)?;
    let ip = ip_or_any(ip)?.ok_or_else(no_address)?;
    Ok(SocketAddr::new(ip, parse_port(port, text)?))
}

/// As [`listen`], but one that others can dial.
fn address(text: &str) -> Result<SocketAddr, Complaint> {
    let address = listen(text)?;
    if address.ip().is_unspecified() {
        let message = format!("{} is no address that others can dial", Quoted(text));
        return Err(Complaint::with_hint(message, "as the members' list has it"));
    }
    Ok(address)
}

fn ip_or_any(text: &str) -> Result<Option<IpAddr>, Complaint> {
    if text == "*" {
        return Ok(Some(Ipv6Addr::UNSPECIFIED.into()));
    }
    parse_ip(text).map(|ip| refuse_short_form(text, ip)).transpose()
}
