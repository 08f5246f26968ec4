//! Applying one step of a firmware plan, and following it to its end.
//!
//! Promises: a component at the version is not touched; asked again while its own update goes on, [`apply`] gives the same
//! job and sends nothing; a job that ended is judged by the version the inventory shows. Does not: reset anything.
//!
//! Not obvious: the job's id carries what it is for, `PATH#PHASE:COMPONENT@VERSION`, so that it can be judged after its task
//! is gone. What was sent is kept until the host was told how it ended: asked once more after that, it is done anew, or,
//! where the vendor verifies first, carried on.

use super::{Context, Vendor, firmware, jobs, push};
use crate::json::Json;
use crate::redfish::Written;
use crate::text::{is_older, same_version};
use crate::types::{Busy, Completion, Error, Job, JobProgress, JobState, RemoteError, Step};
use serde_json::{Value, json};

/// Where what was sent is kept.
const KEY: &str = "update";
/// Seconds it is kept: longer than any update takes.
const KEEP: u32 = 24 * 3600;
/// Seconds to the first look.
const FIRST: u32 = 10;

/// The image is only verified; another call starts the writing.
const VERIFY: &str = "verify";
/// The image is written.
const WRITE: &str = "write";

/// What an update was started for.
struct Wanted {
    phase: String,
    component: String,
    version: String,
}

impl Wanted {
    fn new(phase: &str, step: &Step) -> Self {
        let (component, version) = (step.image.component.clone(), step.image.version.clone());
        Self { phase: phase.to_owned(), component, version }
    }

    /// The job's path and what it is for; `None` for a job that is no update.
    fn of(id: &str) -> Option<(&str, Self)> {
        let (path, rest) = id.split_once('#')?;
        let (phase, rest) = rest.split_once(':')?;
        let (component, version) = rest.split_once('@')?;
        let (component, version) = (component.to_owned(), version.to_owned());
        Some((path, Self { phase: phase.to_owned(), component, version }))
    }

    fn id(&self, path: &str) -> String {
        format!("{path}#{}:{}@{}", self.phase, self.component, self.version)
    }

    fn title(&self) -> String {
        let what = if self.phase == VERIFY { "verify" } else { "write" };
        format!("{what} {} {}", self.component, self.version)
    }
}

/// Start or carry on one step.
pub fn apply<V: Vendor>(vendor: &V, context: &Context<'_>, step: &Step) -> Result<Completion, Error> {
    vendor.confirm(context)?;
    let unknown = || Error::NotFound(format!("there is no firmware component `{}`", step.image.component));
    let (installed, item) = firmware::find(vendor, context, &step.image.component)?.ok_or_else(unknown)?;
    if same_version(&installed.version, &step.image.version) {
        context.around.forget(KEY).ok();
        return Ok(Completion::Done);
    }
    allowed(&item, step)?;
    if let Some(sent) = remembered(context, step) {
        let job = sent.text(&["job"]).unwrap_or_default();
        if sent.flag(&["told"]) != Some(true) {
            return Ok(pending(job));
        }
        let verified = sent.flag(&["good"]) == Some(true) && Wanted::of(&job).is_some_and(|(_, w)| w.phase == VERIFY);
        if verified && let Some(written) = vendor.start_update(context, step)? {
            return Ok(keep(context, step, &Wanted::new(WRITE, step), written));
        }
    }
    let missing = || Error::Unsupported("the controller has no update service".to_owned());
    let service = context.of_root(&["UpdateService"])?.ok_or_else(missing)?;
    if service.flag(&["ServiceEnabled"]) == Some(false) {
        return Err(Error::Unsupported("the update service is switched off".to_owned()));
    }
    if let Some(reason) = vendor.update_busy(context, &service)? {
        return Err(Error::Busy(Busy { retry_after: Some(push::BUSY_FOR), reason }));
    }
    let phase = if vendor.verifies_first(&service) { VERIFY } else { WRITE };
    let sent = vendor.send_image(context, &service, step)?;
    Ok(keep(context, step, &Wanted::new(phase, step), sent))
}

/// Keep what was sent, and give its job. Without one the update service itself says how it goes.
fn keep(context: &Context<'_>, step: &Step, wanted: &Wanted, sent: Written) -> Completion {
    let service = || context.root().ok()?.link(&["UpdateService"]);
    let path = sent.job.or_else(service).unwrap_or_default();
    let job = wanted.id(&path);
    remember(context, &json!({ "sha256": step.image.sha256, "version": step.image.version, "job": job }));
    pending(job)
}

fn pending(id: String) -> Completion {
    let title = Wanted::of(&id).map_or_else(|| "firmware".to_owned(), |(_, wanted)| wanted.title());
    Completion::Pending(Job { id, title, poll_after: FIRST })
}

