//! A server at its vendor's fleet tool: registered, its firmware compared, and brought to the tool's baseline where the
//! configuration says so.
//!
//! Promises that the tool is asked what is so before it is told to change anything, that a job is written down before it is waited
//! for, and that only a comparison after it decides. Does not: choose a baseline, register anywhere the configuration does not name.
//!
//! Not obvious: after a crash the same functions are called again; the plugin finds the work done or running. What is waited for
//! holds no permit, and a job that never ends is a fault after `job_timeout_ms`.

use farrier_lifecycle::{Blame, Fault, Mark, Outcome, Retry, Timestamp};
use serde::{Deserialize, Serialize};

use super::evidence::{self, Kind, Source};
use super::poll::poll_wait;
use super::work::encode;
use super::{Stop, Work};
use crate::config::{Fleet, FleetFirmware};
use crate::egress::now;
use crate::plugin::wit::firmware::{Image, Step as FirmwareStep};
use crate::plugin::wit::fleet_manager::{BmcAccess, ComplianceReport};
use crate::plugin::wit::jobs::JobState;
use crate::plugin::wit::types::{Completion, Error, Job, ServerRef};
use crate::plugin::{CallError, Driver, Lend};

/// Updates told to begin before a person must look: one, and one to compare anew, twice over.
const ROUNDS: u32 = 4;

/// What must be found again after a crash.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Memo {
    /// Work at the tool that is waited for.
    job: Option<Job>,
    /// When it was begun.
    since: Timestamp,
    /// How often an update was asked for.
    rounds: u32,
    /// What was done so far, for the journal.
    done: Vec<String>,
}

/// How far it is.
pub enum Step {
    /// Waiting for the tool.
    Wait(Outcome),
    /// The tool has the server; said so.
    There(String),
}

/// The tool, the server as it knows it, and what was done.
struct Visit<'a> {
    work: &'a Work,
    tool: &'a Fleet,
    driver: Driver,
    lend: Lend,
    server: ServerRef,
    memo: Memo,
}

/// Register, compare, and update as configured.
pub async fn run(work: &Work, tool: &Fleet) -> Result<Outcome, Stop> {
    let mut visit = Visit::new(work, tool)?;
    if let Some(outcome) = visit.settle().await? {
        return Ok(outcome);
    }
    match visit.registered().await? {
        Step::Wait(outcome) => Ok(outcome),
        Step::There(_) => visit.firmware().await,
    }
}

/// Register and nothing more.
pub async fn member(work: &Work, tool: &Fleet) -> Result<Step, Stop> {
    let mut visit = Visit::new(work, tool)?;
    match visit.settle().await? {
        Some(outcome) => Ok(Step::Wait(outcome)),
        None => visit.registered().await,
    }
}

impl<'a> Visit<'a> {
    fn new(work: &'a Work, tool: &'a Fleet) -> Result<Self, Fault> {
        let (driver, lend) = work.fleet(tool)?;
        let record = work.server();
        let server = ServerRef {
            id: record.id.to_string(),
            name: record.label().to_owned(),
            serial: record.facts.serial.clone(),
            bmc_mac: Some(record.lease.mac.to_string()),
            bmc_address: Some(record.lease.ip.to_string()),
            site: record.facts.site.clone(),
        };
        Ok(Self { work, tool, driver, lend, server, memo: work.memo().unwrap_or_default() })
    }

    /// Look at the job that is waited for. `None`: there is none any more.
    async fn settle(&mut self) -> Result<Option<Outcome>, Stop> {
        let Some(job) = self.memo.job.clone() else { return Ok(None) };
        let fault = match self.driver.poll(&self.lend, &job).await {
            Ok(JobState::Running(progress)) => {
                if now().since(self.memo.since) < self.tool.job_timeout_ms {
                    return Ok(Some(self.wait(&job, progress.poll_after, &progress.message)?));
                }
                let text = format!("{}: not ended after {} ms", job.title, self.tool.job_timeout_ms);
                Fault::new("fleet-timeout", Retry::Never, Blame::Operator, text)
                    .hint("look at the job in the fleet tool, then `farrier server retry`")
            }
            Ok(JobState::Succeeded(said)) => {
                self.memo.done.push(format!("{}: {said}", job.title));
                return self.forget().await.map(|()| None);
            }
            Ok(JobState::Failed(error)) => CallError::Plugin(error).fault(),
            // Forgotten, and not to be judged from here: the function that began it finds what is so.
            Err(CallError::Plugin(Error::NotFound(_))) => return self.forget().await.map(|()| None),
            Err(error) => return Err(error.into()),
        };
        // The next attempt must not find the dead job again.
        self.forget().await?;
        Err(fault.into())
    }

    async fn forget(&mut self) -> Result<(), Stop> {
        self.memo.job = None;
        self.work.checkpoint(&self.memo, true).await
    }

    fn wait(&self, job: &Job, seconds: u32, said: &str) -> Result<Outcome, Fault> {
        self.work.say(said);
        let until = now().plus(poll_wait(seconds));
        let memo = Memo { job: Some(job.clone()), ..self.memo.clone() };
        Ok(Outcome::Wait { until, job: Some(job.title.clone()), memo: encode(&memo)? })
    }

