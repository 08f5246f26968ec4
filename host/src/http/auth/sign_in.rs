//! Signing in with a token, signing out, and which ways in there are.
//!
//! Promises a new session with each sign-in: the one before ends, so that nobody is signed in under a name planted beforehand.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::gate::{Recorded, wrong_token};
use super::{Auth, COOKIE, Door, SECURE_COOKIE, Who, session};
use crate::access::{Means, Principal, Record};
use crate::egress::now;
use crate::http::problem::Problem;

/// Which ways in there are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaysIn {
    /// With a token: always.
    pub token: bool,
    /// With an OpenID provider.
    pub oidc: bool,
    /// What its button says.
    pub oidc_name: Option<String>,
}

/// `GET /auth/means`.
pub async fn means(State(auth): State<Arc<Auth>>) -> Json<WaysIn> {
    let name = auth.sign_on.as_ref().map(|sign_on| sign_on.config.name.clone());
    Json(WaysIn { token: true, oidc: name.is_some(), oidc_name: name })
}

/// The body of a sign-in.
#[derive(Deserialize)]
pub struct Shown {
    token: String,
}

/// `POST /auth/token`.
pub async fn token(
    State(auth): State<Arc<Auth>>,
    door: Option<Extension<Door>>,
    headers: HeaderMap,
    Json(shown): Json<Shown>,
) -> Result<Response, Problem> {
    let door = door.map(|Extension(door)| door);
    attempt(&auth, door.as_ref())?;
    let address = door.as_ref().and_then(Door::address);
    let token = match auth.tokens.verify(shown.token.trim(), now()).await? {
        Ok(token) => token,
        Err(refusal) => {
            let nobody = Principal::nobody();
            let record = Record::new(&nobody, "sign-in", "token", refusal.as_str());
            auth.auditor.refused(record.from(address)).await;
            return Ok((Extension(Recorded), wrong_token()).into_response());
        }
    };
    let who = token.principal(Means::Session);
    let cookie = begin(&auth, door.as_ref(), &headers, &who, Some(token.id.clone())).await?;
    auth.auditor.done(Record::new(&who, "sign-in", format!("token {}", token.id), "ok").from(address)).await;
    Ok((Extension(Recorded), AppendHeaders([(header::SET_COOKIE, cookie)]), StatusCode::NO_CONTENT).into_response())
}

/// `POST /auth/sign-out`.
pub async fn sign_out(
    State(auth): State<Arc<Auth>>,
    door: Option<Extension<Door>>,
    headers: HeaderMap,
    who: Who,
) -> Result<Response, Problem> {
    let door = door.map(|Extension(door)| door);
    let secure = secure(&auth, door.as_ref(), &headers);
    if let Some(secret) = session::shown(&headers, secure) {
        auth.sessions.end(&secret).await?;
    }
    let address = door.as_ref().and_then(Door::address);
    auth.auditor.done(Record::new(&who.0, "sign-out", "session", "ok").from(address)).await;
    let cookie = session::gone(COOKIE, SECURE_COOKIE, secure).to_string();
    Ok((Extension(Recorded), AppendHeaders([(header::SET_COOKIE, cookie)]), StatusCode::NO_CONTENT).into_response())
}

/// Count an attempt to sign in.
pub fn attempt(auth: &Auth, door: Option<&Door>) -> Result<(), Problem> {
    auth.limits.sign_in(&door.map_or_else(|| "nowhere".to_owned(), Door::key))
}

/// Begin a session in place of the one before; the cookie as a header's value.
pub async fn begin(
    auth: &Auth,
    door: Option<&Door>,
    headers: &HeaderMap,
    who: &Principal,
    token: Option<String>,
) -> Result<String, Problem> {
    let secure = secure(auth, door, headers);
    if let Some(before) = session::shown(headers, secure) {
        auth.sessions.end(&before).await?;
    }
    let secret = auth.sessions.begin(who, token, now()).await?;
    Ok(auth.sessions.cookie(secret, secure))
}

/// Is what the browser sees https?
pub fn secure(auth: &Auth, door: Option<&Door>, headers: &HeaderMap) -> bool {
    door.is_some_and(|door| door.secure(headers, auth.behind_proxy))
}
