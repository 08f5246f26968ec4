//! The store: backlog, dead letters, a lease published by hand; and the plugins that are loaded.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farrier_lifecycle::{Lease, Mac, ServerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, MAX_NAME, Name, maybe_line};
use super::page::Page;
use super::{Api, Problem};
use crate::bus::{BusStatus, DeadLetter, StreamStatus};
use crate::egress::now;
use crate::http::auth::Who;
use crate::http::view::{read_time, time_ms};

/// Letters shown at most; who has more has another problem.
const LETTERS: usize = 1_000;

/// Backlog of one stream.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamView {
    /// Its name.
    pub stream: String,
    /// Whose commands.
    pub stage: String,
    /// Entries waiting or being worked.
    pub length: u64,
    /// Of these, being worked.
    pub in_flight: u64,
}

/// The state of the store.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Bus)]
pub struct BusView {
    /// `sqlite`, `redis 7.0.15`, `valkey 9.1.2`.
    pub store: String,
    /// Each work stream.
    pub streams: Vec<StreamView>,
    /// Timers set.
    pub timers: u64,
    /// Dead letters.
    pub dead: u64,
    /// Journal entries kept.
    pub journal: u64,
    /// Servers known.
    pub servers: u64,
}

impl From<BusStatus> for BusView {
    fn from(status: BusStatus) -> Self {
        let stream = |one: StreamStatus| StreamView {
            stream: one.stream,
            stage: one.stage.to_string(),
            length: one.length,
            in_flight: one.in_flight,
        };
        let BusStatus { store, streams, timers, dead, journal, servers } = status;
        Self { store, streams: streams.into_iter().map(stream).collect(), timers, dead, journal, servers }
    }
}

/// The store in numbers.
#[utoipa::path(get, path = "/api/v1/bus", tag = "bus", responses((status = 200, body = BusView)))]
pub async fn status(State(api): State<Arc<Api>>, Who(_): Who) -> Result<Json<BusView>, Problem> {
    Ok(Json(api.parts.bus.status().await?.into()))
}

/// An entry that could not be worked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadView {
    /// The store's id of the letter.
    pub id: String,
    /// The stream it came from.
    pub stream: String,
    /// `not-ours`, `malformed-lease`, …
    pub code: String,
    /// What was wrong.
    pub reason: String,
    /// When it was buried.
    #[schema(format = DateTime)]
    pub at: String,
    /// What it said: names and values.
    pub fields: Vec<Vec<String>>,
}

impl From<DeadLetter> for DeadView {
    fn from(letter: DeadLetter) -> Self {
        let fields = letter.fields.into_iter().map(|(name, value)| vec![name, value]).collect();
        let DeadLetter { id, stream, code, reason, at, .. } = letter;
        Self { id, stream, code, reason, at: time_ms(at), fields }
    }
}

impl DeadView {
    /// As the store has it.
    pub fn letter(self) -> DeadLetter {
        let pair = |mut pair: Vec<String>| {
            let value = pair.pop().unwrap_or_default();
            (pair.pop().unwrap_or_default(), value)
        };
        let fields = self.fields.into_iter().map(pair).collect();
        let at = read_time(&self.at).unwrap_or_default();
        DeadLetter { id: self.id, stream: self.stream, code: self.code, reason: self.reason, at, fields }
    }
}

/// Entries that could not be worked.
///
/// Oldest first, a thousand at most. For those who are bound to no site and no tenant.
#[utoipa::path(get, path = "/api/v1/bus/dead", tag = "bus", responses((status = 200, body = Page<DeadView>)))]
pub async fn dead(State(api): State<Arc<Api>>, who: Who) -> Result<Json<Page<DeadView>>, Problem> {
    who.whole("dead letters")?;
    let items: Vec<DeadView> = api.parts.bus.dead(LETTERS).await?.into_iter().map(DeadView::from).collect();
    let total = api.parts.bus.status().await?.dead;
    Ok(Json(Page { items, next: None, total }))
}

/// Which letter went back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// Its id.
    pub redriven: String,
}