    /// What the tool began is waited for; what it did at once is noted.
    fn begun(&mut self, completion: Completion, what: &str) -> Result<Option<Outcome>, Fault> {
        match completion {
            Completion::Done => {
                self.memo.done.push(what.to_owned());
                Ok(None)
            }
            Completion::Pending(job) => {
                self.memo.since = now();
                let title = job.title.clone();
                self.wait(&job, job.poll_after, &title).map(Some)
            }
        }
    }

    async fn registered(&mut self) -> Result<Step, Stop> {
        self.work.say(format!("asking {} for the server", self.tool.plugin));
        let there = format!("registered in {}", self.tool.plugin);
        if self.driver.find_member(&self.lend, &self.server).await?.is_some() {
            return Ok(Step::There(there));
        }
        if self.work.parts.observe {
            return Ok(Step::Wait(Outcome::done(format!("would register the server in {}", self.tool.plugin))));
        }
        self.work.checkpoint(&self.memo, true).await?;
        let access =
            BmcAccess { username_secret: "bmc-username".to_owned(), password_secret: "bmc-password".to_owned() };
        let completion = self.driver.register(&self.lend, &self.server, &access).await?;
        match self.begun(completion, &there)? {
            Some(outcome) => Ok(Step::Wait(outcome)),
            None => Ok(Step::There(there)),
        }
    }

    async fn firmware(&mut self) -> Result<Outcome, Stop> {
        loop {
            self.work.say(format!("comparing firmware in {}", self.tool.plugin));
            let baseline = self.tool.baseline.as_deref();
            let checked = self.driver.check_firmware(&self.lend, &self.server, baseline).await;
            let report = checked.map_err(|error| self.unasked(error))?;
            self.work.keep(Kind::Firmware, evidence::firmware(&steps(&report), self.source(&report))).await?;
            if report.compliant {
                let text = format!("firmware is at {}'s baseline `{}`", self.tool.plugin, report.baseline);
                return Ok(Outcome::done(self.evidence(&text)));
            }
            // A wave is somebody's word that these servers be updated.
            let update = self.tool.firmware == FleetFirmware::Update || self.work.server().wave.is_some();
            if !update || self.work.parts.observe {
                let line = format!("fleet `{}`, firmware = \"check\"", self.tool.plugin);
                let text = format!("differs from baseline `{}`: {}", report.baseline, differences(&report));
                let marks = vec![(Mark::Unupdated, line)];
                return Ok(Outcome::Done { facts: Box::default(), marks, evidence: self.evidence(&text) });
            }
            if self.memo.rounds >= ROUNDS {
                let text = format!("after {ROUNDS} updates it still differs: {}", differences(&report));
                return Err(Fault::new("fleet-firmware", Retry::Never, Blame::Operator, text)
                    .hint("look at the server in the fleet tool, then `farrier server retry`")
                    .into());
            }
            self.memo.rounds += 1;
            self.work.checkpoint(&self.memo, true).await?;
            let completion = self.driver.update_firmware(&self.lend, &self.server, baseline).await?;
            if let Some(outcome) = self.begun(completion, "the tool had nothing to update")? {
                return Ok(outcome);
            }
        }
    }

    fn source<'r>(&'r self, report: &'r ComplianceReport) -> Source<'r> {
        Source::Tool {
            tool: &self.tool.plugin,
            baseline: &report.baseline,
            components: report.components.len(),
            agrees: report.compliant,
        }
    }

    /// A comparison that the guard refused, because it is a POST that the configuration does not name.
    fn unasked(&self, error: CallError) -> Stop {
        if !matches!(&error, CallError::Refused(denied) if denied.code() == "look-only") {
            return error.into();
        }
        let text = format!("{} compares firmware by a POST, which is not named as a question", self.tool.plugin);
        let fault = Fault::new("look-only", Retry::Never, Blame::Operator, text);
        fault
            .hint("name its path in `questions` of this [[fleet]], restart the host, then `farrier server retry`")
            .into()
    }

    fn evidence(&self, last: &str) -> String {
        let registered = format!("registered in {}", self.tool.plugin);
        let mut lines = vec![registered.clone()];
        lines.extend(self.memo.done.iter().filter(|line| **line != registered).cloned());
        lines.push(last.to_owned());
        lines.join("; ")
    }
}

/// What differs, as the evidence has it. A tool does not say what an update restarts, so each counts as taking the server down.
fn steps(report: &ComplianceReport) -> Vec<FirmwareStep> {
    let wrong = report.components.iter().filter(|one| !one.compliant);
    let step = |one: &crate::plugin::wit::fleet_manager::ComponentCompliance| FirmwareStep {
        image: Image {
            component: one.component.clone(),
            version: one.expected.clone(),
            sha256: String::new(),
            uri: String::new(),
        },
        current_version: one.installed.clone(),
        reset_after: None,
        disruptive: true,
    };
    wrong.map(step).collect()
}

fn differences(report: &ComplianceReport) -> String {
    let wrong = report.components.iter().filter(|one| !one.compliant);
    let lines: Vec<String> =
        wrong.map(|one| format!("{} {} → {}", one.component, one.installed, one.expected)).collect();
    if lines.is_empty() { "the tool does not say where".to_owned() } else { lines.join(", ") }
}
