//! The API: `/api/v1`, its description, and the PoC's dashboard paths.
//!
//! Promises that a route, its permission and its description are one thing: handlers carry their OpenAPI text, `routes::ROUTES` has
//! a line for each, and a test compares the two. Reads come from the fleet in memory; changes are decided on the store's own record.
//! It does not find out who asks: that is `auth`, or the socket.

mod ask;
mod audit;
mod board;
mod bus;
mod drift;
pub mod error;
mod etag;
mod events;
pub mod extract;
mod health;
mod idempotency;
mod journal;
mod label;
mod me;
mod metrics;
mod openapi;
mod orders;
mod page;
mod poc;
mod preview;
mod racks;
mod readings;
pub mod routes;
mod servers;
mod waves;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use farrier_lifecycle::{Mac, Server, ServerId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::share::Shares;
use super::view::{ServerView, view};
use crate::access::Principal;
use crate::bus::{BusError, BusStatus};
use crate::egress::now;
use crate::fleet::{Fleet, Row};
use crate::metrics::Metrics;
use crate::order::Desk;
use crate::stage::Parts;

pub use board::FleetView;
pub use bus::{DeadView, LeaseBody, PluginView};
pub use drift::{DriftItem, DriftView};
pub use error::{Problem, ProblemView};
pub use events::{ProgressEvent, TransitionEvent};
pub use health::{FaultView, NewSilence, SilenceView};
pub use openapi::document;
pub use page::{Log, Page};
pub use routes::{ROUTES, Route};
pub use servers::Timeline;

/// The store's numbers are asked for this often at most: on a large journal they cost a scan.
const STATUS_FOR: Duration = Duration::from_secs(1);

/// What the handlers work with.
pub struct Api {
    /// The host's parts.
    pub parts: Arc<Parts>,
    /// All servers, in memory.
    pub fleet: Arc<Fleet>,
    /// Where orders are placed.
    pub desk: Arc<Desk>,
    /// Where firmware waves are begun.
    pub waves: Arc<crate::wave::Desk>,
    /// Streams of events end with it.
    pub stop: CancellationToken,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    scrapes: Arc<Semaphore>,
    streams: Arc<Shares>,
    status: tokio::sync::Mutex<Option<(Instant, BusStatus)>>,
}

impl Api {
    /// Over these parts; the fleet is loaded and followed by the caller.
    pub fn new(parts: Arc<Parts>, fleet: Arc<Fleet>, desk: Arc<Desk>, stop: CancellationToken) -> Self {
        let (config, catalogue) = (parts.config.clone(), parts.catalogue.clone());
        let waves = crate::wave::Desk::new(parts.bus.clone(), config, catalogue, parts.policy.clone(), parts.observe);
        let metrics = Arc::new(Metrics::new(parts.clone(), fleet.clone()));
        let scrapes = Arc::new(Semaphore::new(metrics::SCRAPES));
        let (waves, streams) = (Arc::new(waves), Shares::new(events::streams(parts.config.api.as_ref())));
        Self { parts, fleet, desk, waves, stop, metrics, scrapes, streams, status: tokio::sync::Mutex::default() }
    }

    async fn status(&self) -> Result<BusStatus, BusError> {
        let mut kept = self.status.lock().await;
        if let Some((at, status)) = kept.as_ref()
            && at.elapsed() < STATUS_FOR
        {
            return Ok(status.clone());
        }
        let status = self.parts.bus.status().await?;
        *kept = Some((Instant::now(), status.clone()));
        Ok(status)
    }

    /// The record as the store has it now, by inventory name (any case), id, or BMC MAC in any spelling; as if it did not exist where
    /// it is not one of theirs.
    async fn named(&self, who: &Principal, name: &str) -> Result<Server, Problem> {
        let id = match name.parse::<Mac>() {
            Ok(mac) => Some(ServerId::from(mac)),
            Err(_) => self.fleet.named(name).map(|row| row.server.id.clone()),
        };
        let found = match id {
            Some(id) => self.parts.bus.read(&id).await?,
            None => None,
        };
        found.filter(|server| who.sees(server)).ok_or_else(|| Problem::no_server(name))
    }

    fn see(&self, row: &Row) -> ServerView {
        let progress = self.parts.progress.of(&row.server.id);
        view(row, progress.as_deref(), &self.parts.policy, now())
    }

    /// Where browsers find this host, without a slash at the end.
    fn public_url(&self) -> String {
        self.parts.config.api.as_ref().map(crate::config::Api::base).unwrap_or_default()
    }

    /// Nothing is changed by a host that only observes.
    fn may_change(&self) -> Result<(), Problem> {
        if self.parts.observe { Err(Problem::observing()) } else { Ok(()) }
    }
}

/// Every route with its description.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(me::me))
        .routes(routes!(board::fleet))
        .routes(routes!(servers::list))
        .routes(routes!(servers::one))
        .routes(routes!(servers::timeline))
        .routes(routes!(servers::evidence))
        .routes(routes!(readings::readings))
        .routes(routes!(ask::request))
        .routes(routes!(preview::preview))
        .routes(routes!(label::label))
        .routes(routes!(racks::racks))
        .routes(routes!(work::work))
        .routes(routes!(journal::journal))
        .routes(routes!(events::events))
        .routes(routes!(bus::status))
        .routes(routes!(bus::dead))
        .routes(routes!(bus::redrive))
        .routes(routes!(bus::lease))
        .routes(routes!(bus::plugins))
        .routes(routes!(orders::list, orders::place))
        .routes(routes!(orders::preview))
        .routes(routes!(orders::one))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::approve))
        .routes(routes!(waves::list, waves::begin))
        .routes(routes!(waves::preview))
        .routes(routes!(waves::one))
        .routes(routes!(waves::halt))
        .routes(routes!(waves::resume))
        .routes(routes!(waves::firmware))
        .routes(routes!(audit::audit))
        .routes(routes!(health::faults))
        .routes(routes!(health::silences, health::silence))
        .routes(routes!(health::unsilence))
        .routes(routes!(drift::drift))
        .routes(routes!(drift::webhook))
        .routes(routes!(poc::devices))
        .routes(routes!(poc::timeline))
        .routes(routes!(poc::queue))
        .routes(routes!(poc::stats))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::serve))
}

/// The API, to be put behind whatever finds out who asks.
pub fn router(api: Arc<Api>) -> Router {
    let (routes, _) = described().split_for_parts();
    routes
        .layer(from_fn_with_state(api.clone(), idempotency::once))
        .layer(DefaultBodyLimit::max(extract::MAX_BODY))
        .with_state(api)
}
