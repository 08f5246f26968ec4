//! Racks: which server is in which unit.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{MAX_NAME, Params, maybe_line};
use super::{Api, Problem};
use crate::http::auth::Who;

/// Units of a rack whose height is not known.
const UNITS: u32 = 42;

/// Which site.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SiteQuery {
    /// Only this site, by slug
    #[param(max_length = 128)]
    pub site: Option<String>,
}

/// A server in its rack.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RackServer {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The lowest unit it fills; null: the inventory does not say.
    pub unit: Option<u32>,
    /// Units it fills from there up; 1 where the inventory does not say.
    #[serde(default = "one")]
    pub units: u32,
    /// Its lifecycle state.
    pub state: String,
    /// `running`, `waiting`, `resting`, `failed`.
    pub status: String,
    /// Must a person look?
    pub problem: bool,
    /// As its controller reports it.
    pub model: Option<String>,
}

const fn one() -> u32 {
    1
}

/// A rack.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RackView {
    /// Slug of its site; empty: not known yet.
    pub site: String,
    /// Its name; empty: servers whose rack is not known.
    pub rack: String,
    /// Its height as the inventory has it, else 42; never less than its servers need.
    pub units: u32,
    /// From the top down, then those without a unit by name.
    pub servers: Vec<RackServer>,
}

/// All racks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Racks {
    /// By site and name.
    pub items: Vec<RackView>,
}

/// Racks with their servers.
#[utoipa::path(get, path = "/api/v1/racks", tag = "servers", params(SiteQuery),
    responses((status = 200, body = Racks)))]
pub async fn racks(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<SiteQuery>,
) -> Result<Json<Racks>, Problem> {
    maybe_line("site", query.site.as_ref(), MAX_NAME)?;
    let mut racks: BTreeMap<(String, String), RackView> = BTreeMap::new();
    let wanted = |site: Option<&str>| query.site.is_none() || query.site.as_deref() == site;
    for row in api.fleet.rows(|row| who.sees(&row.server) && wanted(row.server.facts.site.as_deref())) {
        let server = &row.server;
        let site = server.facts.site.clone().unwrap_or_default();
        let rack = row.rack().unwrap_or_default().to_owned();
        let view = racks.entry((site.clone(), rack.clone()));
        let view = view.or_insert_with(|| RackView { site, rack, units: 0, servers: Vec::new() });
        view.units = view.units.max(server.facts.rack_units.unwrap_or_default());
        view.servers.push(RackServer {
            name: server.label().to_owned(),
            id: server.id.to_string(),
            unit: row.unit(),
            units: server.facts.units.unwrap_or(1).max(1),
            state: server.lifecycle_state().to_string(),
            status: server.status.as_str().to_owned(),
            problem: row.problem(),
            model: server.facts.model.clone(),
        });
    }
    let mut items: Vec<RackView> = racks.into_values().collect();
    for rack in &mut items {
        let tops = rack.servers.iter().filter_map(|server| Some(server.unit?.saturating_add(server.units - 1)));
        let top = tops.max().unwrap_or_default();
        rack.units = if rack.units == 0 { UNITS.max(top) } else { rack.units.max(top) };
        rack.servers.sort_by_key(|server| std::cmp::Reverse(server.unit));
    }
    Ok(Json(Racks { items }))
}
