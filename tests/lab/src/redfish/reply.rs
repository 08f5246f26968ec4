//! Answers, and each vendor's way to wrap messages.
//!
//! Promises the envelopes clients must cope with: HPE's success that looks like an error, Dell's counted
//! arrays, Supermicro's `Success` object. It does not decide what happened.

use serde_json::{Value, json};

use super::config::Kind;
use super::profile::profile;

/// An answer before it becomes HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

/// One message of an envelope.
#[derive(Debug, Clone)]
pub(super) struct Message {
    id: String,
    text: &'static str,
    args: Vec<String>,
    related: Option<String>,
}

impl Message {
    /// A message of the standard registry, e.g. `PropertyUnknown`.
    pub(super) fn base(kind: Kind, name: &str, args: &[&str]) -> Self {
        Self::full(&format!("{}.{name}", profile(kind).base), args)
    }

    /// A message with its full id.
    pub(super) fn full(id: &str, args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { id: id.to_owned(), text: wording(id), args, related: None }
    }

    /// Name the property the message is about, by slash-separated path.
    #[must_use]
    pub(super) fn about(mut self, path: &str) -> Self {
        self.related = Some(format!("#/{path}"));
        self
    }
}

impl Reply {
    /// No content.
    pub(crate) fn none() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    /// A body with a status.
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    /// Add a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A refusal with the vendor's envelope.
    pub(super) fn refuse(kind: Kind, status: u16, messages: &[Message]) -> Self {
        let infos: Vec<Value> = messages.iter().map(|message| info(kind, message)).collect();
        Self::json(status, envelope(kind, &infos))
    }

    /// Shorthand for one message of the standard registry.
    pub(super) fn refuse_base(kind: Kind, status: u16, name: &str, args: &[&str]) -> Self {
        Self::refuse(kind, status, &[Message::base(kind, name, args)])
    }

    /// A write that was done, in the vendor's envelope; `resource` is what a standard service returns.
    pub(super) fn done(kind: Kind, message: Option<&str>, resource: Option<Value>) -> Self {
        match kind {
            Kind::HpeIlo5 | Kind::HpeIlo6 => {
                let message = message.map_or_else(|| Message::base(kind, "Success", &[]), |id| Message::full(id, &[]));
                Self::json(200, envelope(kind, &[info(kind, &message)]))
            }
            Kind::DellIdrac9 => {
                let infos = [Message::base(kind, "Success", &[]), Message::full("IDRAC.2.8.SYS413", &[])];
                let infos: Vec<Value> = infos.iter().map(|message| info(kind, message)).collect();
                Self::json(200, json!({"@Message.ExtendedInfo": infos}))
            }
            Kind::SupermicroX13 => {
                let infos = vec![info(kind, &Message::base(kind, "Success", &[]))];
                Self::json(
                    200,
                    json!({"Success": {"code": "Base.v1_10_3.Success",
                    "message": "Successfully Completed Request.", "@Message.ExtendedInfo": infos}}),
                )
            }
            Kind::Generic => resource.map_or_else(Self::none, |body| Self::json(200, body)),
        }
    }
}

fn envelope(kind: Kind, infos: &[Value]) -> Value {
    let (code, message) = match kind {
        Kind::HpeIlo5 | Kind::HpeIlo6 => {
            ("iLO.0.10.ExtendedInfo".to_owned(), "See @Message.ExtendedInfo for more information.")
        }
        Kind::SupermicroX13 => (
            "Base.v1_10_3.GeneralError".to_owned(),
            "A general error has occurred. See ExtendedInfo for more information.",
        ),
        _ => (
            format!("{}.GeneralError", profile(kind).base),
            "A general error has occurred. See ExtendedInfo for more information",
        ),
    };
    json!({"error": {"code": code, "message": message, "@Message.ExtendedInfo": infos}})
}

fn info(kind: Kind, message: &Message) -> Value {
    let related: Vec<&str> = message.related.as_deref().into_iter().collect();
    let severity = if message.id.ends_with("Success") || message.id.ends_with("SYS413") { "OK" } else { "Warning" };
    match kind {
        Kind::HpeIlo5 | Kind::HpeIlo6 if message.args.is_empty() => json!({"MessageId": message.id}),
        Kind::HpeIlo5 | Kind::HpeIlo6 => json!({"MessageArgs": message.args, "MessageId": message.id}),
        Kind::DellIdrac9 => json!({
            "Message": message.text, "MessageArgs": message.args, "MessageArgs@odata.count": message.args.len(),
            "MessageId": message.id, "RelatedProperties": related, "RelatedProperties@odata.count": related.len(),
            "Resolution": "No response action is required.", "Severity": severity}),
        Kind::SupermicroX13 | Kind::Generic => json!({
            "@odata.type": "#Message.v1_1_2.Message", "Message": message.text, "MessageArgs": message.args,
            "MessageId": message.id, "RelatedProperties": related, "Resolution": "None.",
            "MessageSeverity": severity}),
    }
}

/// A sentence for the ids that are used; the id is what clients should read.
fn wording(id: &str) -> &'static str {
    match id.rsplit('.').next().unwrap_or_default() {
        "Success" => "The request completed successfully.",
        "SYS413" => "The operation successfully completed.",
        "PropertyUnknown" => "A property in the request body is not known for this resource.",
        "PropertyNotWritable" => "A property in the request body is read-only.",
        "PropertyValueNotInList" => "A value is not in the list of acceptable values.",
        "PropertyValueTypeError" => "A value is of a different type than the property accepts.",
        "ResourceMissingAtURI" | "ResourceNotFound" => "There is no resource at the requested address.",
        "RAC0218" => "The maximum number of user sessions is reached.",
        "SessionLimitExceeded" => "The number of simultaneous sessions has reached its limit.",
        "PSU501" | "ActionParameterValueConflict" => "The server is already in the requested power state.",
        "PreconditionFailed" => "The ETag supplied does not match the current state.",
        "PreconditionRequired" => "An If-Match header is required for this request.",
        "ServiceTemporarilyUnavailable" => "The service is temporarily unavailable.",
        _ => "See the message id.",
    }
}
