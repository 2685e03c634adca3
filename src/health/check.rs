//! One check as configured, with its password and certificates loaded.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;

use crate::config::{CheckSpec, Protocol, TlsUse};
use crate::world::client_tls;

/// The longest password file, in bytes.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// What a backend has to stand.
#[derive(Clone, Debug)]
pub struct Check {
    /// What is spoken.
    pub protocol: Protocol,
    /// At which port.
    pub port: u16,
    /// Whether by TLS.
    pub tls: TlsUse,
    /// As whom it is logged in; nobody is by default.
    pub account: Option<Account>,
    /// To whom mail is offered, by LMTP.
    pub recipient: Option<Box<str>>,
    /// Which certificates are good.
    pub trust: Trust,
}

/// An account for probes. Its password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub user: Box<str>,
    /// Its password.
    pub password: Box<str>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Which certificates of backends are good.
#[derive(Clone)]
pub struct Trust {
    pub(super) client: Arc<rustls::ClientConfig>,
    /// The name that a certificate must have; by default the backend's address.
    pub(super) name: Option<ServerName<'static>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// Those of a CA, a PEM file, for a name or for the backend's address; every certificate without a CA.
    ///
    /// # Errors
    /// The file can't be read or has no certificate; the name is none.
    pub fn load(ca: Option<&Path>, name: Option<&str>) -> Result<Self, CheckError> {
        let mut client = client_tls(ca).map_err(|why| CheckError::File {
            setting: "ca",
            file: ca.map(Path::to_path_buf).unwrap_or_default(),
            why,
        })?;
        // Each probe is to see the whole handshake.
        client.resumption = Resumption::disabled();
        let name = name.map(|name| {
            ServerName::try_from(name.to_owned()).map_err(|_| CheckError::Name { name: name.into() })
        });
        Ok(Trust {
            client: Arc::new(client),
            name: name.transpose()?,
        })
    }
}

/// Why a check can't be made. The files are read once, at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckError {
    /// A file can't be used.
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No certificate can have such a name.
    Name {
        /// The name.
        name: Box<str>,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckError::File { setting, file, why } => {
                write!(f, "health.check.{setting}: {}: {why}", file.display())
            }
            CheckError::Name { name } => write!(
                f,
                "health.check.tls_name: \"{name}\" is no name that a certificate can have"
            ),
        }
    }
}

impl std::error::Error for CheckError {}

impl Check {
    /// The check that is configured so.
    ///
    /// # Errors
    /// A file can't be used, or a name is none.
    pub fn load(spec: &CheckSpec) -> Result<Self, CheckError> {
        let account = spec.account.as_ref().map(|account| {
            let password = password(&account.password_file)?;
            let user = account.user.clone();
            Ok(Account { user, password })
        });
        Ok(Check {
            protocol: spec.protocol,
            port: spec.port,
            tls: spec.tls,
            account: account.transpose()?,
            recipient: spec.recipient.clone(),
            trust: Trust::load(spec.ca.as_deref(), spec.tls_name.as_deref())?,
        })
    }

    /// What the log calls it.
    pub fn name(&self) -> String {
        format!("{} at port {}", self.protocol.name(), self.port)
    }
}

/// The first line of the file.
fn password(file: &Path) -> Result<Box<str>, CheckError> {
    let failed = |why: String| CheckError::File {
        setting: "password_file",
        file: file.to_path_buf(),
        why,
    };
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| failed(error.to_string()))?;
    let read = opened.take(PASSWORD_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    let first = text.lines().next().unwrap_or("");
    if first.is_empty() || first.contains('\0') {
        return Err(failed("its first line is no password".to_owned()));
    }
    Ok(first.into())
}
