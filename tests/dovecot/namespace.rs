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
    if let Err(why) = probe() {
        println!(
            "tests/dovecot NOT RUN: this machine lets nobody make namespaces ({why}). It needs root or sudo without a \
             password, and in a container CAP_SYS_ADMIN and CAP_NET_ADMIN."
        );
        return ExitCode::SUCCESS;
    }
    let me = std::env::current_exe().expect("the test knows its own file");
    let mut command = unshared();
    command.args(["sh", "-c", FIRST]).arg(me).args(words);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("tests/dovecot failed ({status})");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cannot run {command:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether what the scenarios need of a namespace can be had: one with a link of its own.
fn probe() -> Result<(), String> {
    const LINK: &str =
        "mount -t tmpfs tmpfs /run && ip netns add probe && ip link add cable0 type veth peer name cable1";
    let output = unshared().args(["sh", "-c", LINK]).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))
}

/// A command within namespaces of its own, which goes on with the program that runs there.
fn unshared() -> Command {
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
        ]);
    command
}
