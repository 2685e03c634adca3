//! A real director of Dovecot 2.3, with its admin socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const DIRECTOR: &str = "/usr/lib/dovecot/director";

/// Why the real director can't be started here, if so.
pub fn missing() -> Option<String> {
    if !Path::new(DIRECTOR).exists() {
        return Some(format!(
            "{DIRECTOR} is not installed (apt-get install dovecot-core, 2.3)"
        ));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    (!is_root).then(|| "Dovecot's master process wants to be root".to_owned())
}

/// A running Dovecot with a director; it ends with this.
pub struct Real {
    child: Child,
    home: PathBuf,
}

impl Real {
    /// Starts one with these settings besides the usual ones.
    pub fn start(name: &str, settings: &str) -> Real {
        let home = std::env::temp_dir().join(format!("classic-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).expect("a folder for the test");
        let config = home.join("dovecot.conf");
        let text = format!(
            "base_dir = {home}/base\nlog_path = {home}/log\nprotocols =\nssl = no\n{settings}",
            home = home.display()
        );
        fs::write(&config, text).expect("the folder is writable");
        let child = Command::new("dovecot")
            .args(["-F", "-c"])
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .expect("dovecot starts");
        Real { child, home }
    }

    /// Its admin protocol; the first connection starts the director itself.
    pub fn admin(&self) -> Admin {
        let path = self.home.join("base/director-admin");
        for _ in 0..500 {
            if let Ok(stream) = UnixStream::connect(&path) {
                stream
                    .set_read_timeout(Some(Duration::from_secs(40)))
                    .expect("a time limit");
                let mut admin = Admin(BufReader::new(stream));
                admin.say("VERSION\tdirector-doveadm\t1\t0");
                assert_eq!(admin.hear(), "VERSION\tdirector-doveadm\t1\t0");
                return admin;
            }
            sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
        panic!("no {}: {log}", path.display());
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// A conversation with the admin socket.
pub struct Admin(BufReader<UnixStream>);

impl Admin {
    pub fn say(&mut self, line: &str) {
        let said = self.0.get_mut().write_all(format!("{line}\n").as_bytes());
        said.expect("the director listens");
    }

    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the director answers");
        line.trim_end_matches('\n').to_owned()
    }

    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }
}
