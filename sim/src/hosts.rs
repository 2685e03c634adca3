//! What is asked of the program that runs the whole daemon on simulated hosts (`tests/turmoil`), and what it answers: a
//! line of JSON each, the answer behind a word that says so. Starting that program is left to the commands, running a plan there to the program.

use serde::{Deserialize, Serialize};

use crate::both::Crowd;
use crate::converged::Converged;
use crate::plan::Plan;

/// The line by which the program says that it takes questions.
pub const READY: &str = "simulated hosts are ready";

/// How the lines begin that are answers; what stands between them is the test harness's.
pub const ANSWER: &str = "answer: ";

/// One run that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Of what.
    pub asked: Asked,
    /// What is broken on purpose, by the name that [`crate::Bug::name`] gives it.
    #[serde(default)]
    pub bug: Option<String>,
    /// Whether every line of the trace is wanted.
    #[serde(default)]
    pub has_trace: bool,
    /// For a comparison of two worlds: the plan is made one for both, and every order is given until it is answered.
    #[serde(default)]
    pub crowd: Option<Crowd>,
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The plan that the program's own generator draws for this seed.
    Seed(u64),
    /// This plan.
    Plan(Box<Plan>),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The verdict.
    pub came: Came,
    /// The plan that was run, as it was made for both worlds when that was asked for.
    pub plan: Box<Plan>,
    /// A digest of all lines of the trace. Equal plans give equal digests.
    pub trace_hash: u64,
    /// What was counted.
    pub counted: Counted,
    /// For a comparison: what the ring came to. None when only an operator could help it.
    pub end: Option<Converged>,
    /// The lines of the trace: all when they were asked for, the last ones when something broke.
    pub lines: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// Nothing broke, twice and with equal traces.
    Clean,
    /// The plan has what the simulated hosts have not. Nothing was run.
    Impossible(Vec<Refusal>),
    /// The program or a director panicked.
    Crash(String),
    /// Something wrong was done.
    Safety(String),
    /// Something was not done in time.
    Liveness(String),
    /// Two runs of the plan differed.
    Nondeterminism(String),
}

/// Why a plan can't be run on simulated hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of reason, by which refused plans are counted.
    pub reason: String,
    /// What of the plan it is, in words.
    pub words: String,
}

/// Sums over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct Counted {
    pub logins: u64,
    pub routed: u64,
    pub refused: u64,
    pub kicked: u64,
    pub trace_lines: u64,
    pub simulated_ms: u64,
}

impl Counted {
    /// Adds another run's sums.
    pub fn merge(&mut self, other: &Counted) {
        self.logins += other.logins;
        self.routed += other.routed;
        self.refused += other.refused;
        self.kicked += other.kicked;
        self.trace_lines += other.trace_lines;
        self.simulated_ms += other.simulated_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_and_an_answer_are_a_line_each() {
        let question = Question {
            asked: Asked::Plan(Box::new(Plan::from_seed(1))),
            bug: Some("ConfirmedFreezes".to_owned()),
            has_trace: true,
            crowd: Some(Crowd::Nobody),
        };
        let line = serde_json::to_string(&question).expect("it has no map keys but strings");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(
            serde_json::from_str::<Question>(&line).expect("it was written"),
            question
        );
        let answer = Answer {
            came: Came::Safety("two\nlines".to_owned()),
            plan: Box::new(Plan::from_seed(1)),
            trace_hash: u64::MAX,
            counted: Counted::default(),
            end: None,
            lines: vec!["a".to_owned()],
        };
        let line = serde_json::to_string(&answer).expect("it has no map keys but strings");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(
            serde_json::from_str::<Answer>(&line).expect("it was written"),
            answer
        );
    }
}
