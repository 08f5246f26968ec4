//! Tasks, and jobs made of them.
//!
//! Promises: each task state has one meaning; a task that failed or is forgotten is judged by what the appliance has now. Does not:
//! take a state it does not know for an end.
//!
//! Not obvious: an add can end in an error and the server be there all the same, and a purged task says nothing at all. So a job
//! carries what it was for.

use crate::api::{first, said, same};
use crate::hardware;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{self, Value, json};
use farrier_plugin_sdk::types::{Completion, Error, Job, RemoteError};
use farrier_plugin_sdk_fleet::rest::{Answer, Rest};
use farrier_plugin_sdk_fleet::types::{JobProgress, JobState};

/// Tasks looked at to find a running one, newest first.
const LOOKED_AT: usize = 1_000;

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The server is to be there.
    Add,
    /// It is to be gone.
    Remove,
    /// Its firmware is to be at the baseline.
    Update,
}

impl Aim {
    const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Update => "update",
        }
    }

    /// Does a task of this name serve the aim?
    fn fits(self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Add => name.contains("add"),
            Self::Remove => name.contains("remove") || name.contains("delete"),
            Self::Update => name.contains("firmware") || name.contains("update"),
        }
    }

    /// Seconds between two looks.
    const fn pause(self) -> u32 {
        match self {
            Self::Add | Self::Remove => 10,
            Self::Update => 30,
        }
    }
}

/// What a job is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// `/rest/server-hardware/…`, once known.
    pub hardware: Option<String>,
    /// The controller's address.
    pub address: Option<String>,
    /// The bundle's URI.
    pub baseline: Option<String>,
}

/// A job: `task` is absent where the appliance accepted without naming one.
pub fn job(aim: Aim, task: Option<&str>, about: &About, title: &str) -> Completion {
    let id = json!({
        "aim": aim.word(), "task": task, "hardware": about.hardware, "address": about.address, "baseline": about.baseline,
    });
    Completion::Pending(Job { id: id.to_string(), title: title.to_owned(), poll_after: aim.pause() })
}

/// The task of a 202: its `Location`, or the body, which is then the task itself.
pub fn started(answer: &Answer) -> Option<String> {
    let in_body = || {
        let is_task =
            answer.body.text(&["category"]).as_deref() == Some("tasks") || answer.body.at(&["taskState"]).is_some();
        answer.body.text(&["uri"]).filter(|_| is_task)
    };
    answer.location.clone().filter(|location| location.contains("/rest/tasks/")).or_else(in_body)
}

/// A task under way for this server.
pub fn running(api: &Rest<'_>, aim: Aim, about: &About) -> Result<Option<String>, Error> {
    let (mut found, mut left) = (None, LOOKED_AT);
    api.list(&first("/rest/tasks", "&sort=created%3Adescending"), &mut |task| {
        left = left.saturating_sub(1);
        if is_pending(task) && aim.fits(&task.text(&["name"]).unwrap_or_default()) && concerns(task, about) {
            found = task.text(&["uri"]);
        }
        found.is_none() && left > 0
    })?;
    Ok(found)
}

fn is_pending(task: &Value) -> bool {
    let state = task.text(&["taskState"]).unwrap_or_default();
    ["New", "Starting", "Pending", "Running", "Suspended", "Stopping"].contains(&state.as_str())
}

fn concerns(task: &Value, about: &About) -> bool {
    let uri = task.text(&["associatedResource", "resourceUri"]);
    let name = task.text(&["associatedResource", "resourceName"]);
    let by_uri = uri.zip(about.hardware.as_ref()).is_some_and(|(a, b)| same(&a, b));
    by_uri || name.zip(about.address.as_ref()).is_some_and(|(a, b)| hardware::same_address(&a, b))
}

/// How a job is doing.
pub fn poll(api: &Rest<'_>, job: &Job) -> Result<JobState, Error> {
    let id: Value = serde_json::from_str(&job.id).unwrap_or(Value::Null);
    let aim = match id.text(&["aim"]).as_deref() {
        Some("add") => Aim::Add,
        Some("remove") => Aim::Remove,
        Some("update") => Aim::Update,
        _ => return Err(Error::InvalidInput(format!("`{}` is no job of this plugin", job.id))),
    };
    let about =
        About { hardware: id.text(&["hardware"]), address: id.text(&["address"]), baseline: id.text(&["baseline"]) };
    let Some(uri) = id.text(&["task"]) else { return effect(api, aim, &about, None) };
    let Some(task) = api.find(&uri)? else { return effect(api, aim, &about, None) };
    let text = line(&task);
    match task.text(&["taskState"]).unwrap_or_default().as_str() {
        "Completed" | "Warning" => Ok(JobState::Succeeded(text)),
        "Error" | "Terminated" | "Killed" => effect(api, aim, &about, Some(&task)),
        _ => {
            let percent = task.natural(&["percentComplete"]).and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100);
            Ok(JobState::Running(JobProgress { percent, message: text, poll_after: aim.pause() }))
        }
    }
}

