//! Every direct dependency of every package has its line, with the reason for it, in `docs/DEPENDENCIES.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The manifests that name dependencies; one that does not exist is a failure, so that none is forgotten.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "sim/Cargo.toml", "fuzz/Cargo.toml"];

/// Packages of this repository.
const OWN: [&str; 2] = ["maildirector", "sim"];

#[test]
fn every_direct_dependency_has_a_line_that_says_why() {
    let mut named = BTreeSet::new();
    for manifest in MANIFESTS {
        named.extend(dependencies(&text_of(manifest)));
    }
    for own in OWN {
        named.remove(own);
    }
    assert!(named.contains("serde"), "no dependencies were found: {named:?}");
    let explained = explained(&text_of("docs/DEPENDENCIES.md"));
    let missing: Vec<_> = named.difference(&explained).collect();
    assert!(
        missing.is_empty(),
        "no line in docs/DEPENDENCIES.md for {missing:?}"
    );
    let stale: Vec<_> = explained.difference(&named).collect();
    assert!(
        stale.is_empty(),
        "lines in docs/DEPENDENCIES.md for what no package uses: {stale:?}"
    );
}

#[test]
fn dependencies_are_found_in_every_kind_of_table() {
    let manifest = "\
        [package]\nname = \"x\"\n\
        [dependencies]\n# a = \"1\"\nserde = { version = \"1\" }\n\
        [dev-dependencies]\nproptest.workspace = true\n\
        [target.'cfg(unix)'.build-dependencies]\ncc = \"1\"\n\
        [workspace.dependencies]\nclap = \"4\"\n\
        [dependencies.tokio]\nversion = \"1\"\n\
        [features]\nfast = []\n";
    let found: Vec<_> = dependencies(manifest).into_iter().collect();
    assert_eq!(found, ["cc", "clap", "proptest", "serde", "tokio"]);
}

fn text_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in all dependency tables of a manifest; reads what this repository writes, not all of TOML.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            is_inside = table.ends_with("dependencies");
            if let Some((_, name)) = table.split_once("dependencies.") {
                found.insert(name.to_owned());
            }
        } else if is_inside && !line.starts_with('#') {
            let name = line
                .split(['=', '.', ' '])
                .next()
                .expect("a split has a first part");
            if !name.is_empty() {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// The names in the first column of the document's table, where they stand as code.
fn explained(document: &str) -> BTreeSet<String> {
    let cells = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(name, _)| name.to_owned()).collect()
}
