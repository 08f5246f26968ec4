//! The endpoint broker: what stands behind the `http` import of a plugin and the loopback door of a playbook.
//!
//! Promises that a caller names paths and the host owns all else: origin, TLS, login, sessions, redirects, pace, size,
//! secrets, and the guard (`egress::Gate`) in front of each request that is not GET or HEAD. Logs method, path and status,
//! never a body.
//!
//! Not obvious: pace, certificate and the memory of refused credentials belong to the controller, the session to controller
//! and login. So two candidates of discover that try the same password in turn cannot lock the account together.

mod check;
mod endpoint;
mod images;
mod line;
mod login;
mod mask;
mod pins;
mod request;
mod scheme;
mod secrets;
mod tls;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::{Host, Url};

pub use endpoint::{Endpoint, Exchange, Failure, Forwarded};
pub use images::Images;
pub use line::Refusal;
pub use pins::{FilePins, Fingerprint, MemoryPins, PinStore};
pub use scheme::{ControllerAuth, problem as login_problem, word as auth_word};
pub use secrets::Secrets;
pub use tls::by_web as web_client;

use crate::config::{Bmc, TlsPolicy};
use crate::fault::Secret;
use crate::plugin::wit::metadata::AuthScheme;
use line::Line;

/// An endpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Plain HTTP to another machine, another scheme, or no address.
    #[error("`{url}` cannot be an endpoint: {problem}")]
    Origin {
        /// What was given.
        url: String,
        /// Why not.
        problem: String,
    },
    /// The authority's file cannot be used.
    #[error("authority file `{path}`: {problem}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The fingerprint kept for the server cannot be read.
    #[error("read the kept certificate of `{key}`: {problem}")]
    Pin {
        /// Whose.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The HTTP client cannot be made.
    #[error("make an HTTP client: {0}")]
    Client(String),
}

/// An account.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its name.
    pub username: String,
    /// Its password, or the token or key where the scheme has only one.
    pub password: Secret,
}

/// What to make an endpoint for.
#[derive(Clone, Debug)]
pub struct Target {
    /// Scheme, address and port; path and query do not count. `http` is for loopback only.
    pub origin: Url,
    /// Whose certificate is kept: the server's id.
    pub pin: String,
    /// How to log in.
    pub auth: AuthScheme,
    /// With what; without it requests are sent as nobody.
    pub login: Option<Login>,
}

/// Numbers of the broker.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    /// The longest one request may take.
    pub request_timeout: Duration,
    /// Requests a second to one controller.
    pub rate: u32,
    /// Bytes of an answer.
    pub max_response: usize,
}

/// Lends endpoints. One for a process; endpoints of one controller share their pace, and of one login their session.
pub struct Broker {
    numbers: Numbers,
    pins: Arc<dyn PinStore>,
    authority: Option<reqwest::Client>,
    known: Mutex<HashMap<Key, Known>>,
}

/// An origin, and whose certificate is kept of it.
type Key = (String, String);

/// The line to a system, and the ways to log in to it that were asked for.
struct Known {
    line: Arc<Line>,
    endpoints: Vec<Arc<Endpoint>>,
}

impl Known {
    fn endpoint(&mut self, target: &Target) -> Arc<Endpoint> {
        if let Some(known) = self.endpoints.iter().find(|endpoint| endpoint.serves(target)) {
            return Arc::clone(known);
        }
        let endpoint = Arc::new(Endpoint::new(Arc::clone(&self.line), target));
        self.endpoints.push(Arc::clone(&endpoint));
        endpoint
    }
}

impl Broker {
    /// As configured.
    pub fn new(settings: &Bmc, pins: Arc<dyn PinStore>) -> Result<Self, EndpointError> {
        let authority = match (settings.tls, &settings.ca_file) {
            (TlsPolicy::Ca, Some(file)) => Some(tls::by_authority(file)?),
            (TlsPolicy::Ca, None) => {
                return Err(EndpointError::Authority {
                    path: PathBuf::new(),
                    problem: "none is configured".to_owned(),
                });
            }
            (TlsPolicy::Pin, _) => None,
        };
        let numbers = Numbers {
            request_timeout: Duration::from_millis(settings.request_timeout_ms),
            rate: settings.rate.max(1),
            max_response: usize::try_from(settings.max_response_mib).unwrap_or(8).max(1) << 20,
        };
        Ok(Self { numbers, pins, authority, known: Mutex::default() })
    }

    /// The endpoint of this target: the same one for the same target, so that its session is used again.
    pub fn endpoint(&self, target: &Target) -> Result<Arc<Endpoint>, EndpointError> {
        self.find(target, || {
            if let Some(client) = &self.authority {
                return Ok((client.clone(), None));
            }
            let fail =
                |error: std::io::Error| EndpointError::Pin { key: target.pin.clone(), problem: error.to_string() };
            let pin = Arc::new(pins::Pin::load(&target.pin, Arc::clone(&self.pins)).map_err(fail)?);
            Ok((tls::by_pin(Arc::clone(&pin))?, Some(pin)))
        })
    }

    /// The endpoint of a system that is no controller: its certificate is signed by a public authority, or by one in
    /// `ca_file`. Certificates of such systems are renewed every few weeks, so none is kept.
    pub fn service(&self, target: &Target, ca_file: Option<&Path>) -> Result<Arc<Endpoint>, EndpointError> {
        self.find(target, || Ok((tls::by_web(ca_file)?, None)))
    }

    /// The endpoint of this target; `client` makes what sends to a system that is new.
    fn find(
        &self,
        target: &Target,
        client: impl FnOnce() -> Result<(reqwest::Client, Option<Arc<pins::Pin>>), EndpointError>,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        let origin = origin(&target.origin)?;
        let key = (origin.to_string(), target.pin.clone());
        let mut known = self.all();
        if let Some(known) = known.get_mut(&key) {
            return Ok(known.endpoint(target));
        }
        let (client, pin) = client()?;
        let line = Arc::new(Line::new(origin, target.pin.clone(), client, pin, self.numbers.clone()));
        Ok(known.entry(key).or_insert(Known { line, endpoints: Vec::new() }).endpoint(target))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forget that these credentials were refused: an operator asks for another try.
    pub fn forgive(&self, pin: &str) {
        self.all().values().filter(|known| known.line.pin_key() == pin).for_each(|known| known.line.forgive());
    }

    /// End every session. Endpoints lent before stay usable and log in again if used.
    pub async fn close(&self) {
        let endpoints: Vec<_> =
            self.all().values_mut().flat_map(|known| std::mem::take(&mut known.endpoints)).collect();
        futures_util::future::join_all(endpoints.iter().map(|endpoint| endpoint.logout())).await;
    }
}

/// Scheme, host and port alone; plain HTTP is for this machine only.
fn origin(url: &Url) -> Result<Url, EndpointError> {
    let fail = |problem: &str| EndpointError::Origin { url: url.to_string(), problem: problem.to_owned() };
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(fail("it names no system")),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(fail("plain http is for this machine only; use https")),
        _ => return Err(fail("only https, and http to this machine")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail("credentials do not belong in a URL"));
    }
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    Ok(origin)
}
