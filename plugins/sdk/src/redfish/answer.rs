//! What an answer to a write means.
//!
//! Promises: success and refusal are told apart also where the status misleads; what must restart, and the job
//! that goes on, are found. Does not: read back; callers prove an effect by reading.
//!
//! Not obvious: HPE says success in an error envelope, and iDRAC 10 says refusal with status 200. Neither status
//! nor severity decides alone: a message that is known to be good is good, `Critical` never is.

use super::uri::path_of;
use crate::error::{self, Message};
use crate::http;
use crate::json::Json;
use crate::types::{Completion, Error, Job, ResetKind, Response};
use serde_json::Value;

/// Names of messages that report success.
const GOOD: [&str; 10] = [
    "Success",
    "Created",
    "NoOperation",
    "Accepted",
    "PropertyValueAlreadySet",
    "SystemResetRequired",
    "ResetRequired",
    "DeviceResetRequired",
    "ResetInProgress",
    "GeneratingCertificate",
];

/// A write that the controller took.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// 200 to 299.
    pub status: u16,
    /// The body, `Null` where there was none.
    pub body: Value,
    /// Path of the task or job that goes on.
    pub job: Option<String>,
    /// What must restart before it holds.
    pub reset: Option<ResetKind>,
}

impl Written {
    /// The answer of a call that may take long. An accepted write without a job is `done`: Supermicro stages
    /// settings so.
    pub fn completion(self, title: &str) -> Completion {
        match self.job {
            Some(id) => Completion::Pending(Job { id, title: title.to_owned(), poll_after: 10 }),
            None => Completion::Done,
        }
    }
}

/// Judge the answer to a write; `what` names it: `PATCH /redfish/v1/Systems/1`.
pub fn judge(what: &str, response: &Response) -> Result<Written, Error> {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    if !(200..300).contains(&response.status) {
        return Err(error::from_answer(what, response, &body));
    }
    let messages = error::messages(&body);
    let refused = refuses(&messages, body.at(&["error"]).is_some());
    if refused {
        let text = format!("{what}: {}", error::describe(&messages));
        return Err(Error::Rejected(error::rejection(response.status, &messages, text)));
    }
    Ok(Written { status: response.status, job: job_of(response, &body), reset: reset_of(&messages), body })
}

/// In an envelope a warning that is not known to be good refuses; beside a resource it only remarks.
fn refuses(messages: &[Message], envelope: bool) -> bool {
    messages.iter().any(|message| {
        let critical = message.severity.eq_ignore_ascii_case("critical");
        let warning = message.severity.eq_ignore_ascii_case("warning");
        critical || (envelope && warning && !GOOD.contains(&message.name()))
    })
}

fn reset_of(messages: &[Message]) -> Option<ResetKind> {
    if messages.iter().any(|message| message.name() == "SystemResetRequired") {
        return Some(ResetKind::Host);
    }
    messages.iter().any(|message| message.name() == "ResetRequired").then_some(ResetKind::Bmc)
}

/// The `Location` of a task or job, or the task that is the body itself.
fn job_of(response: &Response, body: &Value) -> Option<String> {
    let location = http::header(response, "location").and_then(|link| path_of(link).ok());
    let is_job = |path: &String| {
        let lower = path.to_ascii_lowercase();
        ["/tasks/", "/jobs/", "/taskmonitors/", "/monitor"].iter().any(|part| lower.contains(part))
    };
    let in_body = || {
        let is_task = body.text(&["@odata.type"]).is_some_and(|kind| kind.starts_with("#Task."));
        body.link(&[]).filter(|_| is_task).and_then(|link| path_of(&link).ok())
    };
    location.filter(|path| response.status == 202 || is_job(path)).or_else(in_body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, location: Option<&str>, body: &Value) -> Response {
        let headers = location.map(|l| ("location".to_owned(), l.to_owned())).into_iter().collect();
        Response { status, headers, body: body.to_string().into_bytes() }
    }

    fn envelope(id: &str, severity: &str) -> Value {
        json!({"error": {"code": "iLO.0.10.ExtendedInfo", "@Message.ExtendedInfo": [
            {"MessageId": id, "Severity": severity}]}})
    }

    #[test]
    fn hpe_says_success_in_an_error_envelope() {
        let written = judge("PATCH /x", &answer(200, None, &envelope("Base.1.18.Success", "OK")));
        assert_eq!(written.map(|w| w.reset), Ok(None));
        let written = judge("PATCH /x", &answer(200, None, &envelope("iLO.2.24.ResetRequired", "Warning")));
        assert_eq!(written.map(|w| w.reset), Ok(Some(ResetKind::Bmc)));
        let written = judge("PATCH /x", &answer(200, None, &envelope("iLO.2.24.SystemResetRequired", "Warning")));
        assert_eq!(written.map(|w| w.reset), Ok(Some(ResetKind::Host)));
    }

    #[test]
    fn a_refusal_with_status_200_is_a_refusal() {
        for (id, severity) in [("Base.1.18.PropertyNotWritable", "Warning"), ("IDRAC.2.9.SWC0235", "Critical")] {
            let error = judge("PATCH /x", &answer(200, None, &envelope(id, severity))).unwrap_err();
            assert!(matches!(&error, Error::Rejected(remote) if remote.code.as_deref() == Some(id)), "{error:?}");
        }
    }

    #[test]
    fn an_accepted_write_is_a_job_only_with_a_place_to_look() {
        let job = judge("PATCH /x", &answer(202, Some("https://h/redfish/v1/TaskService/Tasks/JID_1"), &Value::Null));
        assert_eq!(job.map(|w| w.job), Ok(Some("/redfish/v1/TaskService/Tasks/JID_1".to_owned())));
        let staged = judge("PATCH /x", &answer(202, None, &Value::Null)).map(|w| w.completion("t"));
        assert_eq!(staged, Ok(Completion::Done));
        let created = judge("POST /x", &answer(201, Some("/redfish/v1/AccountService/Accounts/3"), &Value::Null));
        assert_eq!(created.map(|w| w.job), Ok(None));
        let body = json!({"@odata.type": "#Task.v1_4_3.Task", "@odata.id": "/redfish/v1/TaskService/Tasks/2"});
        assert_eq!(judge("POST /x", &answer(202, None, &body)).map(|w| w.job.is_some()), Ok(true));
    }
}
