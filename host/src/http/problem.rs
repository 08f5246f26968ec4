//! Anything but success, as `application/problem+json` (RFC 9457).
//!
//! Promises a `code` that programs may rely on and a `hint` that says what to do; the words beside them may change.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What stands against a request.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// What stands against it.
    pub detail: String,
    /// Kebab case.
    pub code: Cow<'static, str>,
    /// What to do; may be empty.
    pub hint: Cow<'static, str>,
    /// What is wrong with each field of the input.
    pub errors: Vec<FieldProblem>,
    /// Seconds after which it may be tried again, for the header.
    pub retry_after: Option<u64>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize)]
pub struct FieldProblem {
    /// Which.
    pub field: String,
    /// What.
    pub problem: String,
}

/// As it goes over the wire.
#[derive(Serialize)]
struct Body<'a> {
    /// `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
}

impl Problem {
    /// A problem with a code.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            code: code.into(),
            hint: Cow::Borrowed(""),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// A field that is wrong.
    #[must_use]
    pub fn field(mut self, field: &str, problem: impl Into<String>) -> Self {
        self.errors.push(FieldProblem { field: field.to_owned(), problem: problem.into() });
        self
    }

    /// When it may be tried again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The store does not answer, or not as it should.
    pub fn store(error: &crate::bus::BusError) -> Self {
        let status = match error {
            crate::bus::BusError::NotFound(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.code(), error.to_string()).hint("`farrier bus status` says how the store is")
    }
}

impl From<crate::bus::BusError> for Problem {
    fn from(error: crate::bus::BusError) -> Self {
        Self::store(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry) = (self.status, self.retry_after);
        let body = Body {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: &self.detail,
            code: &self.code,
            hint: &self.hint,
            errors: &self.errors,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"farrier\""));
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For the gate's audit: what the body says, without reading it.
        response.extensions_mut().insert(Refused(self.code));
        response
    }
}

/// The code of a refusal, beside the response.
#[derive(Clone, Debug)]
pub struct Refused(pub Cow<'static, str>);
