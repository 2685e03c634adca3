//! Reads who is in the ring: `director_servers` with `witnesses`, or `[[member]]` tables.

use toml::de::DeValue;

use super::role;
use crate::config::complaint::Complaint;
use crate::config::report::Report;
use crate::config::section::Section;
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
        return tables(top, numbered, report);
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

fn tables<'a>(
    top: &Section<'a>,
    written: Written<&'a DeValue<'a>>,
    report: &mut Report,
) -> Written<MemberList> {
    let line = written.line;
    let sections = top.tables(report, "member", written, "member.", &MEMBER_KEYS, MEMBERS_MAX);
    let members = sections.map(|sections| {
        let sections = sections.into_iter();
        sections.filter_map(|section| one(&section, report)).collect()
    });
    Written {
        value: members.map_or(MemberList::Alone, MemberList::Numbered),
        line,
    }
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
