//! One-time sign-in links: for a first try, and for who has a shell on the host and no other way in.
//!
//! Promises 256 random bits, of which the store holds a SHA-256; good for fifteen minutes or one use, whatever is first, on all hosts of one
//! store together. It signs in whoever could open the socket, as what the socket makes them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};

use super::gate::Recorded;
use super::{Auth, Door, Who, page, sign_in};
use crate::access::{Means, Principal, Record, digest, hex};
use crate::bus::{Bus, BusError};
use crate::egress::now;
use crate::http::problem::Problem;

/// Where the store keeps them, by the digest of the code.
const PREFIX: &str = "link/";
/// How long one is good.
pub const LIFE: Duration = Duration::from_mins(15);

/// A new link, as who asked over the socket gets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// To open in a browser.
    pub url: String,
    /// Seconds it is good.
    pub seconds: u64,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    principal: Principal,
    ends: Timestamp,
}

/// Makes and takes them.
pub struct Links {
    bus: Arc<dyn Bus>,
}

impl Links {
    /// In this store.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus }
    }

    /// A new code for somebody.
    pub async fn make(&self, who: &Principal, now: Timestamp) -> Result<String, BusError> {
        let code = hex(&rand::random::<[u8; 32]>());
        let key = format!("{PREFIX}{}", digest(&code));
        let ends = Timestamp(now.0.saturating_add(u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX)));
        let value = serde_json::to_vec(&Kept { principal: who.clone(), ends })
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        self.bus.set(&key, Some(&value), Some(LIFE)).await?;
        Ok(code)
    }

    /// Whose code it is; it is used up. Of many who show it at once, one gets it.
    pub async fn take(&self, code: &str, now: Timestamp) -> Result<Option<Principal>, BusError> {
        let key = format!("{PREFIX}{}", digest(code));
        let Some(value) = self.bus.get(&key).await? else { return Ok(None) };
        if !self.bus.swap(&key, Some(&value), None, None).await? {
            return Ok(None);
        }
        let kept: Kept = serde_json::from_slice(&value)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        Ok((kept.ends > now).then_some(kept.principal))
    }
}

impl Auth {
    /// A link for whoever runs the host.
    pub async fn sign_in_link(&self, who: &Principal) -> Result<Link, BusError> {
        let code = self.links.make(who, now()).await?;
        Ok(Link { url: format!("{}/auth/link?code={code}", self.base), seconds: LIFE.as_secs() })
    }
}

/// What the link says.
#[derive(Debug, Deserialize)]
pub struct Shown {
    code: String,
}

/// `GET /auth/link?code=`.
pub async fn take(
    State(auth): State<Arc<Auth>>,
    door: Option<axum::Extension<Door>>,
    method: Method,
    headers: HeaderMap,
    Query(shown): Query<Shown>,
) -> Response {
    match enter(&auth, door.map(|axum::Extension(door)| door), &method, &headers, &shown).await {
        Ok(response) => response,
        Err(problem) => page::of(&headers, problem),
    }
}

async fn enter(
    auth: &Auth,
    door: Option<Door>,
    method: &Method,
    headers: &HeaderMap,
    shown: &Shown,
) -> Result<Response, Problem> {
    // What a browser or a chat fetches ahead, nobody has clicked.
    let ahead = headers.get("sec-purpose").or_else(|| headers.get("purpose"));
    if *method != Method::GET || ahead.is_some_and(|purpose| purpose.to_str().is_ok_and(|p| p.contains("prefetch"))) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-clicked", "a link is used by opening it"));
    }
    sign_in::attempt(auth, door.as_ref())?;
    let address = door.as_ref().and_then(Door::address);
    let Some(who) = auth.links.take(&shown.code, now()).await? else {
        let nobody = Principal::nobody();
        auth.auditor.refused(Record::new(&nobody, "sign-in", "link", "wrong-link").from(address)).await;
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong-link", "the link was used, or is too old")
            .hint("`farrier sign-in` prints a new one"));
    };
    let cookie = sign_in::begin(auth, door.as_ref(), headers, &who, None).await?;
    auth.auditor.done(Record::new(&who, "sign-in", "link", "ok").from(address)).await;
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/")).into_response())
}

/// `POST /auth/links`: over the socket alone, which proves a login on the host.
pub async fn make(State(auth): State<Arc<Auth>>, who: Who) -> Result<Response, Problem> {
    if who.0.means != Means::Socket {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-local", "links are made on the host itself")
            .hint("`farrier sign-in` on the host"));
    }
    if !auth.served {
        return Err(Problem::new(StatusCode::CONFLICT, "no-api", "nothing is served to browsers")
            .hint("add `[api]` to the configuration and restart the host"));
    }
    let link = auth.sign_in_link(&who.0).await?;
    auth.auditor.done(Record::new(&who.0, "sign-in-link-made", "link", "ok")).await;
    Ok((StatusCode::CREATED, axum::Extension(Recorded), Json(link)).into_response())
}
