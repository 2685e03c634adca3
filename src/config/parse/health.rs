//! Reads `[health]` and its `[[health.check]]` tables.

use std::time::Duration;

use super::{absolute_path, or};
use crate::config::complaint::{Complaint, Quoted};
use crate::config::health_spec::{
    AccountSpec, CHECKS_MAX, CheckSpec, HealthSpec, PROBE_INTERVAL_MAX, PROBE_INTERVAL_MIN,
    PROBE_TIMEOUT_MAX, PROBE_TIMEOUT_MIN, Protocol, THRESHOLD_MAX, TlsUse,
};
use crate::config::interval::interval;
use crate::config::report::Report;
use crate::config::section::Section;
use crate::topology::{EVICT_AFTER_MAX, HealthPolicy, is_user_name};

pub(in crate::config) const HEALTH_KEYS: [&str; 7] = [
    "check",
    "evict_after",
    "failed_max_percent",
    "fall",
    "interval",
    "rise",
    "timeout",
];

pub(in crate::config) const CHECK_KEYS: [&str; 8] = [
    "ca",
    "password_file",
    "port",
    "protocol",
    "recipient",
    "tls",
    "tls_name",
    "user",
];

/// The longest host name and the longest address, in bytes.
const NAME_BYTES_MAX: usize = 255;

pub(super) fn read(top: &Section<'_>, report: &mut Report) -> HealthSpec {
    let written = top.value(report, "health");
    let section = written.and_then(|written| top.table(report, "health", written, "health.", &HEALTH_KEYS));
    let Some(section) = section else {
        return HealthSpec::default();
    };
    let span = |report: &mut Report, key, example, min, max| {
        section.parsed(report, key, example, |text| span_within(text, min, max))
    };
    let (interval_min, interval_max) = (PROBE_INTERVAL_MIN, PROBE_INTERVAL_MAX);
    let interval = span(report, "interval", "\"5s\"", interval_min, interval_max);
    let timeout = span(report, "timeout", "\"3s\"", PROBE_TIMEOUT_MIN, PROBE_TIMEOUT_MAX);
    let evict_after = span(report, "evict_after", "\"30s\"", Duration::ZERO, EVICT_AFTER_MAX);
    let fall = section.number(report, "fall", 1, THRESHOLD_MAX);
    let rise = section.number(report, "rise", 1, THRESHOLD_MAX);
    let percent = section.number(report, "failed_max_percent", 0, 100);
    let usual = HealthSpec::default();
    HealthSpec {
        interval: or(interval, usual.interval),
        timeout: or(timeout, usual.timeout),
        fall: or(fall, usual.fall),
        rise: or(rise, usual.rise),
        policy: HealthPolicy {
            failed_max_per_mille: percent
                .map_or(usual.policy.failed_max_per_mille, |percent| percent.value * 10),
            evict_after: or(evict_after, usual.policy.evict_after),
        },
        checks: checks(&section, report),
    }
}

pub(super) fn span_within(text: &str, min: Duration, max: Duration) -> Result<Duration, Complaint> {
    let span = interval(text)?;
    if (min..=max).contains(&span) {
        return Ok(span);
    }
    Err(Complaint::new(format!(
        "{span:?} is not within {min:?} to {max:?}"
    )))
}

fn checks(health: &Section<'_>, report: &mut Report) -> Vec<CheckSpec> {
    let written = health.value(report, "check");
    let sections = written.and_then(|written| {
        health.tables(report, "check", written, "health.check.", &CHECK_KEYS, CHECKS_MAX)
    });
    let sections = sections.unwrap_or_default().into_iter();
    sections.filter_map(|section| check(&section, report)).collect()
}

fn check(section: &Section<'_>, report: &mut Report) -> Option<CheckSpec> {
    section.report_unknown(report);
    let protocols = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    section.report_missing(report, "protocol", &protocols.map(|(name, _)| name).join(", "));
    let protocol = section.choice(report, "protocol", &protocols);
    let ways = TlsUse::ALL.map(|tls| (tls.name(), tls));
    let tls = section.choice(report, "tls", &ways);
    let port = section.number(report, "port", 1, u32::from(u16::MAX));
    let ca = section.parsed(report, "ca", "\"/etc/maildirector/backends.pem\"", absolute_path);
    let tls_name = section.parsed(report, "tls_name", "\"imap.example.org\"", one_word);
    let user = section.parsed(report, "user", "\"probe\"", account_name);
    let example = "\"/etc/maildirector/probe.password\"";
    let password_file = section.parsed(report, "password_file", example, absolute_path);
    let recipient = section.parsed(report, "recipient", "\"probe@example.org\"", one_word);
    let protocol = protocol?.value;
    let has = |key| section.table.contains_key(key);
    if has("tls") && tls.is_none() || has("port") && port.is_none() {
        return None;
    }
    let tls = tls.map_or(TlsUse::No, |tls| tls.value);
    let name = protocol.name();
    let idle = [
        ("ca", tls == TlsUse::No, "without tls"),
        ("tls_name", tls == TlsUse::No || !has("ca"), "without a ca"),
        ("user", !protocol.has_login(), "for a protocol without a login"),
        (
            "password_file",
            !protocol.has_login(),
            "for a protocol without a login",
        ),
        (
            "recipient",
            protocol != Protocol::Lmtp,
            "for another protocol than lmtp",
        ),
    ];
    for (key, is_idle, why) in idle {
        if let Some(written) = section.value(report, key).filter(|_| is_idle) {
            let complaint = Complaint::new(format!("has no effect {why}"));
            section.complain(report, written.line, key, complaint);
        }
    }
    if protocol == Protocol::Tcp && tls == TlsUse::StartTls {
        let complaint = Complaint::with_hint("tcp has no command for TLS", "\"tls\", or another protocol");
        section.complain(report, section.line, "tls", complaint);
    }
    if has("user") != has("password_file") {
        let missing = if has("user") { "password_file" } else { "user" };
        section.report_missing(report, missing, "a test account has both");
    }
    let port = port.map(|port| port.value as u16).or(protocol.usual_port(tls));
    if port.is_none() {
        section.report_missing(report, "port", &format!("{name} has no usual one here"));
    }
    let account = user.zip(password_file).map(|(user, file)| AccountSpec {
        user: user.value,
        password_file: file.value,
    });
    Some(CheckSpec {
        protocol,
        port: port?,
        tls,
        ca: ca.map(|ca| ca.value),
        tls_name: tls_name.map(|name| name.value),
        account,
        recipient: recipient.map(|recipient| recipient.value),
    })
}

fn account_name(text: &str) -> Result<Box<str>, Complaint> {
    if !is_user_name(text) {
        return Err(Complaint::new(format!(
            "{} is no name of an account",
            Quoted(text)
        )));
    }
    Ok(text.into())
}

/// A host name or a mail address: nothing that would end or change a command.
fn one_word(text: &str) -> Result<Box<str>, Complaint> {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '<' || c == '>';
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(is_odd) {
        return Err(Complaint::new(format!("{} is no name", Quoted(text))));
    }
    Ok(text.into())
}
