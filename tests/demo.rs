//! `maildirector demo` as a new user runs it into a pipe, but shorter: it must end by itself, split nobody and leave
//! nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_short_demo_splits_nobody_and_leaves_nothing_behind() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let page = free_address();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_maildirector"))
        .args(["demo", "--plain", "--seconds", "15", "--web", &page])
        .env("TMPDIR", &folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = String::new();
    let (mut mail, mut seen) = (None, None);
    for line in BufReader::new(demo.stdout.take().expect("it is a pipe")).lines() {
        said += &line.expect("it writes text");
        said.push('\n');
        if mail.is_none() && said.contains("splits = 0") {
            mail = Some(read_mail(&said));
        }
        if seen.is_none() && said.contains("director 3 is cut off from both others") {
            seen = Some(look_at(&page, &folder));
        }
    }
    let code = demo.wait().expect("it was started here").code();
    assert_eq!(code, Some(0), "{said}");
    let mail = mail.expect("it told how it goes");
    assert!(mail.contains("Subject: You are on backend "), "{mail}");
    match seen.expect("director 3 was cut off") {
        Some(page) => must_show_how_it_goes(&page),
        None => println!(
            "the page of the demo is NOT LOOKED AT: chromium is not installed; `./check tools` installs it"
        ),
    }
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

/// What is in the mailbox of somebody who logs in at a director, as the demo says how to.
fn read_mail(said: &str) -> String {
    let command = said.split_once("curl ").map_or("", |(_, rest)| rest);
    let words = command.lines().next().unwrap_or("").replace('\'', "");
    let read = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "5"])
        .args(words.split(' '))
        .output()
        .expect("curl is installed");
    String::from_utf8_lossy(&[read.stdout, read.stderr].concat()).into_owned()
}

/// One where nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// The page as a browser has it after some answers; nothing where there is no browser.
fn look_at(page: &str, folder: &Path) -> Option<String> {
    let profile = format!("--user-data-dir={}", folder.with_extension("profile").display());
    let done = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-sync",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--timeout=20000",
        ])
        .args([
            "--virtual-time-budget=3500",
            "--dump-dom",
            &profile,
            &format!("http://{page}/"),
        ])
        .env("TMPDIR", folder.parent().expect("it is in the target folder"))
        .stdin(Stdio::null())
        .output();
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        done => Some(String::from_utf8_lossy(&done.expect("it can be run").stdout).into_owned()),
    }
}

fn must_show_how_it_goes(page: &str) {
    let count = |what: &str| page.matches(what).count();
    for (what, least) in [
        ("data-standing=\"serving\"", 2),
        ("data-is-cut=\"true\"", 2),
        ("data-state=\"up\"", 2),
        ("data-director=\"3\"", 1),
        ("data-backend=\"4\"", 1),
        ("is cut off from both others", 1),
        ("127.0.0.1:", 1),
    ] {
        assert!(
            count(what) >= least,
            "{what} is there {} times:\n{page}",
            count(what)
        );
    }
    let splits = page
        .split("id=\"splits\"")
        .nth(1)
        .expect("the splits are on the page");
    assert!(splits.starts_with(" data-value=\"0\">0"), "{splits:.80}");
}

/// The number behind these words.
fn number_after(text: &str, words: &str) -> u64 {
    let digits = text.split_once(words).map_or("", |(_, rest)| rest);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}
