//! How NetBox's certificate is judged: the public authorities, and one more from a file where configured.
//!
//! rustls with aws-lc-rs, chosen here and not by a process-wide default.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::error::NetBoxError;

/// Trust the public authorities and those in `ca_file`.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, NetBoxError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let setup = |error: &dyn std::fmt::Display| NetBoxError::Setup(format!("`{}`: {error}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| setup(&error))?;
        let mut found = 0_usize;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| setup(&error))?;
            roots.add(certificate).map_err(|error| setup(&error))?;
            found += 1;
        }
        if found == 0 {
            return Err(setup(&"there is no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| NetBoxError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
