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
    let unused: Vec<_> = pins(&text_of("Cargo.toml")).difference(&named).cloned().collect();
    assert!(
        unused.is_empty(),
        "no package uses these of [workspace.dependencies]: {unused:?}"
    );
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
    assert_eq!(found, ["cc", "proptest", "serde", "tokio"]);
    let pinned: Vec<_> = pins(manifest).into_iter().collect();
    assert_eq!(pinned, ["clap"]);
}

fn text_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in the dependency tables of a package.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    names(manifest, |table| {
        table.ends_with("dependencies") && table != "workspace.dependencies"
    })
}

/// The names for which the workspace has chosen a version.
fn pins(manifest: &str) -> BTreeSet<String> {
    names(manifest, |table| table == "workspace.dependencies")
}

/// The keys of the tables that are wanted, and `x` of `[table.x]`; reads what this repository writes, not all of TOML.
fn names(manifest: &str, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            is_inside = is_wanted(table);
            if let Some((outer, name)) = table.rsplit_once('.')
                && is_wanted(outer)
            {
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
