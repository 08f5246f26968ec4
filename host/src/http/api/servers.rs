//! Servers: the list, one of them, what happened to it, what was found on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use farrier_lifecycle::{LifecycleState, Stage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{MAX_NAME, Name, Params, maybe_line};
use super::page::{Page, limit};
use super::{Api, Problem, etag};
use crate::egress::now;
use crate::fleet::{Filter, PageError, Row, Sort};
use crate::http::auth::Who;
use crate::http::view::{EntryView, ServerView};
use crate::http::warranty::WarrantyView;

/// Words of a status.
const STATUSES: [&str; 4] = ["running", "waiting", "resting", "failed"];
/// Characters of a cursor: a name, an id and a word, encoded.
const MAX_CURSOR: usize = 1_024;

/// Which servers, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only this lifecycle state: `offline`, `discovered`, `provisioning`, `ready`, `active`, `maintenance`, `failed`,
    /// `decommissioning`, `decommissioned`
    state: Option<String>,
    /// Only this stage: `discover`, `validate`, `update`, `harden`, `monitor`, `assign`, `service`, `retire`, `retired`
    stage: Option<String>,
    /// Only this status: `running`, `waiting`, `resting`, `failed`
    status: Option<String>,
    /// Only this site, by slug
    #[param(max_length = 128)]
    site: Option<String>,
    /// Only this rack, by name
    #[param(max_length = 128)]
    rack: Option<String>,
    /// Only this tenant's
    #[param(max_length = 128)]
    tenant: Option<String>,
    /// Only servers in whose name, id, MAC, address, serial, vendor, model, site, tenant or fault code each of these words stands
    #[param(max_length = 128)]
    q: Option<String>,
    /// Only those that need a person (or, with `false`, the others)
    problem: Option<bool>,
    /// `name` (as without it), `site`, `rack`, `state`, `stage`, `since` (longest first), `-since`
    sort: Option<String>,
    /// Items of a page
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before
    #[param(max_length = 1024)]
    cursor: Option<String>,
}

fn word<T>(field: &str, text: Option<&String>, known: &[(&str, T)]) -> Result<Option<T>, Problem>
where
    T: Clone,
{
    let Some(text) = text else { return Ok(None) };
    known.iter().find(|(word, _)| word == text).map(|(_, value)| Some(value.clone())).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        Problem::input(field, format!("is one of {}", words.join(", ")))
    })
}

impl ListQuery {
    fn filter(&self) -> Result<Filter, Problem> {
        for (field, text) in [("site", &self.site), ("rack", &self.rack), ("tenant", &self.tenant), ("q", &self.q)] {
            maybe_line(field, text.as_ref(), MAX_NAME)?;
        }
        let states = LifecycleState::ALL.map(|state| (state.as_str(), state));
        let stages = Stage::ALL.map(|stage| (stage.as_str(), stage));
        let statuses = STATUSES.map(|status| (status, status.to_owned()));
        Ok(Filter {
            state: word("state", self.state.as_ref(), &states)?,
            stage: word("stage", self.stage.as_ref(), &stages)?,
            status: word("status", self.status.as_ref(), &statuses)?,
            site: self.site.clone(),
            rack: self.rack.clone(),
            tenant: self.tenant.clone(),
            words: self.q.as_ref().map(|words| words.to_lowercase()),
            problem: self.problem,
        })
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        Self::input("cursor", error.to_string())
    }
}

/// List servers.
///
/// Pages are stable: in the order of names, a server that keeps its name is on exactly one page, whatever else changes meanwhile.
#[utoipa::path(get, path = "/api/v1/servers", tag = "servers", params(ListQuery),
    responses((status = 200, body = Page<ServerView>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<ServerView>>, Problem> {
    let filter = query.filter()?;
    let sort = word("sort", query.sort.as_ref(), &Sort::ALL)?.unwrap_or_default();
    let limit = limit(query.limit)?;
    maybe_line("cursor", query.cursor.as_ref(), MAX_CURSOR)?;
    let found = api.fleet.find(&filter, sort, limit, query.cursor.as_deref(), |row| who.sees(&row.server))?;
    let items = found.rows.iter().map(|row| api.see(row)).collect();
    Ok(Json(Page { items, next: found.next, total: u64::try_from(found.total).unwrap_or(u64::MAX) }))
}

/// One server.
///
/// By inventory name in any case, id, or BMC MAC in any spelling. `ETag` is its version.
#[utoipa::path(get, path = "/api/v1/servers/{name}", tag = "servers",
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128),
        ("If-None-Match" = Option<String>, Header, description = "An ETag; 304 while it is the version")),
    responses((status = 200, body = ServerView, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "You have this version")))]
pub async fn one(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(name): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let server = api.named(&who, &name).await?;
    let (id, version) = (server.id.clone(), server.version);
    let warranty = WarrantyView::of(&*api.parts.bus, &id, now()).await?;
    let view = ServerView { warranty, ..api.see(&Row::new(server, None)) };
    etag::answer(&headers, version, &view)
}

/// The transitions kept of one server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// Oldest first; at least the last 30. For a tenant those since the server was given to them.
    pub items: Vec<EntryView>,
}

/// What happened to a server.
#[utoipa::path(get, path = "/api/v1/servers/{name}/timeline", tag = "servers",
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128)),
    responses((status = 200, body = Timeline)))]
pub async fn timeline(State(api): State<Arc<Api>>, Who(who): Who, Name(name): Name) -> Result<Json<Timeline>, Problem> {
    let server = api.named(&who, &name).await?;
    let entries = super::journal::history(&api, &who, &server).await?;
    Ok(Json(Timeline { items: entries.iter().map(EntryView::from).collect() }))
}

/// What a stage found on a server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// By which stage.
    pub stage: String,
    /// And which attempt of it.
    pub attempt: String,
    /// What, in a form of its kind's own.
    pub data: serde_json::Value,
}

/// What was found on a server.
///
/// By kind: `inventory`, `cabling`, `audit`, `firmware`, `readings`, `identity`; what no stage has found yet is absent.
#[utoipa::path(get, path = "/api/v1/servers/{name}/evidence", tag = "servers",
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128)),
    responses((status = 200, body = BTreeMap<String, EvidenceView>)))]
pub async fn evidence(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(name): Name,
) -> Result<Json<BTreeMap<String, EvidenceView>>, Problem> {
    let server = api.named(&who, &name).await?;
    Ok(Json(super::work::evidence_of(&api, &server.id).await?))
}
