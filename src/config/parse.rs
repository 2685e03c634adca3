//! From the text of a file to a [`Config`]: every table and key is read, and every fault is kept.

mod health;
mod listeners;
mod member_list;
mod proxies;
mod ring;

#[cfg(test)]
pub(super) use health::{CHECK_KEYS, HEALTH_KEYS};
#[cfg(test)]
pub(super) use listeners::LISTENER_KEYS;
#[cfg(test)]
pub(super) use member_list::MEMBER_KEYS;
#[cfg(test)]
pub(super) use proxies::PROXY_KEYS;
#[cfg(test)]
pub(super) use ring::RING_KEYS;

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use super::complaint::{Complaint, Quoted};
use super::flush_hook::FlushHook;
use super::interval::interval;
use super::members::MemberRole;
use super::report::Report;
use super::section::Section;
use super::{
    BackendSpec, CLUSTER_BYTES_MAX, CLUSTER_DEFAULT, Config, DOVECOT_BASE_DIR_DEFAULT, FLUSH_WAIT_DEFAULT,
    FLUSH_WAIT_MAX, Fault, HASH_FORMAT_DEFAULT, KickBy, LEASE_DEFAULT, Partition, Resolved,
    STATE_FOLDER_DEFAULT, STOP_WAIT_MAX, UPGRADE_WAIT_MAX, UPGRADE_WAIT_USUAL, USER_EXPIRE_DEFAULT,
    USER_KICK_DELAY_DEFAULT, USER_KICK_DELAY_MAX, Written, format_interval,
};
use crate::topology::{
    ChangeError, HashFormat, LEASE_MAX, LEASE_MIN, USER_EXPIRE_MAX, USER_EXPIRE_MIN, lease_min,
};

/// The largest configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

pub(super) const TOP_KEYS: [&str; 24] = [
    "cluster",
    "director_flush_socket",
    "director_mail_servers",
    "director_servers",
    "director_user_expire",
    "director_user_kick_delay",
    "director_username_hash",
    "dovecot_base_dir",
    "flush_wait",
    "group",
    "health",
    "kick",
    "lease",
    "listener",
    "master_user_separator",
    "member",
    "partition",
    "proxy",
    "ring",
    "state_folder",
    "stop_wait",
    "upgrade_wait",
    "user",
    "witnesses",
];

/// Reads a configuration. `file` names it in faults; nothing is opened.
///
/// # Errors
/// Every fault that can be found without resolving names, by line.
pub fn parse(text: &str, file: &str) -> Result<Config, Vec<Fault>> {
    let mut report = Report::new(file, text);
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, the limit is {FILE_BYTES_MAX}", text.len());
        report.add(1, "", Complaint::new(message));
        return Err(report.into_faults());
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        report.add_syntax(offset, error.message());
    }
    let top = Section {
        prefix: "",
        line: 1,
        keys: &TOP_KEYS,
        table: document.get_ref(),
    };
    let config = read(&top, file, &mut report);
    check_together(&config, &top, &mut report);
    let faults = report.into_faults();
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(faults)
    }
}