/// Kept as well as it can be: where the host keeps nothing, the controller's own refusals and the version must do.
fn remember(context: &Context<'_>, sent: &Value) {
    context.around.keep(KEY, &sent.to_string(), Some(KEEP)).ok();
}

/// What was sent for this very image.
fn remembered(context: &Context<'_>, step: &Step) -> Option<Value> {
    let text = context.around.kept(KEY).ok()??;
    let sent: Value = serde_json::from_str(&text).ok()?;
    let same = sent.text(&["sha256"]) == Some(step.image.sha256.clone())
        && sent.text(&["version"]) == Some(step.image.version.clone());
    same.then_some(sent)
}

/// Look at a job: an update's, or any other.
pub fn poll<V: Vendor>(vendor: &V, context: &Context<'_>, id: &str) -> Result<JobState, Error> {
    let Some((path, wanted)) = Wanted::of(id) else { return jobs::poll(vendor, context, id) };
    let state = match vendor.update_task(context, path) {
        Ok(task) => vendor.judge_update(&task, &wanted.component),
        Err(Error::NotFound(_)) => match vendor.forgotten_job(context, path) {
            Ok(state) => state,
            Err(Error::NotFound(why)) => return judge_forgotten(vendor, context, id, &wanted, why),
            Err(other) => return Err(other),
        },
        Err(other) => return Err(other),
    };
    let ended = match state {
        JobState::Succeeded(said) => JobState::Succeeded(settled(vendor, context, &wanted, &said)?),
        JobState::Running(progress) => {
            let message = format!("{}: {}", wanted.title(), progress.message);
            return Ok(JobState::Running(JobProgress { message, ..progress }));
        }
        failed @ JobState::Failed(_) => failed,
    };
    told(context, id, matches!(ended, JobState::Succeeded(_)));
    Ok(ended)
}

/// The task is gone and nothing else knows it: only the version can tell.
fn judge_forgotten<V: Vendor>(
    vendor: &V,
    context: &Context<'_>,
    id: &str,
    wanted: &Wanted,
    why: String,
) -> Result<JobState, Error> {
    let said = settled(vendor, context, wanted, "")?;
    let there = said.starts_with("at ");
    told(context, id, there);
    if there { Ok(JobState::Succeeded(said)) } else { Err(Error::NotFound(why)) }
}

/// What a job that ended well has achieved, by what the inventory now shows.
fn settled<V: Vendor>(vendor: &V, context: &Context<'_>, wanted: &Wanted, said: &str) -> Result<String, Error> {
    if wanted.phase == VERIFY {
        return Ok(format!("verified; the writing is yet to be started: {said}"));
    }
    let found = firmware::find(vendor, context, &wanted.component)?;
    if found.is_some_and(|(installed, _)| same_version(&installed.version, &wanted.version)) {
        return Ok(format!("at {}: {said}", wanted.version));
    }
    Ok(match vendor.update_reset(&wanted.component) {
        Some(_) => format!("staged; becomes current at the next boot: {said}"),
        None => format!("written; the controller restarts by itself: {said}"),
    })
}

/// The host knows how this ended: what is asked for next is something new.
fn told(context: &Context<'_>, id: &str, good: bool) {
    let Ok(Some(text)) = context.around.kept(KEY) else { return };
    let Ok(mut sent) = serde_json::from_str::<Value>(&text) else { return };
    if sent.text(&["job"]).as_deref() == Some(id) {
        crate::json::merge(&mut sent, &json!({ "told": true, "good": good }));
        remember(context, &sent);
    }
}

/// A component may say below which version it cannot go.
fn allowed(item: &Value, step: &Step) -> Result<(), Error> {
    let Some(lowest) = item.text(&["LowestSupportedVersion"]) else { return Ok(()) };
    if !is_older(&step.image.version, &lowest) {
        return Ok(());
    }
    Err(Error::Rejected(RemoteError {
        status: None,
        code: Some("LowestSupportedVersion".to_owned()),
        message: format!("{} takes nothing older than {lowest}, so not {}", step.image.component, step.image.version),
        resolution: Some("choose an image that is not older".to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_knows_what_it_is_for() {
        let wanted =
            Wanted { phase: WRITE.to_owned(), component: "bios".to_owned(), version: "U46 v2.40 (1/2)".to_owned() };
        let id = wanted.id("/redfish/v1/TaskService/Tasks/JID_1");
        let (path, found) = Wanted::of(&id).unwrap_or_else(|| panic!("{id}"));
        assert_eq!(
            (path, found.component, found.version),
            ("/redfish/v1/TaskService/Tasks/JID_1", wanted.component, wanted.version)
        );
        assert!(Wanted::of("/redfish/v1/TaskService/Tasks/JID_1").is_none());
    }
}
