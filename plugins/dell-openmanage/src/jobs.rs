//! OpenManage's jobs, and ours made of them.
//!
//! Promises: `LastRunStatus` is read, never `JobStatus`, which is the schedule's; a job that failed says why in the appliance's
//! words; a job that ended or is forgotten is judged by what the appliance has now, where that can be seen. Does not: take a status
//! it does not know for an end.
//!
//! Not obvious: `Completed` of a discovery comes before the device is listed, and `Warning` of an update is a partial one.

use crate::devices;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{self, Value, json};
use farrier_plugin_sdk::types::{Completion, Error, Job, RemoteError};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_plugin_sdk_fleet::types::{JobProgress, JobState};

/// The appliance wants time before a new job is looked at, and between looks; seconds.
const PAUSE: u32 = 30;

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The server is to be there.
    Add,
    /// Its firmware is to be at the baseline.
    Update,
    /// The baseline is to be compared anew.
    Compare,
}

/// What a job is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Service tag.
    pub tag: Option<String>,
    /// The controller's address.
    pub address: Option<String>,
}

/// Where a job stands, by its last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not begun, or going on.
    Running,
    /// It ended well.
    Completed,
    /// It ended in part.
    Partial,
    /// It ended.
    Failed,
}

/// A job of ours; `task` is absent where the appliance named none.
pub fn job(aim: Aim, task: Option<u64>, about: &About, title: &str) -> Completion {
    let word = match aim {
        Aim::Add => "add",
        Aim::Update => "update",
        Aim::Compare => "compare",
    };
    let id = json!({ "aim": word, "task": task, "tag": about.tag, "address": about.address });
    Completion::Pending(Job { id: id.to_string(), title: title.to_owned(), poll_after: PAUSE })
}

/// A job of the appliance; `None` where it is gone.
pub fn get(ome: &Rest<'_>, id: u64) -> Result<Option<Value>, Error> {
    ome.find(&format!("/api/JobService/Jobs({id})"))
}

/// Where a job stands.
pub fn phase(job: &Value) -> Phase {
    match job.natural(&["LastRunStatus", "Id"]) {
        Some(2060) => Phase::Completed,
        Some(2090) => Phase::Partial,
        Some(2070 | 2100 | 2102 | 2103) => Phase::Failed,
        _ => Phase::Running,
    }
}

/// How a job is doing.
pub fn poll(ome: &Rest<'_>, job: &Job) -> Result<JobState, Error> {
    let id: Value = serde_json::from_str(&job.id).unwrap_or(Value::Null);
    let about = About { tag: id.text(&["tag"]), address: id.text(&["address"]) };
    let aim = match id.text(&["aim"]).as_deref() {
        Some("add") => Aim::Add,
        Some("update") => Aim::Update,
        Some("compare") => Aim::Compare,
        _ => return Err(Error::InvalidInput(format!("`{}` is no job of this plugin", job.id))),
    };
    let task = match id.natural(&["task"]) {
        Some(task) => get(ome, task)?,
        None => None,
    };
    match (task, aim) {
        (Some(task), Aim::Add) => discovered(ome, &task, &about),
        (Some(task), _) => ran(ome, &task),
        (None, Aim::Add) if is_there(ome, &about)? => Ok(JobState::Succeeded("the server is there".to_owned())),
        (None, Aim::Add) => {
            let text = "the appliance no longer knows the discovery, and the server is not there";
            Err(Error::NotFound(text.to_owned()))
        }
        (None, _) => Err(Error::NotFound("the appliance no longer knows the job".to_owned())),
    }
}

fn discovered(ome: &Rest<'_>, task: &Value, about: &About) -> Result<JobState, Error> {
    let phase = phase(task);
    if phase == Phase::Running {
        return Ok(running(task, "running"));
    }
    if is_there(ome, about)? {
        let caveat = if phase == Phase::Completed { "" } else { ", though the discovery did not end well" };
        return Ok(JobState::Succeeded(format!("the server is there{caveat}")));
    }
    match phase {
        Phase::Completed => Ok(running(task, "completed; the server is not listed yet")),
        _ => Ok(JobState::Failed(failure(ome, task)?)),
    }
}

