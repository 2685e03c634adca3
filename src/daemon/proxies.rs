//! From what the configuration says of proxies to what they are started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;

use crate::config::{Config, ProxySpec, TlsUse, VerifierSpec};
use crate::proxy::{
    AccountFile, BackendSettings, BackendTls, CertificateFiles, ClientTls, FileError, FrontSettings,
    ProxyLimits, ProxySettings, VerifierSettings,
};
use crate::world::{Address, Listen};

/// All proxies of the configuration. `host` is the name of this machine.
///
/// # Errors
/// A certificate, a key or a CA can't be used.
pub fn proxies(config: &Config, host: &str) -> Result<Vec<ProxySettings>, FileError> {
    let mut files = BTreeMap::new();
    let of = |spec| proxy(spec, config.master_user_separator, host, &mut files);
    config.proxies.iter().map(of).collect()
}

/// Proxies that name the same file share what was read.
fn verifier(
    spec: &VerifierSpec,
    master_user_separator: Option<char>,
    files: &mut BTreeMap<PathBuf, AccountFile>,
) -> Result<VerifierSettings, FileError> {
    Ok(match spec {
        VerifierSpec::Backend => VerifierSettings::Backend,
        VerifierSpec::AuthSocket(path) => VerifierSettings::Dovecot(Address::Unix(path.clone())),
        VerifierSpec::PasswdFile(path) => match files.get(path) {
            Some(file) => VerifierSettings::File(file.clone()),
            None => {
                let file = AccountFile::load(path.clone(), master_user_separator)?;
                files.insert(path.clone(), file.clone());
                VerifierSettings::File(file)
            }
        },
    })
}

fn proxy(
    spec: &ProxySpec,
    master_user_separator: Option<char>,
    host: &str,
    files: &mut BTreeMap<PathBuf, AccountFile>,
) -> Result<ProxySettings, FileError> {
    let tls = match spec.tls {
        TlsUse::No => None,
        TlsUse::StartTls | TlsUse::Tls => {
            let files = spec
                .certificates
                .iter()
                .map(|(certificate, key)| CertificateFiles {
                    certificate: certificate.clone(),
                    key: key.clone(),
                });
            Some(ClientTls::load(files.collect())?)
        }
    };
    let front = FrontSettings {
        host: spec.host.as_deref().unwrap_or(host).into(),
        greeting: spec.greeting.clone(),
        capabilities: spec.capabilities.clone(),
        offers_starttls: spec.tls == TlsUse::StartTls,
        allows_cleartext: spec.cleartext,
        offers_oauth: spec.oauth,
    };
    Ok(ProxySettings {
        protocol: spec.protocol,
        listen: Listen::tcp(spec.address),
        front: Arc::new(front),
        tls,
        is_implicit_tls: spec.tls == TlsUse::Tls,
        verifier: verifier(&spec.verifier, master_user_separator, files)?,
        tag: spec.tag.clone(),
        lmtp_user: spec.lmtp_user,
        master_user_separator,
        backend: backend(spec)?,
        trusted: spec.trusted.clone().into(),
        wants_proxy_header: spec.proxy_header,
        limits: ProxyLimits {
            connections: spec.connections_max as usize,
            connections_of_address: spec.connections_of_address_max as usize,
            login: spec.login_within,
            idle: spec.idle,
            ..ProxyLimits::default()
        },
    })
}

fn backend(spec: &ProxySpec) -> Result<BackendSettings, FileError> {
    let tls = match spec.backend_tls {
        TlsUse::No => None,
        TlsUse::StartTls | TlsUse::Tls => {
            let name = spec.backend_tls_name.as_deref();
            let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
            let is_by_command = spec.backend_tls == TlsUse::StartTls;
            Some(BackendTls::load(spec.backend_ca.as_deref(), is_by_command, name)?)
        }
    };
    Ok(BackendSettings {
        port: spec.backend_port,
        tls,
        tells_origin: spec.backend_origin,
        sends_proxy_header: spec.backend_proxy_header,
    })
}