/// Put a dead letter back on its stream.
///
/// For those who are bound to no site and no tenant.
#[utoipa::path(post, path = "/api/v1/bus/dead/{id}/redrive", tag = "bus",
    params(("id" = String, Path, description = "The letter's id", max_length = 128)),
    responses((status = 200, body = Redriven)))]
pub async fn redrive(State(api): State<Arc<Api>>, who: Who, Name(id): Name) -> Result<Json<Redriven>, Problem> {
    who.whole("dead letters")?;
    api.may_change()?;
    api.parts.bus.redrive(&id).await?;
    Ok(Json(Redriven { redriven: id }))
}

/// A lease, as a DHCP server would give it to a controller.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Lease)]
pub struct LeaseBody {
    /// Of the controller, in any spelling.
    #[schema(max_length = 40, example = "94:40:c9:00:00:01")]
    pub mac: String,
    /// Given to it.
    #[schema(max_length = 45, example = "10.55.1.10")]
    pub ip: String,
    /// What it called itself.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub hostname: Option<String>,
    /// DHCP option 60.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub vendor_class: Option<String>,
    /// When it was given; absent: now.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// Who reports it; absent: `api`.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub source: Option<String>,
}

impl LeaseBody {
    fn lease(self) -> Result<Lease, Problem> {
        let mac: Mac = self.mac.parse().map_err(|error| Problem::input("mac", format!("{error}")))?;
        let ip = self.ip.parse().map_err(|_| Problem::input("ip", "is an IP address"))?;
        for (field, text) in
            [("hostname", &self.hostname), ("vendor_class", &self.vendor_class), ("source", &self.source)]
        {
            maybe_line(field, text.as_ref(), MAX_NAME)?;
        }
        let at = self.at.as_deref().map_or(Some(now()), read_time);
        let at = at.ok_or_else(|| Problem::input("at", "is a time, as 2026-11-22T19:34:47Z"))?;
        if at > now().plus(60_000) {
            return Err(Problem::input("at", "is in the future"));
        }
        let source = self.source.unwrap_or_else(|| "api".to_owned());
        Ok(Lease { mac, ip, hostname: self.hostname, vendor_class: self.vendor_class, at, source })
    }
}

/// The server the lease is of.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Leased {
    /// Its id.
    pub server: String,
}

/// Publish a lease.
///
/// As if a controller had got it from a DHCP server. Who is bound to sites or a tenant publishes leases of servers they see: of one that
/// was never seen nobody knows whose it is.
#[utoipa::path(post, path = "/api/v1/leases", tag = "bus", request_body = LeaseBody,
    responses((status = 202, body = Leased), (status = 404, description = "There is no such server that you may see",
        body = super::ProblemView, content_type = "application/problem+json")))]
pub async fn lease(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Body(lease): Body<LeaseBody>,
) -> Result<(StatusCode, Json<Leased>), Problem> {
    let lease = lease.lease()?;
    if who.bound() {
        api.named(&who, &lease.mac.to_string()).await?;
    }
    api.parts.bus.publish_lease(&lease).await?;
    Ok((StatusCode::ACCEPTED, Json(Leased { server: ServerId::from(lease.mac).to_string() })))
}

/// A plugin that is loaded.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Plugin)]
pub struct PluginView {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// What it can do.
    pub interfaces: Vec<String>,
    /// The file it was loaded from, without its folder.
    pub file: String,
    /// Of the file.
    pub sha256: String,
}

/// The plugins that are loaded.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "bus", responses((status = 200, body = Vec<PluginView>)))]
pub async fn plugins(State(api): State<Arc<Api>>, Who(_): Who) -> Json<Vec<PluginView>> {
    let one = |plugin: &Arc<crate::plugin::Plugin>| PluginView {
        name: plugin.info.name.clone(),
        version: plugin.info.version.clone(),
        description: plugin.info.description.clone(),
        interfaces: plugin.interfaces.iter().map(ToString::to_string).collect(),
        file: plugin.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: plugin.digest.clone(),
    };
    Json(api.parts.plugins.list().iter().map(one).collect())
}
