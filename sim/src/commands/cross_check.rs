//! `sim cross-check`: what a ring comes to by a plan is the same in the discrete-event world and on simulated hosts.
//!
//! Each plan is made one for both worlds ([`sim::both`]) and run in both, with its users and without any. With users, those
//! are left out of the comparison whom a session kept where they were; without, everything is compared.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sim::Verdict;
use sim::both::{Crowd, insist};
use sim::hosts::{Asked, Question};

use super::ending::Ending;
use super::execute::ending_of;
use super::host;
use super::layer::{Hosts, Plans, broken};
use super::progress::Progress;
use super::say::say;
use super::seeds::SeedRange;
use super::subject::Subject;
use super::table::{Side, Table, grouped};
use super::usage::UsageError;

/// Plans that are told of in full.
const TOLD_MAX: usize = 20;

/// Arguments of `sim cross-check`.
#[derive(Args)]
pub struct CrossCheckArguments {
    /// Files with plans.
    #[arg(value_name = "FILE", required_unless_present = "seeds")]
    files: Vec<PathBuf>,
    /// The plans of these seeds: A..B without B.
    #[arg(long, value_name = "A..B", conflicts_with = "files")]
    seeds: Option<SeedRange>,
    /// Whose plans the seeds stand for.
    #[arg(long, value_enum, default_value_t = Plans::Des)]
    plans: Plans,
    /// Threads, each with a process with simulated hosts [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// How one plan compares.
enum Judgement {
    /// So many users were left out.
    Equal { left_out: usize },
    /// What differs.
    Differs(Vec<String>),
    /// Only an operator could have helped the ring on.
    NeedsOperator,
    /// The plan has what the simulated hosts have not.
    Refused,
    /// A rule broke in one of the worlds, so there is nothing to compare.
    Broke(Ending, String),
}

/// How the plans of one kind compare.
#[derive(Default)]
struct Row {
    plans: u64,
    whole: u64,
    in_part: u64,
    left_out: u64,
    differ: u64,
    needs_operator: u64,
    refused: u64,
    broke: u64,
}

/// Runs the plans in both worlds and tells what they come to.
///
/// # Errors
/// A plan can't be read, the seeds have no end, or the program with the hosts can't be built.
pub fn cross_check(arguments: &CrossCheckArguments) -> Result<Ending, UsageError> {
    let seeds = arguments.seeds;
    if let Some(seeds) = seeds.filter(|seeds| !seeds.is_bounded()) {
        return Err(UsageError::Endless(seeds));
    }
    let files: Vec<Subject> = arguments.files.iter().cloned().map(Subject::File).collect();
    let subjects = seeds.map_or(0..files.len() as u64, SeedRange::range);
    let hosts = Hosts::built()?;
    let judge_at = |place: u64| {
        [Crowd::Users, Crowd::Nobody].map(|crowd| {
            let asked = match files.get(place as usize) {
                Some(file) => Asked::Plan(Box::new(file.plan()?)),
                None => arguments.plans.asked(place),
            };
            judge(&hosts, asked, crowd)
        })
    };
    let mut rows = [Row::default(), Row::default()];
    let (mut ending, mut problem, mut told) = (Ending::Clean, None, Vec::new());
    let mut progress = Progress::new("plans", Some(subjects.end - subjects.start));
    let jobs = arguments.jobs.unwrap_or_else(host::cores);
    host::in_order(subjects, jobs, None, judge_at, |place, judgements| {
        progress.step(|| format!("{} differ", rows.iter().map(|row| row.differ).sum::<u64>()));
        for ((judgement, row), with) in judgements
            .into_iter()
            .zip(&mut rows)
            .zip(["with users", "without"])
        {
            match judgement {
                Ok(judgement) => {
                    row.add(&judgement);
                    ending = ending.and(judgement.ending());
                    let subject = files
                        .get(place as usize)
                        .map_or(format!("seed {place}"), Subject::title);
                    let lines = judgement.lines().into_iter();
                    told.extend(lines.map(|line| format!("{subject}, {with}: {line}")));
                }
                Err(error) => {
                    problem = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    });
    if let Some(problem) = problem {
        return Err(problem);
    }
    let [users, nobody] = &rows;
    let seconds = progress.elapsed().as_secs_f64();
    if arguments.json {
        let told = json!({
            "with_users": users.json(),
            "without_users": nobody.json(),
            "differences": told,
            "seconds": seconds,
            "exit_code": ending.code(),
        });
        say(format_args!("{told:#}"));
    } else {
        told.iter().take(TOLD_MAX).for_each(say);
        if told.len() > TOLD_MAX {
            say(format_args!("and {} more lines", told.len() - TOLD_MAX));
        }
        say(format_args!("{}in {seconds:.1} s", table(users, nobody).text()));
    }
    Ok(ending)
}

fn judge(hosts: &Hosts, asked: Asked, crowd: Crowd) -> Result<Judgement, UsageError> {
    let answer = hosts.ask(&Question {
        asked,
        bug: None,
        has_trace: false,
        crowd: Some(crowd),
    })?;
    match broken(&answer.came) {
        Ok(None) => {}
        Ok(Some((ending, class, words))) => {
            let words = format!("{class} on simulated hosts: {words}");
            return Ok(Judgement::Broke(ending, words));
        }
        Err(_) => return Ok(Judgement::Refused),
    }
    let there = insist(&answer.plan);
    if let Verdict::Violation { invariant, words, .. } = &there.verdict {
        let words = format!("{invariant} in the discrete-event world: {words}");
        return Ok(Judgement::Broke(ending_of(&there.verdict), words));
    }
    let (Some(in_events), Some(on_hosts)) = (there.end, answer.end) else {
        return Ok(Judgement::NeedsOperator);
    };
    let in_events = in_events.compared("in the discrete-event world", &there.ordered);
    let on_hosts = on_hosts.compared("on simulated hosts", &there.ordered);
    let differences = [in_events.differences, on_hosts.differences].concat();
    Ok(if differences.is_empty() {
        Judgement::Equal {
            left_out: in_events.left_out + on_hosts.left_out,
        }
    } else {
        Judgement::Differs(differences)
    })
}

impl Judgement {
    fn ending(&self) -> Ending {
        match self {
            Judgement::Differs(_) => Ending::Safety,
            Judgement::Broke(ending, _) => *ending,
            _ => Ending::Clean,
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Judgement::Differs(lines) => lines.clone(),
            Judgement::Broke(_, words) => vec![words.clone()],
            _ => Vec::new(),
        }
    }
}

impl Row {
    fn add(&mut self, judgement: &Judgement) {
        self.plans += 1;
        let count = match judgement {
            Judgement::Equal { left_out: 0 } => &mut self.whole,
            Judgement::Equal { left_out } => {
                self.left_out += *left_out as u64;
                &mut self.in_part
            }
            Judgement::Differs(_) => &mut self.differ,
            Judgement::NeedsOperator => &mut self.needs_operator,
            Judgement::Refused => &mut self.refused,
            Judgement::Broke(..) => &mut self.broke,
        };
        *count += 1;
    }

    fn counts(&self) -> [(&'static str, u64); 8] {
        [
            ("plans", self.plans),
            ("equal, all compared", self.whole),
            ("equal, some users left out", self.in_part),
            ("users left out, in both worlds", self.left_out),
            ("different", self.differ),
            ("not compared: an operator is needed", self.needs_operator),
            ("not compared: refused on simulated hosts", self.refused),
            ("not compared: a rule broke", self.broke),
        ]
    }

    fn json(&self) -> BTreeMap<&'static str, u64> {
        self.counts().into_iter().collect()
    }
}

fn table(users: &Row, nobody: &Row) -> Table {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("with users", Side::Right),
        ("without", Side::Right),
    ]);
    for ((name, with), (_, without)) in users.counts().into_iter().zip(nobody.counts()) {
        table.row(vec![name.to_owned(), grouped(with), grouped(without)]);
    }
    table
}
