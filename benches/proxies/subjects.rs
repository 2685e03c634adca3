//! What clients come to: nothing in between, our proxy, HAProxy, nginx, Dovecot.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Killed;
use super::stub::{AUTH_HTTP, BACKEND};

/// Something that takes clients.
pub struct Subject {
    pub name: &'static str,
    pub address: SocketAddr,
    process: Option<Killed>,
}

impl Subject {
    /// Its processes: the one that was started here, and those that this one has started.
    pub fn pids(&self) -> Vec<u32> {
        let Some(Killed(child)) = &self.process else {
            return Vec::new();
        };
        let pid = child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok());
        [pid].into_iter().chain(children).collect()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let Some(Killed(child)) = &mut self.process else {
            return;
        };
        // nginx and Dovecot leave their workers behind when they are killed.
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        if asked.is_ok_and(|status| status.success()) {
            // It is killed all the same if that failed.
            let _ = child.wait();
        }
    }
}

/// The backend itself.
pub fn direct(_: &Path) -> Result<Subject, String> {
    let (ip, port) = BACKEND;
    Ok(Subject {
        name: "direct",
        address: SocketAddr::new(ip.parse().expect("an address"), port),
        process: None,
    })
}

/// A ring of one with a proxy of its own.
pub fn ours(scratch: &Path) -> Result<Subject, String> {
    let address = ([127, 0, 42, 11], 10_144).into();
    let (ip, port) = BACKEND;
    let text = format!(
        "director_mail_servers = \"{ip}\"\nstate_folder = \"{}/state\"\n[[proxy]]\nprotocol = \"imap\"\n\
         address = \"{address}\"\ncleartext = true\nbackend_port = {port}\nconnections_of_address_max = 20000\n",
        scratch.display()
    );
    let config = write(scratch, "maildirector.toml", &text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_maildirector"));
    command.args(["run", "-c", &config]).env("RUST_LOG", "error");
    start("maildirector", address, &mut command)
}

/// HAProxy in TCP mode.
pub fn haproxy(scratch: &Path) -> Result<Subject, String> {
    let address: SocketAddr = ([127, 0, 42, 12], 10_144).into();
    let (ip, port) = BACKEND;
    let text = format!(
        "global\n  maxconn 4000\ndefaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  timeout client 1h\n  \
         timeout server 1h\nlisten imap\n  bind {address}\n  server one {ip}:{port}\n"
    );
    let config = write(scratch, "haproxy.cfg", &text)?;
    start(
        "HAProxy TCP",
        address,
        Command::new("haproxy").args(["-db", "-q", "-f", &config]),
    )
}

/// nginx's mail proxy.
pub fn nginx(scratch: &Path) -> Result<Subject, String> {
    let address: SocketAddr = ([127, 0, 42, 13], 10_144).into();
    let (ip, port) = AUTH_HTTP;
    let folder = scratch.display();
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_mail_module.so;\ndaemon off;\npid {folder}/nginx.pid;\n\
         error_log {folder}/nginx.log crit;\nworker_processes auto;\nevents {{ worker_connections 16384; }}\n\
         mail {{\n  auth_http {ip}:{port}/;\n  proxy on;\n  server {{ listen {address}; protocol imap; imap_auth plain login; }}\n}}\n"
    );
    let config = write(scratch, "nginx.conf", &text)?;
    start("nginx mail", address, Command::new("nginx").args(["-c", &config]))
}

/// Stock Dovecot's imap-login, which asks its auth process where everybody goes. Needs root.
pub fn dovecot(scratch: &Path) -> Result<Subject, String> {
    let address: SocketAddr = ([127, 0, 42, 14], 10_144).into();
    let (ip, port) = BACKEND;
    let (folder, at, listens) = (scratch.display(), address.ip(), address.port());
    let text = format!(
        "base_dir = {folder}/dovecot\nstate_dir = {folder}/dovecot-state\nlog_path = {folder}/dovecot.log\nprotocols = imap\n\
         ssl = no\ndisable_plaintext_auth = no\nlogin_trusted_networks = 127.0.0.0/8\nmail_max_userip_connections = 0\n\
         passdb {{\n  driver = static\n  args = proxy=y nopassword=y host={ip} port={port}\n}}\n\
         userdb {{\n  driver = static\n  args = uid=65534 gid=65534 home=/nonexistent\n}}\n\
         service imap-login {{\n  service_count = 0\n  process_min_avail = 2\n  client_limit = 8192\n\
         inet_listener imap {{\n    address = {at}\n    port = {listens}\n  }}\n\
         inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
         service auth {{\n  client_limit = 16384\n}}\nservice anvil {{\n  client_limit = 16384\n}}\n"
    );
    let config = write(scratch, "dovecot.conf", &text)?;
    start(
        "imap-login",
        address,
        Command::new("dovecot").args(["-F", "-c", &config]),
    )
}

fn write(scratch: &Path, name: &str, text: &str) -> Result<String, String> {
    let path = scratch.join(name);
    fs::write(&path, text).map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}

/// Starts it, and waits until it serves.
fn start(name: &'static str, address: SocketAddr, command: &mut Command) -> Result<Subject, String> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
    let process = Some(Killed(child.map_err(|error| format!("{name}: {error}"))?));
    for _ in 0..200 {
        if TcpStream::connect(address).is_ok() {
            // A director that has just bound its sockets may lack its first lease.
            std::thread::sleep(Duration::from_secs(1));
            return Ok(Subject {
                name,
                address,
                process,
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("{name} did not start within 10 s"))
}
