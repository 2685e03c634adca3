//! `sim run --layer turmoil`: a sweep over seeds with the whole daemon on simulated hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::{Value, json};
use sim::hosts::{Answer, Came, Counted, Question};
use sim::{Bug, Plan};

use super::ending::Ending;
use super::failure::fault_line;
use super::host;
use super::layer::{Hosts, Plans, broken};
use super::progress::Progress;
use super::say::say;
use super::seeds::SeedRange;
use super::table::grouped;
use super::usage::UsageError;

/// Failures told in full; of the others a line each, and of very many only their number.
const IN_FULL_MAX: usize = 3;
const IN_A_LINE_MAX: usize = 100;

/// What is wanted of a sweep.
#[derive(Clone, Copy, Debug)]
pub struct HostsSweep {
    /// Which seeds.
    pub seeds: SeedRange,
    /// Processes with hosts.
    pub jobs: usize,
    /// No seed is started after so much real time.
    pub budget: Option<Duration>,
    /// Whether the first failure ends it.
    pub until_fail: bool,
    /// What is broken on purpose.
    pub bug: Option<Bug>,
    /// Whose plans the seeds stand for.
    pub plans: Plans,
    /// Whether it is told as one JSON object.
    pub json: bool,
}

/// A seed that broke something.
struct Failed {
    seed: u64,
    class: &'static str,
    words: String,
    plan: Box<Plan>,
    lines: Vec<String>,
}

/// What some runs came to together.
#[derive(Default)]
struct Totals {
    seeds: u64,
    run: u64,
    /// Plans with what the layer has not, by reason; a plan may have several.
    refused: BTreeMap<String, u64>,
    broken: BTreeMap<&'static str, u64>,
    counted: Counted,
}

