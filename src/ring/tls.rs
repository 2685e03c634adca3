//! TLS between members: files, names, and what both sides demand of each other.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::topology::MemberId;
use crate::world::{Clock, certificates, has_name};

/// What is spoken inside: a certificate of the ring's CA opens no other service, and no other service answers here.
const PROTOCOL: &[u8] = b"maildirector-ring";

/// Where a member's TLS files are, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `ring.ca`: the certificate of the ring's own CA.
    pub ca: PathBuf,
    /// `ring.certificate`: this member's.
    pub certificate: PathBuf,
    /// `ring.key`: its private key.
    pub key: PathBuf,
}

/// A member's TLS files, read.
pub struct Tls {
    files: TlsFiles,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Why TLS files do not serve. The operator's fault; each names the setting and the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read, or is not what its setting says.
    File {
        /// As the operator knows it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not go together, or can't be used.
    Unusable {
        /// The certificate.
        file: PathBuf,
        /// In words.
        why: String,
    },
    /// The certificate is another member's.
    AnotherName {
        /// The certificate.
        file: PathBuf,
        /// The name that it lacks.
        name: String,
    },
    /// The cluster's name can't be part of a certificate's name.
    Cluster {
        /// The name.
        cluster: String,
    },
}

/// The name of a member in its certificate.
///
/// # Errors
/// The cluster's name is not made of lower case letters, digits, `-` and `.` as host names are.
pub fn member_name(cluster: &str, member: MemberId) -> Result<String, TlsError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = format!("member-{}.{cluster}", member.index());
    if !cluster.split('.').all(is_label) || name.len() > 253 {
        return Err(TlsError::Cluster {
            cluster: cluster.to_owned(),
        });
    }
    Ok(name)
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One can't be read, is not what its setting says, or is a key that everybody may read.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for ca in certificates_of("ring.ca", &files.ca)? {
            roots
                .add(ca)
                .map_err(|error| file_error("ring.ca", &files.ca, &error))?;
        }
        let chain = certificates_of("ring.certificate", &files.certificate)?;
        let key = private_key(&files.key)?;
        Ok(Tls {
            files,
            roots: Arc::new(roots),
            chain,
            key,
        })
    }

    /// Whether this member's own certificate has that name.
    pub(super) fn check_own_name(&self, name: &str) -> Result<(), TlsError> {
        let file = self.files.certificate.clone();
        if self.chain.first().is_none_or(|own| !has_name(own, name)) {
            let name = name.to_owned();
            return Err(TlsError::AnotherName { file, name });
        }
        Ok(())
    }

    /// What dials and what accepts, with the world's clock for what is out of date.
    pub(super) fn sides(&self, clock: impl Clock) -> Result<(TlsConnector, TlsAcceptor), TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let time: Arc<dyn TimeProvider> = Arc::new(WorldTime(clock));
        Ok((
            TlsConnector::from(Arc::new(self.client(&provider, &time)?)),
            TlsAcceptor::from(Arc::new(self.server(&provider, &time)?)),
        ))
    }

    fn client(
        &self,
        provider: &Arc<CryptoProvider>,
        time: &Arc<dyn TimeProvider>,
    ) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_details(Arc::clone(provider), Arc::clone(time));
        let mut client = builder
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| self.unusable(&error))?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| self.unusable(&error))?;
        // Each link proves anew who is there.
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(client)
    }

    fn server(
        &self,
        provider: &Arc<CryptoProvider>,
        time: &Arc<dyn TimeProvider>,
    ) -> Result<ServerConfig, TlsError> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(provider))
                .build()
                .map_err(|error| file_error("ring.ca", &self.files.ca, &error))?;
        let builder = ServerConfig::builder_with_details(Arc::clone(provider), Arc::clone(time));
        let mut server = builder
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| self.unusable(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| self.unusable(&error))?;
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(server)
    }

    /// What a failed handshake means to an operator of this member.
    pub(super) fn explain(&self, error: &io::Error) -> String {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::AlertReceived(alert)) => format!(
                "the other side does not take this member's certificate {} or its CA differs ({alert:?})",
                self.files.certificate.display()
            ),
            Some(rustls::Error::InvalidCertificate(why)) => format!(
                "its certificate is not to be trusted by {}: {why}",
                self.files.ca.display()
            ),
            Some(rustls::Error::InvalidMessage(_)) => {
                "it does not speak TLS; is ring.insecure set there and not here?".to_owned()
            }
            Some(rustls::Error::NoCertificatesPresented) => {
                "it showed no certificate; is it a member?".to_owned()
            }
            _ => error.to_string(),
        }
    }

    fn unusable(&self, error: &rustls::Error) -> TlsError {
        TlsError::Unusable {
            file: self.files.certificate.clone(),
            why: error.to_string(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

struct WorldTime<C>(C);

impl<C> fmt::Debug for WorldTime<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorldTime")
    }
}

impl<C: Clock> TimeProvider for WorldTime<C> {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            self.0.unix_seconds(),
        )))
    }
}

fn certificates_of(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(path).map_err(|why| file_error(setting, path, &why))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let found = fs::metadata(path).map_err(|error| file_error("ring.key", path, &error))?;
    let mode = found.permissions().mode();
    if mode & 0o007 != 0 {
        let why = format!(
            "its mode is {:04o}, others must not reach a private key; chmod o= helps",
            mode & 0o7777
        );
        return Err(file_error("ring.key", path, &why));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error("ring.key", path, &error))
}

fn file_error(setting: &'static str, path: &Path, why: &dyn fmt::Display) -> TlsError {
    TlsError::File {
        setting,
        file: path.to_path_buf(),
        why: why.to_string(),
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File { setting, file, why } => write!(f, "{setting}: {}: {why}", file.display()),
            TlsError::Unusable { file, why } => {
                write!(
                    f,
                    "ring.certificate {} can't be used with ring.key: {why}",
                    file.display()
                )
            }
            TlsError::AnotherName { file, name } => write!(
                f,
                "ring.certificate {} is not for {name}, which this member is; maildirector certs issue makes one",
                file.display()
            ),
            TlsError::Cluster { cluster } => write!(
                f,
                "cluster \"{cluster}\" can't be part of a certificate's name: use lower case letters, digits, - and ."
            ),
        }
    }
}

impl std::error::Error for TlsError {}
