//! What documents say of tests: whoever is named there exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all functions in the Rust files of a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the checkout is whole").flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            let names = text.lines().filter_map(|line| {
                let line = line.trim_start();
                let line = line.strip_prefix("pub ").unwrap_or(line);
                let (name, _) = line.strip_prefix("fn ")?.split_once('(')?;
                Some(name.to_owned())
            });
            found.extend(names);
        }
    }
}

#[test]
fn every_test_that_the_table_of_dovecots_director_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for folder in ["tests", "src"] {
        functions(&root.join(folder), &mut known);
    }
    let text = fs::read_to_string(root.join("docs/DOVECOT.md")).expect("the checkout is whole");
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    // Names of tests are sentences; the words of a protocol and of settings are not.
    let is_name = |word: &&str| word.matches('_').count() > 2 && !word.contains([' ', '/', '=']);
    let named: Vec<&str> = cells.flat_map(|cell| cell.split('`').filter(is_name)).collect();
    assert!(named.len() > 40, "only {} names found", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
