//! TLS of the operators' listener: the certificate from files, taken anew when they change.
//!
//! Promises rustls with aws-lc-rs; TLS 1.2 and later; that files which cannot be used while the host runs are an error in the log, and the certificate
//! before stays. A client certificate is asked for where `client_ca_file` is given, and one that is shown must verify; nobody must show one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use x509_parser::extensions::GeneralName;

use crate::config::Api;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// Files that cannot serve.
#[derive(Debug, thiserror::Error)]
#[error("`{path}`: {problem}")]
pub struct TlsError {
    /// Which.
    path: String,
    /// What is wrong with it.
    problem: String,
}

impl TlsError {
    fn of(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self { path: path.display().to_string(), problem: problem.to_string() }
    }
}

/// The listener's TLS.
pub struct Tls {
    api: Api,
    current: ArcSwap<ServerConfig>,
    seen: ArcSwap<Vec<u8>>,
}

impl Tls {
    /// From the files the configuration names; `None`: it names none.
    pub fn load(api: &Api) -> Result<Option<Arc<Self>>, TlsError> {
        if !api.tls() {
            return Ok(None);
        }
        let (current, seen) = (ArcSwap::from_pointee(config(api)?), ArcSwap::from_pointee(digest(api)));
        Ok(Some(Arc::new(Self { api: api.clone(), current, seen })))
    }

    /// Shake hands; with the names in the client's certificate, if it showed one.
    pub async fn accept<S>(&self, stream: S) -> std::io::Result<(TlsStream<S>, Arc<[String]>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = TlsAcceptor::from(self.current.load_full()).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let names = shown.map(names).unwrap_or_default();
        Ok((stream, names.into()))
    }

    /// Take the files anew, if they changed; whether they did.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let digest = digest(&self.api);
        if **self.seen.load() == digest {
            return Ok(false);
        }
        self.current.store(Arc::new(config(&self.api)?));
        self.seen.store(Arc::new(digest));
        Ok(true)
    }

    /// Take the files anew whenever they change or SIGHUP comes, until `shutdown`.
    pub async fn follow(self: Arc<Self>, shutdown: CancellationToken) -> std::io::Result<()> {
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = hangup.recv() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.reload() {
                Ok(true) => tracing::info!("the listener's certificate was taken anew"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "the listener's new certificate cannot be used; the one before stays");
                }
            }
        }
    }
}

/// What stands in the files now.
fn digest(api: &Api) -> Vec<u8> {
    let mut hash = Sha256::new();
    for path in [&api.cert_file, &api.key_file, &api.client_ca_file].into_iter().flatten() {
        hash.update(Sha256::digest(std::fs::read(path).unwrap_or_default()));
    }
    hash.finalize().to_vec()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|error| TlsError::of(path, error))?;
    if found.is_empty() { Err(TlsError::of(path, "there is no certificate in it")) } else { Ok(found) }
}

fn config(api: &Api) -> Result<ServerConfig, TlsError> {
    let missing = |key: &str| TlsError { path: key.to_owned(), problem: "the key is not given".to_owned() };
    let cert_file = api.cert_file.as_deref().ok_or_else(|| missing("api.cert_file"))?;
    let key_file = api.key_file.as_deref().ok_or_else(|| missing("api.key_file"))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::of(cert_file, error))?;
    let builder = match &api.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| TlsError::of(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::of(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| TlsError::of(key_file, error))?;
    let mut config =
        builder.with_single_cert(certificates(cert_file)?, key).map_err(|error| TlsError::of(cert_file, error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Common name, then alternative names: DNS, mail, URI.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned);
    let mut names: Vec<String> = common.collect();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
                Some((*text).to_owned())
            }
            _ => None,
        }));
    }
    names
}
