//! Who asks, and may they: in front of everything people and programs ask for.
//!
//! Promises that each route needs what `http::api::ROUTES` says and that one which is not in it is refused; that whoever is let through stands
//! in the request's extensions as [`crate::access::Principal`]; that every decision is in the audit log. It does not know which
//! servers somebody sees: handlers ask [`crate::access::Principal::sees`].

mod door;
mod gate;
mod headers;
mod link;
mod oidc;
mod origin;
mod page;
mod session;
mod sign_in;
pub mod tokens;
mod who;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

pub use door::Door;
pub use gate::{LONGEST_STREAM, Recorded};
pub use headers::CSP;
pub use link::{Link, Links};
pub use oidc::{OidcError, SignOn};
pub use session::{COOKIE, SECURE_COOKIE, Session, Sessions};
pub use tokens::{Made, TokenList, TokenView};
pub use who::{Csrf, Who, no_permission, not_signed_in};

use super::api::Route;
use super::limit::Limits;
use crate::access::{Auditor, Means, Principal, Tokens};
use crate::bus::Bus;
use crate::config::Api;

/// What signing in needs; one for each host.
pub struct Auth {
    /// Tokens of programs.
    pub tokens: Tokens,
    /// Browsers' sessions.
    pub sessions: Sessions,
    /// One-time sign-in links.
    pub links: Links,
    /// How often somebody may ask.
    pub limits: Limits,
    /// Who did what.
    pub auditor: Auditor,
    /// Is there a proxy in front that ends TLS?
    pub behind_proxy: bool,
    /// Is anything served to browsers?
    pub served: bool,
    /// Where they find this host.
    pub base: String,
    sign_on: Option<SignOn>,
    bus: Arc<dyn Bus>,
    certificates: Vec<(String, Principal)>,
    routes: &'static [Route],
}

impl Auth {
    /// As the configuration says; without `[api]` there is the socket alone, and what it needs.
    pub fn new(bus: Arc<dyn Bus>, api: Option<&Api>, routes: &'static [Route]) -> Result<Self, OidcError> {
        let served = api.is_some();
        let default = Api::default();
        let api = api.unwrap_or(&default);
        let certificates = api.certificate.iter().map(|one| {
            let name = format!("cert:{}", one.subject);
            (one.subject.clone(), Principal::granted(name, Means::Certificate, &one.grant()))
        });
        let sign_on = api.oidc.as_ref().map(|oidc| SignOn::new(oidc, &api.base())).transpose()?;
        Ok(Self {
            tokens: Tokens::new(bus.clone()),
            sessions: Sessions::new(
                bus.clone(),
                Duration::from_millis(api.session_idle_ms),
                Duration::from_millis(api.session_ms),
            ),
            links: Links::new(bus.clone()),
            limits: Limits::new(api.rate),
            auditor: Auditor::new(bus.clone()),
            behind_proxy: api.behind_proxy,
            served,
            base: api.base(),
            sign_on,
            bus,
            certificates: certificates.collect(),
            routes,
        })
    }
}

/// The routes of signing in and of tokens.
pub fn routes(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/auth/means", get(sign_in::means))
        .route("/auth/token", post(sign_in::token))
        .route("/auth/sign-out", post(sign_in::sign_out))
        .route("/auth/link", get(link::take))
        .route("/auth/oidc", get(oidc::leave))
        .route("/auth/callback", get(oidc::arrive))
        .route("/auth/links", post(link::make))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .with_state(auth)
}

/// Put the gate in front of everything that is in `router` now, and the headers on every answer. Nothing may be added to what comes out.
pub fn guard(router: Router, auth: Arc<Auth>) -> Router {
    router
        .fallback(gate::no_route)
        .layer(from_fn_with_state(auth.clone(), gate::gate))
        .layer(from_fn_with_state(auth, headers::headers))
}
