//! Problems of the API's own: wrong input, unknown names, what the store and the lifecycle refuse.
//!
//! Promises that a client can decide by `code` and a person can act by `hint`; and that nothing of the inside (paths, addresses,
//! causes) is in it beyond what the store's and the lifecycle's own messages say.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bus::ApplyError;
pub use crate::http::problem::Problem;

/// The content type of every problem.
pub const PROBLEM: &str = "application/problem+json";

/// A field of the input, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FieldProblem)]
pub struct FieldProblemView {
    /// Its path, as `assign.tenant`; empty: the whole of it.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}

/// Anything but success, as clients read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// Always `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What stands against it.
    pub detail: String,
    /// Kebab case; never changes for one kind of problem.
    pub code: String,
    /// What to do; may be empty.
    pub hint: String,
    /// For wrong input: which fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblemView>,
}

impl Problem {
    /// Input that cannot be taken: 400, with the field.
    pub fn input(field: &str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        let detail = if field.is_empty() { problem.clone() } else { format!("{field}: {problem}") };
        Self::new(StatusCode::BAD_REQUEST, "invalid-input", detail)
            .hint("`/api/v1/openapi.json` describes what is taken")
            .field(field, problem)
    }

    /// No such server, or none that the asker may know of.
    pub fn no_server(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-server", format!("no server is called `{name}`"))
            .hint("`farrier server list` shows the servers whose lease was seen")
    }

    /// The host only observes.
    pub fn observing() -> Self {
        Self::new(StatusCode::CONFLICT, "observing", "the host only observes").hint("start it without `--observe`")
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        let code = error.code();
        match error {
            ApplyError::Refused(refused) => {
                Self::new(StatusCode::CONFLICT, refused.code, refused.text).hint(refused.hint)
            }
            ApplyError::Bus(error) => error.into(),
            ApplyError::Moved { .. } => Self::new(StatusCode::PRECONDITION_FAILED, code, error.to_string())
                .hint("read the server again, and decide on what it is now"),
            other => Self::new(StatusCode::CONFLICT, "conflict", other.to_string()).hint("try again"),
        }
    }
}
