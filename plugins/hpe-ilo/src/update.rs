//! Firmware as an iLO takes it: a form in a fixed order, and progress in the update service.
//!
//! Promises: the parts `sessionKey`, `parameters`, `file`, the session also as a cookie; the image is written and not kept in
//! the repository. Does not: use install sets or the task queue.
//!
//! Not obvious: there is no task. A system ROM is staged, and the state may be `Idle` again before anybody looked, so the end
//! is judged by the version.

use farrier_plugin_sdk::driver::{Context, push};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::redfish::Written;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{
    Body, Error, JobProgress, JobState, Part, PartContent, RemoteError, SecretRef, Step, TextOrSecret,
};

/// Seconds to the next look.
const AGAIN: u32 = 10;

/// Push the form, or have the iLO fetch the image where it offers no place to push to.
pub fn send(context: &Context<'_>, service: &Value, step: &Step) -> Result<Written, Error> {
    let Some(uri) = service.text(&["HttpPushUri"]) else { return push::pull(context, service, step) };
    let session = |prefix: &str| SecretRef { prefix: prefix.to_owned(), name: "session".to_owned() };
    let mark: String = step.image.sha256.chars().take(16).collect();
    let parameters = json!({ "UpdateRepository": false, "UpdateTarget": true, "ETag": mark, "Section": 0 });
    let parts = vec![
        Part {
            name: "sessionKey".to_owned(),
            filename: None,
            content_type: String::new(),
            content: PartContent::Secret(session("")),
        },
        push::text_part("parameters", "application/json", parameters.to_string()),
        push::image_part("file", step),
    ];
    let cookie = ("Cookie".to_owned(), TextOrSecret::Secret(session("sessionKey=")));
    context.redfish.push(&uri, vec![cookie], Body::Multipart(parts))
}

/// The state of the update service; an old one has none.
fn state(service: &Value) -> String {
    service.text(&["Oem", "Hpe", "State"]).unwrap_or_else(|| "Idle".to_owned())
}

/// What it is busy with.
pub fn busy(service: &Value) -> Option<String> {
    let state = state(service);
    let free = matches!(state.as_str(), "Idle" | "Complete" | "Error");
    (!free).then(|| format!("the update service says `{state}`"))
}

/// How the update is doing.
pub fn judge(service: &Value) -> JobState {
    match state(service).as_str() {
        "Idle" | "Complete" => JobState::Succeeded("the update service has finished".to_owned()),
        "Error" => {
            let code = service.text(&["Oem", "Hpe", "Result", "MessageId"]);
            let said = code.clone().unwrap_or_else(|| "no reason is given".to_owned());
            JobState::Failed(Error::Rejected(RemoteError {
                status: None,
                code,
                message: format!("the iLO did not take the image: {said}"),
                resolution: Some("is it an image for this model, signed by HPE?".to_owned()),
            }))
        }
        going => {
            let percent = service.natural(&["Oem", "Hpe", "FlashProgressPercent"]);
            let percent = percent.and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= 100);
            JobState::Running(JobProgress { percent, message: going.to_owned(), poll_after: AGAIN })
        }
    }
}
