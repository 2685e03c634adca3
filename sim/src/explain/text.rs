//! A story for a terminal: one screen of it.

use super::beliefs::{self, Concerned};
use super::explained::Explained;
use super::faults::{InForce, line};
use super::words::clock;
use crate::outcome::Verdict;

/// The most lines of a whole story.
pub(crate) const LINES_MAX: usize = 58;
/// The most lines of the chain of events.
const CHAIN_MAX: usize = 40;
/// The most rows of the table of beliefs.
const BELIEFS_MAX: usize = 9;
/// The most faults in force that are told.
const FAULTS_MAX: usize = 6;
/// Columns of a wrapped line.
const WIDTH: usize = 110;
/// A line of the chain is cut here.
const LINE_MAX: usize = 150;

/// How many lines the chain of events may have beside all else that is told of this run.
pub(crate) fn chain_lines_max(explained: &Explained) -> usize {
    let others =
        verdict_lines(explained).len() + belief_lines(explained).len() + fault_lines(explained).len();
    // The heads of the three parts, the empty lines between them, and the title.
    CHAIN_MAX.min(LINES_MAX.saturating_sub(others + 8))
}

/// The whole text.
pub(crate) fn text(explained: &Explained, title: &str) -> String {
    let bug = explained.bug.map_or(String::new(), |bug| format!(" with {bug}"));
    let mut lines = Vec::new();
    match &explained.outcome.verdict {
        Verdict::Ok => lines.push(format!("{title}{bug} breaks nothing")),
        Verdict::Violation { invariant, .. } => lines.push(format!("{title}{bug} breaks {invariant}")),
    }
    lines.extend(verdict_lines(explained));
    if !explained.story.lines.is_empty() {
        lines.push(String::new());
        lines.push(format!("What led to it ({}):", chain_note(explained)));
        lines.extend(explained.story.lines.iter().map(|line| {
            let text = format!("{:>9}  {}", clock(line.at_ns), line.text);
            cut(&text, LINE_MAX)
        }));
    }
    lines.push(String::new());
    let now = clock(explained.testimony.now_ns);
    lines.push(format!(
        "Who believed what at {now} (times are true time in seconds):"
    ));
    lines.extend(belief_lines(explained));
    lines.push(String::new());
    lines.extend(fault_lines(explained));
    lines.join("\n") + "\n"
}

/// Of how much the chain of events was made, and in what time it counts.
pub(crate) fn chain_note(explained: &Explained) -> String {
    let left_out = match explained.story.left_out {
        0 => String::new(),
        count => format!(", {count} lesser lines left out"),
    };
    format!(
        "{} of {} events that could have{left_out}; seconds of true time",
        explained.cone.events.len(),
        explained.cone.past
    )
}

/// The faults in force at the end, in words.
pub(crate) fn faults_in_force(explained: &Explained) -> Vec<String> {
    let in_force = InForce::new(&explained.plan, &explained.recorder);
    let at_ns = explained.testimony.now_ns;
    let mut faults: Vec<String> = in_force
        .at(at_ns)
        .map(|index| line(index, &explained.plan.faults[index]))
        .collect();
    let left = in_force.left_broken(at_ns);
    faults.extend(left.map(|words| format!("the plan's ending: {words}")));
    faults
}

fn verdict_lines(explained: &Explained) -> Vec<String> {
    match &explained.outcome.verdict {
        Verdict::Ok => {
            let (s, events) = (clock(explained.outcome.simulated_ns), explained.outcome.events);
            vec![format!("every promise held for {s} s and {events} events")]
        }
        Verdict::Violation {
            invariant,
            words,
            at_ns,
            event,
        } => {
            let mut lines = wrapped("promised: ", invariant.words());
            let words = plain(words, &explained.testimony.users);
            let seen = format!("{words} (at {} s, event {event})", clock(*at_ns));
            lines.extend(wrapped("seen:     ", &seen));
            lines
        }
    }
}

fn belief_lines(explained: &Explained) -> Vec<String> {
    let testimony = &explained.testimony;
    let first: Vec<u8> = explained.named.iter().copied().collect();
    let table = beliefs::table(
        &testimony.beliefs,
        &testimony.users,
        &first,
        testimony.now_ns,
        BELIEFS_MAX,
    );
    table.into_iter().map(|line| format!("  {line}")).collect()
}

fn fault_lines(explained: &Explained) -> Vec<String> {
    let faults = faults_in_force(explained);
    if faults.is_empty() {
        return vec!["No fault was in force then.".to_owned()];
    }
    let mut lines = vec!["Faults in force then:".to_owned()];
    lines.extend(faults.iter().take(FAULTS_MAX).map(|fault| format!("  {fault}")));
    if faults.len() > FAULTS_MAX {
        lines.push(format!("  and {} more", faults.len() - FAULTS_MAX));
    }
    lines
}

/// The words of a verdict, with users by their names and backends by their numbers.
pub(crate) fn plain(words: &str, users: &[Concerned]) -> String {
    let mut words = words.replace("Some(BackendId(", "backend ").replace("))", "");
    for user in users {
        let key = user.user.key.to_string();
        for named in [user.user.to_string(), key] {
            words = words.replace(&format!("user {named}"), &user.name);
            words = words.replace(&named, &user.name);
        }
    }
    words
}

/// A text after a head, in lines of [`WIDTH`] columns of which the later ones are indented.
fn wrapped(head: &str, text: &str) -> Vec<String> {
    let mut lines = vec![head.to_owned()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a first line");
        if last.chars().count() + word.chars().count() >= WIDTH && last.trim() != "" {
            lines.push(format!("{:width$}{word}", "", width = head.chars().count()));
        } else {
            if !last.ends_with(' ') {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{TagId, UserId, UserKey};

    use super::*;

    #[test]
    fn long_words_are_wrapped_under_their_head() {
        let lines = wrapped("seen: ", &"word ".repeat(40));
        assert_eq!(lines.len(), 2);
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("      word"), "{lines:?}");
    }

    #[test]
    fn a_verdict_names_users_as_people_do() {
        let key = UserKey::from_bits(0x00a1_b2c3_d4e5_f607);
        let tag = TagId::DEFAULT;
        let user = Concerned {
            user: UserId { key, tag },
            person: 5,
            name: "user5".to_owned(),
        };
        let words = "would admit user 00a1b2c3d4e5f607 at epoch 3 to Some(BackendId(1)), others to None";
        assert_eq!(
            plain(words, &[user]),
            "would admit user5 at epoch 3 to backend 1, others to None"
        );
    }

    #[test]
    fn a_line_is_cut_where_the_screen_ends() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
