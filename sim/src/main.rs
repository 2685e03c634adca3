//! The simulator's command line. What a command does stands in `commands`; what a world is, in the library.

mod commands;
mod explore;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    BisectArguments, CompareArguments, CrossCheckArguments, DeterminismArguments, DiffArguments, EXIT_CODES,
    Ending, ExplainArguments, MinimizeArguments, MutantsArguments, NightlyArguments, PlansArguments,
    RecoveryArguments, ReplayArguments, RunArguments, ScaleArguments, UsageError, WaitsArguments, bisect,
    check_determinism, compare, cross_check, diff, minimize, mutants, nightly, plans, recovery, replay, run,
    scale, waits,
};

const EXAMPLES: &str = "\
Examples:
  sim run --seeds 0..10000                    ten thousand worlds, on all cores
  sim run --seeds 0.. --budget 60s            as many as a minute allows
  sim run --seeds 0.. --until-fail            until one fails
  sim replay 4711 --trace trace.txt           one world again, every event in a file
  sim explain 4711 --text                     what led to its failure, in one screen
  sim explain found.plan --html found.html    the same as a page with a timeline
  sim minimize 4711 -o found.plan             what of it is needed to fail
  sim replay found.plan                       a plan from a file
  sim mutants                                 break each rule: how many seeds until it is noticed?
  sim plans sim/plans                         the committed regressions
  sim mutants --minimize --markdown           how little is left of the run that shows each planted bug
  sim replay 4711 --at 3.2s --dump all        every member whole at one moment
  sim diff old.plan found.plan                where two runs part, and in what their plans differ
  sim diff 12 12 --bug EpochIsDurable --bug-b none   where a bug first matters
  sim bisect 4711 --good v0.1                 the commit that broke it
  sim check-determinism --seeds 0..200        is a seed the same run everywhere?
  sim explore --small                         every order of events in small rings
  sim recovery --seeds 0..60 --markdown       how long users are without service, by fault
  sim recovery --core --seeds 0..4000         how fast rings recover, in renew intervals
  sim run --learn --budget 8h --corpus night  change what reached something new, for a night
  sim run --resume night                      go on with it
  sim nightly --night 20261127 --budget 6h    all that is worth a night, with one summary
  sim waits --seeds 0..2000 --markdown        how long users wait while something goes on
  sim run --seeds 0..1000 --layer turmoil     the same plans with the whole daemon on simulated hosts
  sim replay 17 --layer turmoil --trace -     one of them again
  sim cross-check --seeds 0..100              does a plan end equally in both worlds?
  sim compare --seeds 0..200                  the same plans with Dovecot's own directors
  sim scale --out docs/scale --markdown       rings of 3 to 100 directors over ten years";

/// Runs rings of real directors in simulated worlds: thousands of faults, one seed each, every run repeatable.
#[derive(Parser)]
#[command(name = "sim", after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the worlds of a range of seeds and check every promise of the ring.
    Run(RunArguments),
    /// Run one seed or plan again.
    Replay(ReplayArguments),
    /// Tell the shortest story of a failure, as text or as a page with a timeline.
    Explain(ExplainArguments),
    /// Cut a failing seed or plan down to what is needed to fail.
    Minimize(MinimizeArguments),
    /// Tell where two runs part ways, and in what their plans differ.
    Diff(DiffArguments),
    /// Find the commit that broke a seed or plan.
    Bisect(BisectArguments),
    /// Run every seed several times, on other threads and in another process, and compare the traces.
    CheckDeterminism(DeterminismArguments),
    /// Break each rule in turn and count the seeds until a checker notices.
    Mutants(MutantsArguments),
    /// Run the committed plans of a directory.
    Plans(PlansArguments),
    /// Try every order of events in small rings.
    Explore(explore::ExploreArguments),
    /// Show how soon users and rings are well again after a fault.
    Recovery(RecoveryArguments),
    /// Run plans in both worlds, each order until it is answered, and compare what the rings come to.
    CrossCheck(CrossCheckArguments),
    /// Run the same plans with Dovecot's own directors, and show both.
    Compare(CompareArguments),
    /// Show how long users wait during each kind of change and fault.
    Waits(WaitsArguments),
    /// Everything worth a night: new seeds, a search that learns, plans, mutants, determinism; one summary.
    Nightly(NightlyArguments),
    /// Show what large rings cost, how long their users are without service, and where they end.
    Scale(ScaleArguments),
}

fn main() -> ExitCode {
    match perform(CommandLine::parse().command) {
        Ok(ending) => ending.into(),
        Err(error) => {
            eprintln!("sim: {error}");
            Ending::Usage.into()
        }
    }
}

fn perform(command: Command) -> Result<Ending, UsageError> {
    match command {
        Command::Run(arguments) => run(&arguments),
        Command::Replay(arguments) => replay(&arguments),
        Command::Explain(arguments) => commands::explain(&arguments),
        Command::Minimize(arguments) => minimize(&arguments),
        Command::Diff(arguments) => diff(&arguments),
        Command::Bisect(arguments) => bisect(&arguments),
        Command::CheckDeterminism(arguments) => check_determinism(&arguments),
        Command::Mutants(arguments) => mutants(&arguments),
        Command::Plans(arguments) => plans(&arguments),
        Command::Explore(arguments) => Ok(explore::run(&arguments)),
        Command::Recovery(arguments) => recovery(&arguments),
        Command::CrossCheck(arguments) => cross_check(&arguments),
        Command::Compare(arguments) => compare(&arguments),
        Command::Waits(arguments) => waits(&arguments),
        Command::Nightly(arguments) => nightly(&arguments),
        Command::Scale(arguments) => scale(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_example_parses() {
        let lines = EXAMPLES
            .lines()
            .filter_map(|line| line.trim().strip_prefix("sim "));
        let mut count = 0;
        for line in lines {
            let words: Vec<&str> = line.split("  ").next().unwrap_or(line).split(' ').collect();
            let parsed = CommandLine::try_parse_from(std::iter::once("sim").chain(words.iter().copied()));
            assert!(
                parsed.is_ok(),
                "{line}: {:?}",
                parsed.err().map(|error| error.to_string())
            );
            count += 1;
        }
        assert!(count >= 10, "{count}");
    }
}