/// What is written, with defaults in the place of what is missing or wrong.
fn read(top: &Section<'_>, file: &str, report: &mut Report) -> Config {
    top.report_unknown(report);
    let base_dir = top.parsed(report, "dovecot_base_dir", "\"/run/dovecot\"", absolute_path);
    let base_dir = base_dir.map_or_else(|| DOVECOT_BASE_DIR_DEFAULT.into(), |path| path.value);
    let state_folder = or(
        top.parsed(report, "state_folder", "\"/var/lib/maildirector\"", absolute_path),
        STATE_FOLDER_DEFAULT.into(),
    );
    let proxies = proxies::read(top, report);
    let listeners = listeners::read(top, (&base_dir, &state_folder), report);
    // Whose clients log in here, and nowhere else, has no login processes whose sessions would have to be closed.
    let has_own_only = top.table.contains_key("proxy") && !top.table.contains_key("listener");
    let mail_servers = top.list(
        report,
        "director_mail_servers",
        "\"10.0.1.1-10.0.1.9\"",
        BackendSpec::parse,
    );
    Config {
        file: file.into(),
        cluster: or(
            top.parsed(report, "cluster", "\"mail\"", cluster),
            CLUSTER_DEFAULT.into(),
        ),
        members: member_list::read(top, report),
        mail_servers: mail_servers.unwrap_or_else(|| Written::unwritten(Vec::new())),
        username_hash: or(
            top.parsed(report, "director_username_hash", "\"%Lu\"", hash_format),
            HashFormat::parse(HASH_FORMAT_DEFAULT).expect("the default is a format"),
        ),
        user_expire: or(
            top.parsed(report, "director_user_expire", "\"15 min\"", user_expire),
            USER_EXPIRE_DEFAULT,
        ),
        user_kick_delay: or(
            top.parsed(report, "director_user_kick_delay", "\"2s\"", user_kick_delay),
            USER_KICK_DELAY_DEFAULT,
        ),
        flush_hook: or(
            top.parsed(report, "director_flush_socket", "\"unix:/run/flush\"", |text| {
                let hook = (!text.is_empty()).then(|| FlushHook::parse(text, &base_dir));
                hook.transpose()
            }),
            None,
        ),
        flush_wait: or(
            top.parsed(report, "flush_wait", "\"10s\"", flush_wait),
            FLUSH_WAIT_DEFAULT,
        ),
        master_user_separator: or(
            top.parsed(report, "master_user_separator", "\"*\"", separator),
            None,
        ),
        partition: or(
            top.choice(
                report,
                "partition",
                &[Partition::Consistent, Partition::Available].map(|choice| (choice.name(), choice)),
            ),
            Partition::Consistent,
        ),
        lease: or(top.parsed(report, "lease", "\"10s\"", lease), LEASE_DEFAULT),
        state_folder,
        dovecot_base_dir: base_dir,
        kick: or(
            top.choice(
                report,
                "kick",
                &[KickBy::Ipc, KickBy::Anvil, KickBy::None].map(|choice| (choice.name(), choice)),
            ),
            if has_own_only { KickBy::None } else { KickBy::Ipc },
        ),
        stop_wait: or(
            top.parsed(report, "stop_wait", "\"0s\"", |text| {
                health::span_within(text, Duration::ZERO, STOP_WAIT_MAX)
            }),
            Duration::ZERO,
        ),
        upgrade_wait: or(
            top.parsed(report, "upgrade_wait", "\"1d\"", |text| {
                health::span_within(text, Duration::ZERO, UPGRADE_WAIT_MAX)
            }),
            UPGRADE_WAIT_USUAL,
        ),
        user: top
            .parsed(report, "user", "\"dovenull\"", account)
            .map(|name| name.value),
        group: top
            .parsed(report, "group", "\"dovecot\"", account)
            .map(|name| name.value),
        ring: ring::read(top, report),
        health: health::read(top, report),
        listeners,
        proxies,
    }
}

fn or<T>(written: Option<Written<T>>, default: T) -> T {
    written.map_or(default, |written| written.value)
}

/// What no setting alone can tell.
fn check_together(config: &Config, top: &Section<'_>, report: &mut Report) {
    const MISSING: &str = "the backends, as in \"10.0.1.1-10.0.1.9 10.0.2.1@gold\"";
    top.report_missing(report, "director_mail_servers", MISSING);
    let mail_servers = &config.mail_servers;
    if mail_servers.value.is_empty() && !report.names("director_mail_servers") && !report.has_broken_lines() {
        let complaint = Complaint::with_hint("names no backend", MISSING);
        report.add(mail_servers.line, "director_mail_servers", complaint);
    }
    let min = lease_min(config.close_bound());
    if config.lease < min {
        let line = ["lease", "director_user_kick_delay"]
            .iter()
            .filter_map(|key| top.value(report, key))
            .map(|written| written.line)
            .max();
        let (delay, lease) = (config.user_kick_delay, config.lease);
        let message =
            format!("{delay:?} is too long for a lease of {lease:?}: it would run out while a user is moved");
        let hint = format!("a lease of {} or more, or a shorter delay", format_interval(min));
        report.add(
            line.unwrap_or(1),
            "director_user_kick_delay",
            Complaint::with_hint(message, hint),
        );
    }
    if report.has_broken_lines() {
        return;
    }
    report.extend_with_new(config.unsecured().into_iter().collect());
    check_resolved(config, report);
}

