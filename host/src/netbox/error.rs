//! What NetBox, or the way to it, can say, and what each case means for a server.
//!
//! NetBox answers 403 to every trouble with a token, never 401, so the hint covers all of them.

use farrier_lifecycle::{Blame, Fault, Retry};
use serde_json::Value;

/// A request to NetBox that did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetBoxError {
    /// No connection, a timeout, or an answer that broke off. The request may have been carried out.
    #[error("{what}: NetBox does not answer: {cause}")]
    Unreachable {
        /// Method and path.
        what: String,
        /// What the system said.
        cause: String,
    },
    /// 5xx, or 429.
    #[error("{what}: NetBox failed with {status}: {text}")]
    Failing {
        /// Method and path.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// 403 (or 401 from something in front of it).
    #[error("{what}: NetBox refuses the token: {text}")]
    Forbidden {
        /// Method and path.
        what: String,
        /// What it said.
        text: String,
    },
    /// 404 with a body of NetBox.
    #[error("{what}: NetBox has no such object")]
    NotFound {
        /// Method and path.
        what: String,
    },
    /// 412: someone else changed the object in between.
    #[error("{what}: the object was changed in between")]
    Changed {
        /// Method and path.
        what: String,
    },
    /// 400, 409 and other 4xx: NetBox will not have this.
    #[error("{what}: NetBox answers {status}: {text}")]
    Refused {
        /// Method and path.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said, field by field.
        text: String,
    },
    /// A redirect, HTML, or JSON of another shape: this is not NetBox's API.
    #[error("{what}: the answer is not NetBox's: {text}")]
    NotNetBox {
        /// Method and path.
        what: String,
        /// What was wrong.
        text: String,
    },
    /// The token or the authority file cannot be used.
    #[error("NetBox cannot be asked: {0}")]
    Setup(String),
}

impl NetBoxError {
    /// Kebab case, for faults and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "netbox-unreachable",
            Self::Failing { .. } => "netbox-failing",
            Self::Forbidden { .. } => "netbox-forbidden",
            Self::NotFound { .. } => "netbox-not-found",
            Self::Changed { .. } => "netbox-changed",
            Self::Refused { .. } => "netbox-refused",
            Self::NotNetBox { .. } => "not-netbox",
            Self::Setup(_) => "netbox-setup",
        }
    }

    /// Would the same request about another object fare no better?
    pub const fn is_everywhere(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Failing { .. }
                | Self::Forbidden { .. }
                | Self::NotNetBox { .. }
                | Self::Setup(_)
        )
    }
}

impl From<NetBoxError> for Fault {
    fn from(error: NetBoxError) -> Self {
        let (retry, blame, hint) = match &error {
            NetBoxError::Unreachable { .. } => (
                Retry::Backoff,
                Blame::Network,
                "is `netbox.url` right, and can this host reach it? it is asked again by itself",
            ),
            NetBoxError::Failing { .. } => (Retry::Backoff, Blame::Controller, "see NetBox's own log"),
            NetBoxError::Forbidden { .. } => (
                Retry::Slowly,
                Blame::Operator,
                "check that the token is current, may write, is allowed from this address, and that its user may change devices, interfaces, addresses and journal entries",
            ),
            NetBoxError::Changed { .. } => (Retry::Backoff, Blame::Inventory, ""),
            NetBoxError::Refused { text, .. } if text.contains("custom field") || text.contains("custom_fields") => (
                Retry::Never,
                Blame::Operator,
                "`farrier netbox check` names custom fields and choices that are missing",
            ),
            NetBoxError::NotFound { .. } | NetBoxError::Refused { .. } => (Retry::Never, Blame::Inventory, ""),
            NetBoxError::NotNetBox { .. } => (
                Retry::Slowly,
                Blame::Operator,
                "check `netbox.url`: scheme, host and path as in the browser, without `/api`",
            ),
            NetBoxError::Setup(_) => (Retry::Slowly, Blame::Operator, "check `netbox.token_file` and `netbox.ca_file`"),
        };
        let fault = Self::new(error.code(), retry, blame, error.to_string());
        if hint.is_empty() { fault } else { fault.hint(hint) }
    }
}

/// What an error body says, in one line: `detail`, or `field: message` for each field.
pub fn explain(body: &Value) -> String {
    fn collect(value: &Value, path: &str, out: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, path, out)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    let plain = matches!(name.as_str(), "detail" | "__all__" | "non_field_errors" | "error");
                    let path = match (plain, path.is_empty()) {
                        (true, _) => path.to_owned(),
                        (false, true) => name.clone(),
                        (false, false) => format!("{path}.{name}"),
                    };
                    collect(value, &path, out);
                }
            }
            Value::Null => {}
            other => {
                let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                out.push(if path.is_empty() { text } else { format!("{path}: {text}") });
            }
        }
    }
    let mut out = Vec::new();
    collect(body, "", &mut out);
    out.join("; ").chars().filter(|c| !c.is_control()).take(500).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_error_body_becomes_a_line() {
        assert_eq!(explain(&json!({"detail": "Invalid token"})), "Invalid token");
        assert_eq!(
            explain(&json!({"status": ["bogus is not a valid choice."]})),
            "status: bogus is not a valid choice."
        );
        assert_eq!(explain(&json!({"custom_fields": {"x": "no such"}})), "custom_fields.x: no such");
        assert_eq!(explain(&json!([{}, {"name": ["taken"]}])), "name: taken");
    }
}
