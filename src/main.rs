//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    maildirector::cli::run()
}
