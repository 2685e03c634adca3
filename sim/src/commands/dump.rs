//! `sim replay --dump`: a member at one moment, whole, for people or as JSON.

use std::fmt::{Display, Write};
use std::str::FromStr;

use serde_json::json;
use sim::MemberState;
use sim::state::{AcceptedState, DirectorState, Listed};

use super::failure::seconds;
use super::say::say;
use super::usage::UsageError;

/// Which members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Everyone.
    All,
    /// The one of this number in the plan.
    One(usize),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Which::All),
            _ => text
                .parse()
                .map(Which::One)
                .map_err(|_| format!("`{text}` is no member, write its number in the plan, or all")),
        }
    }
}

/// Prints these members.
///
/// # Errors
/// There is no such member.
pub fn dump(members: &[MemberState], which: Which, is_json: bool) -> Result<(), UsageError> {
    let chosen = match which {
        Which::All => members,
        Which::One(member) => members
            .get(member..=member)
            .ok_or(UsageError::NoSuchMember(member, members.len()))?,
    };
    if is_json {
        say(format_args!("{:#}", json!(chosen)));
    } else {
        chosen.iter().for_each(|member| say(text(member)));
    }
    Ok(())
}

/// Lines of names and values, indented.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, name: &str, value: impl Display) {
        let _ = writeln!(self.text, "{:indent$}{name}: {value}", "", indent = depth * 2);
    }

    /// A line for each item, under a line with their count.
    fn list<T>(&mut self, depth: usize, name: &str, list: &Listed<T>, line: impl Fn(&T) -> String) {
        self.line(depth, name, list.count);
        for item in &list.first {
            let _ = writeln!(self.text, "{:indent$}{}", "", line(item), indent = depth * 2 + 2);
        }
        let left_out = list.count - list.first.len();
        if left_out > 0 {
            let _ = writeln!(
                self.text,
                "{:indent$}and {left_out} more",
                "",
                indent = depth * 2 + 2
            );
        }
    }

    fn lines(&mut self, depth: usize, name: &str, lines: Vec<String>) {
        let count = lines.len();
        let listed = Listed { count, first: lines };
        self.list(depth, name, &listed, String::clone);
    }
}

fn text(member: &MemberState) -> String {
    let mut page = Page::default();
    page.line(
        0,
        &format!("member {}", member.member),
        format_args!("at {}", seconds(member.at_ns)),
    );
    page.line(
        1,
        "machine",
        format_args!(
            "its clock shows {}, wall clock off by {} ms, {} starts, held down by {} faults, paused by {}, disk {}",
            seconds(member.clock_local_ns),
            member.wall_offset_ns / 1_000_000,
            member.boots,
            member.down_faults,
            member.paused_faults,
            if member.is_disk_broken { "broken" } else { "works" }
        ),
    );
    match &member.storage {
        None => page.line(1, "storage", "empty"),
        Some(record) => page.line(
            1,
            "storage",
            format_args!(
                "by boot {}, epoch {}, promised {}, accepted {}, bound to a first start: {}, writing: {}",
                record.boot,
                or_none(record.epoch),
                or_none(record.promised.as_ref()),
                or_none(record.accepted.as_ref().map(accepted)),
                yes(record.is_bound),
                yes(record.is_writing)
            ),
        ),
    }
    if member.processes.is_empty() {
        page.line(1, "process", "none");
    }
    for process in &member.processes {
        serving(&mut page, process);
        topology(&mut page, process);
        agreement(&mut page, process);
        users(&mut page, process);
    }
    doors(&mut page, member);
    page.text
}

fn serving(page: &mut Page, process: &DirectorState) {
    page.line(
        1,
        &format!("process of run {}", process.run),
        format_args!("boot {}, epoch {}", process.boot, process.epoch),
    );
    if process.is_fresh {
        page.line(2, "state", "waits for the first start of the ring");
    }
    if process.is_halted {
        page.line(2, "state", "stopped, since another process took its storage");
    }
    page.line(
        2,
        "standing",
        format_args!(
            "{}, lease until {} by its clock, running leases of epochs {:?}, seated as voter: {}",
            process.standing,
            or_none(process.lease_until_local_ns.map(seconds)),
            process.lease_epochs,
            yes(process.is_seated)
        ),
    );
    page.line(2, "coordinator", or_none(process.coordinator));
    page.line(
        2,
        "next timer",
        or_none(process.next_wakeup_local_ns.map(seconds)),
    );
    page.line(
        2,
        "saves",
        format_args!(
            "{} wanted, {} synced, {} messages wait for them",
            process.saves_wanted, process.saves_synced, process.unsaid
        ),
    );
}

fn topology(page: &mut Page, process: &DirectorState) {
    let members = process.members.iter();
    let members = members.map(|m| {
        let role = match (m.serves, m.votes) {
            (true, true) => "director and voter",
            (true, false) => "director",
            _ => "witness",
        };
        let heard = match (&m.heard_boot, m.heard_local_ns) {
            (Some(boot), Some(at)) => format!("heard at {} (boot {boot})", seconds(at)),
            _ => "never heard".to_owned(),
        };
        let lease = if m.is_leased { "leased" } else { "not leased" };
        format!("{} {role}, {lease}, {heard}", m.member)
    });
    page.lines(2, "members", members.collect());
    let backends = process.backends.iter();
    let backends = backends.map(|b| {
        let mut line = format!("{} vhosts {}", b.backend, b.vhosts);
        let words = [
            (!b.tag.is_empty()).then(|| format!("tag {}", b.tag)),
            (!b.is_up).then(|| "down".to_owned()),
            b.is_failed.then(|| "failed".to_owned()),
            b.is_drained.then(|| "drained".to_owned()),
            Some(format!("{} held, {} pinned", b.held, b.pinned)),
        ];
        for word in words.into_iter().flatten() {
            let _ = write!(line, ", {word}");
        }
        line
    });
    page.lines(2, "backends", backends.collect());
    page.list(2, "pins", &process.pins, |pin| {
        format!("{} on backend {}", pin.user, pin.backend)
    });
}

