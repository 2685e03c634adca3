//! What surrounds the machines in a run: this program's discrete-event world, or simulated hosts with the whole daemon.
//!
//! The hosts run in processes beside this one, the program of `tests/turmoil`, which is built once and then takes one
//! question after the other. What is asked and answered stands in [`sim::hosts`].

use std::path::PathBuf;
use std::sync::Mutex;

use clap::ValueEnum;
use sim::Plan;
use sim::hosts::{ANSWER, Answer, Asked, Came, Counted, Question, READY};

use super::ending::Ending;
use super::host::{Companion, program_of_test};
use super::usage::UsageError;

/// What surrounds the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layer {
    /// The discrete-event world of this program.
    Des,
    /// The whole daemon on simulated hosts, in processes that cargo builds; it refuses plans with what it has not.
    Turmoil,
}

/// Whose plan a seed stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Plans {
    /// The same as in the discrete-event world.
    Des,
    /// The turmoil layer's own, made for what it has.
    Turmoil,
}

impl Plans {
    /// The plan of this seed, to be run on simulated hosts.
    pub fn asked(self, seed: u64) -> Asked {
        match self {
            Plans::Des => Asked::Plan(Box::new(Plan::from_seed(seed))),
            Plans::Turmoil => Asked::Seed(seed),
        }
    }
}

/// Processes with simulated hosts, as many as are asked at the same time.
#[derive(Debug)]
pub struct Hosts {
    program: PathBuf,
    idle: Mutex<Vec<Companion>>,
}

impl Hosts {
    /// Builds the program, when it has to be built.
    ///
    /// # Errors
    /// It can't be built.
    pub fn built() -> Result<Hosts, UsageError> {
        let program = program_of_test("turmoil")
            .map_err(|error| UsageError::Child(format!("building tests/turmoil: {error}")))?;
        Ok(Hosts {
            program,
            idle: Mutex::default(),
        })
    }

    /// Has one question answered. A process that dies over it has crashed, and another one takes the next.
    ///
    /// # Errors
    /// No process can be started, or it says what it never says.
    pub fn ask(&self, question: &Question) -> Result<Answer, UsageError> {
        let failed = |error: &dyn std::error::Error| UsageError::Child(format!("tests/turmoil: {error}"));
        let idle = self.idle.lock().expect("no panic while it is held").pop();
        let mut companion = match idle {
            Some(companion) => companion,
            None => {
                let words = ["serve::serve", "--exact", "--ignored", "--nocapture"];
                Companion::start(&self.program, &words, READY).map_err(|error| failed(&error))?
            }
        };
        let line = serde_json::to_string(question).expect("a question has no map keys but strings");
        match companion.ask(&line, ANSWER) {
            Err(error) => Ok(died(question, &error.to_string())),
            Ok(text) => {
                let answer = serde_json::from_str(&text).map_err(|error| failed(&error))?;
                self.idle
                    .lock()
                    .expect("no panic while it is held")
                    .push(companion);
                Ok(answer)
            }
        }
    }
}

fn died(question: &Question, how: &str) -> Answer {
    let plan = match &question.asked {
        Asked::Plan(plan) => plan.clone(),
        Asked::Seed(seed) => Box::new(Plan::from_seed(*seed)),
    };
    Answer {
        came: Came::Crash(format!("the process with the simulated hosts has ended: {how}")),
        plan,
        trace_hash: 0,
        counted: Counted::default(),
        end: None,
        lines: Vec::new(),
    }
}

/// What broke: how a command ends by it, the class as a word, and what was seen. Nothing when nothing broke.
///
/// # Errors
/// The plan is not possible on simulated hosts, so nothing was run.
pub fn broken(came: &Came) -> Result<Option<(Ending, &'static str, &str)>, UsageError> {
    Ok(match came {
        Came::Clean => None,
        Came::Crash(words) => Some((Ending::Crash, "crash", words)),
        Came::Safety(words) => Some((Ending::Safety, "safety", words)),
        Came::Liveness(words) => Some((Ending::Liveness, "liveness", words)),
        Came::Nondeterminism(words) => Some((Ending::Nondeterminism, "nondeterminism", words)),
        Came::Impossible(refusals) => {
            let words: Vec<&str> = refusals.iter().map(|refusal| refusal.words.as_str()).collect();
            return Err(UsageError::NotInThisLayer(words.join("; ")));
        }
    })
}
