//! What a command is about: a seed or a plan from a file, and perhaps a bug.

use std::fs;
use std::path::{Path, PathBuf};

use sim::{Bug, Plan};

use super::say::say;
use super::usage::UsageError;

/// A seed, or the name of a file with a plan. A number is always a seed; write `./7` for a file of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The plan of this seed.
    Seed(u64),
    /// The plan in this file.
    File(PathBuf),
}

impl Subject {
    /// What the word on the command line means.
    pub fn parse(word: &str) -> Subject {
        match word.parse() {
            Ok(seed) => Subject::Seed(seed),
            Err(_) => Subject::File(PathBuf::from(word)),
        }
    }

    /// The plan.
    ///
    /// # Errors
    /// The file can't be read, or holds no plan.
    pub fn plan(&self) -> Result<Plan, UsageError> {
        match self {
            Subject::Seed(seed) => Ok(Plan::from_seed(*seed)),
            Subject::File(path) => read_plan(path),
        }
    }

    /// The word that means it on a command line.
    pub fn word(&self) -> String {
        match self {
            Subject::Seed(seed) => seed.to_string(),
            Subject::File(path) => path.display().to_string(),
        }
    }

    /// The exact command that runs it again.
    pub fn replay_command(&self, bug: Option<Bug>) -> String {
        self.command("replay", bug)
    }

    fn command(&self, name: &str, bug: Option<Bug>) -> String {
        let word = self.word();
        let bug = bug.map_or(String::new(), |bug| format!(" --bug {bug}"));
        format!("cargo run --release -p sim -- {name} {word}{bug}")
    }

    /// The command that tells what led to what it broke.
    pub fn explain_command(&self, bug: Option<Bug>) -> String {
        self.command("explain", bug)
    }

    /// The command that cuts it down.
    pub fn minimize_command(&self, bug: Option<Bug>) -> String {
        self.command("minimize", bug)
    }

    /// The file in the working directory that its page goes to when nobody names another one.
    pub fn page_name(&self) -> PathBuf {
        match self {
            Subject::Seed(seed) => PathBuf::from(format!("{seed}.html")),
            Subject::File(path) => {
                let stem = path.file_stem().unwrap_or(path.as_os_str());
                PathBuf::from(stem).with_extension("html")
            }
        }
    }

    /// As a heading.
    pub fn title(&self) -> String {
        match self {
            Subject::Seed(seed) => format!("seed {seed}"),
            Subject::File(path) => path.display().to_string(),
        }
    }
}

/// The plan in a file.
///
/// # Errors
/// The file can't be read, or holds no plan.
pub fn read_plan(path: &Path) -> Result<Plan, UsageError> {
    let text = fs::read_to_string(path).map_err(|error| UsageError::File {
        path: path.to_owned(),
        error,
    })?;
    Plan::parse(&text).map_err(|error| UsageError::Plan {
        path: path.to_owned(),
        error,
    })
}

/// Writes a file, or to the standard output when its name is `-`.
///
/// # Errors
/// It can't be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), UsageError> {
    if path == Path::new("-") {
        say(text);
        return Ok(());
    }
    fs::write(path, text).map_err(|error| UsageError::File {
        path: path.to_owned(),
        error,
    })
}

/// The bug of this name, none when no name was given.
///
/// # Errors
/// There is none of this name.
pub fn bug_named(name: Option<&str>) -> Result<Option<Bug>, UsageError> {
    name.map(|name| Bug::parse(name).ok_or_else(|| UsageError::NoSuchBug(name.to_owned())))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_seed_and_all_else_a_file() {
        assert_eq!(Subject::parse("17"), Subject::Seed(17));
        assert_eq!(Subject::parse("17.plan"), Subject::File(PathBuf::from("17.plan")));
        assert_eq!(Subject::parse("./17"), Subject::File(PathBuf::from("./17")));
    }

    #[test]
    fn an_unknown_bug_is_named_in_the_error() {
        let error = bug_named(Some("NoSuchThing")).expect_err("there is none");
        assert!(error.to_string().contains("`NoSuchThing`"), "{error}");
        assert!(error.to_string().contains("WallClock"), "{error}");
    }
}
