//! Where the inventory and this host do not agree, and what the inventory's own messages mean.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Api, Problem};
use crate::drift::{self, Item, WebhookError};
use crate::http::auth::Who;
use crate::http::view::time;
use crate::inventory::Lag;

/// One thing in which NetBox and this host do not agree.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DriftItem {
    /// The server's name.
    pub server: String,
    /// Its id.
    pub id: String,
    /// `status`, `tenant`, `lifecycle_state`, `oob_ip`, `device`; or the code of what NetBox refuses.
    pub field: String,
    /// What it should be by this host's record; of a refusal, what is not written.
    pub ours: String,
    /// What NetBox has; of a refusal, its reason.
    pub theirs: String,
    /// Since when it is known.
    #[schema(format = DateTime)]
    pub since: String,
    /// NetBox's account that changed it, where that is known.
    pub by: Option<String>,
    /// What can be done, where there is something to say.
    pub hint: Option<String>,
}

impl From<Item> for DriftItem {
    fn from(item: Item) -> Self {
        let Item { server, id, field, ours, theirs, since, by, hint } = item;
        Self { server, id: id.to_string(), field, ours, theirs, since: time(since), by, hint }
    }
}

/// How far the writing of NetBox is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProjectorView {
    /// Does this host write? With several on one store, one does.
    pub elected: bool,
    /// Age of the oldest entry that is not written yet, milliseconds.
    pub behind_ms: u64,
    /// Entries written or kept as drift since the start.
    pub passed: u64,
    /// Servers whose transitions NetBox refuses.
    pub drifts: u64,
    /// Why nothing can be written now.
    pub blocked: Option<String>,
}

impl From<&Lag> for ProjectorView {
    fn from(lag: &Lag) -> Self {
        Self {
            elected: lag.elected,
            behind_ms: lag.behind_ms,
            passed: lag.passed,
            drifts: lag.drifts,
            blocked: lag.blocked.as_ref().map(ToString::to_string),
        }
    }
}

/// Everything in which they do not agree.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DriftView {
    /// By server and field.
    pub items: Vec<DriftItem>,
    /// Null where no host runs.
    pub projector: Option<ProjectorView>,
}

/// Where NetBox and this host do not agree.
#[utoipa::path(get, path = "/api/v1/drift", tag = "journal", responses((status = 200, body = DriftView)))]
pub async fn drift(State(api): State<Arc<Api>>, Who(who): Who) -> Result<Json<DriftView>, Problem> {
    let mut items = drift::list(&api.parts.bus).await?;
    items.retain(|item| super::journal::sees(&who, &api.fleet, &item.id));
    let projector = ProjectorView::from(&*api.parts.projector.borrow());
    Ok(Json(DriftView { items: items.into_iter().map(DriftItem::from).collect(), projector: Some(projector) }))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => "docs/guides/netbox.md says how a webhook is set up",
            _ => "",
        };
        Self::new(status, error.code(), error.to_string()).hint(hint)
    }
}

/// NetBox's webhook.
///
/// Signed with HMAC-SHA512 of the body under `netbox.webhook_secret_file`, as NetBox does. A tenant set on a ready server may be a request;
/// everything else is looked at, and shown as drift where it differs.
#[utoipa::path(post, path = "/api/v1/webhooks/netbox", tag = "journal", request_body(content = serde_json::Value),
    params(("X-Hook-Signature" = Option<String>, Header, description = "Hex digest")),
    responses((status = 204, description = "Taken"),
        (status = 401, description = "Not signed with our secret", body = super::ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No secret is configured", body = super::ProblemView, content_type = "application/problem+json")))]
pub async fn webhook(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Problem> {
    let signature = headers.get("x-hook-signature").and_then(|value| value.to_str().ok());
    drift::netbox_webhook(&api.parts, signature, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}
