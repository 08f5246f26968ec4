//! A change that is asked for twice is made once: `Idempotency-Key`.
//!
//! Promises that of any number of requests with the same key, caller and body one runs, and the others get its answer, on whichever host
//! of the store they arrive; and that a key used for another request is refused. An answer that says "try again" (5xx) is not kept.
//! Not obvious: the request runs in a task of its own, so that a client that goes away leaves an answer behind and not a riddle.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::extract::{MAX_BODY, MAX_NAME};
use super::{Api, Problem};
use crate::access::Principal;
use crate::bus::{Bus, BusError};

/// What the client sends.
const KEY: &str = "idempotency-key";
/// What an answer says that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long an answer is kept.
const KEPT: Duration = Duration::from_hours(24);
/// A host that dies with a request leaves its key behind; after this it may be tried again.
const RUNNING: Duration = Duration::from_mins(1);
/// How long a second request waits for the first one's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(50);
/// A longer answer is not kept; none is.
const LONGEST: usize = 256 * 1024;
/// Headers that belong to an answer.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// What stands under a key.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Of the request.
    digest: String,
    /// Who runs it, so that a lost reply of the store can be told from somebody else.
    owner: String,
    /// Absent while it runs.
    answer: Option<Answer>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

fn hex(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    crate::access::hex(&hash.finalize())
}

fn encode(kept: &Kept) -> Vec<u8> {
    serde_json::to_vec(kept).unwrap_or_default()
}

/// The key a request carries, checked.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=MAX_NAME).contains(&text.len()));
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    let wrong = || Problem::input("Idempotency-Key", format!("is 1 to {MAX_NAME} visible ASCII characters"));
    text.map(|text| Some(text.to_owned())).ok_or_else(wrong)
}

/// Middleware over every route that changes something.
pub async fn once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => keyed(&api, &key, request, next).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(api: &Api, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let who = head.extensions.get::<Principal>().map(|who| who.name.clone()).unwrap_or_default();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large")
            .hint(format!("a body has at most {MAX_BODY} bytes"))
    })?;
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let matched = head.headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    let digest = hex(&[head.method.as_str().as_bytes(), target.as_bytes(), matched, &body]);
    let place = format!("idempotency/{}", hex(&[who.as_bytes(), key.as_bytes()]));
    let owner = format!("{:016x}", rand::random::<u64>());
    let running = encode(&Kept { digest: digest.clone(), owner: owner.clone(), answer: None });
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if claim(&*api.parts.bus, &place, &running, &owner).await? {
            break;
        }
        let Some(found) = api.parts.bus.get(&place).await? else { continue };
        let kept: Kept = serde_json::from_slice(&found)
            .map_err(|error| BusError::Corrupt { key: place.clone(), problem: error.to_string() })?;
        if kept.digest != digest {
            let text = "this idempotency key was used for another request";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", text)
                .hint("use a new key for each change"));
        }
        if let Some(answer) = kept.answer {
            return Ok(replay(answer));
        }
        if tokio::time::Instant::now() >= end {
            let text = "the first request with this idempotency key is still running";
            return Err(Problem::new(StatusCode::CONFLICT, "in-progress", text)
                .hint("send it again in a moment, with the same key")
                .retry_after(1));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let bus = api.parts.bus.clone();
    let run = tokio::spawn(async move {
        let response = next.run(Request::from_parts(head, Body::from(body))).await;
        keep(&*bus, &place, &running, Kept { digest, owner, answer: None }, response).await
    });
    run.await.map_err(|error| {
        tracing::error!(%error, "a request ended without an answer");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "host-error", "the request ended without an answer")
    })
}

/// Is it ours to run?
async fn claim(bus: &dyn Bus, place: &str, running: &[u8], owner: &str) -> Result<bool, BusError> {
    match bus.swap(place, None, Some(running), Some(RUNNING)).await {
        Err(BusError::Unreachable(cause)) => {
            // It may have happened: then our own name stands there.
            let found = bus.get(place).await?.and_then(|found| serde_json::from_slice::<Kept>(&found).ok());
            if found.is_some_and(|kept| kept.owner == owner) { Ok(true) } else { Err(BusError::Unreachable(cause)) }
        }
        swapped => swapped,
    }
}

/// Keep the answer, and give it.
async fn keep(bus: &dyn Bus, place: &str, running: &[u8], kept: Kept, response: Response) -> Response {
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let again = head.status.is_server_error() || matches!(head.status.as_u16(), 401 | 429) || body.len() > LONGEST;
    let done = (!again).then(|| encode(&Kept { answer: Some(answer(head.status, &head.headers, &body)), ..kept }));
    if let Err(error) = bus.swap(place, Some(running), done.as_deref(), done.as_ref().map(|_| KEPT)).await {
        tracing::warn!(%error, "the answer to an idempotent request is not kept");
    }
    Response::from_parts(head, Body::from(body))
}

fn answer(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Answer {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    let headers = HEADERS.iter().filter_map(text).collect();
    Answer { status: status.as_u16(), headers, body: STANDARD.encode(body) }
}

fn replay(answer: Answer) -> Response {
    let body = STANDARD.decode(answer.body).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    response
}
