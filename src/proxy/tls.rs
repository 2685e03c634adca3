//! TLS on both sides: certificates shown to clients, chosen by the name that they ask for and read again without a restart,
//! and what is demanded of backends.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};

use crate::world::{certificates, client_tls, has_name};

/// A certificate with its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those that sign it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A file that can't be used. What was in use stays in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.why)
    }
}

impl std::error::Error for FileError {}

/// TLS towards clients. Clones share their certificates.
#[derive(Clone, Debug)]
pub struct ClientTls {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
}

impl ClientTls {
    /// With these certificates; the first is for clients who ask for no name, or for one that none of them has.
    ///
    /// # Errors
    /// A file can't be used.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Self, FileError> {
        let keys = read_all(&files)?;
        let certificates = Arc::new(Certificates {
            files,
            keys: RwLock::new(keys.into()),
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificates) as _;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the usual versions")
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        if let Ok(tickets) = rustls::crypto::ring::Ticketer::new() {
            config.ticketer = tickets;
        }
        Ok(ClientTls {
            certificates,
            config: Arc::new(config),
        })
    }

    /// Reads all files again; who connects from now on gets what they say.
    ///
    /// # Errors
    /// A file can't be used; all certificates stay as they were.
    pub fn reload(&self) -> Result<(), FileError> {
        let keys = read_all(&self.certificates.files)?;
        let mut current = self
            .certificates
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = keys.into();
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

#[derive(Debug)]
struct Certificates {
    files: Vec<CertificateFiles>,
    keys: RwLock<Arc<[Arc<CertifiedKey>]>>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let named = hello.server_name().filter(|_| keys.len() > 1).and_then(|name| {
            let is_for_it =
                |key: &&Arc<CertifiedKey>| key.cert.first().is_some_and(|own| has_name(own, name));
            keys.iter().find(is_for_it)
        });
        named.or(keys.first()).cloned()
    }
}

fn read_all(files: &[CertificateFiles]) -> Result<Vec<Arc<CertifiedKey>>, FileError> {
    files.iter().map(read).collect()
}

fn read(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, FileError> {
    let failed = |file: &Path, why: &dyn fmt::Display| FileError {
        file: file.to_path_buf(),
        why: why.to_string(),
    };
    let of_certificate = |why: &dyn fmt::Display| failed(&files.certificate, why);
    let chain = certificates(&files.certificate).map_err(|why| of_certificate(&why))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let provider = rustls::crypto::ring::default_provider();
    let pair = CertifiedKey::from_der(chain, key, &provider);
    pair.map(Arc::new)
        .map_err(|error| of_certificate(&format!("it can't be used with {}: {error}", files.key.display())))
}

/// TLS towards backends.
#[derive(Clone)]
pub struct BackendTls {
    /// By the protocol's command instead of from the first byte on.
    pub is_by_command: bool,
    /// The name that certificates must have, for backends without one of their own.
    pub name: Option<ServerName<'static>>,
    pub(super) config: Arc<ClientConfig>,
}

impl BackendTls {
    /// `ca` is a PEM file with those who sign the backends' certificates; without it any will do.
    ///
    /// # Errors
    /// The file can't be used.
    pub fn load(
        ca: Option<&Path>,
        is_by_command: bool,
        name: Option<ServerName<'static>>,
    ) -> Result<Self, FileError> {
        let config = client_tls(ca).map_err(|why| FileError {
            file: ca.map(Path::to_path_buf).unwrap_or_default(),
            why,
        })?;
        Ok(BackendTls {
            is_by_command,
            name,
            config: Arc::new(config),
        })
    }
}

impl fmt::Debug for BackendTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendTls")
            .field("is_by_command", &self.is_by_command)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
