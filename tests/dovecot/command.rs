//! Running other programs to their end, with a limit in time and a clear word when one is missing.

use std::process::{Command, Output, Stdio};

/// No program that is run to its end may take longer.
const SECONDS_MAX: u32 = 40;

/// What a program is missing for, and which Debian package brings it.
pub const NEEDED: [(&str, &str); 13] = [
    ("curl", "curl"),
    ("doveadm", "dovecot-core"),
    ("dovecot", "dovecot-core"),
    ("ip", "iproute2"),
    ("mbsync", "isync"),
    ("nginx", "nginx"),
    ("openssl", "openssl"),
    ("pgrep", "procps"),
    ("postfix", "postfix"),
    ("python3", "python3"),
    ("swaks", "swaks"),
    ("timeout", "coreutils"),
    ("unshare", "util-linux"),
];

/// Parts of Dovecot that are not commands of their own.
pub const NEEDED_FILES: [(&str, &str); 6] = [
    ("/usr/lib/dovecot/imap-login", "dovecot-imapd"),
    ("/usr/lib/dovecot/lmtp", "dovecot-lmtpd"),
    ("/usr/lib/dovecot/managesieve-login", "dovecot-managesieved"),
    ("/usr/lib/dovecot/pop3-login", "dovecot-pop3d"),
    ("/usr/lib/dovecot/submission-login", "dovecot-submissiond"),
    ("/usr/lib/nginx/modules/ngx_mail_module.so", "libnginx-mod-mail"),
];

/// The packages that are missing, sorted, each once.
pub fn missing_packages() -> Vec<&'static str> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !std::env::split_paths(&folders).any(|folder| folder.join(program).exists()))
        .chain(
            NEEDED_FILES
                .iter()
                .filter(|(file, _)| !std::path::Path::new(file).exists()),
        )
        .map(|(_, package)| *package)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Run a program to its end, whatever that is.
pub fn run(words: &[&str]) -> Output {
    let output = Command::new("timeout")
        .args(["--kill-after=1", &SECONDS_MAX.to_string()])
        .args(words)
        .stdin(Stdio::null())
        .output();
    output.unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"))
}

/// Run a program that must succeed; what it wrote.
pub fn must(words: &[&str]) -> String {
    let output = run(words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "`{}` failed ({}): {}{said}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// Send a signal to a process of this test.
pub fn signal(name: &str, pid: u32) {
    must(&["sh", "-c", &format!("kill -{name} {pid}")]);
}
