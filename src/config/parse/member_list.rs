//! Reads who is in the ring: `director_servers` with `witnesses`, or `[[member]]` tables.

use toml::de::DeValue;

use super::role;
use crate::config::complaint::Complaint;
use crate::config::report::Report;
use crate::config::section::{Section, kind};
use crate::config::{MemberList, MemberRole, NumberedMember, ServerSpec, Written};
use crate::topology::{MEMBERS_MAX, MemberId};

pub(in crate::config) const MEMBER_KEYS: [&str; 3] = ["address", "id", "role"];

pub(super) fn read(top: &Section<'_>, report: &mut Report) -> Written<MemberList> {
    let example = "\"10.0.0.1 10.0.0.2:9091\"";
    let directors = top.list(report, "director_servers", example, ServerSpec::parse);
    let witnesses = top.list(report, "witnesses", example, ServerSpec::parse);
    let numbered = top.value(report, "member");
    if let Some(numbered) = numbered {
        for (key, other) in [("director_servers", &directors), ("witnesses", &witnesses)] {
            if let Some(other) = other {
                let hint = format!("write every member as a [[member]], or leave out those and keep {key}");
                let complaint = Complaint::with_hint("stands beside [[member]]", hint);
                top.complain(report, other.line, key, complaint);
            }
        }
        return tables(numbered, report);
    }
    let witnesses = witnesses.unwrap_or_else(|| Written::unwritten(Vec::new()));
    let directors = directors.unwrap_or_else(|| Written::unwritten(Vec::new()));
    if directors.value.is_empty() {
        if !witnesses.value.is_empty() && !report.names("director_servers") && !report.has_broken_lines() {
            let complaint =
                Complaint::with_hint("stands without director_servers", "name the directors, too");
            top.complain(report, witnesses.line, "witnesses", complaint);
        }
        return directors.map(|_| MemberList::Alone);
    }
    directors.map(|directors| MemberList::Listed { directors, witnesses })
}

fn tables(written: Written<&DeValue<'_>>, report: &mut Report) -> Written<MemberList> {
    let mut members = Vec::new();
    let DeValue::Array(array) = written.value else {
        let message = format!("is {}, where [[member]] tables belong", kind(written.value));
        report.add(written.line, "member", Complaint::new(message));
        return written.map(|_| MemberList::Alone);
    };
    if array.len() > MEMBERS_MAX {
        let message = format!("{} members, the limit is {MEMBERS_MAX}", array.len());
        report.add(written.line, "member", Complaint::new(message));
    }
    for value in array.iter().take(MEMBERS_MAX) {
        let line = report.line_of(value.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!(
                "{} stands where a [[member]] table belongs",
                kind(value.get_ref())
            );
            report.add(line, "member", Complaint::new(message));
            continue;
        };
        let section = Section {
            prefix: "member.",
            line,
            keys: &MEMBER_KEYS,
            table,
        };
        members.extend(one(&section, report));
    }
    written.map(|_| MemberList::Numbered(members))
}

fn one(section: &Section<'_>, report: &mut Report) -> Option<Written<NumberedMember>> {
    section.report_unknown(report);
    section.report_missing(report, "id", "a number that stays with this member for ever");
    section.report_missing(report, "address", "as in \"10.0.0.1:9090\"");
    let role = section.parsed(report, "role", "\"director\"", role);
    let id = id(section, report);
    let server = section.parsed(report, "address", "\"10.0.0.1:9090\"", ServerSpec::parse);
    let numbered = NumberedMember {
        id: id?,
        server: server?.value,
        role: role.map_or(MemberRole::Director, |role| role.value),
    };
    Some(Written {
        value: numbered,
        line: section.line,
    })
}

fn id(section: &Section<'_>, report: &mut Report) -> Option<MemberId> {
    let written = section.value(report, "id")?;
    let number = match written.value {
        DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    match number.filter(|number| *number > 0) {
        Some(number) => Some(MemberId::from_index(number)),
        None => {
            let complaint = Complaint::with_hint("is no number of 1 to 65535", "without quotes");
            section.complain(report, written.line, "id", complaint);
            None
        }
    }
}
