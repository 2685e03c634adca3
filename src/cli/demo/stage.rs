//! Where the demo plays: a folder of its own, addresses on the loopback interface, and the directors' configurations.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::TryRng;

use crate::cli::failure::Failure;
use crate::config::ListenerKind;

/// Directors, numbered from 1.
pub(super) const DIRECTORS: u16 = 3;
/// Backends, numbered from 1.
pub(super) const BACKENDS: u16 = 4;
/// Shorter than anybody would run it, so that much happens in a minute.
pub(super) const LEASE: Duration = Duration::from_secs(4);
/// How long users stay on a backend after their last session; half of it is between two notes of a login process.
const USER_EXPIRE_S: u32 = 10;
const KICK_DELAY_MS: u32 = 200;
/// Between two probes of a backend, and how long one may take.
const PROBE_MS: u32 = 300;
const RING_PORT: u16 = 9090;
const BACKEND_PORT: u16 = 10_143;
/// The first director's; the others' follow.
const IMAP_PORT: u16 = 1_143;
/// How many networks are tried before giving up.
const ATTEMPTS: usize = 50;
/// The longest folder in which every socket's path is short enough for the kernel.
const FOLDER_BYTES_MAX: usize = 80;

/// Every number of a director.
pub(super) fn directors() -> impl Iterator<Item = u16> {
    1..=DIRECTORS
}

/// Every number of a backend.
pub(super) fn backends() -> impl Iterator<Item = u16> {
    1..=BACKENDS
}

/// The folder and the addresses of one run. The folder is removed with it.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    /// The first three bytes of all addresses.
    network: [u8; 3],
    /// Where clients of whoever runs the demo log in, by director.
    imap: Vec<SocketAddr>,
    /// The folder stays, for whoever wants to read the logs.
    is_kept: bool,
}

impl Stage {
    /// Chooses addresses that nobody uses, makes the folder and writes the configurations into it.
    pub fn set(is_kept: bool) -> Result<Self, Failure> {
        let network = free_network()?;
        let folder =
            new_folder().map_err(|error| Failure::Start(format!("cannot make a folder: {error}")))?;
        let stage = Stage {
            folder,
            network,
            imap: directors().map(|director| imap(network, director)).collect(),
            is_kept,
        };
        stage
            .furnish()
            .map_err(|error| Failure::Start(format!("{}: {error}", stage.folder.display())))?;
        Ok(stage)
    }

    /// The demo's own corner.
    pub fn own_folder(&self) -> PathBuf {
        self.folder.join("demo")
    }

    /// Dovecot's base_dir beside a director.
    pub fn base(&self, director: u16) -> PathBuf {
        self.folder.join(format!("d{director}"))
    }

    /// A director's state folder.
    pub fn state(&self, director: u16) -> PathBuf {
        self.base(director).join("state")
    }

    /// A director's configuration.
    pub fn configuration(&self, director: u16) -> PathBuf {
        self.base(director).join("maildirector.toml")
    }

    /// What a director writes to its standard error.
    pub fn log(&self, director: u16) -> PathBuf {
        self.base(director).join("log")
    }

    /// Where a director listens for its neighbours.
    pub fn ring(&self, director: u16) -> SocketAddr {
        on(self.network, director, RING_PORT)
    }

    /// By which address its neighbours know it: that of a relay.
    pub fn relay(&self, director: u16) -> SocketAddr {
        on(self.network, 100 + director, RING_PORT)
    }

    /// Where a director's own proxy takes IMAP clients.
    pub fn imap(&self, director: u16) -> SocketAddr {
        self.imap[usize::from(director) - 1]
    }

    /// A backend.
    pub fn backend(&self, number: u16) -> SocketAddr {
        on(self.network, 10 + number, BACKEND_PORT)
    }

    fn furnish(&self) -> io::Result<()> {
        for director in directors() {
            fs::create_dir_all(self.base(director).join("login"))?;
            fs::write(self.configuration(director), self.configuration_text(director))?;
        }
        Ok(())
    }

