//! The namespaces that everything runs in: own addresses and ports, and no process left when the first one ends.

use std::process::{Command, ExitCode};

use crate::command::missing_packages;

/// Says to the process inside that it is inside.
const INSIDE: &str = "MAILDIRECTOR_TEST_IS_INSIDE";

/// A shell is the first process inside, since the first one has to wait for processes that lost their parent. `/run`
/// is hidden, so that network namespaces get names that nobody outside sees.
const FIRST: &str = "mount -t tmpfs tmpfs /run && \"$0\" \"$@\"; exit $?";

/// Whether this process is inside.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Run this program again, inside; its exit code.
pub fn run_inside(words: &[String]) -> ExitCode {
    let missing = missing_packages();
    if !missing.is_empty() {
        eprintln!(
            "tests/dovecot needs Debian packages that are not installed; `./check tools` installs them, or:\n  \
             apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
        return ExitCode::FAILURE;
    }
    let me = std::env::current_exe().expect("the test knows its own file");
    let mut command = match nix::unistd::geteuid().is_root() {
        true => Command::new("env"),
        false => {
            let mut command = Command::new("sudo");
            command.args(["--non-interactive", "env"]);
            command
        }
    };
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .args([format!("{INSIDE}=1"), format!("PATH={path}")])
        .args([
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["sh", "-c", FIRST])
        .arg(me)
        .args(words);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) if status.code() == Some(1) => {
            eprintln!(
                "tests/dovecot failed. If nothing is said above, the namespaces could not be made: that needs root \
                 or sudo without a password, and in a container CAP_SYS_ADMIN and CAP_NET_ADMIN."
            );
            ExitCode::FAILURE
        }
        Ok(status) => {
            eprintln!("tests/dovecot ended by {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cannot run {command:?}: {error}");
            ExitCode::FAILURE
        }
    }
}
