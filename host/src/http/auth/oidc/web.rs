//! The one way to the OpenID provider.
//!
//! Promises https, except to loopback; no redirect is followed, no proxy of the environment used, no answer longer than a mebibyte read, and
//! that no request takes longer than ten seconds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Response};
use futures_util::StreamExt as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::{Host, Url};

const TIME: Duration = Duration::from_secs(10);
const LONGEST: usize = 1024 * 1024;

/// What went wrong on the way.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A file that cannot serve.
    #[error("`{path}`: {problem}")]
    Authority {
        /// Which.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The provider names an address in plain HTTP.
    #[error("`{0}` is not https")]
    Plain(String),
    /// Longer than anything a provider says.
    #[error("the answer is longer than {LONGEST} bytes")]
    Long,
    /// The request.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// What was sent or came back is no HTTP.
    #[error("not HTTP: {0}")]
    Http(String),
}

/// Asks the provider.
#[derive(Clone)]
pub struct Web(reqwest::Client);

impl Web {
    /// Trusting the public authorities, and those in `ca_file`.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, WebError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = ca_file {
            let fail = |problem: String| WebError::Authority { path: path.display().to_string(), problem };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))? {
                let certificate = certificate.map_err(|error| fail(error.to_string()))?;
                roots.add(certificate).map_err(|error| fail(error.to_string()))?;
            }
            if roots.len() == webpki_roots::TLS_SERVER_ROOTS.len() {
                return Err(fail("there is no certificate in it".to_owned()));
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| WebError::Http(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(TIME)
            .timeout(TIME)
            .build()?;
        Ok(Self(client))
    }

    /// One request, as the OpenID library makes it.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, WebError> {
        let (head, body) = request.into_parts();
        let url: Url = head.uri.to_string().parse().map_err(|error| WebError::Http(format!("{error}")))?;
        if url.scheme() != "https" && !loopback(&url) {
            return Err(WebError::Plain(url.to_string()));
        }
        let answer = self.0.request(head.method, url).headers(head.headers).body(body).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut bytes = Vec::new();
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > LONGEST {
                return Err(WebError::Long);
            }
        }
        let mut response = Response::new(bytes);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// On this machine alone.
fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
