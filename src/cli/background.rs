//! What commands need that run for long: log lines, and whether another process is still there.

use std::io;
use std::path::Path;

/// Log lines go to standard error; `RUST_LOG` chooses, by default everything an operator should see.
pub(super) fn open_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A journal has its own times and colours.
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(is_terminal);
    // Only a second call can fail.
    let _ = log.try_init();
}

pub(super) fn is_running(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
