//! Who verifies what a client proves himself with: the backend, a file, or Dovecot's auth server.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::accounts::{Account, PasswdFile, Peer, Verdict};
use super::auth_link::AuthLink;
use super::{ClientTls, Credentials, FileError};
use crate::world::{Address, Instant, World, deadline, sleep};

/// Slow hashes that are computed at a time; more would only take the processors from sessions.
const SLOW_AT_ONCE: usize = 4;
/// After a wrong password, as `auth_failure_delay` of Dovecot.
const FAILURE_DELAY: Duration = Duration::from_secs(2);
/// The longest passwd-file, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Of a file's faults, so many are told.
const FAULTS_TOLD: usize = 10;

/// Who a listener's settings name.
#[derive(Clone, Debug, Default)]
pub enum VerifierSettings {
    /// The backend, at the login there.
    #[default]
    Backend,
    /// A passwd-file of Dovecot's form.
    File(AccountFile),
    /// The auth server behind this `auth-client` socket.
    Dovecot(Address),
}

/// A passwd-file, read again without a restart. Clones share what was read.
#[derive(Clone, Debug)]
pub struct AccountFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    master_user_separator: Option<char>,
    accounts: RwLock<Arc<PasswdFile>>,
    slow: Semaphore,
}

impl AccountFile {
    /// Reads it.
    ///
    /// # Errors
    /// It can't be read, or has faults.
    pub fn load(path: PathBuf, master_user_separator: Option<char>) -> Result<Self, FileError> {
        let accounts = read(&path, master_user_separator)?;
        Ok(AccountFile(Arc::new(Shared {
            path,
            master_user_separator,
            accounts: RwLock::new(Arc::new(accounts)),
            slow: Semaphore::new(SLOW_AT_ONCE),
        })))
    }

    /// Reads it again; who logs in from now on is verified by what it says.
    ///
    /// # Errors
    /// It can't be read, or has faults; what was read before stays in use.
    pub fn reload(&self) -> Result<(), FileError> {
        let accounts = read(&self.0.path, self.0.master_user_separator)?;
        *self.0.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
        Ok(())
    }

    async fn verify<W: World>(&self, world: &W, credentials: &Credentials) -> Verdict {
        let accounts = Arc::clone(&self.0.accounts.read().unwrap_or_else(PoisonError::into_inner));
        if !accounts.is_slow(credentials) {
            return accounts.verify(credentials);
        }
        let lost =
            || Verdict::TemporarilyUnavailable("the verification of a password was broken off".to_owned());
        let Ok(_turn) = self.0.slow.acquire().await else {
            return lost();
        };
        let credentials = credentials.clone();
        let verified = world.compute(move || accounts.verify(&credentials)).await;
        verified.unwrap_or_else(lost)
    }
}

fn read(path: &std::path::Path, master_user_separator: Option<char>) -> Result<PasswdFile, FileError> {
    let fault = |why: String| FileError {
        file: path.to_owned(),
        why,
    };
    let bytes = std::fs::metadata(path)
        .map_err(|error| fault(error.to_string()))?
        .len();
    if bytes > FILE_BYTES_MAX {
        return Err(fault(format!("has {bytes} bytes, the limit is {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let accounts = PasswdFile::parse(&text, &path.to_string_lossy()).map_err(|faults| {
        let told: Vec<String> = faults.iter().take(FAULTS_TOLD).map(ToString::to_string).collect();
        let more = faults.len() - told.len();
        let more = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        fault(format!(
            "is not used, since it has faults\n{}{more}",
            told.join("\n")
        ))
    })?;
    Ok(accounts.with_master_separator(master_user_separator))
}

/// What a listener's files and certificates are, to be read again.
#[derive(Clone, Debug)]
pub enum Reloadable {
    /// Certificates shown to clients.
    Certificates(ClientTls),
    /// Accounts.
    Accounts(AccountFile),
}

impl Reloadable {
    /// Reads the files again.
    ///
    /// # Errors
    /// One can't be used; everything of this stays as it was.
    pub fn reload(&self) -> Result<(), FileError> {
        match self {
            Reloadable::Certificates(tls) => tls.reload(),
            Reloadable::Accounts(file) => file.reload(),
        }
    }
}

/// Who verifies, at work.
#[derive(Debug)]
pub(super) enum Verifier {
    Backend,
    File(AccountFile),
    Dovecot(AuthLink),
}

impl Verifier {
    pub fn start<W: World>(world: &W, settings: &VerifierSettings) -> Self {
        match settings {
            VerifierSettings::Backend => Verifier::Backend,
            VerifierSettings::File(file) => Verifier::File(file.clone()),
            VerifierSettings::Dovecot(socket) => Verifier::Dovecot(AuthLink::start(world, socket.clone())),
        }
    }

    /// What is known of the client until `until`; nothing when the backend has to find out.
    pub async fn verify<W: World>(
        &self,
        world: &W,
        credentials: &Credentials,
        peer: Peer<'_>,
        until: Instant,
    ) -> Option<Verdict> {
        let clock = world.clock();
        let verifying = async {
            match self {
                Verifier::Backend => None,
                Verifier::File(file) => {
                    let verdict = file.verify(world, credentials).await;
                    if matches!(verdict, Verdict::Wrong) {
                        // Dovecot waits by itself.
                        sleep(clock, FAILURE_DELAY).await;
                    }
                    Some(verdict)
                }
                Verifier::Dovecot(link) => Some(link.verify(credentials, peer).await),
            }
        };
        let late = || {
            Some(Verdict::TemporarilyUnavailable(
                "nobody verified the password in time".to_owned(),
            ))
        };
        deadline(clock, until, verifying).await.unwrap_or_else(|_| late())
    }
}

/// Where a client goes who was let in without being asked about a backend.
pub(super) fn unverified(user: &str, credentials: Credentials) -> Account {
    Account {
        user: user.to_owned(),
        host: None,
        port: None,
        tag: None,
        sent: credentials,
    }
}
