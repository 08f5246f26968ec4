//! validate's boot through a configured boot provisioner, such as MAAS: it serves the image, the host does the booting.
//!
//! Promises: enrol, then have the validation image served with this boot's callback URL; each is asked for again after a
//! crash, and the plugin finds it done. What lasts is a job: its handle is in the memo, and the attempt ends meanwhile.
//!
//! Not obvious: a job that succeeded is followed by the same call once more, because only the call itself can say "done".

use farrier_lifecycle::{Blame, Fault, Outcome, Retry, Server};

use super::boot_token::{Memo, Phase};
use super::poll::poll_wait;
use super::work::encode;
use super::{Stop, Work};
use crate::egress::now;
use crate::plugin::wit::boot_provisioner::{Architecture, BootProfile, Machine};
use crate::plugin::wit::jobs::JobState;
use crate::plugin::wit::types::{Completion, Job};
use crate::plugin::{CallError, Driver, Lend, Service, server_ref};

const INTERFACE: &str = "boot-provisioner";
/// Looks at one job before a person must look: with a quarter of a minute between them, half a day.
const LOOKS: u32 = 3_000;

/// A provisioner, for one attempt.
struct Provisioner {
    name: String,
    driver: Driver,
    lend: Lend,
}

impl Provisioner {
    fn open(work: &Work) -> Result<Option<Self>, Fault> {
        let Some(config) = &work.parts.config.boot else { return Ok(None) };
        let service = Service::open(&work.parts.plugins, config, INTERFACE)?;
        let lend = service.lend(&work.parts.broker, work.gate())?;
        Ok(Some(Self { name: config.plugin.clone(), driver: service.driver().clone(), lend }))
    }

    fn fault(&self, error: &CallError) -> Fault {
        error.service_fault(&self.name)
    }
}

/// Have the image served, if a provisioner is configured. `Some`: the attempt ends here and goes on later.
pub async fn serve(work: &Work, memo: &mut Memo) -> Result<Option<Outcome>, Stop> {
    let Some(provisioner) = Provisioner::open(work)? else {
        memo.phase = Phase::Prepare;
        return Ok(None);
    };
    if let Some(job) = memo.job.clone()
        && let Some(outcome) = look(&provisioner, memo, &job).await?
    {
        return Ok(Some(outcome));
    }
    while memo.phase != Phase::Prepare {
        let server = work.server();
        let completion = if memo.phase == Phase::Enroll {
            work.say("enrolling with the boot provisioner");
            let machine = machine(&server)?;
            provisioner.driver.enroll(&provisioner.lend, &machine).await
        } else {
            work.say("having the validation image served");
            let profile = BootProfile::Validate(callback(work, &memo.token)?);
            provisioner.driver.set_profile(&provisioner.lend, &server_ref(&server), &profile).await
        };
        match completion.map_err(|error| provisioner.fault(&error))? {
            Completion::Pending(job) => return wait(memo, job, None).map(Some),
            Completion::Done if memo.phase == Phase::Enroll => memo.phase = Phase::Serve,
            Completion::Done => memo.phase = Phase::Prepare,
        }
        work.checkpoint(memo, true).await?;
    }
    Ok(None)
}

/// Stop serving, after the last boot without a report. What fails is told and changes nothing: the server failed already.
pub async fn release(work: &Work) {
    let provisioner = match Provisioner::open(work) {
        Ok(Some(provisioner)) => provisioner,
        Ok(None) => return,
        Err(fault) => return tracing::warn!(%fault, "the boot provisioner was not told to stop serving"),
    };
    let server = work.server();
    match provisioner.driver.release(&provisioner.lend, &server_ref(&server)).await {
        Ok(Completion::Done) => {}
        // It stops; what is left is that it stays known there, and the next validation finds it.
        Ok(Completion::Pending(job)) => tracing::info!(server = server.label(), job = job.title, "release under way"),
        Err(error) => {
            let fault = provisioner.fault(&error);
            tracing::warn!(server = server.label(), %fault, "the boot provisioner was not told to stop serving");
        }
    }
}

/// How the job is doing: `None` when it is over and the call may be made again.
async fn look(provisioner: &Provisioner, memo: &mut Memo, job: &Job) -> Result<Option<Outcome>, Stop> {
    let polled = provisioner.driver.poll(&provisioner.lend, job).await;
    match polled.map_err(|error| provisioner.fault(&error))? {
        JobState::Running(progress) => {
            memo.looks = memo.looks.saturating_add(1);
            if memo.looks > LOOKS {
                let text = format!("`{}` is still at it: {}", provisioner.name, progress.message);
                return Err(Fault::new("job-stuck", Retry::Never, Blame::Operator, text)
                    .hint("look at the machine there, then `farrier server retry`")
                    .into());
            }
            let again = Job { poll_after: progress.poll_after, ..job.clone() };
            wait(memo, again, Some(progress.message)).map(Some)
        }
        JobState::Succeeded(_) => {
            (memo.job, memo.looks) = (None, 0);
            Ok(None)
        }
        JobState::Failed(error) => Err(provisioner.fault(&CallError::Plugin(error)).into()),
    }
}

fn wait(memo: &mut Memo, job: Job, line: Option<String>) -> Result<Outcome, Stop> {
    let until = now().plus(poll_wait(job.poll_after));
    let line = line.unwrap_or_else(|| job.title.clone());
    memo.job = Some(job);
    Ok(Outcome::Wait { until, job: Some(line), memo: encode(memo)? })
}

fn callback(work: &Work, token: &str) -> Result<String, Fault> {
    let http = work.parts.config.http.as_ref().ok_or_else(|| {
        Fault::new("no-listener", Retry::Never, Blame::Operator, "there is no [http] listener to report to".to_owned())
    })?;
    Ok(format!("{}/cb/{token}", http.public_url.as_str().trim_end_matches('/')))
}

/// The server as a provisioner is told of it.
pub(super) fn machine(server: &Server) -> Result<Machine, Fault> {
    if server.facts.boot_macs.is_empty() {
        let text = "no MAC is known that the server could boot from".to_owned();
        return Err(Fault::new("no-boot-macs", Retry::Never, Blame::Controller, text)
            .hint("does the controller show the server's network interfaces? then `farrier server reset`"));
    }
    Ok(Machine {
        server: server_ref(server),
        // No controller says it, and no aarch64 server has been met.
        architecture: Architecture::X8664,
        boot_macs: server.facts.boot_macs.iter().map(ToString::to_string).collect(),
    })
}
