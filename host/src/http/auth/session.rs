//! Browsers' sessions: kept by the host, named by a cookie.
//!
//! Promises that the cookie is 256 random bits that say nothing, of which the store holds a SHA-256; that a session ends after a while without
//! requests, after its longest life, with a sign-out, and with the token it began with. Not obvious: *that it was seen* stands under a key
//! of its own, so that a request under way while somebody signs out cannot bring the session back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::access::{Means, Principal, Tokens, digest, hex};
use crate::bus::{Bus, BusError};

/// Where the store keeps them, by the digest of the secret.
const PREFIX: &str = "session/";
/// Where the store keeps that they were seen.
const SEEN: &str = "session-seen/";
/// The cookie.
pub const COOKIE: &str = "farrier_session";
/// The cookie under TLS: browsers take the prefix only with `Secure`, `Path=/` and no domain.
pub const SECURE_COOKIE: &str = "__Host-farrier_session";

/// As the store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    principal: Principal,
    /// The token it began with; revoked, it ends the session.
    token: Option<String>,
    began: Timestamp,
    ends: Timestamp,
}

/// A session that serves.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub principal: Principal,
    /// What its changing requests must carry.
    pub csrf: String,
}

/// How sessions begin and end.
pub struct Sessions {
    bus: Arc<dyn Bus>,
    idle: Duration,
    longest: Duration,
}

impl Sessions {
    /// In this store. `idle`: between two requests; `longest`: in any case.
    pub fn new(bus: Arc<dyn Bus>, idle: Duration, longest: Duration) -> Self {
        Self { bus, idle, longest }
    }

    /// Begin one; the text belongs into the cookie.
    pub async fn begin(&self, who: &Principal, token: Option<String>, now: Timestamp) -> Result<String, BusError> {
        let secret = hex(&rand::random::<[u8; 32]>());
        let ends = Timestamp(now.0.saturating_add(u64::try_from(self.longest.as_millis()).unwrap_or(u64::MAX)));
        let principal = Principal { means: Means::Session, ..who.clone() };
        let key = format!("{PREFIX}{}", digest(&secret));
        let value = serde_json::to_vec(&Kept { principal, token, began: now, ends })
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        self.seen(&secret, now).await?;
        self.bus.set(&key, Some(&value), Some(self.longest)).await?;
        Ok(secret)
    }

    /// Whose it is, if it still serves.
    pub async fn find(&self, secret: &str, tokens: &Tokens, now: Timestamp) -> Result<Option<Session>, BusError> {
        if secret.len() != 64 {
            return Ok(None);
        }
        let key = format!("{PREFIX}{}", digest(secret));
        let Some(value) = self.bus.get(&key).await? else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(&value)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        let Some(last) = self.bus.get(&format!("{SEEN}{}", digest(secret))).await? else { return Ok(None) };
        let last = std::str::from_utf8(&last).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        let idle = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX);
        if kept.ends <= now || now.0.saturating_sub(last) >= idle {
            return Ok(None);
        }
        let mut principal = kept.principal;
        if let Some(id) = &kept.token {
            let Some(token) = tokens.current(id, now).await? else { return Ok(None) };
            principal = token.principal(Means::Session);
        }
        // A write for each request would be too many.
        if now.0.saturating_sub(last) > idle / 20 {
            self.seen(secret, now).await?;
        }
        Ok(Some(Session { principal, csrf: csrf(secret) }))
    }

    /// End one; a text that names none ends none.
    pub async fn end(&self, secret: &str) -> Result<(), BusError> {
        self.bus.set(&format!("{PREFIX}{}", digest(secret)), None, None).await?;
        self.bus.set(&format!("{SEEN}{}", digest(secret)), None, None).await
    }

    /// The cookie that names the session, as long as the longest life; the value of the header.
    pub fn cookie(&self, secret: String, secure: bool) -> String {
        lasting(&bare(COOKIE, SECURE_COOKIE, secret, secure), self.longest)
    }

    async fn seen(&self, secret: &str, now: Timestamp) -> Result<(), BusError> {
        let key = format!("{SEEN}{}", digest(secret));
        self.bus.set(&key, Some(now.0.to_string().as_bytes()), Some(self.idle)).await
    }
}

/// A cookie that only this origin gets, that no script sees, and that no other site's form sends.
pub fn bare(plain: &'static str, under_tls: &'static str, value: String, secure: bool) -> Cookie<'static> {
    let mut cookie = Cookie::new(if secure { under_tls } else { plain }, value);
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    cookie.set_secure(secure);
    cookie
}

/// The cookie that takes one of these names away.
pub fn gone(plain: &'static str, under_tls: &'static str, secure: bool) -> Cookie<'static> {
    let mut cookie = bare(plain, under_tls, String::new(), secure);
    cookie.make_removal();
    cookie
}

/// A cookie with its life; the value of the header.
pub fn lasting(cookie: &Cookie<'_>, life: Duration) -> String {
    format!("{cookie}; Max-Age={}", life.as_secs())
}

/// What the cookie of a request says. Under TLS only the prefixed one counts: another could have been set by a page in plain HTTP.
pub fn shown(headers: &HeaderMap, secure: bool) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(if secure { SECURE_COOKIE } else { COOKIE }).map(|cookie| cookie.value().to_owned())
}

/// What changing requests of the session must carry: known to who holds the session, and to no other site.
fn csrf(secret: &str) -> String {
    digest(&format!("csrf {secret}"))
}

impl Session {
    /// Is this what its changing requests must carry?
    pub fn has_csrf(&self, shown: &[u8]) -> bool {
        self.csrf.as_bytes().ct_eq(shown).into()
    }
}
