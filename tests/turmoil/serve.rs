//! The program for `sim`: takes questions by the line, runs each plan twice, and answers with the verdict.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, stdin};
use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::both::for_both;
use sim::hosts::{ANSWER, Answer, Asked, Came, Counted, Question, READY, Refusal};
use sim::{Bug, Plan};

use crate::plans::plan_of;
use crate::possible::{can_break, impossible};
use crate::run::{Manner, Outcomes, run_so};
use crate::truth::Outcome;

/// Lines of the trace that are told when something broke.
const TOLD_MAX: usize = 60;

/// Started by `sim run --layer turmoil` and its like.
#[test]
#[ignore = "it waits for questions"]
fn serve() {
    println!("\n{READY}");
    for line in stdin().lock().lines() {
        let line = line.expect("questions are text");
        let question = serde_json::from_str(&line).expect("a question of this version");
        let answer =
            serde_json::to_string(&answer(&question)).expect("an answer has no map keys but strings");
        println!("{ANSWER}{answer}");
    }
}

fn answer(question: &Question) -> Answer {
    let plan = match &question.asked {
        Asked::Seed(seed) => Box::new(plan_of(*seed)),
        Asked::Plan(plan) => plan.clone(),
    };
    let plan = match question.crowd {
        Some(crowd) => Box::new(for_both(&plan, crowd)),
        None => plan,
    };
    let bug = question
        .bug
        .as_ref()
        .map(|name| Bug::parse(name).expect("`sim` knows its bugs"));
    let mut refusals = impossible(&plan);
    refusals.extend(bug.filter(|bug| !can_break(*bug)).map(no_such_bug));
    if !refusals.is_empty() {
        return told(plan, Came::Impossible(refusals));
    }
    let manner = Manner {
        bug,
        insists: question.crowd.is_some(),
    };
    match catch_unwind(AssertUnwindSafe(|| judged(&plan, manner, question.has_trace))) {
        Ok(answer) => answer,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            told(
                plan,
                Came::Crash(words.unwrap_or("a panic without words").to_owned()),
            )
        }
    }
}

fn no_such_bug(bug: Bug) -> Refusal {
    Refusal {
        reason: "the bug".to_owned(),
        words: format!("{bug} can't be planted here"),
    }
}

/// An answer without a run.
fn told(plan: Box<Plan>, came: Came) -> Answer {
    Answer {
        came,
        plan,
        trace_hash: 0,
        counted: Counted::default(),
        end: None,
        lines: Vec::new(),
    }
}

/// Runs it twice; a verdict that can't be had again is none.
fn judged(plan: &Plan, manner: Manner, has_trace: bool) -> Answer {
    let (one, other) = (run_so(plan, manner), run_so(plan, manner));
    let (lines, again) = (one.trace.lines(), other.trace.lines());
    let came = first_difference(&lines, &again).map_or_else(|| came(&one), Came::Nondeterminism);
    let told_from = match (&came, has_trace) {
        (_, true) => 0,
        (Came::Clean, false) => lines.len(),
        _ => lines.len().saturating_sub(TOLD_MAX),
    };
    let mut digest = DefaultHasher::new();
    lines.hash(&mut digest);
    Answer {
        came,
        plan: Box::new(plan.clone()),
        trace_hash: digest.finish(),
        counted: counted(&one, lines.len()),
        end: one.end.filter(|_| one.broken.is_none()),
        lines: lines[told_from..].to_vec(),
    }
}

fn came(outcomes: &Outcomes) -> Came {
    let Some(words) = outcomes.broken.clone() else {
        return Came::Clean;
    };
    let facts = outcomes.truth.facts();
    if facts.has_crashed {
        Came::Crash(words)
    } else if facts.violations.is_empty() {
        Came::Liveness(words)
    } else {
        Came::Safety(words)
    }
}

/// Where two traces part, in words.
pub fn first_difference(lines: &[String], again: &[String]) -> Option<String> {
    let at = (0..lines.len().max(again.len())).find(|at| lines.get(*at) != again.get(*at))?;
    let (one, other) = (lines.get(at), again.get(at));
    Some(format!("two runs part at line {at}: {one:?} and {other:?}"))
}

fn counted(outcomes: &Outcomes, trace_lines: usize) -> Counted {
    let facts = outcomes.truth.facts();
    let of = |wanted: fn(&Outcome) -> bool| {
        let logins = facts.logins.iter();
        logins
            .filter(|login| login.outcome.is_some_and(|(_, outcome)| wanted(&outcome)))
            .count() as u64
    };
    Counted {
        logins: facts.logins.len() as u64,
        routed: of(|outcome| matches!(outcome, Outcome::Routed(_))),
        refused: of(|outcome| *outcome == Outcome::Refused),
        kicked: facts.kicked as u64,
        trace_lines: trace_lines as u64,
        simulated_ms: outcomes.simulated.as_millis() as u64,
    }
}
