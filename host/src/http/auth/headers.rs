//! What every answer says to a browser: load nothing from elsewhere, guess no types, tell no other site.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Auth, Door};

/// No script, style, font or connection but this origin's; nothing inline; in no frame.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const FIXED: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Put them on.
pub async fn headers(State(auth): State<Arc<Auth>>, request: Request, next: Next) -> Response {
    let door = request.extensions().get::<Door>();
    let secure = door.is_some_and(|door| door.secure(request.headers(), auth.behind_proxy));
    let path = request.uri().path();
    let private = path.starts_with("/api/") || path.starts_with("/auth/");
    let mut response = next.run(request).await;
    put(response.headers_mut(), secure, private);
    response
}

fn put(headers: &mut HeaderMap, secure: bool, private: bool) {
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    if private && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
