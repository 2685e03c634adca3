//! The repository around the working directory: its commits, and a worktree beside it in which they are built.

use std::path::{Path, PathBuf};

use crate::commands::host::{self, Leftovers};
use crate::commands::usage::UsageError;

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub hash: String,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// For people.
    pub fn title(&self) -> String {
        format!("{} {}", &self.hash[..self.hash.len().min(12)], self.subject)
    }
}

/// A checkout with its history.
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The one around this directory.
    ///
    /// # Errors
    /// There is none, or there is no git.
    pub fn around(directory: &Path) -> Result<Self, UsageError> {
        let root = git(directory, &["rev-parse", "--show-toplevel"])?;
        Ok(Repository {
            root: PathBuf::from(root.trim()),
        })
    }

    /// The commit of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn commit(&self, name: &str) -> Result<Commit, UsageError> {
        let name = format!("{name}^{{commit}}");
        let line = git(
            &self.root,
            &["log", "-1", "--format=%H %s", "--end-of-options", &name, "--"],
        )?;
        Ok(commit_of(&line))
    }

    /// What `bad` has and `good` has not, along the first parents, the oldest first.
    ///
    /// # Errors
    /// `good` is no ancestor of `bad` along its first parents, so there is no way from one to the other.
    pub fn between(&self, good: &Commit, bad: &Commit) -> Result<Vec<Commit>, UsageError> {
        let range = format!("{}..{}", good.hash, bad.hash);
        let lines = git(
            &self.root,
            &["log", "--first-parent", "--reverse", "--format=%H %s", &range],
        )?;
        let commits: Vec<Commit> = lines.lines().map(commit_of).collect();
        let oldest = commits
            .first()
            .ok_or_else(|| UsageError::Bisect(format!("{} is not before {}", good.title(), bad.title())))?;
        let parent = git(&self.root, &["rev-parse", &format!("{}^1", oldest.hash)])?;
        if parent.trim() != good.hash {
            return Err(UsageError::Bisect(format!(
                "{} is not among the first parents of {}; name the commit where its branch began",
                good.title(),
                bad.title()
            )));
        }
        Ok(commits)
    }

    /// A worktree at this commit in a directory that does not exist yet; both are gone when it is dropped or this program
    /// ends in whatever way.
    ///
    /// # Errors
    /// It can't be made.
    pub fn worktree(&self, directory: &Path, commit: &Commit) -> Result<Worktree, UsageError> {
        let path = directory.join("checkout");
        let leftovers = host::clear_at_the_end(&self.root, &path, directory)
            .map_err(|error| UsageError::Child(format!("sh: {error}")))?;
        let text = path.display().to_string();
        git(
            &self.root,
            &["worktree", "add", "--quiet", "--detach", &text, &commit.hash],
        )?;
        Ok(Worktree {
            path,
            _leftovers: leftovers,
        })
    }
}

/// A checkout for as long as it is needed.
pub struct Worktree {
    path: PathBuf,
    _leftovers: Leftovers,
}

impl Worktree {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes to another commit. Files that a build left are kept if they are ignored.
    ///
    /// # Errors
    /// Git refuses.
    pub fn check_out(&self, commit: &Commit) -> Result<(), UsageError> {
        git(
            &self.path,
            &["checkout", "--quiet", "--force", "--detach", &commit.hash],
        )
        .map(drop)
    }
}

fn commit_of(line: &str) -> Commit {
    let (hash, subject) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
    Commit {
        hash: hash.to_owned(),
        subject: subject.to_owned(),
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Result<String, UsageError> {
    let ended = host::ended("git", arguments, directory, &[])
        .map_err(|error| UsageError::Child(format!("git: {error}")))?;
    if ended.code == Some(0) {
        Ok(ended.out)
    } else {
        let words = ended.err.trim().lines().last().unwrap_or("no words").to_owned();
        Err(UsageError::Bisect(format!("git {}: {words}", arguments[0])))
    }
}
