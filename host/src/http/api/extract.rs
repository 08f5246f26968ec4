//! How requests are read: what is unknown, too long or of the wrong kind is refused, named.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts as Head;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::error::Problem;

/// Bytes of a body; nothing the API takes is near it.
pub const MAX_BODY: usize = 64 * 1024;
/// Characters of a name in a path or a query.
pub const MAX_NAME: usize = 128;
/// Characters of a reason or a note.
pub const MAX_TEXT: usize = 500;

/// The query, with unknown parameters refused by `T`.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, _: &S) -> Result<Self, Problem> {
        let Query(query) = Query::try_from_uri(&head.uri).map_err(|error| {
            let text = error.body_text();
            Problem::input("", text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text))
        })?;
        Ok(Self(query))
    }
}

/// One segment of the path that names something.
#[derive(Debug)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(head, state)
            .await
            .map_err(|_| Problem::input("path", "a name is UTF-8 text"))?;
        line("path", &name, MAX_NAME)?;
        Ok(Self(name))
    }
}

/// A JSON body, with unknown fields refused by `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let text = format!("a body of type `{kind}` is not taken");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", text)
                .hint("send `Content-Type: application/json`"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large")
                    .hint(format!("a body has at most {MAX_BODY} bytes"))
            }
            _ => Problem::input("", "the body could not be read"),
        })?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { path };
        Problem::input(&field, error.into_inner().to_string())
    })?;
    reader.end().map_err(|error| Problem::input("", error.to_string()))?;
    Ok(value)
}

/// Text of one line: not empty, not too long, nothing that moves a terminal's cursor.
pub fn line(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::input(field, "must not be empty"));
    }
    if text.chars().count() > most {
        return Err(Problem::input(field, format!("has at most {most} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::input(field, "must be one line without control characters"));
    }
    Ok(())
}

/// The same, where it may be absent.
pub fn maybe_line(field: &str, text: Option<&String>, most: usize) -> Result<(), Problem> {
    text.map_or(Ok(()), |text| line(field, text, most))
}
