//! How a certificate is judged: by an authority, by the fingerprint kept on first use, or, for a system that is no
//! controller, as on the web.
//!
//! Promises rustls with aws-lc-rs and nothing else. A pin is judged twice in a handshake: when the certificate arrives, and
//! when the signature made with its key has been checked; only then is a first one kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::EndpointError;
use super::pins::Pin;

const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request: longer than a pause within a call, and much shorter than the time between two looks
/// at a controller, of which there may be ten thousand.
const IDLE: Duration = Duration::from_secs(5);
/// Tickets for shorter handshakes kept for one controller: what rustls keeps for one name.
const TICKETS: usize = 8;

/// A client that trusts the authority in this PEM file.
pub fn by_authority(ca_file: &Path) -> Result<reqwest::Client, EndpointError> {
    let mut roots = RootCertStore::empty();
    add(&mut roots, ca_file)?;
    let config = versions(aws_lc_rs::default_provider())?.with_root_certificates(roots).with_no_client_auth();
    client(config)
}

/// A client that trusts the public authorities, and those in this PEM file.
pub fn by_web(ca_file: Option<&Path>) -> Result<reqwest::Client, EndpointError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        add(&mut roots, file)?;
    }
    let config = versions(aws_lc_rs::default_provider())?.with_root_certificates(roots).with_no_client_auth();
    client(config)
}

fn add(roots: &mut RootCertStore, ca_file: &Path) -> Result<(), EndpointError> {
    let fail = |problem: String| EndpointError::Authority { path: ca_file.to_owned(), problem };
    let before = roots.len();
    let certificates = CertificateDer::pem_file_iter(ca_file).map_err(|error| fail(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(fail("it holds no certificate".to_owned()));
    }
    Ok(())
}

/// A client for one server's controller, by its kept fingerprint.
pub fn by_pin(pin: Arc<Pin>) -> Result<reqwest::Client, EndpointError> {
    let provider = aws_lc_rs::default_provider();
    let verifier = PinVerifier { pin, algorithms: provider.signature_verification_algorithms };
    let mut config =
        versions(provider)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(TICKETS);
    client(config)
}

type Versions = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn versions(provider: CryptoProvider) -> Result<Versions, EndpointError> {
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| EndpointError::Client(error.to_string()))
}

/// HTTP/1.1 only, no proxy from the environment, no redirects of its own: the endpoint follows them.
fn client(config: ClientConfig) -> Result<reqwest::Client, EndpointError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|error| EndpointError::Client(error.to_string()))
}

#[derive(Debug)]
struct PinVerifier {
    pin: Arc<Pin>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinVerifier {
    fn judge(&self, certificate: &CertificateDer<'_>, proven: bool) -> Result<(), Error> {
        self.pin.judge(certificate, proven).map_err(Error::General)
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(end_entity, false)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls12_signature(message, certificate, signature, &self.algorithms)?;
        self.judge(certificate, true)?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls13_signature(message, certificate, signature, &self.algorithms)?;
        self.judge(certificate, true)?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
