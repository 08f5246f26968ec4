//! `[api]`: the listener for people and programs, and how they prove who they are.
//!
//! Promises nothing is served where the section is absent. Not obvious: a role is a word here, since this module knows no other;
//! `access` has the same words, and a test there compares.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::SecretRef;

/// The words a role may be.
pub const ROLES: [&str; 6] = ["viewer", "technician", "operator", "approver", "admin", "tenant"];

/// The listener for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How browsers reach it; absent: made of `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<Url>,
    /// PEM file of the certificate and those above it; with `key_file`, the listener speaks TLS alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// PEM file of the authorities whose client certificates are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// Something in front ends TLS: other addresses than loopback may be bound without it.
    pub behind_proxy: bool,
    /// Requests a second for each principal, and for each address nobody signed in from; twice as many at once.
    pub rate: u32,
    /// Connections at once; more wait.
    pub connections: usize,
    /// Connections of one address at once (IPv6: of a /64), more are closed; absent: a quarter, or behind a proxy all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_address: Option<usize>,
    /// A browser's session ends after this long without a request, milliseconds.
    pub session_idle_ms: u64,
    /// A browser's session ends after this long in any case, milliseconds.
    pub session_ms: u64,
    /// Sign-in with an OpenID provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    /// Whose client certificate is whom; the first that fits counts.
    pub certificate: Vec<CertificateGrant>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8640)),
            public_url: None,
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            behind_proxy: false,
            rate: 50,
            connections: 1024,
            connections_per_address: None,
            session_idle_ms: 8 * 3_600_000,
            session_ms: 24 * 3_600_000,
            oidc: None,
            certificate: Vec::new(),
        }
    }
}

impl Api {
    /// Does the listener itself speak TLS?
    pub const fn tls(&self) -> bool {
        self.cert_file.is_some()
    }

    /// Connections of one address at once. Behind a proxy everyone has the proxy's address, so it is the proxy that bounds them.
    pub fn per_address(&self) -> usize {
        let share = if self.behind_proxy { self.connections } else { self.connections.div_ceil(4) };
        self.connections_per_address.unwrap_or(share)
    }

    /// Where browsers find it, without a `/` at the end.
    pub fn base(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("{}://{}", if self.tls() { "https" } else { "http" }, self.listen),
        }
    }
}

/// What somebody gets who proved who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grant {
    /// What they may do.
    pub roles: Vec<String>,
    /// Slugs of the sites they see; absent: every site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<String>>,
    /// The tenant whose servers and orders alone they see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// A client certificate and what it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateGrant {
    /// Its common name, or one of its alternative names.
    pub subject: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// Slugs of the sites they see; absent: every site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<String>>,
    /// The tenant whose servers and orders alone they see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl CertificateGrant {
    /// What it gives.
    pub fn grant(&self) -> Grant {
        Grant { roles: self.roles.clone(), sites: self.sites.clone(), tenant: self.tenant.clone() }
    }
}

/// An OpenID provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Its issuer, exactly as it names itself.
    pub issuer: Url,
    /// What it calls this host.
    pub client_id: String,
    /// The client's secret; absent: a public client, held by PKCE alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// The same, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// What the button on the sign-in page says.
    #[serde(default = "Oidc::default_name")]
    pub name: String,
    /// PEM file of an authority to trust beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What to ask for beside `openid`.
    #[serde(default = "Oidc::default_scopes")]
    pub scopes: Vec<String>,
    /// The claim people are named by in the journal.
    #[serde(default = "Oidc::default_name_claim")]
    pub name_claim: String,
    /// Which claim gives which role; of those that fit, the ones for the same sites and tenant as the first count together.
    #[serde(default)]
    pub role: Vec<ClaimGrant>,
}

impl Oidc {
    fn default_name() -> String {
        "Single sign-on".to_owned()
    }

    fn default_scopes() -> Vec<String> {
        ["profile", "email"].map(str::to_owned).to_vec()
    }

    fn default_name_claim() -> String {
        "email".to_owned()
    }

    /// Where the client's secret is; `None`: a public client.
    pub fn secret(&self) -> Option<SecretRef> {
        SecretRef::one(self.client_secret_file.as_ref(), self.client_secret_env.as_ref())
    }
}

/// A claim and what it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimGrant {
    /// Which claim; dots lead into objects.
    pub claim: String,
    /// What it must be, or hold where it is a list.
    pub value: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// Slugs of the sites they see; absent: every site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<String>>,
    /// The tenant whose servers and orders alone they see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl ClaimGrant {
    /// What it gives.
    pub fn grant(&self) -> Grant {
        Grant { roles: self.roles.clone(), sites: self.sites.clone(), tenant: self.tenant.clone() }
    }
}
