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

/// Whether there is a process with this number that can still do anything: one that has ended and whose parent has not looked
/// is none.
pub(super) fn is_running(pid: i32) -> bool {
    let path = Path::new("/proc").join(pid.to_string()).join("stat");
    std::fs::read_to_string(path).is_ok_and(|stat| !has_ended(&stat))
}

/// The state stands behind the name, which may have anything in it (proc(5), `/proc/PID/stat`).
fn has_ended(stat: &str) -> bool {
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| state.starts_with(['Z', 'X', 'x']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_runs_until_it_has_ended_though_its_parent_has_not_looked() {
        assert!(is_running(rustix::process::getpid().as_raw_nonzero().get()));
        let mut child = std::process::Command::new("true").spawn().expect("coreutils");
        let pid = i32::try_from(child.id()).expect("a number of a process");
        while is_running(pid) {
            std::hint::spin_loop();
        }
        assert!(
            Path::new("/proc").join(pid.to_string()).exists(),
            "nobody has looked"
        );
        child.wait().expect("it was started here");
        assert!(!is_running(pid));
    }

    #[test]
    fn a_name_may_look_like_a_state() {
        assert!(!has_ended("17 (a) Z (b) S 1 17 17 0"));
        assert!(has_ended("17 (imap) Z 1 17 17 0"));
    }
}
