//! Who did what: sign-ins, tokens, orders, refused requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{MAX_NAME, Params, line};
use super::page::{Log, limit, no_place};
use super::{Api, Problem};
use crate::http::auth::Who;
use crate::http::view::time_ms;

/// From where, how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Decisions after this cursor; absent: from the oldest kept (seven days)
    #[param(max_length = 64)]
    after: Option<String>,
    /// Items of a page
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// One decision.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Its place in the log.
    pub cursor: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who.
    pub who: String,
    /// How they had proved it.
    pub means: Option<String>,
    /// The address it came from; null: the socket.
    pub from: Option<String>,
    /// What: `sign-in`, `token-made`, `order-placed`, or a method.
    pub what: String,
    /// On what: a path, a token's id, an order.
    pub target: String,
    /// `ok`, or the code of what stood against it.
    pub result: String,
    /// More, in words.
    pub detail: Option<String>,
    /// How many such, where it is more than one.
    pub times: Option<u64>,
}

/// As modules write it; what one of them does not say is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    at: u64,
    who: String,
    means: Option<String>,
    from: Option<String>,
    what: String,
    target: String,
    result: String,
    detail: Option<String>,
    times: Option<u64>,
}

fn decision(cursor: String, text: &str) -> Decision {
    let written: Written = serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(cursor, %error, "a decision in the log is unreadable");
        Written { what: "unreadable".to_owned(), ..Written::default() }
    });
    let Written { at, who, means, from, what, target, result, detail, times } = written;
    Decision {
        cursor,
        at: time_ms(farrier_lifecycle::Timestamp(at)),
        who,
        means,
        from,
        what,
        target,
        result,
        detail,
        times,
    }
}

/// Read the log of decisions.
///
/// For those who are bound to no site and no tenant.
#[utoipa::path(get, path = "/api/v1/audit", tag = "journal", params(AuditQuery),
    responses((status = 200, body = Log<Decision>)))]
pub async fn audit(
    State(api): State<Arc<Api>>,
    who: Who,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Log<Decision>>, Problem> {
    who.whole("decisions")?;
    let after = query.after.unwrap_or_default();
    if !after.is_empty() {
        line("after", &after, MAX_NAME)?;
    }
    let entries = api.parts.bus.audits(&after, limit(query.limit)?).await.map_err(no_place)?;
    let next = entries.last().map_or(after, |(cursor, _)| cursor.clone());
    let items = entries.into_iter().map(|(cursor, text)| decision(cursor, &text)).collect();
    Ok(Json(Log { items, next }))
}
