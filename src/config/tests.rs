//! Whole files: what they say, and what is said of bad ones.

mod bad_files;
mod documents;
mod members;
mod topology;

use super::{Config, Fault, parse};

/// The least that a file needs.
const LEAST: &str = "director_mail_servers = \"10.0.1.1\"\n";

fn config(text: &str) -> Config {
    parse(text, "t.toml").unwrap_or_else(|faults| panic!("{text}\n{}", lines(&faults)))
}

/// The faults of a file, one a line.
fn lines(faults: &[Fault]) -> String {
    let each: Vec<_> = faults.iter().map(ToString::to_string).collect();
    each.join("\n")
}