fn ran(ome: &Rest<'_>, task: &Value) -> Result<JobState, Error> {
    match phase(task) {
        Phase::Running => Ok(running(task, "running")),
        Phase::Completed => Ok(JobState::Succeeded(format!("{}: completed", title(task)))),
        Phase::Partial | Phase::Failed => Ok(JobState::Failed(failure(ome, task)?)),
    }
}

fn is_there(ome: &Rest<'_>, about: &About) -> Result<bool, Error> {
    Ok(devices::seek(ome, about.tag.as_deref(), about.address.as_deref(), None)?.is_some())
}

fn title(task: &Value) -> String {
    task.text(&["JobName"]).unwrap_or_else(|| "the job".to_owned())
}

fn running(task: &Value, how: &str) -> JobState {
    let named = task.text(&["LastRunStatus", "Name"]).unwrap_or_else(|| how.to_owned());
    let how = if how == "running" { named } else { how.to_owned() };
    JobState::Running(JobProgress { percent: None, message: format!("{}: {how}", title(task)), poll_after: PAUSE })
}

/// Why a job failed: the words of its last run, and the code they hold.
fn failure(ome: &Rest<'_>, task: &Value) -> Result<Error, Error> {
    let status = task.text(&["LastRunStatus", "Name"]).unwrap_or_else(|| "Failed".to_owned());
    let lines = match task.natural(&["Id"]) {
        Some(id) => said(ome, id)?,
        None => Vec::new(),
    };
    let code = lines.iter().find_map(|line| code(line)).unwrap_or_else(|| status.clone());
    let text = if lines.is_empty() { String::new() } else { format!(": {}", lines.join("; ")) };
    Ok(Error::Rejected(RemoteError {
        status: None,
        code: Some(code),
        message: format!("{}: {status}{text}", title(task)),
        resolution: None,
    }))
}

/// The words of the newest run. That there are none is no failure of its own.
fn said(ome: &Rest<'_>, id: u64) -> Result<Vec<String>, Error> {
    let histories = format!("/api/JobService/Jobs({id})/ExecutionHistories");
    let mut newest: Option<(String, u64)> = None;
    let mut keep = |history: &Value| {
        let at = history.text(&["StartTime"]).unwrap_or_default();
        let run = history.natural(&["Id"]).map(|run| (at, run));
        newest = newest.take().max(run);
        true
    };
    match ome.list(&histories, &mut keep) {
        Err(Error::NotFound(_)) => return Ok(Vec::new()),
        other => other?,
    }
    let Some((_, run)) = newest else { return Ok(Vec::new()) };
    let mut lines: Vec<String> = Vec::new();
    let details = ome.list(&format!("{histories}({run})/ExecutionHistoryDetails"), &mut |detail| {
        lines.extend(detail.text(&["Value"]));
        true
    });
    match details {
        Ok(()) | Err(Error::NotFound(_)) => Ok(lines),
        Err(other) => Err(other),
    }
}

/// An EEMI code in a text: `CGEN1009`.
fn code(text: &str) -> Option<String> {
    let is_code = |word: &&str| {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let letters = word.len() - digits.len();
        (3..=4).contains(&letters) && (3..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_code).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Phase, code, phase};
    use farrier_plugin_sdk::serde_json::json;

    #[test]
    fn the_code_is_found_in_the_words() {
        assert_eq!(code("Running\nUnable to log in (CGEN1009).").as_deref(), Some("CGEN1009"));
        assert_eq!(code("Task of 10.0.0.5 failed"), None);
    }

    #[test]
    fn the_last_run_counts_and_not_the_schedule() {
        let job = |last: u32| json!({"LastRunStatus": {"Id": last}, "JobStatus": {"Id": 2080}});
        assert_eq!(phase(&job(2060)), Phase::Completed);
        assert_eq!(phase(&job(2070)), Phase::Failed);
        assert_eq!(phase(&job(2090)), Phase::Partial);
        assert_eq!(phase(&job(2101)), Phase::Running);
        assert_eq!(phase(&json!({"JobStatus": {"Id": 2060}})), Phase::Running);
    }
}
