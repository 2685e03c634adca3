//! A corpus as a folder: one plan a file, named by the digest of its text.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sim::Plan;
use sim::learn::{Entry, digest};

use crate::commands::subject::read_plan;
use crate::commands::usage::UsageError;

/// The plans of a folder, in the order of their names; none when it is not there yet.
///
/// # Errors
/// The folder or a plan can't be read.
pub fn read(directory: &Path) -> Result<Vec<Plan>, UsageError> {
    let mut paths = plan_files(directory)?;
    paths.sort();
    paths.iter().map(|path| read_plan(path)).collect()
}

/// Writes one plan, and answers where it is.
///
/// # Errors
/// It can't be written.
pub fn write_one(directory: &Path, plan: &Plan) -> Result<PathBuf, UsageError> {
    let path = directory.join(format!("{}.plan", digest(plan)));
    let unwritable = |error| file_error(&path, error);
    fs::create_dir_all(directory).map_err(unwritable)?;
    if !path.exists() {
        fs::write(&path, plan.to_text()).map_err(unwritable)?;
    }
    Ok(path)
}

/// Lets the folder hold these entries and no other plan that a search wrote there.
///
/// # Errors
/// A file can't be written or removed.
pub fn write(directory: &Path, entries: &[Entry]) -> Result<(), UsageError> {
    let mut kept = Vec::new();
    for entry in entries {
        kept.push(write_one(directory, &entry.plan)?);
    }
    kept.sort();
    for path in plan_files(directory)? {
        let is_ours = path
            .file_stem()
            .is_some_and(|name| is_digest(&name.to_string_lossy()));
        if is_ours && kept.binary_search(&path).is_err() {
            fs::remove_file(&path).map_err(|error| file_error(&path, error))?;
        }
    }
    Ok(())
}

fn plan_files(directory: &Path) -> Result<Vec<PathBuf>, UsageError> {
    let unreadable = |error| file_error(directory, error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "plan") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn is_digest(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn file_error(path: &Path, error: io::Error) -> UsageError {
    UsageError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seed: u64) -> Entry {
        Entry {
            plan: Plan::from_seed(seed),
            moments: Vec::new(),
            points: Vec::new(),
            energy: 0,
        }
    }

    #[test]
    fn a_corpus_survives_its_files_and_leaves_those_of_others_alone() {
        let directory = std::env::temp_dir().join("sim-corpus-of-a-test");
        let _ = fs::remove_dir_all(&directory);
        assert_eq!(read(&directory).expect("a folder that is not there is empty"), []);
        write(&directory, &[entry(1), entry(2)]).expect("it can be written");
        let own = directory.join("by-hand.plan");
        fs::write(&own, Plan::from_seed(3).to_text()).expect("it can be written");
        write(&directory, &[entry(2), entry(4)]).expect("it can be written");
        let mut seeds: Vec<u64> = read(&directory)
            .expect("plans")
            .iter()
            .map(|plan| plan.seed)
            .collect();
        seeds.sort_unstable();
        assert_eq!(seeds, [2, 3, 4]);
        let path = write_one(&directory, &Plan::from_seed(4)).expect("it is there");
        assert_eq!(read_plan(&path).expect("a plan"), Plan::from_seed(4));
        fs::remove_dir_all(&directory).expect("it can be removed");
    }
}
