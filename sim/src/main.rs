//! The simulator's command line. What a command does stands in `commands`; what a world is, in the library.

mod commands;
mod explore;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    DeterminismArguments, EXIT_CODES, Ending, MinimizeArguments, MutantsArguments, PlansArguments,
    ReplayArguments, RunArguments, ScaleArguments, UsageError, WaitsArguments, check_determinism, minimize,
    mutants, plans, replay, run, scale, waits,
};

const EXAMPLES: &str = "\
Examples:
  sim run --seeds 0..10000                    ten thousand worlds, on all cores
  sim run --seeds 0.. --budget 60s            as many as a minute allows
  sim run --seeds 0.. --until-fail            until one fails
  sim replay 4711 --trace trace.txt           one world again, every event in a file
  sim minimize 4711 -o found.plan             what of it is needed to fail
  sim replay found.plan                       a plan from a file
  sim mutants                                 break each rule: how many seeds until it is noticed?
  sim plans sim/plans                         the committed regressions
  sim check-determinism --seeds 0..200        is a seed the same run everywhere?
  sim explore --small                         every order of events in small rings
  sim waits --seeds 0..2000 --markdown        how long users wait while something goes on
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
    /// Cut a failing seed or plan down to what is needed to fail.
    Minimize(MinimizeArguments),
    /// Run every seed several times, on other threads and in another process, and compare the traces.
    CheckDeterminism(DeterminismArguments),
    /// Break each rule in turn and count the seeds until a checker notices.
    Mutants(MutantsArguments),
    /// Run the committed plans of a directory.
    Plans(PlansArguments),
    /// Try every order of events in small rings.
    Explore(explore::ExploreArguments),
    /// Show how long users wait during each kind of change and fault.
    Waits(WaitsArguments),
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
        Command::Minimize(arguments) => minimize(&arguments),
        Command::CheckDeterminism(arguments) => check_determinism(&arguments),
        Command::Mutants(arguments) => mutants(&arguments),
        Command::Plans(arguments) => plans(&arguments),
        Command::Explore(arguments) => Ok(explore::run(&arguments)),
        Command::Waits(arguments) => waits(&arguments),
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
