//! The latest readings of one server: what the monitor saw, or else what a stage kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Name;
use super::{Api, Problem};
use crate::http::auth::Who;
use crate::http::view::time_ms;
use crate::stage::evidence::{self, Kind};

/// One sensor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SensorView {
    /// The driver's name for it.
    pub name: String,
    /// What it measures: `temperature`, `power`, `fan`.
    pub kind: String,
    /// Its reading.
    pub value: f64,
    /// In this unit.
    pub unit: String,
    /// `ok`, `warning`, `critical`, `unknown`: as the controller judges it.
    pub status: String,
}

/// The latest readings of a server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingsView {
    /// Seen by this host's monitor, and not only kept by a stage.
    pub live: bool,
    /// When they were read.
    #[schema(format = DateTime)]
    pub at: String,
    /// The code of the fault of the last look, if it did not go well; the readings are then of an earlier one.
    pub code: Option<String>,
    /// The sensors.
    pub sensors: Vec<SensorView>,
}

/// The latest readings of a server.
///
/// Of the last look that went well, on the host that looks; on others what was kept last.
#[utoipa::path(get, path = "/api/v1/servers/{name}/readings", tag = "servers",
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128)),
    responses((status = 200, body = ReadingsView)))]
pub async fn readings(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(name): Name,
) -> Result<Json<ReadingsView>, Problem> {
    let server = api.named(&who, &name).await?;
    let snapshot = api.metrics.cache.get(&server.id);
    if let Some((snapshot, at)) = snapshot.as_ref().and_then(|snapshot| Some((snapshot, snapshot.seen?))) {
        let sensor = |point: &crate::monitor::Point| {
            let (kind, unit) = evidence::quantity(point.quantity);
            SensorView {
                name: point.sensor.to_string(),
                kind: kind.to_owned(),
                value: point.value,
                unit: unit.to_owned(),
                status: evidence::health(point.health).to_owned(),
            }
        };
        return Ok(Json(ReadingsView {
            live: true,
            at: time_ms(at),
            code: snapshot.code.as_deref().map(str::to_owned),
            sensors: snapshot.points.iter().map(sensor).collect(),
        }));
    }
    let code = snapshot.and_then(|snapshot| snapshot.code.as_deref().map(str::to_owned));
    let kept = evidence::one(&*api.parts.bus, &server.id, Kind::Readings).await?;
    let kept =
        kept.and_then(|mut kept| Some((kept.at, serde_json::from_value(kept.data.get_mut("sensors")?.take()).ok()?)));
    let Some((at, sensors)) = kept else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-readings", format!("`{name}` was not read yet"))
            .hint("sensors are read in the monitor stage, and then by the host that looks at servers"));
    };
    Ok(Json(ReadingsView { live: false, at: time_ms(at), code, sensors }))
}
