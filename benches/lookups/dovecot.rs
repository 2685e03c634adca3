//! A ring of three of Dovecot's own directors, where Debian's dovecot-core 2.3 is installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Killed;
use super::{Subject, stub_auth};

const DIRECTOR: &str = "/usr/lib/dovecot/director";

pub fn start(scratch: &Path) -> Result<Subject, String> {
    if !Path::new(DIRECTOR).exists() {
        return Err(format!(
            "{DIRECTOR} is not installed (apt-get install dovecot-core, 2.3)"
        ));
    }
    let mut processes = Vec::new();
    let mut bases = Vec::new();
    for member in 1..=3 {
        let home = scratch.join(format!("theirs{member}"));
        fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        let config = home.join("dovecot.conf");
        fs::write(&config, configuration(&home, member)).map_err(|error| error.to_string())?;
        let child = Command::new("dovecot")
            .args(["-F", "-c"])
            .arg(&config)
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("dovecot: {error}"))?;
        processes.push(Killed(child));
        bases.push((home.join("base"), config));
    }
    std::thread::sleep(Duration::from_secs(2));
    for (base, config) in &bases {
        stub_auth::serve(&base.join("auth-login"));
        // A director process starts with the first connection to it.
        let _ = Command::new("doveadm")
            .arg("-c")
            .arg(config)
            .args(["director", "ring", "status"])
            .output();
    }
    std::thread::sleep(Duration::from_secs(3));
    let children: Vec<u32> = processes.iter().map(|process| process.0.id()).collect();
    let pids: Vec<u32> = children
        .iter()
        .filter_map(|master| director_of(*master))
        .collect();
    if pids.len() < 3 {
        return Err(format!("only {} of Dovecot's directors started", pids.len()));
    }
    Ok(Subject {
        name: "Dovecot's director",
        socket: bases[0].0.join("login/director"),
        pids,
        processes,
    })
}

fn configuration(home: &Path, member: u8) -> String {
    format!(
        "base_dir = {home}/base\nlog_path = {home}/log\nprotocols =\nssl = no\n\
         director_servers = 127.0.42.1:9872 127.0.42.2:9872 127.0.42.3:9872\n\
         director_mail_servers = 10.1.0.1-10.1.0.10\n\
         service auth {{\n  unix_listener auth-login {{\n    mode = 0\n  }}\n}}\n\
         service director {{\n  unix_listener login/director {{\n    mode = 0666\n  }}\n\
         \x20 inet_listener {{\n    address = 127.0.42.{member}\n    port = 9872\n  }}\n}}\n",
        home = home.display()
    )
}

/// The director among the children of a master process.
fn director_of(master: u32) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let parent: u32 = rest.split(' ').nth(1)?.parse().ok()?;
        (parent == master && name.ends_with("(director")).then_some(pid)
    })
}
