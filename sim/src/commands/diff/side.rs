//! One side of a comparison: a seed, a plan, or a trace that was written before.

use std::fs;
use std::path::Path;

use sim::{Bug, Options, Plan, PlanError, TraceMode, Verdict};

use crate::commands::execute::execute;
use crate::commands::failure::Failure;
use crate::commands::subject::Subject;
use crate::commands::usage::UsageError;

/// A run as it can be compared.
pub struct Side {
    /// What the user called it.
    pub title: String,
    /// Of a written trace nobody knows the plan.
    pub plan: Option<Plan>,
    /// Every event.
    pub lines: Vec<String>,
    /// What came of it, where that is known.
    pub verdict: Option<String>,
}

impl Side {
    /// Runs the seed or plan with the bug, or reads the trace.
    ///
    /// # Errors
    /// The file can't be read, or is neither a plan nor a trace.
    pub fn of(word: &str, bug: Option<Bug>) -> Result<Side, UsageError> {
        let subject = Subject::parse(word);
        let plan = match &subject {
            Subject::Seed(_) => subject.plan()?,
            Subject::File(path) => match plan_or_trace(path)? {
                Ok(plan) => plan,
                Err(lines) => {
                    return Ok(Side {
                        title: subject.title(),
                        plan: None,
                        lines,
                        verdict: None,
                    });
                }
            },
        };
        Ok(Side::run(subject, plan, bug))
    }

    fn run(subject: Subject, plan: Plan, bug: Option<Bug>) -> Side {
        let options = Options {
            bug,
            trace: TraceMode::Lines,
            ..Options::default()
        };
        let mut outcome = execute(&plan, &options);
        let lines = std::mem::take(&mut outcome.lines);
        let title = match bug {
            None => subject.title(),
            Some(bug) => format!("{} with {bug}", subject.title()),
        };
        let verdict = match &outcome.verdict {
            Verdict::Ok => format!("{title} breaks nothing"),
            Verdict::Violation { .. } => {
                Failure::of(subject, bug, &outcome).map_or(String::new(), |failure| failure.line())
            }
        };
        Side {
            title,
            plan: Some(plan),
            lines,
            verdict: Some(verdict),
        }
    }
}

/// The plan in a file, or the lines of the trace in it.
fn plan_or_trace(path: &Path) -> Result<Result<Plan, Vec<String>>, UsageError> {
    let text = fs::read_to_string(path).map_err(|error| UsageError::File {
        path: path.to_owned(),
        error,
    })?;
    if text.lines().next().is_some_and(is_trace_line) {
        return Ok(Err(text.lines().map(str::to_owned).collect()));
    }
    let plan = Plan::parse(&text).map_err(|error: PlanError| UsageError::Plan {
        path: path.to_owned(),
        error,
    })?;
    Ok(Ok(plan))
}

/// `   3.214159 #77 2: tick`
fn is_trace_line(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_time = |word: &str| {
        word.split_once('.').is_some_and(|(s, us)| {
            [s, us]
                .iter()
                .all(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    words.next().is_some_and(is_time) && words.next().is_some_and(|word| word.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_told_from_a_plan_by_its_first_line() {
        assert!(is_trace_line("   3.214159 #77 2: tick"));
        assert!(!is_trace_line("{"));
        assert!(!is_trace_line("{\"format\": 1,"));
        assert!(!is_trace_line("3.2 seconds"));
    }
}