/// Runs the seeds and tells what they came to.
///
/// # Errors
/// The program with the hosts can't be built or started.
pub fn run_on_hosts(sweep: &HostsSweep) -> Result<Ending, UsageError> {
    let hosts = Hosts::built()?;
    let (mut totals, mut failures) = (Totals::default(), Vec::new());
    let (mut ending, mut problem) = (Ending::Clean, None);
    let seeds = sweep.seeds;
    let mut progress = Progress::new("seeds", seeds.is_bounded().then(|| seeds.end - seeds.first));
    let ask = |seed: u64| {
        hosts.ask(&Question {
            asked: sweep.plans.asked(seed),
            bug: sweep.bug.map(|bug| bug.name().to_owned()),
            has_trace: false,
            crowd: None,
        })
    };
    host::in_order(seeds.range(), sweep.jobs, sweep.budget, ask, |seed, answer| {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                problem = Some(error);
                return ControlFlow::Break(());
            }
        };
        totals.add(&answer);
        progress.step(|| format!("{} failed", totals.failed()));
        let Ok(Some((its_ending, class, words))) = broken(&answer.came) else {
            return ControlFlow::Continue(());
        };
        ending = ending.and(its_ending);
        *totals.broken.entry(class).or_default() += 1;
        if failures.len() < IN_A_LINE_MAX {
            failures.push(Failed {
                seed,
                class,
                words: words.to_owned(),
                plan: answer.plan,
                lines: answer.lines,
            });
        }
        if sweep.until_fail {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if let Some(problem) = problem {
        return Err(problem);
    }
    if sweep.json {
        say(format_args!(
            "{:#}",
            totals.json(progress.elapsed(), &failures, sweep, ending)
        ));
    } else {
        for (place, failure) in failures.iter().enumerate() {
            match place < IN_FULL_MAX {
                true => say(format_args!("{}\n", failure.text(sweep))),
                false => say(failure.line()),
            }
        }
        say(totals.text(progress.elapsed()));
    }
    Ok(ending)
}

impl Failed {
    fn line(&self) -> String {
        format!("FAILURE seed {}: {}: {}", self.seed, self.class, self.words)
    }

    fn replay(&self, sweep: &HostsSweep) -> String {
        let plans = match sweep.plans {
            Plans::Des => "",
            Plans::Turmoil => " --plans turmoil",
        };
        let bug = sweep.bug.map_or(String::new(), |bug| format!(" --bug {bug}"));
        let seed = self.seed;
        format!("cargo run --release -p sim -- replay {seed} --layer turmoil{plans}{bug}")
    }

    fn text(&self, sweep: &HostsSweep) -> String {
        let mut text = self.line();
        let knobs = serde_json::to_string(&self.plan.knobs).unwrap_or_default();
        let _ = write!(
            text,
            "\nknobs: {knobs}\nends after {} ms, {:?}",
            self.plan.duration_ms, self.plan.ending
        );
        let work = self.plan.work.iter();
        let work = work.map(|work| serde_json::to_string(work).unwrap_or_default());
        for (head, lines) in [
            ("faults", self.plan.faults.iter().map(fault_line).collect()),
            ("work", work.collect()),
            ("the last lines", self.lines.clone()),
        ] {
            let lines: Vec<String> = lines;
            let _ = write!(text, "\n{head}:");
            for line in lines {
                let _ = write!(text, "\n  {line}");
            }
        }
        let _ = write!(
            text,
            "\ncommit: {}\nreplay: {}",
            host::commit(),
            self.replay(sweep)
        );
        text
    }
}

impl Totals {
    fn add(&mut self, answer: &Answer) {
        self.seeds += 1;
        self.counted.merge(&answer.counted);
        match &answer.came {
            Came::Impossible(refusals) => {
                let reasons: BTreeSet<&String> = refusals.iter().map(|refusal| &refusal.reason).collect();
                for reason in reasons {
                    *self.refused.entry(reason.clone()).or_default() += 1;
                }
            }
            _ => self.run += 1,
        }
    }

    fn failed(&self) -> u64 {
        self.broken.values().sum()
    }

    fn text(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let listed = |counts: Vec<(&str, u64)>| -> String {
            let words = counts
                .iter()
                .map(|(name, count)| format!(", {name} {}", grouped(*count)));
            words.collect()
        };
        let refused = self
            .refused
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count));
        let broken = self.broken.iter().map(|(class, count)| (*class, *count));
        let counted = &self.counted;
        let mut text = String::new();
        let _ = writeln!(
            text,
            "seeds      {} in {seconds:.1} s, {:.0}/s, of them {} run, each twice with equal traces",
            grouped(self.seeds),
            self.seeds as f64 / seconds,
            grouped(self.run)
        );
        let _ = writeln!(
            text,
            "refused    {}{}",
            grouped(self.seeds - self.run),
            listed(refused.collect())
        );
        let _ = writeln!(text, "simulated  {} s", grouped(counted.simulated_ms / 1_000));
        let _ = writeln!(
            text,
            "counted    {} logins, {} routed, {} refused, {} kicked, {} lines of trace",
            grouped(counted.logins),
            grouped(counted.routed),
            grouped(counted.refused),
            grouped(counted.kicked),
            grouped(counted.trace_lines)
        );
        let _ = writeln!(
            text,
            "failures   {}{}",
            grouped(self.failed()),
            listed(broken.collect())
        );
        text
    }

    fn json(&self, elapsed: Duration, failures: &[Failed], sweep: &HostsSweep, ending: Ending) -> Value {
        let failure = |failed: &Failed| {
            json!({
                "seed": failed.seed,
                "class": failed.class,
                "words": failed.words,
                "plan": failed.plan,
                "last_lines": failed.lines,
                "replay": failed.replay(sweep),
            })
        };
        json!({
            "layer": "turmoil",
            "seeds": self.seeds,
            "seconds": elapsed.as_secs_f64(),
            "run": self.run,
            "refused": self.refused,
            "counted": self.counted,
            "failed": self.failed(),
            "broken": self.broken,
            "failures": failures.iter().take(IN_FULL_MAX).map(failure).collect::<Vec<_>>(),
            "failure_lines": failures.iter().map(Failed::line).collect::<Vec<_>>(),
            "exit_code": ending.code(),
        })
    }
}
