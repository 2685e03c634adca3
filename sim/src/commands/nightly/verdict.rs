//! What a part came to, read from its exit code and from what it printed.

use serde_json::Value;

use crate::commands::ending::Ending;

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// A failure that a part found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In a line.
    pub line: String,
    /// The command that shows it again, where the part tells one.
    pub replay: Option<String>,
    /// The seed or the file, where it can be minimised.
    pub subject: Option<String>,
    /// Where its minimised plan is.
    pub minimised: Option<String>,
}

/// What a part came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub ending: Ending,
    /// Its counts, in a line.
    pub figures: String,
    pub found: Vec<Found>,
}

/// How a part ended; no code means that a signal ended it.
pub fn ending_of_code(code: Option<i32>) -> Ending {
    match code {
        Some(0) => Ending::Clean,
        None | Some(PANICKED) => Ending::Crash,
        Some(code) => match u8::try_from(code).map(Ending::of_code) {
            Ok(Ending::Clean) | Err(_) => Ending::Usage,
            Ok(ending) => ending,
        },
    }
}

/// Reads what a part of this program printed: an object, or lines.
pub fn read(code: Option<i32>, printed: &str) -> Verdict {
    let ending = ending_of_code(code);
    match serde_json::from_str::<Value>(printed) {
        Ok(told) if told["dovecot"].is_object() => of_comparison(ending, &told),
        Ok(told) if told.is_object() => of_json(ending, &told),
        _ => of_text(ending, printed),
    }
}

/// Reads what cargo's tests printed. A failing test may be any rule's: it counts as safety, the worst of them.
pub fn read_tests(code: Option<i32>, printed: &str) -> Verdict {
    let is_result = |line: &&str| line.starts_with("test result:");
    let failed = printed
        .lines()
        .filter(|line| line.starts_with("test ") && line.ends_with("FAILED"));
    let found = failed.map(|line| Found {
        line: line.to_owned(),
        replay: None,
        subject: None,
        minimised: None,
    });
    Verdict {
        ending: match code {
            Some(0) => Ending::Clean,
            Some(PANICKED) => Ending::Safety,
            code => ending_of_code(code),
        },
        figures: printed.lines().filter(is_result).collect::<Vec<_>>().join("; "),
        found: found.collect(),
    }
}

