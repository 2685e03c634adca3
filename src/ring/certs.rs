//! A small private CA for the ring: its certificate and those of the members, as PEM files.
//!
//! Used by the command line, once for a ring and once for each member; the running ring only reads the files.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

use super::tls::{TlsError, member_name};
use crate::topology::MemberId;

/// The CA's certificate, in its folder; every member needs a copy.
pub const CA_CERTIFICATE: &str = "ca.pem";

/// The CA's private key, in its folder; no member needs it.
pub const CA_KEY: &str = "ca.key";

const DAY: Duration = Duration::from_secs(86_400);
/// Clocks of members may be behind that of the machine where certificates are made.
const BACKDATED: Duration = DAY;

/// Why certificates could not be made. Files that were written before stay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertsError {
    /// A file can't be read or written; one that is there already is never replaced.
    File {
        /// The file.
        file: PathBuf,
        /// The system's words.
        why: String,
    },
    /// The name does not serve.
    Name(TlsError),
    /// The certificate could not be made.
    Making {
        /// In words.
        why: String,
    },
    /// What is in the folder is not a CA for this cluster, or its key is of another one.
    AnotherCa {
        /// The CA's certificate.
        file: PathBuf,
        /// The cluster.
        cluster: String,
        /// In words.
        why: String,
    },
}

/// How long certificates are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Seconds since 1970, now.
    pub now: u64,
    /// Days from now.
    pub days: u32,
}

/// Makes a CA for a cluster: two new files in a folder. The answer are their paths.
///
/// # Errors
/// The cluster's name does not serve, or a file is there already or can't be written.
pub fn init(folder: &Path, cluster: &str, validity: Validity) -> Result<[PathBuf; 2], CertsError> {
    member_name(cluster, MemberId::from_index(0)).map_err(CertsError::Name)?;
    fs::create_dir_all(folder).map_err(|error| file_error(folder, &error))?;
    let key = KeyPair::generate().map_err(making)?;
    let ca = authority(cluster, &key, validity)
        .self_signed(&key)
        .map_err(making)?;
    let [certificate_file, key_file] = [CA_CERTIFICATE, CA_KEY].map(|name| folder.join(name));
    write_new(&key_file, &key.serialize_pem(), 0o600)?;
    write_new(&certificate_file, &ca.pem(), 0o644)?;
    Ok([certificate_file, key_file])
}

/// Makes a member's certificate and private key with the CA of a folder: `member-N.pem` and `member-N.key` in another.
/// The answer are their paths.
///
/// # Errors
/// The folder's CA is not one for this cluster, or a file is there already or can't be read or written.
pub fn issue(
    ca: &Path,
    cluster: &str,
    member: MemberId,
    to: &Path,
    validity: Validity,
) -> Result<[PathBuf; 2], CertsError> {
    let name = member_name(cluster, member).map_err(CertsError::Name)?;
    let ca_key_file = ca.join(CA_KEY);
    let ca_key = fs::read_to_string(&ca_key_file).map_err(|error| file_error(&ca_key_file, &error))?;
    let ca_key = KeyPair::from_pem(&ca_key).map_err(|error| file_error(&ca_key_file, &error))?;
    let key = KeyPair::generate().map_err(making)?;
    let issuer = Issuer::new(authority(cluster, &ca_key, validity), ca_key);
    let certificate = leaf(&name, validity)?.signed_by(&key, &issuer).map_err(making)?;
    check(
        &ca.join(CA_CERTIFICATE),
        cluster,
        certificate.der(),
        &name,
        validity,
    )?;
    fs::create_dir_all(to).map_err(|error| file_error(to, &error))?;
    let [certificate_file, key_file] =
        ["pem", "key"].map(|end| to.join(format!("member-{}.{end}", member.index())));
    write_new(&key_file, &key.serialize_pem(), 0o600)?;
    write_new(&certificate_file, &certificate.pem(), 0o644)?;
    Ok([certificate_file, key_file])
}

