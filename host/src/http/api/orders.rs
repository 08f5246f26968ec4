//! Orders: the desk's, over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, Name, Params};
use super::page::{Page, limit};
use super::{Api, Problem, etag};
use crate::http::auth::{Recorded, Who};
use crate::order::{OrderError, OrderView, Preview, State as OrderState, Wanted};

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let status = match &error {
            OrderError::Invalid(_) => StatusCode::BAD_REQUEST,
            OrderError::Unknown(_) => StatusCode::NOT_FOUND,
            OrderError::NotAllowed { .. } | OrderError::Own(_) => StatusCode::FORBIDDEN,
            OrderError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        let problem = Self::new(status, error.code(), error.to_string()).hint(error.hint());
        error.fields().iter().fold(problem, |problem, one| problem.field(&one.field, one.problem.clone()))
    }
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    /// Only this state: `awaiting-approval`, `waiting`, `reserved`, `delivering`, `delivered`, `cancelled`, `expired`
    state: Option<String>,
    /// Items of a page
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before: the id of its last order
    #[param(max_length = 64)]
    cursor: Option<String>,
}

/// The number in an id, which is the order of the list.
fn number(id: &str) -> Option<u64> {
    id.strip_prefix('O')?.parse().ok()
}

/// List orders.
///
/// Oldest first, as they are served.
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders", params(OrdersQuery),
    responses((status = 200, body = Page<OrderView>)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<OrdersQuery>,
) -> Result<Json<Page<OrderView>>, Problem> {
    let state: Option<OrderState> =
        query.state.map(|state| state.parse()).transpose().map_err(|error: String| Problem::input("state", error))?;
    let limit = limit(query.limit)?;
    let after = query
        .cursor
        .as_deref()
        .map(|cursor| number(cursor).ok_or_else(|| Problem::input("cursor", "the cursor is not one that a list gave")));
    let after = after.transpose()?;
    let mut orders = api.desk.list(&who).await?;
    orders.retain(|order| state.is_none_or(|state| order.state == state));
    let rest = orders.iter().filter(|order| after.is_none_or(|after| number(&order.id).is_some_and(|n| n > after)));
    Ok(Json(Page::cut(rest.map(OrderView::from), limit, orders.len(), |order| &order.id)))
}

/// One order.
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "orders",
    params(("id" = String, Path, description = "Its id, as O000042", max_length = 128),
        ("If-None-Match" = Option<String>, Header, description = "An ETag; 304 while it is the version")),
    responses((status = 200, body = OrderView, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "You have this version")))]
pub async fn one(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = api.desk.get(&who, &id).await?;
    etag::answer(&headers, order.version, &OrderView::from(&order))
}

/// Place an order.
///
/// It is matched against ready servers, oldest order first; where policy asks, somebody must approve it.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", request_body = Wanted,
    responses((status = 201, body = OrderView,
        headers(("ETag" = String, description = "The version"), ("Location" = String, description = "The order's path")))))]
pub async fn place(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let order = api.desk.place(&who, &wanted).await?;
    let path = format!("/api/v1/orders/{}", order.id);
    let tag = etag::tag(order.version);
    let headers = [(header::LOCATION, path), (header::ETAG, tag)];
    Ok((StatusCode::CREATED, headers, Json(OrderView::from(&order))).into_response())
}

/// Say what an order would come to.
///
/// Nothing is placed.
#[utoipa::path(post, path = "/api/v1/orders/preview", tag = "orders", request_body = Wanted,
    responses((status = 200, body = Preview)))]
pub async fn preview(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Body(wanted): Body<Wanted>,
) -> Result<(Extension<Recorded>, Json<Preview>), Problem> {
    // Nothing is decided, so nothing is noted.
    Ok((Extension(Recorded), Json(api.desk.preview(&who, &wanted).await?)))
}

/// End an order.
///
/// What is kept for it goes back; what was delivered stays with its tenant.
#[utoipa::path(post, path = "/api/v1/orders/{id}/cancel", tag = "orders",
    params(("id" = String, Path, description = "Its id", max_length = 128),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version this is meant for; 412 if it has another")),
    responses((status = 200, body = OrderView, headers(("ETag" = String, description = "The version after it")))))]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    etag::meant(&headers, &format!("order {id}"), api.desk.get(&who, &id).await?.version)?;
    let order = api.desk.cancel(&who, &id).await?;
    etag::written(order.version, &OrderView::from(&order))
}

/// Agree to an order that policy holds back.
#[utoipa::path(post, path = "/api/v1/orders/{id}/approve", tag = "orders",
    params(("id" = String, Path, description = "Its id", max_length = 128),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version this is meant for; 412 if it has another")),
    responses((status = 200, body = OrderView, headers(("ETag" = String, description = "The version after it")))))]
pub async fn approve(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    etag::meant(&headers, &format!("order {id}"), api.desk.get(&who, &id).await?.version)?;
    let order = api.desk.approve(&who, &id).await?;
    etag::written(order.version, &OrderView::from(&order))
}