/// What a task says, in a line.
fn line(task: &Value) -> String {
    let name = task.text(&["name"]).unwrap_or_else(|| "the task".to_owned());
    let state = task.text(&["taskState"]).unwrap_or_default();
    let errors: Vec<String> = task.list(&["taskErrors"]).iter().filter_map(|one| one.text(&["message"])).collect();
    let step = task.list(&["progressUpdates"]).last().and_then(|update| update.text(&["statusUpdate"]));
    match (errors.is_empty(), step) {
        (false, _) => format!("{name}: {state}: {}", errors.join("; ")),
        (true, Some(step)) => format!("{name}: {step}"),
        (true, None) => format!("{name}: {state}"),
    }
}

/// Judge by what is there now. `failed` is the task that ended in an error; absent, the task is forgotten.
fn effect(api: &Rest<'_>, aim: Aim, about: &About, failed: Option<&Value>) -> Result<JobState, Error> {
    let now = current(api, about)?;
    let state = now.as_ref().map(hardware::state).unwrap_or_default();
    let running = |message: &str| {
        JobState::Running(JobProgress { percent: None, message: message.to_owned(), poll_after: aim.pause() })
    };
    let unless_failed =
        |going_on: JobState| if let Some(task) = failed { JobState::Failed(failure(task)) } else { going_on };
    let forgotten = |what: &str| match failed {
        Some(task) => Ok(JobState::Failed(failure(task))),
        None => Err(Error::NotFound(format!("the appliance no longer knows the task, and {what}"))),
    };
    match (aim, now.is_some()) {
        (Aim::Add, true) if hardware::is_settled(&state) => {
            Ok(JobState::Succeeded(achieved("the server is there", failed)))
        }
        (Aim::Add, true) if state == "Adding" => Ok(unless_failed(running("the server is being added"))),
        (Aim::Add, true) => forgotten(&format!("the server is in state {state}")),
        (Aim::Add, false) => forgotten("the server is not there"),
        (Aim::Remove, false) => Ok(JobState::Succeeded(achieved("the server is gone", failed))),
        (Aim::Remove, true) if state == "Removing" => Ok(unless_failed(running("the server is being removed"))),
        (Aim::Remove, true) => forgotten("the server is still there"),
        (Aim::Update, true) if state == "UpdatingFirmware" => Ok(unless_failed(running("firmware is being updated"))),
        (Aim::Update, true) => updated(api, about, now.as_ref(), &forgotten),
        (Aim::Update, false) => forgotten("neither the server"),
    }
}

fn updated(
    api: &Rest<'_>,
    about: &About,
    now: Option<&Value>,
    forgotten: &dyn Fn(&str) -> Result<JobState, Error>,
) -> Result<JobState, Error> {
    let (Some(hardware), Some(baseline)) = (now, &about.baseline) else {
        return forgotten("what it was to bring is not known");
    };
    match crate::firmware::compliance(api, hardware, baseline) {
        Ok(report) if report.compliant => Ok(JobState::Succeeded("the firmware is at the baseline".to_owned())),
        Ok(_) => forgotten("the firmware is not at the baseline"),
        // Only a configured question may be asked here; the next attempt of the host asks it again.
        Err(Error::Denied(_)) => forgotten("whether the firmware is at the baseline may not be asked"),
        Err(other) => Err(other),
    }
}

fn current(api: &Rest<'_>, about: &About) -> Result<Option<Value>, Error> {
    match (&about.hardware, &about.address) {
        (Some(uri), _) => api.find(uri),
        (None, Some(address)) => hardware::by_address(api, address),
        (None, None) => Ok(None),
    }
}

fn achieved(what: &str, failed: Option<&Value>) -> String {
    failed.map_or_else(|| what.to_owned(), |task| format!("{what}, though {}", line(task)))
}

/// The first error of a task, in the appliance's own words.
fn failure(task: &Value) -> Error {
    let first = task.list(&["taskErrors"]).first().map(|one| said(None, one));
    let state = task.text(&["taskState"]).unwrap_or_default();
    let remote = first.unwrap_or_else(|| RemoteError {
        status: None,
        code: Some(state),
        message: String::new(),
        resolution: None,
    });
    Error::Rejected(RemoteError { message: line(task), ..remote })
}