/// The CA of a key. The key is part of the name, so that two CAs of one cluster are told apart in messages.
fn authority(cluster: &str, key: &KeyPair, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    let print: [u8; 32] = Sha256::digest(key.public_key_raw()).into();
    let print = u32::from_be_bytes([print[0], print[1], print[2], print[3]]);
    params.distinguished_name = named(&format!("maildirector ring of {cluster}, CA {print:08x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    limit(&mut params, validity);
    params
}

fn leaf(name: &str, validity: Validity) -> Result<CertificateParams, CertsError> {
    let mut params = CertificateParams::new([name.to_owned()]).map_err(making)?;
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    limit(&mut params, validity);
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

fn limit(params: &mut CertificateParams, validity: Validity) {
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(validity.now);
    params.not_before = now - BACKDATED;
    params.not_after = now + DAY * validity.days;
}

/// Whether members that trust this CA will trust this certificate.
fn check(
    ca: &Path,
    cluster: &str,
    certificate: &CertificateDer<'_>,
    name: &str,
    validity: Validity,
) -> Result<(), CertsError> {
    let another = |why: String| CertsError::AnotherCa {
        file: ca.to_path_buf(),
        cluster: cluster.to_owned(),
        why,
    };
    let root = CertificateDer::from_pem_file(ca).map_err(|error| file_error(ca, &error))?;
    let mut roots = RootCertStore::empty();
    roots.add(root).map_err(|error| another(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| another(error.to_string()))?;
    let name = ServerName::try_from(name).map_err(|error| another(error.to_string()))?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(validity.now));
    let verified = verifier.verify_server_cert(certificate, &[], &name, &[], now);
    verified.map(|_| ()).map_err(|error| another(error.to_string()))
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| file_error(path, &error))
}

fn file_error(file: &Path, why: &dyn fmt::Display) -> CertsError {
    CertsError::File {
        file: file.to_path_buf(),
        why: why.to_string(),
    }
}

fn making(error: rcgen::Error) -> CertsError {
    CertsError::Making {
        why: error.to_string(),
    }
}

impl fmt::Display for CertsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertsError::File { file, why } => write!(f, "{}: {why}", file.display()),
            CertsError::Name(error) => error.fmt(f),
            CertsError::Making { why } => write!(f, "the certificate could not be made: {why}"),
            CertsError::AnotherCa { file, cluster, why } => write!(
                f,
                "{} and the key beside it are not a CA for the cluster \"{cluster}\": {why}",
                file.display()
            ),
        }
    }
}

impl std::error::Error for CertsError {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ring::{Tls, TlsFiles};
    use crate::world::scratch::Scratch;

    const VALID: Validity = Validity {
        now: 1_800_000_000,
        days: 30,
    };

    fn member() -> MemberId {
        MemberId::from_index(3)
    }

    #[test]
    fn what_is_issued_is_read_and_has_the_members_name() {
        let folder = Scratch::new();
        let [ca, ca_key] = init(folder.path(), "mail", VALID).expect("a CA is made");
        let [certificate, key] =
            issue(folder.path(), "mail", member(), folder.path(), VALID).expect("it is issued");
        for secret in [&ca_key, &key] {
            let mode = fs::metadata(secret)
                .expect("the key is there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let tls = Tls::load(TlsFiles { ca, certificate, key }).expect("the files are good");
        assert_eq!(tls.check_own_name("member-3.mail"), Ok(()));
        let error = tls.check_own_name("member-4.mail").expect_err("another member's");
        assert!(error.to_string().contains("is not for member-4.mail"), "{error}");
    }

    #[test]
    fn nothing_that_is_there_is_replaced() {
        let folder = Scratch::new();
        let [ca, _] = init(folder.path(), "mail", VALID).expect("a CA is made");
        let before = fs::read(&ca).expect("it is there");
        let error = init(folder.path(), "mail", VALID).expect_err("there is a CA");
        assert!(error.to_string().contains("ca.key: File exists"), "{error}");
        assert_eq!(fs::read(&ca).expect("it is there"), before);
    }

    #[test]
    fn a_ca_of_another_cluster_issues_nothing() {
        let folder = Scratch::new();
        init(folder.path(), "mail", VALID).expect("a CA is made");
        let error =
            issue(folder.path(), "test", member(), folder.path(), VALID).expect_err("another cluster");
        assert!(matches!(error, CertsError::AnotherCa { .. }), "{error}");
        let error = init(folder.path(), "My Cluster", VALID).expect_err("not a name");
        assert!(matches!(error, CertsError::Name(_)), "{error}");
    }

    #[test]
    fn a_key_that_everybody_can_read_is_refused() {
        let folder = Scratch::new();
        let [ca, _] = init(folder.path(), "mail", VALID).expect("a CA is made");
        let [certificate, key] =
            issue(folder.path(), "mail", member(), folder.path(), VALID).expect("it is issued");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("it is ours");
        let error = Tls::load(TlsFiles { ca, certificate, key }).expect_err("the key is open");
        assert!(
            error.to_string().contains("member-3.key: its mode is 0644"),
            "{error}"
        );
    }
}