fn of_json(ending: Ending, told: &Value) -> Verdict {
    let count = |name: &str| told[name].as_u64().unwrap_or(0);
    let pairs = |name: &str| {
        let counts = &told["coverage"]["counts"][name];
        format!("{} of {}", counts["reached"], counts["possible"])
    };
    let figures = format!(
        "{} runs, {} failed, {:.0}/s, marks {}, faults on states {}, faults beside states {}",
        count("seeds"),
        count("failed"),
        told["seeds_per_s"].as_f64().unwrap_or(0.0),
        pairs("marks"),
        pairs("faults on states"),
        pairs("faults beside states"),
    );
    let texts = |name: &str| {
        let list = told[name].as_array().into_iter().flatten();
        list.filter_map(|text| text.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let subjects = texts("failure_subjects");
    let lines = texts("failure_lines");
    // Lines of the time before a sweep was resumed come first, and have no subjects.
    let without = lines.len().saturating_sub(subjects.len());
    let mut found: Vec<Found> = Vec::new();
    for (at, line) in lines.into_iter().enumerate() {
        let subject = at.checked_sub(without).and_then(|at| subjects.get(at)).cloned();
        found.push(Found {
            line,
            replay: subject.as_deref().map(replay),
            subject,
            minimised: None,
        });
    }
    let missing = texts("marks_missed");
    if ending == Ending::Coverage {
        let pairs = told["coverage"]["required_missing"]
            .as_array()
            .into_iter()
            .flatten();
        let pairs = pairs.filter_map(|pair| pair.as_str().map(str::to_owned));
        let names: Vec<String> = missing.into_iter().chain(pairs).collect();
        found.push(Found {
            line: format!("never reached: {}", names.join(", ")),
            replay: None,
            subject: None,
            minimised: None,
        });
    }
    Verdict {
        ending,
        figures,
        found,
    }
}

fn of_comparison(ending: Ending, told: &Value) -> Verdict {
    let count = |whose: &str, name: &str| told[whose][name].as_u64().unwrap_or(0);
    let figures = format!(
        "{} plans, users split {} against {}, logins refused {} against {}",
        count("maildirector", "plans"),
        count("maildirector", "users_split"),
        count("dovecot", "users_split"),
        count("maildirector", "refused"),
        count("dovecot", "refused"),
    );
    let failures = told["failures"].as_array().into_iter().flatten();
    let found = failures.filter_map(Value::as_str).map(|line| {
        let digits = line.strip_prefix("seed ").unwrap_or("");
        let seed: Option<u64> = digits
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|seed| seed.parse().ok());
        let again = |seed: u64| {
            let end = seed.saturating_add(1);
            format!("cargo run --release -p sim -- compare --seeds {seed}..{end}")
        };
        Found {
            line: line.to_owned(),
            replay: seed.map(again),
            subject: None,
            minimised: None,
        }
    });
    Verdict {
        ending,
        figures,
        found: found.collect(),
    }
}

/// The command that runs a seed or a plan again.
pub fn replay(subject: &str) -> String {
    format!("cargo run --release -p sim -- replay {subject}")
}

fn of_text(ending: Ending, printed: &str) -> Verdict {
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut found: Vec<Found> = Vec::new();
    for line in &lines {
        let is_failure = ["FAILURE ", "NONDETERMINISM "]
            .iter()
            .any(|head| line.starts_with(head));
        if is_failure || line.contains("NOT NOTICED") || line.contains(" instead of ") {
            found.push(Found {
                line: (*line).to_owned(),
                replay: None,
                subject: None,
                minimised: None,
            });
        }
        if let (Some(replay), Some(last)) = (line.trim().strip_prefix("replay: "), found.last_mut()) {
            last.replay = Some(replay.to_owned());
            let word = replay.split(" -- replay ").nth(1);
            last.subject = word.filter(|word| !word.contains(' ')).map(str::to_owned);
        }
    }
    let last = lines.last().map_or("", |line| line.trim());
    let figures = match lines.iter().all(|line| line.contains(": survived")) && lines.len() > 1 {
        true => format!("{} plans survived", lines.len()),
        false => last.to_owned(),
    };
    Verdict {
        ending,
        figures,
        found,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_classes_of_endings_stay_apart() {
        let codes = [
            Some(0),
            Some(3),
            Some(4),
            Some(5),
            Some(6),
            Some(7),
            Some(101),
            None,
            Some(1),
        ];
        let endings = codes.map(ending_of_code);
        let wanted = [
            Ending::Clean,
            Ending::Crash,
            Ending::Safety,
            Ending::Liveness,
            Ending::Coverage,
            Ending::Nondeterminism,
            Ending::Crash,
            Ending::Crash,
            Ending::Usage,
        ];
        assert_eq!(endings, wanted);
    }

    #[test]
    fn failures_of_a_sweep_have_their_command_and_what_to_minimise() {
        let told = json!({
            "seeds": 10, "failed": 1, "seeds_per_s": 3.0,
            "failure_lines": ["earlier", "seed 7 breaks no-split"], "failure_subjects": ["7"],
            "coverage": {"counts": {}, "required_missing": []},
        });
        let verdict = read(Some(4), &told.to_string());
        assert_eq!(verdict.ending, Ending::Safety);
        assert_eq!(verdict.found[0].subject, None);
        assert_eq!(verdict.found[1].subject.as_deref(), Some("7"));
        let wanted = "cargo run --release -p sim -- replay 7";
        assert_eq!(verdict.found[1].replay.as_deref(), Some(wanted));
    }

    #[test]
    fn a_comparison_says_whose_users_were_split_and_what_failed() {
        let told = json!({
            "maildirector": {"plans": 500, "users_split": 0, "refused": 7},
            "dovecot": {"plans": 500, "users_split": 250, "refused": 1},
            "failures": ["seed 12, calm: 1 users were split"],
        });
        let verdict = read(Some(4), &told.to_string());
        assert_eq!(verdict.ending, Ending::Safety);
        assert!(verdict.figures.contains("users split 0 against 250"));
        let wanted = "cargo run --release -p sim -- compare --seeds 12..13";
        assert_eq!(verdict.found[0].replay.as_deref(), Some(wanted));
    }

    #[test]
    fn failures_among_lines_are_found_with_their_commands() {
        let printed = "a.plan: survived\nFAILURE b.plan breaks limits\n  more\nreplay: cargo run --release -p sim -- replay b.plan\n";
        let verdict = read(Some(4), printed);
        assert_eq!(verdict.found.len(), 1);
        assert_eq!(verdict.found[0].subject.as_deref(), Some("b.plan"));
        let survived = read(
            Some(0),
            "a.plan: survived\nb.plan: survived, and with X it breaks limits\n",
        );
        assert_eq!(survived.figures, "2 plans survived");
    }

    #[test]
    fn a_failing_test_of_the_other_floor_is_named() {
        let printed = "test by_hand::cut ... FAILED\ntest result: FAILED. 3 passed; 1 failed\n";
        let verdict = read_tests(Some(101), printed);
        assert_eq!((verdict.ending, verdict.found.len()), (Ending::Safety, 1));
        assert!(verdict.figures.contains("3 passed"));
    }
}