fn agreement(page: &mut Page, process: &DirectorState) {
    let vote = &process.vote;
    page.line(2, "promised", or_none(vote.promised.as_ref()));
    page.line(2, "accepted", or_none(vote.accepted.as_ref().map(accepted)));
    let notes = vote.notes.iter();
    let notes = notes.map(|note| {
        format!(
            "member {} boot {} until {}",
            note.member,
            note.boot,
            seconds(note.until_local_ns)
        )
    });
    page.lines(2, "leases noted", notes.collect());
    page.line(2, "grace until", seconds(vote.grace_until_local_ns));
    page.line(2, "asks before a round", yes(process.is_surveying));
    match &process.round {
        None => page.line(2, "round", "none"),
        Some(round) => page.line(
            2,
            "round",
            format_args!(
                "{} to end epoch {}, value {}, answers of voters {:?}, of directors {:?}, commits at {}",
                round.ballot,
                round.epoch,
                or_none(round.value.as_ref()),
                round.voters_answered,
                round.directors_answered,
                or_none(round.commits_at_local_ns.map(seconds))
            ),
        ),
    }
    let bound = process.bound_to.iter();
    let bound = bound.map(|bound| {
        let stage = if bound.is_confirmed {
            "confirmed".to_owned()
        } else {
            format!("not confirmed, waits for {}", bound.waits_for.join(" "))
        };
        format!("{} {stage}", bound.value)
    });
    page.lines(2, "bound to values", bound.collect());
    page.lines(2, "frozen by ballots", process.frozen_by.clone());
}

fn users(page: &mut Page, process: &DirectorState) {
    page.list(2, "holds", &process.holds, |hold| {
        let mut line = format!(
            "{} on backend {}, {} sessions, serial {}, touched {}",
            hold.user,
            hold.backend,
            hold.sessions,
            hold.serial,
            seconds(hold.touched_local_ns)
        );
        if hold.is_evicting {
            line.push_str(", being closed");
        }
        if hold.is_frozen {
            line.push_str(", frozen");
        }
        line
    });
    page.list(2, "being closed for a change", &process.evicting, String::clone);
    page.list(2, "logins waiting", &process.logins_waiting, |login| {
        format!("{} since {}", login.user, seconds(login.since_local_ns))
    });
    let sent = process.commands_on_the_way;
    page.line(
        2,
        "commands",
        format_args!(
            "{} queued, on the way: {}",
            process.commands_queued,
            sent.map_or("none".to_owned(), |(first, end)| format!(
                "numbers {first}..{end}"
            ))
        ),
    );
}

fn doors(page: &mut Page, member: &MemberState) {
    page.list(1, "sessions at its doors", &member.sessions, |session| {
        format!(
            "{} on backend {} ({} door, run {}, hold {}) since {}{}",
            session.user,
            session.backend,
            session.door,
            session.run,
            session.serial,
            seconds(session.opened_ns),
            if session.is_fenced {
                ", fenced".to_owned()
            } else if session.process != session.run {
                format!(", kept by the process of run {}", session.process)
            } else {
                String::new()
            }
        )
    });
    page.list(
        1,
        "logins asked at its doors",
        &member.logins_asked,
        String::clone,
    );
    let links = member.links.iter();
    let links = links.map(|link| {
        format!(
            "{} to {}: faults {:?} of the plan",
            link.from, link.to, link.faults
        )
    });
    page.lines(1, "links with faults", links.collect());
}

fn accepted(accepted: &AcceptedState) -> String {
    format!("{} under {}", accepted.value, accepted.ballot)
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use sim::{Options, Plan, look};

    use super::*;

    fn at_two_seconds() -> Vec<MemberState> {
        let options = Options {
            stop_at_ns: Some(2_000_000_000),
            ..Options::default()
        };
        look(&Plan::from_seed(6), &options).1
    }

    #[test]
    fn a_member_is_told_with_its_machine_its_beliefs_and_its_doors() {
        let members = at_two_seconds();
        let text = text(&members[0]);
        for word in [
            "member 0: at 2.000000 s",
            "storage: by boot",
            "promised:",
            "leases noted:",
            "holds:",
            "sessions at its doors:",
        ] {
            assert!(text.contains(word), "{word} is missing in\n{text}");
        }
    }

    #[test]
    fn looking_changes_nothing_of_the_run() {
        let plan = Plan::from_seed(6);
        let options = Options::default();
        let (outcome, _) = look(&plan, &options);
        assert_eq!(outcome.trace_hash, sim::run(&plan, &options).trace_hash);
    }

    #[test]
    fn a_member_that_does_not_exist_is_refused() {
        let members = at_two_seconds();
        let error = dump(&members, Which::One(99), false).expect_err("there are fewer");
        assert!(error.to_string().contains("99"), "{error}");
        assert_eq!("all".parse(), Ok(Which::All));
        assert_eq!("2".parse(), Ok(Which::One(2)));
        assert!("second".parse::<Which>().is_err());
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let mut page = Page::default();
        let list = Listed {
            count: 5,
            first: vec![1, 2],
        };
        page.list(0, "numbers", &list, i32::to_string);
        assert_eq!(page.text, "numbers: 5\n  1\n  2\n  and 3 more\n");
    }
}
