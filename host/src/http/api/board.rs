//! The board: how many servers are where, what waits on each stream, since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use farrier_lifecycle::{LifecycleState, Stage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Api, Problem};
use crate::egress::now;
use crate::fleet::SiteCounts;
use crate::http::auth::Who;
use crate::http::view::time_ms;

/// Servers of one site.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SiteView {
    /// Slug; empty: servers whose site is not known yet.
    pub site: String,
    /// All of them.
    pub servers: u64,
    /// By lifecycle state.
    pub states: BTreeMap<String, u64>,
    /// Those that need a person.
    pub problems: u64,
}

/// One stage and its stream.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageView {
    /// Which.
    pub stage: String,
    /// The stream of its commands; null where it has no work.
    pub stream: Option<String>,
    /// The lifecycle state of servers that come into it.
    pub state: String,
    /// Servers being worked or next.
    pub running: u64,
    /// Servers waiting for a retry, a report, work elsewhere.
    pub waiting: u64,
    /// Servers at rest.
    pub resting: u64,
    /// Servers that failed in it.
    pub failed: u64,
    /// Entries on the stream that nobody works yet.
    pub backlog: u64,
    /// Entries being worked.
    pub in_flight: u64,
    /// How long the server that runs or waits longest has done so; null where none does.
    pub oldest_seconds: Option<u64>,
}

/// The whole pipeline in numbers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FleetView {
    /// When this was counted.
    #[schema(format = DateTime)]
    pub at: String,
    /// The journal's entry that was counted last: follow `/api/v1/events?after=` from here.
    pub cursor: String,
    /// The host only observes and changes nothing.
    pub observe: bool,
    /// Servers you see.
    pub servers: u64,
    /// By lifecycle state; every state is there.
    pub states: BTreeMap<String, u64>,
    /// Those that need a person.
    pub problems: u64,
    /// By site.
    pub sites: Vec<SiteView>,
    /// By stage, in the order of the lifecycle. Streams count every site's entries.
    pub stages: Vec<StageView>,
    /// Entries that could not be worked.
    pub dead: u64,
    /// Timers set.
    pub timers: u64,
    /// The store and its version.
    pub store: String,
}

/// What a server is called that comes into the stage.
const fn state_of(stage: Stage) -> LifecycleState {
    match stage {
        Stage::Discover => LifecycleState::Offline,
        Stage::Validate => LifecycleState::Discovered,
        Stage::Update | Stage::Harden | Stage::Monitor => LifecycleState::Provisioning,
        Stage::Assign => LifecycleState::Ready,
        Stage::Service => LifecycleState::Active,
        Stage::Retire => LifecycleState::Decommissioning,
        Stage::Retired => LifecycleState::Decommissioned,
    }
}

fn states(counts: &SiteCounts) -> BTreeMap<String, u64> {
    let of = |state: LifecycleState| counts.states.get(&state).copied().unwrap_or_default();
    LifecycleState::ALL.into_iter().map(|state| (state.to_string(), of(state))).collect()
}

/// The pipeline in numbers.
///
/// Counts of the servers you see, and the state of the store's streams.
#[utoipa::path(get, path = "/api/v1/fleet", tag = "fleet", responses((status = 200, body = FleetView)))]
pub async fn fleet(State(api): State<Arc<Api>>, Who(who): Who) -> Result<Json<FleetView>, Problem> {
    let (now, cursor, status) = (now(), api.fleet.cursor(), api.status().await?);
    let counts = api.fleet.counts(|row| who.sees(&row.server));
    let stages = Stage::ALL.into_iter().map(|stage| {
        let count = counts.stages.get(&stage).copied().unwrap_or_default();
        let stream = status.streams.iter().find(|stream| stream.stage == stage);
        StageView {
            stage: stage.to_string(),
            stream: stream.map(|stream| stream.stream.clone()),
            state: state_of(stage).to_string(),
            running: count.running,
            waiting: count.waiting,
            resting: count.resting,
            failed: count.failed,
            backlog: stream.map_or(0, |stream| stream.length.saturating_sub(stream.in_flight)),
            in_flight: stream.map_or(0, |stream| stream.in_flight),
            oldest_seconds: count.oldest.map(|oldest| now.since(oldest) / 1_000),
        }
    });
    let sites = counts.sites.iter().map(|(site, counts)| SiteView {
        site: site.clone(),
        servers: counts.servers,
        states: states(counts),
        problems: counts.problems,
    });
    Ok(Json(FleetView {
        at: time_ms(now),
        cursor,
        observe: api.parts.observe,
        servers: counts.all.servers,
        states: states(&counts.all),
        problems: counts.all.problems,
        sites: sites.collect(),
        stages: stages.collect(),
        dead: status.dead,
        timers: status.timers,
        store: status.store,
    }))
}
