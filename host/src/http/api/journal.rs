//! The journal: every committed transition, in order.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{MAX_NAME, Params, line};
use super::page::{Log, limit, no_place};
use super::{Api, Problem};
use crate::access::Principal;
use crate::fleet::Fleet;
use crate::http::auth::Who;
use crate::http::view::EntryView;

/// From where, how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalQuery {
    /// Entries after this cursor; absent: from the oldest kept (seven days)
    #[param(max_length = 64)]
    after: Option<String>,
    /// The newest entries instead: so many
    #[param(minimum = 1, maximum = 1000)]
    last: Option<u32>,
    /// Items of a page
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// An entry with its place in the journal.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    /// The entry's place.
    pub cursor: String,
    /// The entry.
    #[serde(flatten)]
    pub entry: EntryView,
}

/// May they know of the entry? Of a server that is gone from the store nothing is known but that it was there.
pub fn sees(who: &Principal, fleet: &Fleet, server: &farrier_lifecycle::ServerId) -> bool {
    fleet.get(server).map_or(who.sites.is_none() && who.tenant.is_none(), |row| who.sees(&row.server))
}

/// Read the journal.
///
/// Entries of servers you do not see are left out, so a page may be shorter than its limit before the end is reached: it is reached
/// when `next` equals `after`.
#[utoipa::path(get, path = "/api/v1/journal", tag = "journal", params(JournalQuery),
    responses((status = 200, body = Log<Placed>)))]
pub async fn journal(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<JournalQuery>,
) -> Result<Json<Log<Placed>>, Problem> {
    if query.last.is_some() && (query.after.is_some() || query.limit.is_some()) {
        return Err(Problem::input("last", "stands alone, without `after` and `limit`"));
    }
    let after = query.after.unwrap_or_default();
    if !after.is_empty() {
        line("after", &after, MAX_NAME)?;
    }
    let entries = match query.last {
        Some(_) => api.parts.bus.journal_last(limit(query.last)?).await?,
        None => api.parts.bus.journal(&after, limit(query.limit)?, Duration::ZERO).await.map_err(no_place)?,
    };
    let next = entries.last().map_or(after, |(cursor, _)| cursor.clone());
    let items = entries
        .into_iter()
        .filter(|(_, entry)| sees(&who, &api.fleet, &entry.server))
        .map(|(cursor, entry)| Placed { cursor, entry: EntryView::from(&entry) })
        .collect();
    Ok(Json(Log { items, next }))
}
