//! A self-signed certificate for each controller, as they come from the factory.
//!
//! Promises an ECDSA certificate made when the first client connects, so a thousand idle controllers cost
//! nothing. It keeps none over a restart: a controller's certificate changes, as after an update.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use tokio_rustls::TlsAcceptor;

use super::config::StartError;

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// An acceptor and its certificate.
#[derive(Clone)]
struct Made {
    acceptor: TlsAcceptor,
    pem: String,
}

/// A lazily made acceptor.
#[derive(Default)]
pub(crate) struct Tls {
    cell: OnceLock<Result<Made, String>>,
}

impl Tls {
    /// The acceptor for a controller at `address` called `name`.
    pub(crate) fn acceptor(&self, address: SocketAddr, name: &str) -> Result<TlsAcceptor, StartError> {
        Ok(self.made(address, name)?.acceptor)
    }

    /// The certificate it shows, as PEM.
    pub(crate) fn certificate(&self, address: SocketAddr, name: &str) -> Result<String, StartError> {
        Ok(self.made(address, name)?.pem)
    }

    fn made(&self, address: SocketAddr, name: &str) -> Result<Made, StartError> {
        let made = self.cell.get_or_init(|| make(address, name));
        made.clone().map_err(|reason| StartError::Certificate { address, reason })
    }
}

fn make(address: SocketAddr, name: &str) -> Result<Made, String> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
    let mut params = CertificateParams::new(vec![address.ip().to_string()]).map_err(|error| error.to_string())?;
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Made { acceptor: TlsAcceptor::from(Arc::new(config)), pem: certificate.pem() })
}