/// What can be told of members and backends when no name stands in the way.
fn check_resolved(config: &Config, report: &mut Report) {
    let nothing = Resolved::default();
    let of_members = [
        "director_servers",
        "witnesses",
        "member",
        "member.id",
        "member.address",
        "member.role",
    ];
    let are_members_known =
        !of_members.iter().any(|key| report.names(key)) && config.server_names().is_empty();
    let are_backends_known = !config.mail_servers.value.is_empty() && config.backend_names().is_empty();
    if are_members_known && let Err(faults) = config.members(&nothing) {
        report.extend_with_new(faults);
    }
    if are_backends_known && let Err(faults) = config.backends(&nothing) {
        report.extend_with_new(faults);
    }
    if are_members_known
        && are_backends_known
        && let Err(faults) = config.seed(&nothing)
    {
        report.extend_with_new(faults);
    }
}

fn cluster(text: &str) -> Result<Box<str>, Complaint> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > CLUSTER_BYTES_MAX || !text.bytes().all(is_letter) {
        let message = format!("{} is no name for a ring", Quoted(text));
        let hint = format!("1 to {CLUSTER_BYTES_MAX} of the characters a-z, 0-9 and -");
        return Err(Complaint::with_hint(message, hint));
    }
    Ok(text.into())
}

fn hash_format(text: &str) -> Result<HashFormat, Complaint> {
    HashFormat::parse(text).map_err(|error| Complaint::new(format!("{}: {error}", Quoted(text))))
}

fn user_expire(text: &str) -> Result<Duration, Complaint> {
    let (min, max) = (USER_EXPIRE_MIN, USER_EXPIRE_MAX);
    let user_expire = interval(text)?;
    if (min..=max).contains(&user_expire) {
        return Ok(user_expire);
    }
    let refused = ChangeError::UserExpireOutOfRange {
        user_expire,
        min,
        max,
    };
    Err(Complaint::new(refused.to_string()))
}

fn lease(text: &str) -> Result<Duration, Complaint> {
    let (min, max) = (LEASE_MIN, LEASE_MAX);
    let lease = interval(text)?;
    if (min..=max).contains(&lease) {
        return Ok(lease);
    }
    let refused = ChangeError::LeaseOutOfRange { lease, min, max };
    Err(Complaint::new(refused.to_string()))
}

fn user_kick_delay(text: &str) -> Result<Duration, Complaint> {
    let delay = interval(text)?;
    if delay <= USER_KICK_DELAY_MAX {
        return Ok(delay);
    }
    Err(Complaint::new(format!(
        "{delay:?} is more than {USER_KICK_DELAY_MAX:?}"
    )))
}

fn flush_wait(text: &str) -> Result<Duration, Complaint> {
    let wait = interval(text)?;
    if !wait.is_zero() && wait <= FLUSH_WAIT_MAX {
        return Ok(wait);
    }
    Err(Complaint::new(format!(
        "{wait:?} is none, or more than {FLUSH_WAIT_MAX:?}"
    )))
}

fn separator(text: &str) -> Result<Option<char>, Complaint> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Ok(None),
        (Some(one), None) if one.is_ascii_graphic() => Ok(Some(one)),
        _ => Err(Complaint::with_hint(
            format!("{} is more than one visible ASCII character", Quoted(text)),
            "Dovecot cuts at the first byte alone; write that",
        )),
    }
}

fn account(text: &str) -> Result<Box<str>, Complaint> {
    if text.is_empty()
        || text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == ':')
    {
        return Err(Complaint::new(format!(
            "{} is no name of an account",
            Quoted(text)
        )));
    }
    Ok(text.into())
}

fn absolute_path(text: &str) -> Result<PathBuf, Complaint> {
    check_path(text)?;
    if !text.starts_with('/') {
        let message = format!("{} is no absolute path", Quoted(text));
        return Err(Complaint::with_hint(message, "start it with /"));
    }
    Ok(text.into())
}

/// Relative paths are those below Dovecot's base_dir.
fn check_path(text: &str) -> Result<(), Complaint> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Complaint::new(format!("{} is no path", Quoted(text))));
    }
    Ok(())
}

fn role(text: &str) -> Result<MemberRole, Complaint> {
    let found = MemberRole::ALL.iter().find(|role| role.name() == text);
    found.copied().ok_or_else(|| {
        let names = MemberRole::ALL.map(MemberRole::name).join(", ");
        Complaint::with_hint(format!("{} is no role", Quoted(text)), format!("one of {names}"))
    })
}
