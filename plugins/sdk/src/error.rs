//! From what went wrong to the contract's error cases.
//!
//! Promises: every transport error and every Redfish error body has one case, chosen by status and `MessageId`;
//! the controller's own words and its advice are kept. Does not: retry.
//!
//! Not obvious: some refusals come with status 400 or 500 and mean "not now" (POST running, iDRAC not ready).
//! They are told by their `MessageId`, so that the host waits instead of giving up.

use crate::json::Json;
use crate::types::{Busy, Error, HttpError, OtherError, RemoteError, Response};
use serde_json::Value;

/// `MessageId` endings that mean "ask again later", whatever the status.
const LATER: [&str; 7] = [
    "UnableToModifyDuringSystemPOST",
    "InvalidOperationForSystemState",
    "SYS518",
    "ServiceTemporarilyUnavailable",
    "ResourceInUse",
    "ServiceShuttingDown",
    "RAC0218",
];

/// One entry of `@Message.ExtendedInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// As sent: `Base.1.18.PropertyValueNotInList`.
    pub id: String,
    /// What it says, with its arguments in place.
    pub text: String,
    /// `OK`, `Warning`, `Critical`; empty where not said.
    pub severity: String,
    /// What the vendor advises.
    pub resolution: Option<String>,
}

impl Message {
    /// The last part of the id: `PropertyValueNotInList`.
    pub fn name(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or_default()
    }
}

/// The messages of an answer: those in an error envelope, else those at the top.
pub fn messages(body: &Value) -> Vec<Message> {
    let mut found = body.list(&["error", "@Message.ExtendedInfo"]);
    if found.is_empty() {
        found = body.list(&["@Message.ExtendedInfo"]);
    }
    let mut out: Vec<Message> = found.iter().map(read_message).collect();
    if out.is_empty()
        && let Some(error) = body.at(&["error"])
    {
        out.push(Message {
            id: error.text(&["code"]).unwrap_or_default(),
            text: error.text(&["message"]).unwrap_or_default(),
            ..Message::default()
        });
    }
    out
}

fn read_message(value: &Value) -> Message {
    let arguments = value.texts(&["MessageArgs"]);
    let id = value.text(&["MessageId"]).unwrap_or_default();
    let text = value
        .text(&["Message"])
        .unwrap_or_else(|| if arguments.is_empty() { id.clone() } else { format!("{id} [{}]", arguments.join(", ")) });
    let severity = value.text(&["MessageSeverity"]).or_else(|| value.text(&["Severity"])).unwrap_or_default();
    Message { id, text, severity, resolution: value.text(&["Resolution"]) }
}

/// The error for a request that got no answer.
pub fn from_http(error: HttpError) -> Error {
    match error {
        HttpError::Unreachable(why) => Error::Unreachable(why),
        HttpError::TimedOut => Error::TimedOut,
        HttpError::Denied(why) => Error::Denied(why),
        HttpError::Unauthenticated => Error::Unauthenticated,
        HttpError::TooLarge(bytes) => {
            Error::Malformed(format!("the answer is larger than the host takes: {bytes} bytes"))
        }
        HttpError::Throttled(millis) => Error::Busy(Busy {
            retry_after: Some(millis.div_ceil(1000)),
            reason: "the request rate for this controller is spent".to_owned(),
        }),
    }
}

/// The error an answer with a failing status stands for. `what` names the request: `GET /redfish/v1/Systems/1`.
pub fn from_answer(what: &str, response: &Response, body: &Value) -> Error {
    let messages = messages(body);
    let said = describe(&messages);
    let text = if said.is_empty() { format!("{what}: status {}", response.status) } else { format!("{what}: {said}") };
    if let Some(message) = messages.iter().find(|message| LATER.contains(&message.name())) {
        return Error::Busy(Busy { retry_after: retry_after(response), reason: format!("{what}: {}", message.text) });
    }
    by_status(what, response.status, retry_after(response), text, |text| rejection(response.status, &messages, text))
}

/// The controller's refusal in its own words.
pub fn rejection(status: u16, messages: &[Message], text: String) -> RemoteError {
    let worst = messages
        .iter()
        .find(|message| message.severity.eq_ignore_ascii_case("critical"))
        .or_else(|| messages.iter().find(|message| message.severity.eq_ignore_ascii_case("warning")))
        .or_else(|| messages.first());
    RemoteError {
        status: Some(status),
        code: worst.map(|message| message.id.clone()).filter(|id| !id.is_empty()),
        message: text,
        resolution: worst.and_then(|message| message.resolution.clone()),
    }
}

/// The messages as one line.
pub fn describe(messages: &[Message]) -> String {
    let parts: Vec<&str> =
        messages.iter().map(|message| message.text.as_str()).filter(|text| !text.is_empty()).collect();
    parts.join("; ")
}

