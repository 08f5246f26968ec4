//! `/api/v1/tokens`: make, list, revoke.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::gate::Recorded;
use super::{Auth, Door, Who};
use crate::access::{NewToken, Record, Role, Token, TokenError, covers};
use crate::egress::now;
use crate::http::api::extract::Body;
use crate::http::problem::Problem;
use crate::http::view::time;

/// A token as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// What names it; not secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What its bearer may do.
    #[schema(value_type = Vec<String>)]
    pub roles: BTreeSet<Role>,
    /// Slugs of the sites its bearer sees; `null`: every site.
    pub sites: Option<BTreeSet<String>>,
    /// The tenant whose servers and orders alone its bearer sees.
    pub tenant: Option<String>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: String,
    /// When it was used last, to the minute.
    pub last_used: Option<String>,
    /// Has it ended?
    pub expired: bool,
}

/// A new token: the one time its secret is shown.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Made {
    /// The token.
    #[serde(flatten)]
    pub token: TokenView,
    /// What to send after `Bearer `.
    pub secret: String,
}

/// All tokens the asker may see.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenList {
    /// Oldest first.
    pub items: Vec<TokenView>,
    /// Always `null`: there are never so many.
    pub next: Option<String>,
    /// How many.
    pub total: usize,
}

fn view(token: Token) -> TokenView {
    TokenView {
        expired: token.expires <= now(),
        id: token.id,
        name: token.name,
        roles: token.roles,
        sites: token.sites,
        tenant: token.tenant,
        by: token.by,
        created: time(token.created),
        expires: time(token.expires),
        last_used: token.last_used.map(time),
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let text = error.to_string();
        match error {
            TokenError::Invalid { field, problem } => Self::input(field, problem),
            TokenError::Wider(_) => Self::new(StatusCode::FORBIDDEN, "wider", text),
            TokenError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "no-token", text)
                .hint("`farrier token list` shows the tokens that there are"),
            TokenError::Bus(error) => Self::store(&error),
        }
    }
}

/// List tokens: those you could have made.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", responses((status = 200, body = TokenList)))]
pub async fn list(State(auth): State<Arc<Auth>>, who: Who) -> Result<Json<TokenList>, Problem> {
    let tokens = auth.tokens.list(now()).await?;
    let items: Vec<_> = tokens.into_iter().filter(|token| covers(&who.0, token)).map(view).collect();
    Ok(Json(TokenList { total: items.len(), next: None, items }))
}

/// Make a token.
///
/// The answer is the one time its secret is shown. It may not do or see more than you.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = Made, headers(("Location" = String, description = "The token's path")))))]
pub async fn create(
    State(auth): State<Arc<Auth>>,
    door: Option<Extension<Door>>,
    who: Who,
    Body(new): Body<NewToken>,
) -> Result<Response, Problem> {
    let (token, secret) = auth.tokens.create(&new, &who.0, now()).await?;
    let roles: Vec<_> = token.roles.iter().map(|role| role.as_str()).collect();
    let detail = format!("{}: {}", token.name, roles.join(", "));
    let address = door.as_ref().and_then(|Extension(door)| door.address());
    auth.auditor.done(Record::new(&who.0, "token-made", &token.id, "ok").from(address).detail(detail)).await;
    let place = format!("/api/v1/tokens/{}", token.id);
    let made = Made { token: view(token), secret: secret.expose().to_owned() };
    Ok((StatusCode::CREATED, Extension(Recorded), [(header::LOCATION, place)], Json(made)).into_response())
}

/// Revoke a token; it stops with the next request.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id, which is not its secret", max_length = 128)),
    responses((status = 204, description = "It does not serve any more")))]
pub async fn revoke(
    State(auth): State<Arc<Auth>>,
    door: Option<Extension<Door>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let token = auth.tokens.revoke(&id, &who.0).await?;
    let address = door.as_ref().and_then(|Extension(door)| door.address());
    let record = Record::new(&who.0, "token-revoked", &token.id, "ok").from(address).detail(token.name);
    auth.auditor.done(record).await;
    Ok((StatusCode::NO_CONTENT, Extension(Recorded)).into_response())
}
