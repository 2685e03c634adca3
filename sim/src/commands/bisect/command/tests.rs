//! The whole search in a real repository of a few commits. What a commit does with the plan stands in a file of it.

use std::fs;

use super::*;

/// Reads what it would find if it built.
struct Told;

impl Workshop for Told {
    fn replay(&self, checkout: &Path) -> Result<Replayed, UsageError> {
        let text = fs::read_to_string(checkout.join("does")).expect("every commit has the file");
        Ok(match text.trim() {
            "survive" => Replayed::Survived,
            "not build" => Replayed::NotBuilt,
            "refuse" => Replayed::Refused,
            rule => Replayed::of(Some(4), &format!("FAILURE x breaks {rule} (safety) at 1 s")),
        })
    }
}

/// A repository that is gone at the end.
struct Scratch {
    root: PathBuf,
}

impl Scratch {
    fn with(commits: &[&str]) -> Self {
        let root = host::fresh_directory("sim-bisect-test").expect("a directory");
        let scratch = Scratch { root };
        scratch.git(&["init", "--quiet", "--initial-branch=main"]);
        for (number, does) in commits.iter().enumerate() {
            fs::write(scratch.root.join("does"), does).expect("a file");
            scratch.git(&["add", "does"]);
            let message = format!("Change number {number}");
            let name = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"];
            let commit = [
                "commit",
                "--quiet",
                "--allow-empty",
                "--no-gpg-sign",
                "-m",
                &message,
            ];
            scratch.git(&[&name[..], &commit[..]].concat());
            scratch.git(&["tag", &format!("c{number}")]);
        }
        scratch
    }

    fn git(&self, arguments: &[&str]) -> String {
        let ended = host::ended("git", arguments, &self.root, &[]).expect("git");
        assert_eq!(ended.code, Some(0), "git {arguments:?}: {}", ended.err);
        ended.out
    }

    /// What the search finds between these tags, and where it worked.
    fn search(&self, good: &str, bad: &str) -> (Result<Found, UsageError>, PathBuf) {
        let repository = Repository::around(&self.root).expect("a repository");
        let [good, bad] = [good, bad].map(|name| repository.commit(name).expect(name));
        let commits = repository.between(&good, &bad).expect("a history");
        let directory = host::fresh_directory("sim-bisect-test").expect("a directory");
        let worktree = repository.worktree(&directory, &bad).expect("a worktree");
        (find(&commits, &good, &worktree, &Told), directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn the_first_bad_commit_is_found_past_those_that_do_not_build() {
    let scratch = Scratch::with(&[
        "survive",
        "survive",
        "not build",
        "refuse",
        "survive",
        "leases",
        "overlap",
        "overlap",
        "overlap",
    ]);
    let (found, directory) = scratch.search("c0", "c8");
    // Another rule broke at c5, of which so nothing is known: it may be the first bad one.
    let words = found.expect_err("two are suspect").to_string();
    assert!(
        words.contains("Change number 5") && words.contains("Change number 6"),
        "{words}"
    );
    assert!(
        !words.contains("Change number 4") && !words.contains("Change number 7"),
        "{words}"
    );
    assert!(!directory.exists(), "{} is left", directory.display());

    let (found, _) = scratch.search("c0", "c5");
    let found = found.expect("only the last breaks leases");
    assert_eq!(found.commit.subject, "Change number 5");
    assert_eq!(found.breaks, "breaks leases");
    assert_eq!(scratch.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_good_commit_that_is_bad_and_a_bad_one_that_is_good_are_refused() {
    let scratch = Scratch::with(&["overlap", "overlap", "survive"]);
    let (found, directory) = scratch.search("c0", "c1");
    assert!(found.expect_err("c0 is bad").to_string().contains("is not good"));
    assert!(!directory.exists(), "{} is left", directory.display());
    let (found, _) = scratch.search("c0", "c2");
    assert!(found.expect_err("c2 is good").to_string().contains("is not bad"));
}

#[test]
fn a_revision_that_does_not_exist_or_is_not_before_the_other_is_refused() {
    let scratch = Scratch::with(&["survive", "overlap"]);
    let repository = Repository::around(&scratch.root).expect("a repository");
    assert!(repository.commit("nobody").is_err());
    let [first, second] = ["c0", "c1"].map(|name| repository.commit(name).expect(name));
    assert!(repository.between(&second, &first).is_err());
}