/// An error as one line for a finding or a log.
pub fn line(error: &Error) -> String {
    match error {
        Error::Unsupported(text)
        | Error::InvalidInput(text)
        | Error::Forbidden(text)
        | Error::Unreachable(text)
        | Error::NotFound(text)
        | Error::Conflict(text)
        | Error::Malformed(text)
        | Error::Denied(text)
        | Error::Internal(text) => text.clone(),
        Error::Unauthenticated => "the credentials were refused".to_owned(),
        Error::TimedOut => "timed out".to_owned(),
        Error::Busy(busy) => busy.reason.clone(),
        Error::Other(other) => other.message.clone(),
        Error::Rejected(remote) => match (&remote.code, &remote.resolution) {
            (Some(code), Some(resolution)) => format!("{} ({code}; {resolution})", remote.message),
            (Some(code), None) => format!("{} ({code})", remote.message),
            _ => remote.message.clone(),
        },
    }
}

/// Whether an error is the controller's answer to this one request, so that other requests may still do well.
pub fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Rejected(_) | Error::Unsupported(_) | Error::NotFound(_) | Error::Conflict(_) | Error::Forbidden(_)
    )
}

/// The case a status stands for, in the words of `text`; what no case says is `rejected`. `after`: seconds of `Retry-After`.
pub fn by_status(
    what: &str,
    status: u16,
    after: Option<u32>,
    text: String,
    rejected: impl FnOnce(String) -> RemoteError,
) -> Error {
    match status {
        401 => Error::Unauthenticated,
        403 => Error::Forbidden(text),
        404 | 410 => Error::NotFound(text),
        405 | 501 => Error::Unsupported(text),
        408 | 504 => Error::TimedOut,
        409 | 412 | 428 => Error::Conflict(text),
        429 | 503 => Error::Busy(Busy { retry_after: after, reason: text }),
        300..=399 => Error::Malformed(format!("{what}: a redirect that was not followed (status {status})")),
        500..=599 => Error::Other(OtherError { code: format!("http-{status}"), message: text, retryable: true }),
        _ => Error::Rejected(rejected(text)),
    }
}

/// Seconds of a `Retry-After` header; its date form is left to the host's own delays.
pub fn retry_after(response: &Response) -> Option<u32> {
    crate::http::header(response, "retry-after")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Response { status, headers, body: Vec::new() }
    }

    #[test]
    fn a_refusal_during_post_is_busy_whatever_its_status() {
        let body =
            json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "iLO.2.14.UnableToModifyDuringSystemPOST"}]}});
        let error = from_answer("PATCH /x", &answer(400, &[]), &body);
        assert!(matches!(error, Error::Busy(_)), "{error:?}");
        let body =
            json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "IDRAC.2.8.SYS518", "Message": "not ready"}]}});
        let error = from_answer("GET /x", &answer(500, &[]), &body);
        assert_eq!(error, Error::Busy(Busy { retry_after: None, reason: "GET /x: not ready".to_owned() }));
    }

    #[test]
    fn statuses_have_their_cases() {
        let none = Value::Null;
        let busy = from_answer("GET /x", &answer(503, &[("retry-after", "12")]), &none);
        assert_eq!(busy, Error::Busy(Busy { retry_after: Some(12), reason: "GET /x: status 503".to_owned() }));
        assert_eq!(from_answer("GET /x", &answer(401, &[]), &none), Error::Unauthenticated);
        assert!(matches!(from_answer("GET /x", &answer(404, &[]), &none), Error::NotFound(_)));
        assert!(matches!(from_answer("PATCH /x", &answer(412, &[]), &none), Error::Conflict(_)));
        assert!(matches!(from_answer("GET /x", &answer(500, &[]), &none), Error::Other(o) if o.retryable));
        assert_eq!(
            from_http(HttpError::Throttled(1500)),
            Error::Busy(Busy {
                retry_after: Some(2),
                reason: "the request rate for this controller is spent".to_owned()
            })
        );
    }

    #[test]
    fn a_rejection_keeps_the_vendors_words() {
        let body = json!({"error": {"code": "Base.1.18.GeneralError", "@Message.ExtendedInfo": [
            {"MessageId": "Base.1.18.PropertyValueNotInList", "Message": "The value is not in the list.",
             "MessageSeverity": "Warning", "Resolution": "Choose a value from the list."}]}});
        let Error::Rejected(remote) = from_answer("PATCH /x", &answer(400, &[]), &body) else { panic!("not rejected") };
        assert_eq!(remote.status, Some(400));
        assert_eq!(remote.code.as_deref(), Some("Base.1.18.PropertyValueNotInList"));
        assert_eq!(remote.message, "PATCH /x: The value is not in the list.");
        assert_eq!(remote.resolution.as_deref(), Some("Choose a value from the list."));
    }
}
