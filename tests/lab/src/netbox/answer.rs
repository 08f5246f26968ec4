//! One answer, before it becomes HTTP.
//!
//! Promises a status, headers and a body that is JSON, HTML or nothing. The common headers of each version are
//! put on by the API.

use serde_json::{Value, json};

use super::parse::Failure;

/// What an answer carries.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON.
    Json(Value),
    /// A web page.
    Html(String),
    /// Nothing.
    Empty,
}

/// A status, headers and a body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers beyond the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

impl Answer {
    /// JSON with a status.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    /// `{"detail": ...}` with a status.
    pub fn detail(status: u16, text: impl Into<String>) -> Self {
        Self::json(status, json!({"detail": text.into()}))
    }

    /// Success without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// NetBox's page for what is not there.
    pub fn no_such_page() -> Self {
        let page = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Page Not Found | NetBox</title></head>\
                    <body><h1>Page Not Found</h1><p>The requested page does not exist.</p></body></html>\n";
        Self { status: 404, headers: Vec::new(), body: Body::Html(page.to_owned()) }
    }

    /// The same answer with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(errors) => Self::json(400, Value::Object(errors)),
            Failure::Crash(body) => Self::json(500, body),
            Failure::Protected(text) => Self::detail(409, text),
            Failure::Storage(error) => Self::json(500, json!({"error": error.to_string(), "exception": "OSError"})),
        }
    }
}
