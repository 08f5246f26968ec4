//! The ways an image gets to a controller by the Redfish schema.
//!
//! Promises: the first of multipart push, plain push and pull that the update service offers and the step allows; an image is
//! named by its digest, its bytes never come here. Does not: follow what becomes of it.
//!
//! Not obvious: a file's name matters, controllers judge by its ending. It is the last part of the image's address, and
//! where there is none the host's own.

use super::Context;
use crate::json::Json;
use crate::redfish::Written;
use crate::types::{Body, Error, Part, PartContent, Step};
use serde_json::{Value, json};

/// Seconds to come back after when a controller is busy with an update.
pub const BUSY_FOR: u32 = 30;

/// Send by what the service offers.
pub fn send(parameters: &Value, context: &Context<'_>, service: &Value, step: &Step) -> Result<Written, Error> {
    if let Some(uri) = service.text(&["MultipartHttpPushUri"]) {
        let parts = vec![
            text_part("UpdateParameters", "application/json", parameters.to_string()),
            image_part("UpdateFile", step),
        ];
        return context.redfish.push(&uri, Vec::new(), Body::Multipart(parts));
    }
    if let Some(uri) = service.text(&["HttpPushUri"]) {
        return context.redfish.push(&uri, Vec::new(), Body::Image(step.image.sha256.clone()));
    }
    pull(context, service, step)
}

/// Have the controller fetch the image from the host.
pub fn pull(context: &Context<'_>, service: &Value, step: &Step) -> Result<Written, Error> {
    const ACTION: &str = "#UpdateService.SimpleUpdate";
    let uri = &step.image.uri;
    if uri.is_empty() {
        return Err(Error::Unsupported(
            "the controller takes no image, it fetches them, and the host serves none: configure `[http]`".to_owned(),
        ));
    }
    let scheme = uri.split(':').next().unwrap_or_default().to_ascii_uppercase();
    let allowed = context.redfish.allowable(service, ACTION, "TransferProtocol")?;
    if !allowed.is_empty() && !allowed.iter().any(|one| one.eq_ignore_ascii_case(&scheme)) {
        return Err(Error::Unsupported(format!("the controller fetches images by {allowed:?}, not by {scheme}")));
    }
    context.redfish.act(service, ACTION, &json!({ "ImageURI": uri, "TransferProtocol": scheme }))
}

/// A part that holds a text.
pub fn text_part(name: &str, content_type: &str, text: String) -> Part {
    Part {
        name: name.to_owned(),
        filename: None,
        content_type: content_type.to_owned(),
        content: PartContent::Text(text),
    }
}

/// The part that holds a step's image.
pub fn image_part(name: &str, step: &Step) -> Part {
    Part {
        name: name.to_owned(),
        filename: file_name(&step.image.uri),
        content_type: "application/octet-stream".to_owned(),
        content: PartContent::Image(step.image.sha256.clone()),
    }
}

/// The last part of an address, decoded; `None` where there is none.
fn file_name(uri: &str) -> Option<String> {
    let path = uri.split_once("://").and_then(|(_, rest)| rest.split_once('/'))?.1;
    let last = path.split(['?', '#']).next()?.rsplit('/').next()?;
    let mut bytes = Vec::with_capacity(last.len());
    let mut rest = last.bytes();
    while let Some(byte) = rest.next() {
        let digits = (byte == b'%').then(|| [rest.clone().next(), rest.clone().nth(1)]);
        let coded = digits.and_then(|pair| {
            let text = [pair[0]?, pair[1]?];
            u8::from_str_radix(std::str::from_utf8(&text).ok()?, 16).ok()
        });
        if coded.is_some() {
            rest.nth(1);
        }
        bytes.push(coded.unwrap_or(byte));
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty() && !name.contains(['/', '\\', '"']))
}

/// What the schema says an update service is busy with: its own flags, and a task that runs.
pub fn busy(context: &Context<'_>, service: &Value) -> Result<Option<String>, Error> {
    let flags = ["HttpPushUriTargetsBusy", "HttpPushUriOptionsBusy"];
    if let Some(flag) = flags.iter().find(|flag| service.flag(&[flag]) == Some(true)) {
        return Ok(Some(format!("the update service says `{flag}`")));
    }
    let Some(tasks) = context.of_root(&["Tasks"])? else { return Ok(None) };
    let all = context.redfish.members(tasks.link(&["Tasks"]).as_deref())?;
    let runs = |task: &Value| {
        let state = task.text(&["TaskState"]).unwrap_or_default();
        matches!(state.as_str(), "Running" | "Starting")
            .then(|| task.text(&["Name"]).unwrap_or_else(|| "a task".into()))
    };
    Ok(all.iter().find_map(|task| runs(task)).map(|name| format!("`{name}` runs")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_the_address() {
        let name = |uri: &str| file_name(uri);
        assert_eq!(
            name("http://10.0.0.1:8080/firmware/tok/BIOS_1.2%20%28a%29.EXE?x=1").as_deref(),
            Some("BIOS_1.2 (a).EXE")
        );
        assert_eq!(name("https://h/firmware/tok/100%.bin").as_deref(), Some("100%.bin"));
        for none in ["", "http://h", "http://h/a/", "http://h/a/%2e%2e%2fx", "ilo.bin"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
