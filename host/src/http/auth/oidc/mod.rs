//! Sign-in with an OpenID provider: authorization code with PKCE, state and nonce.
//!
//! Promises that coming back works once, in the browser that left, within ten minutes; that somebody without a role is told so and gets no session;
//! that a provider which is away keeps nobody out who signs in otherwise. What was left behind is kept by the host and named by a cookie.

mod claims;
mod provider;
mod web;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

pub use provider::{OidcError, Provider};

use super::{Auth, Door, page, session, sign_in};
use crate::access::{Principal, Record, digest, hex};
use crate::bus::BusError;
use crate::config::Oidc;
use crate::http::problem::Problem;
use provider::Pending;

/// Where the store keeps what was left behind, by the digest of the cookie.
const PREFIX: &str = "oidc/";
/// How long a person may take at the provider.
const LIFE: Duration = Duration::from_mins(10);
const COOKIE: &str = "farrier_leaving";
const SECURE_COOKIE: &str = "__Host-farrier_leaving";

/// A provider, with what its claims give.
pub struct SignOn {
    /// As configured.
    pub config: Oidc,
    provider: Provider,
}

impl SignOn {
    /// Nothing is asked yet.
    pub fn new(config: &Oidc, base: &str) -> Result<Self, OidcError> {
        Ok(Self { config: config.clone(), provider: Provider::new(config, base)? })
    }
}

#[derive(Serialize, Deserialize)]
struct Left {
    pending: Pending,
    next: String,
}

/// Where to go afterwards.
#[derive(Debug, Deserialize)]
pub struct Going {
    next: Option<String>,
}

