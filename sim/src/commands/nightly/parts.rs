//! What a night consists of.

use std::path::PathBuf;
use std::time::Duration;

use crate::commands::seeds::SeedRange;

/// Seeds of which each is run several times to see whether it is the same run everywhere.
const REPEATED: u64 = 100;
/// Seeds of which each is run with Dovecot's own directors, too.
const COMPARED: u64 = 500;
/// From so many seeds on, all of the catalogue has to be reached.
const COVERING_SEEDS: u64 = 10_000;
/// The share of a budget that fresh seeds get, in per cent; the search gets the rest.
const SEEDS_PERCENT: u32 = 40;

/// What a night is given.
pub struct Night {
    pub seeds: SeedRange,
    pub budget: Option<Duration>,
    pub corpus: PathBuf,
    pub plans: PathBuf,
    pub jobs: Option<usize>,
    pub has_turmoil: bool,
}

/// Who does a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// This program, once more.
    Sim,
    /// cargo, which builds what it runs.
    Cargo,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the summary, and of its file.
    pub name: &'static str,
    /// What it tries.
    pub what: &'static str,
    pub program: Program,
    pub words: Vec<String>,
}

/// The parts of a night, in their order. Whatever is added here is run, timed and told like the others.
pub fn parts(night: &Night) -> Vec<Part> {
    let mut parts = vec![
        sim("seeds", "new seeds", fresh(night)),
        sim("search", "a search that learns", search(night)),
        sim("plans", "the committed plans", plans(night)),
        sim(
            "mutants",
            "every rule broken in turn",
            words(night, &["mutants", "--check"]),
        ),
        sim(
            "determinism",
            "a seed is the same run everywhere",
            repeated(night),
        ),
        sim(
            "compare",
            "the same plans with Dovecot's own directors",
            compared(night),
        ),
    ];
    if night.has_turmoil {
        let words = ["test", "--locked", "--package", "sim", "--test", "turmoil"];
        parts.push(Part {
            name: "turmoil",
            what: "the whole daemon on simulated hosts",
            program: Program::Cargo,
            words: words.map(str::to_owned).to_vec(),
        });
    }
    parts
}

fn sim(name: &'static str, what: &'static str, words: Vec<String>) -> Part {
    Part {
        name,
        what,
        program: Program::Sim,
        words,
    }
}

fn words(night: &Night, fixed: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = fixed.iter().map(|word| (*word).to_owned()).collect();
    if let Some(jobs) = night.jobs {
        words.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    words
}

fn fresh(night: &Night) -> Vec<String> {
    let mut words = words(night, &["run", "--json", "--seeds", &night.seeds.to_string()]);
    words.extend(budget(night, SEEDS_PERCENT));
    if night.budget.is_none() && night.seeds.end - night.seeds.first >= COVERING_SEEDS {
        words.push("--require-marks".to_owned());
    }
    words
}

/// The corpus grows from night to night; what it draws is another thing every night.
fn search(night: &Night) -> Vec<String> {
    let mut words = words(night, &["run", "--json", "--learn"]);
    words.extend(["--seeds".to_owned(), night.seeds.to_string()]);
    words.extend(["--search-seed".to_owned(), night.seeds.first.to_string()]);
    words.extend(["--corpus".to_owned(), night.corpus.display().to_string()]);
    words.extend(budget(night, 100 - SEEDS_PERCENT));
    words
}

fn plans(night: &Night) -> Vec<String> {
    let mut words = words(night, &["plans"]);
    words.push(night.plans.display().to_string());
    words
}

fn repeated(night: &Night) -> Vec<String> {
    let first = night.seeds.first;
    let end = night.seeds.end.min(first + REPEATED);
    let mut words = words(night, &["check-determinism"]);
    words.extend(["--seeds".to_owned(), format!("{first}..{end}")]);
    words
}

fn compared(night: &Night) -> Vec<String> {
    let first = night.seeds.first;
    let end = night.seeds.end.min(first + COMPARED);
    words(
        night,
        &["compare", "--json", "--seeds", &format!("{first}..{end}")],
    )
}

fn budget(night: &Night, percent: u32) -> Vec<String> {
    match night.budget {
        Some(budget) => {
            let ms = (budget * percent / 100).as_millis();
            vec!["--budget".to_owned(), format!("{ms}ms")]
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::*;

    fn night(budget: Option<Duration>, end: u64) -> Night {
        Night {
            seeds: SeedRange { first: 7_000, end },
            budget,
            corpus: PathBuf::from("night/corpus"),
            plans: PathBuf::from("sim/plans"),
            jobs: Some(2),
            has_turmoil: true,
        }
    }

    #[test]
    fn a_sweep_gets_its_seeds_or_its_share_of_the_budget() {
        let counted = parts(&night(None, 17_000));
        let words = counted[0].words.join(" ");
        assert_eq!(words, "run --json --seeds 7000..17000 --jobs 2 --require-marks");
        let timed = parts(&night(Some(Duration::from_secs(100)), u64::MAX));
        assert!(
            timed[0]
                .words
                .join(" ")
                .ends_with("--seeds 7000.. --jobs 2 --budget 40000ms")
        );
        assert!(timed[1].words.join(" ").ends_with("--budget 60000ms"));
        assert!(timed[4].words.join(" ").ends_with("--seeds 7000..7100"));
    }

    #[test]
    fn the_sweeps_are_command_lines_that_sim_run_takes() {
        for part in &parts(&night(Some(Duration::from_secs(100)), u64::MAX))[..2] {
            let command = crate::commands::RunArguments::augment_args(Command::new("run"));
            let parsed = command.try_get_matches_from(&part.words);
            assert!(
                parsed.is_ok(),
                "{:?}: {:?}",
                part.words,
                parsed.err().map(|e| e.to_string())
            );
        }
    }

    #[test]
    fn names_are_file_names_and_differ() {
        let parts = parts(&night(None, 7_001));
        let mut names: Vec<&str> = parts.iter().map(|part| part.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), parts.len());
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()))
        );
    }
}
