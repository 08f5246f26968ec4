//! How a task or job is doing.
//!
//! Promises: every state has one meaning, and a state not known here means "still going". Does not: wait.
//!
//! Not obvious: a task monitor answers 202 while it runs and gives its result once; a job whose resource is gone is
//! judged by the vendor's hook, never taken for done.

use super::{Context, Vendor};
use crate::json::Json;
use crate::types::{Error, JobProgress, JobState, RemoteError};
use serde_json::Value;

/// Seconds to the next look.
const AGAIN: u32 = 15;

/// Look at a job.
pub fn poll<V: Vendor>(vendor: &V, context: &Context<'_>, id: &str) -> Result<JobState, Error> {
    match context.redfish.get(id) {
        Ok(task) => Ok(judge_task(&task)),
        Err(Error::NotFound(_)) => vendor.forgotten_job(context, id),
        Err(other) => Err(other),
    }
}

/// Judge a Redfish `Task` or a Dell job by its state.
pub fn judge_task(task: &Value) -> JobState {
    let state = task.text(&["TaskState"]).or_else(|| task.text(&["JobState"])).unwrap_or_default();
    let message = message_of(task, &state);
    let stuck = message.contains("Job processing initialization failure");
    match state.as_str() {
        // What goes on tells its state; what tells none is the resource that was asked to act.
        "" if task.text(&["@odata.type"]).is_some_and(|kind| kind.starts_with("#UpdateService.")) => {
            JobState::Succeeded("the controller took the image and tells no more of it".to_owned())
        }
        "Completed" if task.text(&["TaskStatus"]).as_deref() != Some("Critical") => JobState::Succeeded(message),
        "Completed"
        | "CompletedWithErrors"
        | "Failed"
        | "Exception"
        | "Killed"
        | "Cancelled"
        | "Interrupted"
        | "RebootFailed" => JobState::Failed(failure(task, &state, message)),
        _ if stuck => JobState::Failed(failure(task, &state, message)),
        _ => {
            let percent = task.natural(&["PercentComplete"]).and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100);
            JobState::Running(JobProgress { percent, message, poll_after: AGAIN })
        }
    }
}

fn message_of(task: &Value, state: &str) -> String {
    let listed: Vec<String> = task.list(&["Messages"]).iter().filter_map(|m| m.text(&["Message"])).collect();
    let said = task.text(&["Message"]).or_else(|| (!listed.is_empty()).then(|| listed.join("; ")));
    said.unwrap_or_else(|| format!("{} is {state}", task.text(&["Name"]).unwrap_or_else(|| "the job".to_owned())))
}

fn failure(task: &Value, state: &str, message: String) -> Error {
    let listed = task.list(&["Messages"]).iter().find_map(|m| m.text(&["MessageId"]));
    Error::Rejected(RemoteError {
        status: None,
        code: task.text(&["MessageId"]).or(listed).or_else(|| Some(state.to_owned())),
        message,
        resolution: task.list(&["Messages"]).iter().find_map(|m| m.text(&["Resolution"])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn states_are_judged() {
        let done = json!({"TaskState": "Completed", "TaskStatus": "OK", "Messages": [{"Message": "Well done."}]});
        assert_eq!(judge_task(&done), JobState::Succeeded("Well done.".to_owned()));
        let errors =
            json!({"JobState": "CompletedWithErrors", "Message": "Job completed with errors.", "MessageId": "PR31"});
        let JobState::Failed(Error::Rejected(remote)) = judge_task(&errors) else { panic!("not failed") };
        assert_eq!(remote.code.as_deref(), Some("PR31"));
        let odd = json!({"JobState": "RebootPending", "PercentComplete": 40, "Message": "m"});
        let running = JobProgress { percent: Some(40), message: "m".to_owned(), poll_after: AGAIN };
        assert_eq!(judge_task(&odd), JobState::Running(running));
        let stuck = json!({"JobState": "Scheduled", "Message": "Job processing initialization failure."});
        assert!(matches!(judge_task(&stuck), JobState::Failed(_)));
        let critical = json!({"TaskState": "Completed", "TaskStatus": "Critical"});
        assert!(matches!(judge_task(&critical), JobState::Failed(_)));
    }
}