    fn configuration_text(&self, director: u16) -> String {
        let servers: Vec<String> = directors().map(|number| self.relay(number).to_string()).collect();
        let (first, last) = (self.backend(1).ip(), self.backend(BACKENDS).ip());
        format!(
            "director_servers = \"{}\"\n\
             director_mail_servers = \"{first}-{last}\"\n\
             director_user_expire = \"{USER_EXPIRE_S}s\"\n\
             director_user_kick_delay = \"{KICK_DELAY_MS}ms\"\n\
             lease = \"{}s\"\n\
             state_folder = '{}'\n\
             dovecot_base_dir = '{}'\n\
             kick = \"ipc\"\n\
             [ring]\n\
             listen = \"{}\"\n\
             address = \"{}\"\n\
             insecure = true\n\
             [health]\n\
             interval = \"{PROBE_MS}ms\"\n\
             timeout = \"{PROBE_MS}ms\"\n\
             fall = 2\n\
             [[health.check]]\n\
             protocol = \"imap\"\n\
             port = {BACKEND_PORT}\n\
             [[proxy]]\n\
             protocol = \"imap\"\n\
             address = \"{}\"\n\
             cleartext = true\n\
             backend_port = {BACKEND_PORT}\n\
             {}",
            servers.join(" "),
            LEASE.as_secs(),
            self.state(director).display(),
            self.base(director).display(),
            self.ring(director),
            self.relay(director),
            self.imap(director),
            usual_doors(),
        )
    }
}

/// The doors to Dovecot, which are not there by themselves beside a proxy.
fn usual_doors() -> String {
    let door = |kind: ListenerKind| {
        let (kind, path) = (kind.name(), kind.usual_path());
        format!("[[listener]]\nkind = \"{kind}\"\npath = \"{path}\"\n")
    };
    ListenerKind::USUAL.map(door).concat()
}

/// The port that everybody would try first, or one on addresses of the demo's own when somebody has it.
fn imap(network: [u8; 3], director: u16) -> SocketAddr {
    let usual = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), IMAP_PORT + director - 1);
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => on(network, director, IMAP_PORT),
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.network;
        write!(
            f,
            "with their files in {}, on addresses of {a}.{b}.{c}.0/24",
            self.folder.display()
        )
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // A director that was killed just now may still have made a file.
        for _ in 0..10 {
            match fs::remove_dir_all(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                _ => return,
            }
        }
    }
}

fn on(network: [u8; 3], host: u16, port: u16) -> SocketAddr {
    let [a, b, c] = network;
    let host = u8::try_from(host).expect("hosts are numbered below 255");
    SocketAddr::new(Ipv4Addr::new(a, b, c, host).into(), port)
}

/// All of 127.0.0.0/8 is this machine's. Somebody else's demo may run, so nothing is taken for free.
fn free_network() -> Result<[u8; 3], Failure> {
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let bits = random().to_le_bytes();
        let network = [127, 64 + bits[0] % 64, 1 + bits[1] % 254];
        let rings = directors().flat_map(|number| [number, 100 + number].map(|host| (host, RING_PORT)));
        let backends = backends().map(|number| (10 + number, BACKEND_PORT));
        let mut used = rings.chain(backends).filter_map(|(host, port)| {
            let address = on(network, host, port);
            TcpListener::bind(address)
                .err()
                .map(|error| format!("{address}: {error}"))
        });
        match used.next() {
            None => return Ok(network),
            Some(refused) => why = refused,
        }
    }
    Err(Failure::Start(format!(
        "no free addresses on the loopback interface: {why}"
    )))
}

fn new_folder() -> io::Result<PathBuf> {
    let mut parent = std::env::temp_dir();
    if parent.as_os_str().len() > FOLDER_BYTES_MAX - 30 {
        parent = Path::new("/tmp").to_path_buf();
    }
    let folder = parent.join(format!("maildirector-demo-{:08x}", random() as u32));
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn random() -> u64 {
    // Without chance the first choice serves as well as another.
    rand::rngs::SysRng.try_next_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Resolved, parse};

    #[test]
    fn every_director_finds_itself_in_its_configuration() {
        let stage = Stage {
            folder: PathBuf::from("/nonexistent/maildirector-demo"),
            network: [127, 64, 1],
            imap: directors()
                .map(|director| on([127, 64, 1], director, IMAP_PORT))
                .collect(),
            is_kept: true,
        };
        for director in directors() {
            let text = stage.configuration_text(director);
            let config = parse(&text, "demo").expect("the configuration is sound");
            let members = config.members(&Resolved::default()).expect("there are no names");
            let me = config.me(&members, &[]).expect("it is one of them");
            assert_eq!(me.index(), director);
        }
    }
}
