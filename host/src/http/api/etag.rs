//! Versions as entity tags: `"17"` is the record after its seventeenth commit.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::Problem;

/// The tag of a version.
pub fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

fn tags(headers: &HeaderMap, name: &header::HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::input(name.as_str(), "is not an entity tag"))?;
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    Ok(Some(text.split(',').map(weak).collect()))
}

/// The record as JSON with its tag; 304 where the asker has this version.
pub fn answer(headers: &HeaderMap, version: u64, body: &impl Serialize) -> Result<Response, Problem> {
    let tag = tag(version);
    let known = tags(headers, &header::IF_NONE_MATCH)?;
    let mut response = if known.is_some_and(|known| known.iter().any(|one| *one == tag || one == "*")) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(body).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// The record after a change, with its tag.
pub fn written(version: u64, body: &impl Serialize) -> Result<Response, Problem> {
    answer(&HeaderMap::new(), version, body)
}

/// Is the change meant for the record as it is now? As far as that can be told before it is decided. `what`: `order O000001`.
pub fn meant(headers: &HeaderMap, what: &str, now: u64) -> Result<(), Problem> {
    match wanted(headers)? {
        Some(wanted) if wanted != now => {
            let text = format!("{what} is at version {now}, not {wanted}");
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-mismatch", text)
                .hint("read it again, and decide on what it is now"))
        }
        _ => Ok(()),
    }
}

/// The version that `If-Match` asks for; `None`: any.
pub fn wanted(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(tags) = tags(headers, &header::IF_MATCH)? else { return Ok(None) };
    match tags.as_slice() {
        [any] if any == "*" => Ok(None),
        [one] => one
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|version| version.parse().ok())
            .map(Some)
            .ok_or_else(|| Problem::input("If-Match", "is the ETag that a GET gave, as \"17\"")),
        _ => Err(Problem::input("If-Match", "takes one ETag")),
    }
}
