//! `maildirector demo` as a new user runs it into a pipe, but shorter: it must end by itself, split nobody and leave
//! nothing behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_short_demo_splits_nobody_and_leaves_nothing_behind() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let done = Command::new(env!("CARGO_BIN_EXE_maildirector"))
        .args(["demo", "--plain", "--seconds", "15"])
        .env("TMPDIR", &folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    let said = String::from_utf8(done.stdout).expect("it writes text");
    let complained = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}\n{complained}");
    for words in [
        "director 3 is cut off from both others",
        "director 2 is killed",
        "backend 1 hangs: it accepts and stays silent",
        "probes: backend 1 is out of service",
        "probes: backend 1 is back in service",
        "Summary after 15 s",
        "1 backends fallen silent, 2 backends taken down, 1 cables cut, 1 directors isolated, 1 directors killed",
        "splits        0\n",
    ] {
        assert!(said.contains(words), "it never said {words:?}:\n{said}");
    }
    assert!(!said.contains("ended by itself"), "{said}");
    let logins = number_after(&said, "logins        ");
    assert!(logins > 500, "only {logins} logins in 15 s:\n{said}");
    let left = fs::read_dir(&folder).expect("the folder is still there").count();
    assert_eq!(left, 0, "files were left in {}", folder.display());
}

/// The number behind these words.
fn number_after(text: &str, words: &str) -> u64 {
    let digits = text.split_once(words).map_or("", |(_, rest)| rest);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}
