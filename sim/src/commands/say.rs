//! The standard output, whose reader may leave before the end (`sim mutants | head`).

use std::fmt::Display;
use std::io::{self, Write};
use std::process;

use super::ending::Ending;

/// Prints a text of one or more lines. When nobody reads any more, the program ends, since nobody asks for the rest.
pub fn say(text: impl Display) {
    let text = text.to_string();
    if writeln!(io::stdout(), "{}", text.trim_end_matches('\n')).is_err() {
        process::exit(i32::from(Ending::Usage.code()));
    }
}
