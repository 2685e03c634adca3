//! A ring of three maildirectors.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::Killed;
use super::{Subject, stub_auth};

pub const NAME: &str = "maildirector";

/// Starts a member.
pub fn run(config: &Path) -> std::io::Result<std::process::Child> {
    Command::new(env!("CARGO_BIN_EXE_maildirector"))
        .args(["run", "-c"])
        .arg(config)
        .env("RUST_LOG", "error")
        .stderr(Stdio::inherit())
        .spawn()
}

fn status(state: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_maildirector"))
        .args(["status", "--json", "--state-folder"])
        .arg(state)
        .output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

pub fn start(scratch: &Path) -> Result<Subject, String> {
    start_with(scratch, "none")
}

/// The same with sessions that are closed so.
pub fn start_with(scratch: &Path, kick: &str) -> Result<Subject, String> {
    let mut processes = Vec::new();
    for member in 1..=3 {
        let home = scratch.join(format!("ours{member}"));
        fs::create_dir_all(home.join("base/login")).map_err(|error| error.to_string())?;
        stub_auth::serve(&home.join("base/auth-login"));
        if kick == "ipc" {
            super::flush::serve_ipc(&home.join("base/ipc"));
        }
        let config = home.join("maildirector.toml");
        let text = format!(
            "director_servers = \"127.0.41.1 127.0.41.2 127.0.41.3\"\n\
             director_mail_servers = \"10.1.0.1-10.1.0.10\"\n\
             state_folder = \"{home}/state\"\ndovecot_base_dir = \"{home}/base\"\nkick = \"{kick}\"\n\
             [ring]\nlisten = \"127.0.41.{member}:9871\"\ninsecure = true\n",
            home = home.display()
        );
        fs::write(&config, text).map_err(|error| error.to_string())?;
        let child = run(&config).map_err(|error| error.to_string())?;
        processes.push(Killed(child));
    }
    for _ in 0..200 {
        if status(&scratch.join("ours1/state")).contains("\"serving\"") {
            let pids = processes.iter().map(|process| process.0.id()).collect();
            return Ok(Subject {
                name: NAME,
                socket: scratch.join("ours1/base/login/director"),
                pids,
                processes,
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Err("the ring of maildirectors did not start within 10 s".to_owned())
}