/// What the provider sends along.
#[derive(Deserialize)]
pub struct Back {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /auth/oidc?next=`.
pub async fn leave(
    State(auth): State<Arc<Auth>>,
    door: Option<Extension<Door>>,
    headers: HeaderMap,
    Query(going): Query<Going>,
) -> Result<Response, Response> {
    let door = door.map(|Extension(door)| door);
    let fail = |problem: Problem| page::of(&headers, problem);
    let sign_on = auth.sign_on.as_ref().ok_or_else(|| fail(off()))?;
    sign_in::attempt(&auth, door.as_ref()).map_err(fail)?;
    let (url, pending) = sign_on.provider.leave().await.map_err(|error| fail(away(&error)))?;
    let next = going.next.filter(|next| is_local(next)).unwrap_or_else(|| "/".to_owned());
    let secret = hex(&rand::random::<[u8; 32]>());
    let key = format!("{PREFIX}{}", digest(&secret));
    let kept = serde_json::to_vec(&Left { pending, next }).map_err(|error| fail(unreadable(&key, &error)))?;
    auth.bus.set(&key, Some(&kept), Some(LIFE)).await.map_err(|error| fail(error.into()))?;
    let secure = sign_in::secure(&auth, door.as_ref(), &headers);
    let cookie = session::lasting(&session::bare(COOKIE, SECURE_COOKIE, secret, secure), LIFE);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(url.as_str())).into_response())
}

/// `GET /auth/callback`.
pub async fn arrive(
    State(auth): State<Arc<Auth>>,
    door: Option<Extension<Door>>,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response {
    let door = door.map(|Extension(door)| door);
    let address = door.as_ref().and_then(Door::address);
    let mut who = Principal::nobody();
    let problem = match come_back(&auth, door.as_ref(), &headers, back, &mut who).await {
        Ok(response) => {
            auth.auditor.done(Record::new(&who, "sign-in", "oidc", "ok").from(address)).await;
            return response;
        }
        Err(problem) => problem,
    };
    let record = Record::new(&who, "sign-in", "oidc", problem.code.clone()).from(address);
    auth.auditor.refused(record.detail(problem.detail.clone())).await;
    page::of(&headers, problem)
}

async fn come_back(
    auth: &Auth,
    door: Option<&Door>,
    headers: &HeaderMap,
    back: Back,
    who: &mut Principal,
) -> Result<Response, Problem> {
    let sign_on = auth.sign_on.as_ref().ok_or_else(off)?;
    sign_in::attempt(auth, door)?;
    let secure = sign_in::secure(auth, door, headers);
    let left = left(auth, headers, secure).await?;
    let state = back.state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(left.pending.state.as_bytes())) {
        return Err(stale());
    }
    let issuer = sign_on.config.issuer.as_str().trim_end_matches('/');
    if back.iss.is_some_and(|iss| iss.trim_end_matches('/') != issuer) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong-issuer", "another provider answered"));
    }
    if let Some(error) = back.error {
        let said = back.error_description.map(|text| format!(": {text}")).unwrap_or_default();
        let text: String = format!("{error}{said}").chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "sign-in-refused", format!("the provider says {text}"))
            .hint("start again at /sign-in"));
    }
    let code = back.code.ok_or_else(stale)?;
    let claims = sign_on.provider.arrive(code, left.pending).await.map_err(|error| away(&error))?;
    *who = claims::principal(&sign_on.config, &claims);
    if who.roles.is_empty() {
        return Err(Problem::new(StatusCode::FORBIDDEN, "no-role", format!("{} has no role here", who.name))
            .hint("an administrator gives roles by `[[api.oidc.role]]`, from what the provider says of you"));
    }
    let cookie = sign_in::begin(auth, door, headers, who, None).await?;
    let gone = session::gone(COOKIE, SECURE_COOKIE, secure).to_string();
    let cookies = AppendHeaders([(header::SET_COOKIE, cookie), (header::SET_COOKIE, gone)]);
    Ok((cookies, Redirect::to(&left.next)).into_response())
}

/// What this browser left behind; it is used up.
async fn left(auth: &Auth, headers: &HeaderMap, secure: bool) -> Result<Left, Problem> {
    let jar = CookieJar::from_headers(headers);
    let secret = jar.get(if secure { SECURE_COOKIE } else { COOKIE }).map(axum_extra::extract::cookie::Cookie::value);
    let key = format!("{PREFIX}{}", digest(secret.ok_or_else(stale)?));
    let value = auth.bus.get(&key).await?.ok_or_else(stale)?;
    if !auth.bus.swap(&key, Some(&value), None, None).await? {
        return Err(stale());
    }
    serde_json::from_slice(&value).map_err(|error| unreadable(&key, &error))
}

fn unreadable(key: &str, error: &serde_json::Error) -> Problem {
    Problem::store(&BusError::Corrupt { key: key.to_owned(), problem: error.to_string() })
}

/// A path of ours, and no way to lead elsewhere.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 1_024
        && !next.chars().any(|c| c.is_control() || c == '\\')
}

fn off() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-provider", "there is no single sign-on here").hint("`[api.oidc]` adds one")
}

fn stale() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "stale-sign-in", "this sign-in was used, took too long, or began elsewhere")
        .hint("start again at /sign-in")
}

fn away(error: &OidcError) -> Problem {
    let cause = error.to_string();
    tracing::warn!(cause, "sign-in with the OpenID provider failed");
    match error {
        OidcError::Setup(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "provider-setup", cause)
            .hint("`farrier config check` looks at `[api.oidc]`"),
        OidcError::Away(_) => Problem::new(StatusCode::BAD_GATEWAY, "provider-away", cause)
            .hint("try again later; a token signs in as well"),
        OidcError::Refused(_) | OidcError::Untrusted(_) => {
            Problem::new(StatusCode::UNAUTHORIZED, "sign-in-refused", cause).hint("start again at /sign-in")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere_afterwards() {
        assert!(is_local("/") && is_local("/servers/AMS-SRV-001?tab=cabling"));
        for elsewhere in ["", "//evil.org", "https://evil.org", "/\\evil.org", "evil", "/a\nb"] {
            assert!(!is_local(elsewhere), "{elsewhere}");
        }
    }
}
