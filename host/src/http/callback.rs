//! The validation image's report, under its one-time token.
//!
//! The token says which server and which boot it is for; nothing in the body does. A wrong, old or replayed token gets the same
//! answer, and no log line holds a token. One that was good once and comes again is in its server's journal, whichever stage that is in:
//! somebody has it who should not.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use farrier_lifecycle::{Event, Server};
use serde_json::json;

use crate::bus::{Applied, Origin};
use crate::stage::{Parts, boot_token, parse_report};

/// PoC shape 1: `POST …/api/v1/validation/report`.
pub async fn report(State(parts): State<Arc<Parts>>, Path(token): Path<String>, body: String) -> Response {
    match take(&parts, &token, body).await {
        Ok(server) => {
            let (id, name) = (server.facts.inventory_id.clone(), server.label());
            let message = "Validation report received";
            Json(json!({ "status": "success", "device_id": id, "device_name": name, "message": message }))
                .into_response()
        }
        Err(refusal) => refusal,
    }
}

/// PoC shape 2: `POST …/api/event`.
pub async fn event(State(parts): State<Arc<Parts>>, Path(token): Path<String>, body: String) -> Response {
    match take(&parts, &token, body).await {
        Ok(server) => {
            Json(json!({ "status": "accepted", "device": server.label(), "event": "server_live" })).into_response()
        }
        Err(refusal) => refusal,
    }
}

fn refuse(status: StatusCode, code: &str, error: &str, hint: &str) -> Response {
    (status, Json(json!({ "status": "error", "code": code, "error": error, "hint": hint }))).into_response()
}

/// A report that cannot be taken, into the journal of the server whose token it came under.
async fn tell(parts: &Parts, server: &Server, code: &str, problem: &str) {
    tracing::warn!(server = server.label(), code, problem, "report refused");
    let event = Event::ReportRefused { entered: server.entered, code: code.to_owned(), problem: problem.to_owned() };
    if let Err(error) = parts.apply(&server.id, &event, Origin::Outside).await {
        tracing::warn!(server = server.label(), %error, "the refused report is not in the journal");
    }
}

/// Journal the token that was used last when it comes again. Once: whoever replays it may do so any number of times.
async fn replayed(parts: &Parts, server: &Server, token: &str) {
    let key = boot_token::used_key(&server.id);
    let Ok(Some(kept)) = parts.bus.get(&key).await else { return };
    if boot_token::is_kept_of(&kept, token)
        && parts.bus.swap(&key, Some(&kept), None, None).await.is_ok_and(|mine| mine)
    {
        let problem = "a token that was used came again, and what came under it was not taken";
        tell(parts, server, "replayed-report", problem).await;
    }
}

async fn take(parts: &Parts, token: &str, body: String) -> Result<Server, Response> {
    let unknown = || {
        tracing::warn!("report refused: its token is unknown, used, or of an earlier boot");
        let hint = "each boot has a token of its own, good for one report: boot the server from the network again";
        refuse(StatusCode::NOT_FOUND, "token", "this token is unknown, used, or of an earlier boot", hint)
    };
    let store = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "report not stored");
        refuse(StatusCode::SERVICE_UNAVAILABLE, "store", "the store does not answer", "send the report again")
    };
    let Some(id) = boot_token::server(token) else { return Err(unknown()) };
    let server = match parts.bus.read(&id).await {
        Ok(Some(server)) => server,
        Ok(None) => return Err(unknown()),
        Err(error) => return Err(store(&error)),
    };
    if !boot_token::is_current(&server, token) {
        replayed(parts, &server, token).await;
        return Err(unknown());
    }
    if server.report.is_some() {
        tell(parts, &server, "replayed-report", "a second report came under this boot's token, and was not taken")
            .await;
        return Err(unknown());
    }
    if let Err(error) = parse_report(&body) {
        let problem = error.to_string();
        tell(parts, &server, "malformed-report", &problem).await;
        let hint = "docs/guides/from-the-python-poc.md shows both shapes; the token is still good";
        return Err(refuse(StatusCode::BAD_REQUEST, "malformed", &problem, hint));
    }
    // Before the report is taken, so that no crash between the two forgets it; while the token is current it says nothing.
    let used = boot_token::digest(token);
    let key = boot_token::used_key(&server.id);
    if let Err(error) = parts.bus.set(&key, Some(used.as_bytes()), Some(boot_token::USED_TTL)).await {
        return Err(store(&error));
    }
    let event = Event::ReportReceived { entered: server.entered, report: body };
    match parts.apply(&id, &event, Origin::Outside).await {
        Ok(Applied::Committed { transition, .. }) => Ok(transition.server),
        Ok(Applied::Ignored(_)) => Err(unknown()),
        Err(error) => Err(store(&error)),
    }
}
