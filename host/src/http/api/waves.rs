//! Firmware waves and plans: the wave desk's, over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, MAX_NAME, Name, Params, maybe_line};
use super::page::{Page, limit};
use super::{Api, Problem, etag};
use crate::http::auth::{Recorded, Who};
use crate::wave::{Plan, Preview, Wanted, WaveError, WaveView};

impl From<WaveError> for Problem {
    fn from(error: WaveError) -> Self {
        let status = match &error {
            WaveError::Invalid(_) => StatusCode::BAD_REQUEST,
            WaveError::Unknown(_) => StatusCode::NOT_FOUND,
            WaveError::NotAllowed { .. } => StatusCode::FORBIDDEN,
            WaveError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        let problem = Self::new(status, error.code(), error.to_string()).hint(error.hint());
        error.fields().iter().fold(problem, |problem, (field, text)| problem.field(field, text.clone()))
    }
}

/// Which waves.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WavesQuery {
    /// Items of a page
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before: the id of its last wave
    #[param(max_length = 64)]
    cursor: Option<String>,
}

/// List firmware waves.
///
/// Latest first.
#[utoipa::path(get, path = "/api/v1/waves", tag = "firmware", params(WavesQuery),
    responses((status = 200, body = Page<WaveView>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<WavesQuery>,
) -> Result<Json<Page<WaveView>>, Problem> {
    let limit = limit(query.limit)?;
    maybe_line("cursor", query.cursor.as_ref(), MAX_NAME)?;
    let waves = api.waves.list(&who).await?;
    let rest = waves.iter().rev().filter(|wave| query.cursor.as_ref().is_none_or(|after| wave.id < *after));
    Ok(Json(Page::cut(rest.map(WaveView::from), limit, waves.len(), |wave| &wave.id)))
}

/// One firmware wave.
#[utoipa::path(get, path = "/api/v1/waves/{id}", tag = "firmware",
    params(("id" = String, Path, description = "Its id, as W000042", max_length = 128),
        ("If-None-Match" = Option<String>, Header, description = "An ETag; 304 while it is the version")),
    responses((status = 200, body = WaveView, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "You have this version")))]
pub async fn one(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wave = api.waves.get(&who, &id).await?;
    etag::answer(&headers, wave.version, &WaveView::from(&wave))
}

/// Begin a firmware wave.
///
/// Servers that are ready and selected are updated step by step, each step after the one before has come back well. The first breach of
/// the budget halts it.
#[utoipa::path(post, path = "/api/v1/waves", tag = "firmware", request_body = Wanted,
    responses((status = 201, body = WaveView,
        headers(("ETag" = String, description = "The version"), ("Location" = String, description = "The wave's path")))))]
pub async fn begin(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let wave = api.waves.begin(&who, &wanted).await?;
    let headers = [(header::LOCATION, format!("/api/v1/waves/{}", wave.id)), (header::ETAG, etag::tag(wave.version))];
    Ok((StatusCode::CREATED, headers, Json(WaveView::from(&wave))).into_response())
}

/// Say what a firmware wave would come to.
///
/// Nothing is begun.
#[utoipa::path(post, path = "/api/v1/waves/preview", tag = "firmware", request_body = Wanted,
    responses((status = 200, body = Preview)))]
pub async fn preview(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Body(wanted): Body<Wanted>,
) -> Result<(Extension<Recorded>, Json<Preview>), Problem> {
    // Nothing is decided, so nothing is noted.
    Ok((Extension(Recorded), Json(api.waves.preview(&who, &wanted).await?)))
}

/// Halt a firmware wave.
///
/// No further server is started; those under way finish by themselves.
#[utoipa::path(post, path = "/api/v1/waves/{id}/halt", tag = "firmware",
    params(("id" = String, Path, description = "Its id", max_length = 128),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version this is meant for; 412 if it has another")),
    responses((status = 200, body = WaveView, headers(("ETag" = String, description = "The version after it")))))]
pub async fn halt(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    etag::meant(&headers, &format!("wave {id}"), api.waves.get(&who, &id).await?.version)?;
    let wave = api.waves.halt(&who, &id).await?;
    etag::written(wave.version, &WaveView::from(&wave))
}

/// Resume a firmware wave, or start a planned one.
///
/// What failed and is well again is watched anew; what still fails is left aside.
#[utoipa::path(post, path = "/api/v1/waves/{id}/resume", tag = "firmware",
    params(("id" = String, Path, description = "Its id", max_length = 128),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version this is meant for; 412 if it has another")),
    responses((status = 200, body = WaveView, headers(("ETag" = String, description = "The version after it")))))]
pub async fn resume(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    etag::meant(&headers, &format!("wave {id}"), api.waves.get(&who, &id).await?.version)?;
    let wave = api.waves.resume(&who, &id).await?;
    etag::written(wave.version, &WaveView::from(&wave))
}

/// Which servers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FirmwareQuery {
    /// Only this one, by name or id
    #[param(max_length = 128)]
    server: Option<String>,
    /// Only this site, by slug
    #[param(max_length = 128)]
    site: Option<String>,
    /// Only this rack, by name
    #[param(max_length = 128)]
    rack: Option<String>,
    /// Start of the driver's name
    #[param(max_length = 128)]
    driver: Option<String>,
    /// Start of the model
    #[param(max_length = 128)]
    model: Option<String>,
}

/// What is known of servers' firmware.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FirmwarePlans)]
pub struct FirmwareView {
    /// In the order of names.
    pub items: Vec<Plan>,
}

/// What firmware differs.
///
/// By what stages have seen, against the catalogue or as the fleet tool compared; no controller is asked.
#[utoipa::path(get, path = "/api/v1/firmware", tag = "firmware", params(FirmwareQuery),
    responses((status = 200, body = FirmwareView)))]
pub async fn firmware(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<FirmwareQuery>,
) -> Result<Json<FirmwareView>, Problem> {
    let texts = [&query.server, &query.site, &query.rack, &query.driver, &query.model];
    for (field, text) in ["server", "site", "rack", "driver", "model"].into_iter().zip(texts) {
        maybe_line(field, text.as_ref(), MAX_NAME)?;
    }
    let FirmwareQuery { server, site, rack, driver, model } = query;
    let wanted = Wanted { site, rack, driver, model, servers: server.into_iter().collect(), ..Wanted::default() };
    Ok(Json(FirmwareView { items: api.waves.plan(&who, &wanted).await? }))
}
