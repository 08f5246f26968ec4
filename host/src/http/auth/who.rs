//! What handlers ask: who is it?
//!
//! Promises that a handler behind no gate gets a refusal and never nobody's rights by accident.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::access::{Permission, Principal};
use crate::http::problem::Problem;

/// Whoever asks, as the gate found.
#[derive(Clone, Debug)]
pub struct Who(pub Principal);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Principal>().cloned().map(Who).ok_or_else(not_signed_in)
    }
}

impl Who {
    /// Refuse unless they may: for routes whose need depends on the body.
    pub fn need(&self, permission: Permission) -> Result<(), Problem> {
        if self.0.may(permission) { Ok(()) } else { Err(no_permission(&self.0, permission)) }
    }

    /// Refuse who sees a part of the fleet only: for `what`, of which nobody can say whose it is.
    pub fn whole(&self, what: &str) -> Result<(), Problem> {
        if !self.0.bound() {
            return Ok(());
        }
        let text = format!("{what} are of all sites and tenants, and {} sees only some", self.0.name);
        Err(Problem::new(StatusCode::FORBIDDEN, "whole-fleet", text)
            .hint("ask somebody who is bound to no site and no tenant"))
    }
}

/// What a browser's session must send in `X-Farrier-Csrf` to change something; `None` where there is no session.
#[derive(Clone, Debug, Default)]
pub struct Csrf(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for Csrf {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// 401.
pub fn not_signed_in() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "not-signed-in", "nobody is signed in")
        .hint("send `Authorization: Bearer far_…`, or sign in at /sign-in; `farrier token create` makes tokens")
}

/// 403.
pub fn no_permission(who: &Principal, permission: Permission) -> Problem {
    let roles: Vec<_> = who.roles.iter().map(|role| role.as_str()).collect();
    let has = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
    let needed: Vec<_> = crate::access::Role::ALL
        .into_iter()
        .filter(|role| role.allows(permission))
        .map(crate::access::Role::as_str)
        .collect();
    let text = format!("{} ({has}) may not do this", who.name);
    Problem::new(StatusCode::FORBIDDEN, "no-permission", text).hint(format!("it needs one of: {}", needed.join(", ")))
}
