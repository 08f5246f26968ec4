//! The journal: every committed transition, in order.
//!
//! Promises that somebody bound to a tenant reads of a server what happened since it was given to them: what came before names who had it
//! then, and for which order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use farrier_lifecycle::{JournalEntry, Server, ServerId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{MAX_NAME, Params, line};
use super::page::{Log, limit, no_place};
use super::{Api, Problem};
use crate::access::Principal;
use crate::bus::BusError;
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
pub fn sees(who: &Principal, fleet: &Fleet, server: &ServerId) -> bool {
    fleet.get(server).map_or(!who.bound(), |row| who.sees(&row.server))
}

/// The versions of their tenant's time with the server, as far as `server` tells. Its timeline keeps the newest transitions: where it does
/// not have the assign any more, what is left of it is later, and the stage they are in is theirs for certain.
fn theirs(server: &Server, timeline: &[JournalEntry]) -> RangeInclusive<u64> {
    let given = timeline.iter().rfind(|entry| entry.version <= server.version && entry.event == "assign");
    given.map_or(server.entered, |entry| entry.version)..=server.version
}

/// What happened to a server that they see, as far as it is theirs to know; oldest first.
pub async fn history(api: &Api, who: &Principal, server: &Server) -> Result<Vec<JournalEntry>, BusError> {
    let mut entries = api.parts.bus.timeline(&server.id).await?;
    if who.tenant.is_some() {
        let theirs = theirs(server, &entries);
        entries.retain(|entry| theirs.contains(&entry.version));
    }
    Ok(entries)
}

/// Those of the entries that they may know of.
pub async fn known(
    api: &Api,
    who: &Principal,
    mut entries: Vec<(String, JournalEntry)>,
) -> Result<Vec<(String, JournalEntry)>, BusError> {
    entries.retain(|(_, entry)| sees(who, &api.fleet, &entry.server));
    if who.tenant.is_none() {
        return Ok(entries);
    }
    let servers: BTreeSet<ServerId> = entries.iter().map(|(_, entry)| entry.server.clone()).collect();
    let mut times = BTreeMap::new();
    for id in servers {
        // The store's own record: the one in memory may be a moment behind the entries.
        if let Some(server) = api.parts.bus.read(&id).await?.filter(|server| who.sees(server)) {
            times.insert(id, theirs(&server, &api.parts.bus.timeline(&server.id).await?));
        }
    }
    entries.retain(|(_, entry)| times.get(&entry.server).is_some_and(|time| time.contains(&entry.version)));
    Ok(entries)
}

/// Read the journal.
///
/// Entries of servers you do not see are left out, and for a tenant those before a server was given to them, so a page may be shorter
/// than its limit before the end is reached: it is reached when `next` equals `after`.
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
    let entries = known(&api, &who, entries).await?;
    let items = entries.into_iter().map(|(cursor, entry)| Placed { cursor, entry: EntryView::from(&entry) }).collect();
    Ok(Json(Log { items, next }))
}
