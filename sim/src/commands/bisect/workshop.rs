//! What a commit does with a plan: its simulator is built and replays it.

use std::path::{Path, PathBuf};

use crate::commands::ending::Ending;
use crate::commands::host;
use crate::commands::usage::UsageError;

/// What came of a plan at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The simulator there can't be built.
    NotBuilt,
    /// It refuses the plan, or ended in another way that says nothing.
    Refused,
    /// Nothing broke.
    Survived,
    /// Something broke.
    Broke {
        /// The exit code, which tells the class.
        code: i32,
        /// The name of the broken rule, where the simulator there said it.
        rule: Option<String>,
    },
}

impl Replayed {
    /// What the exit code and the words of `sim replay` mean.
    pub fn of(code: Option<i32>, words: &str) -> Replayed {
        let failing =
            [Ending::Crash, Ending::Safety, Ending::Liveness].map(|ending| i32::from(ending.code()));
        match code {
            Some(0) => Replayed::Survived,
            Some(code) if failing.contains(&code) => Replayed::Broke {
                code,
                rule: rule_in(words),
            },
            _ => Replayed::Refused,
        }
    }

    /// Whether both broke, and the same.
    pub fn is_same_break(&self, other: &Replayed) -> bool {
        match (self, other) {
            (
                Replayed::Broke { rule: Some(one), .. },
                Replayed::Broke {
                    rule: Some(other), ..
                },
            ) => one == other,
            (Replayed::Broke { code: one, .. }, Replayed::Broke { code: other, .. }) => one == other,
            _ => false,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Replayed::NotBuilt => "can't be built".to_owned(),
            Replayed::Refused => "its simulator refuses the plan".to_owned(),
            Replayed::Survived => "survives".to_owned(),
            Replayed::Broke { rule: Some(rule), .. } => format!("breaks {rule}"),
            Replayed::Broke { code, rule: None } => format!("fails with exit code {code}"),
        }
    }
}

/// `FAILURE found.plan with X breaks overlap (safety) at ...`
fn rule_in(words: &str) -> Option<String> {
    let line = words.lines().find(|line| line.starts_with("FAILURE "))?;
    let (_, after) = line.split_once(" breaks ")?;
    let (rule, _) = after.split_once(" (")?;
    Some(rule.to_owned())
}

/// Who says what a plan does in a checkout.
pub trait Workshop {
    /// Builds what is checked out there and runs the plan.
    ///
    /// # Errors
    /// Nothing can be started here, whatever is checked out.
    fn replay(&self, checkout: &Path) -> Result<Replayed, UsageError>;
}

/// The real one: cargo, with one target directory for all commits, so that dependencies are built once.
pub struct Cargo {
    /// Where it builds.
    pub target: PathBuf,
    /// The plan.
    pub plan: PathBuf,
    /// What to break on purpose.
    pub bug: Option<String>,
}

impl Workshop for Cargo {
    fn replay(&self, checkout: &Path) -> Result<Replayed, UsageError> {
        let target = self.target.display().to_string();
        let build = [
            "build",
            "--quiet",
            "--release",
            "--package",
            "sim",
            "--bin",
            "sim",
        ];
        let built = host::ended("cargo", &build, checkout, &[("CARGO_TARGET_DIR", &target)])
            .map_err(|error| UsageError::Child(format!("cargo: {error}")))?;
        if built.code != Some(0) {
            return Ok(Replayed::NotBuilt);
        }
        let program = self.target.join("release/sim").display().to_string();
        let plan = self.plan.display().to_string();
        let mut arguments = vec!["replay", &plan];
        if let Some(bug) = &self.bug {
            arguments.extend(["--bug", bug]);
        }
        let ran = host::ended(&program, &arguments, checkout, &[])
            .map_err(|error| UsageError::Child(format!("{program}: {error}")))?;
        Ok(Replayed::of(ran.code, &ran.err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_words_tell_what_broke() {
        let words =
            "FAILURE a.plan with WallClock breaks no-split (safety) at 1.5 s\npromised: nothing breaks (x)\n";
        let broke = Replayed::of(Some(4), words);
        assert_eq!(broke.words(), "breaks no-split");
        assert_eq!(Replayed::of(Some(0), ""), Replayed::Survived);
        assert_eq!(Replayed::of(Some(2), ""), Replayed::Refused);
        assert_eq!(Replayed::of(None, ""), Replayed::Refused);
    }

    #[test]
    fn the_same_rule_must_break_where_it_is_known() {
        let broke = |code, rule: Option<&str>| Replayed::Broke {
            code,
            rule: rule.map(str::to_owned),
        };
        assert!(broke(4, Some("overlap")).is_same_break(&broke(4, Some("overlap"))));
        assert!(!broke(4, Some("overlap")).is_same_break(&broke(4, Some("leases"))));
        assert!(broke(4, None).is_same_break(&broke(4, Some("leases"))));
        assert!(!broke(5, None).is_same_break(&broke(4, Some("leases"))));
        assert!(!Replayed::Survived.is_same_break(&Replayed::Survived));
    }
}
