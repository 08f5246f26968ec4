//! The catalogue's images, one after another: planned, written, waited for, proved.
//!
//! Promises that what is about to change is committed before it changes, that after a crash the version and the job are looked at before
//! anything is written again, and that a controller that is away while it writes is waited for and not failed. Waiting holds no permit.
//!
//! Not obvious: after each image the controller is planned anew, so that the order never rests on what was true before a restart.

use std::collections::{BTreeMap, HashMap};

use farrier_lifecycle::{Blame, Fault, Mark, Outcome, Retry};

use super::memo::{Becomes, Memo, Phase, Restart, StepMemo};
use super::{pull, settings};
use crate::config::UpdatePolicy;
use crate::egress::now;
use crate::firmware::{Known, order};
use crate::plugin::wit::bmc_driver::{Inventory, PowerState};
use crate::plugin::wit::firmware::{Image, Step};
use crate::plugin::wit::jobs::JobState;
use crate::plugin::wit::types::{Completion, Error, ResetKind};
use crate::plugin::{CallError, Driver, Images, Lend};
use crate::stage::evidence::{self, Kind, Source};
use crate::stage::poll::poll_wait;
use crate::stage::work::encode;
use crate::stage::{Stop, Work};

/// An image is written at most so often.
pub const TRIES: u32 = 2;
/// Images written in one stay in the stage; more are a plan that never ends.
const MOST: usize = 64;

/// One server under the catalogue.
pub struct Flash<'a> {
    pub(super) work: &'a Work,
    pub(super) policy: &'a UpdatePolicy,
    pub(super) driver: Driver,
    pub(super) lend: Lend,
    images: Vec<&'a Known>,
    pub(super) memo: Memo,
    /// This attempt found the step under way: an attempt before it may have done more than it could write down.
    found: bool,
}

impl<'a> Flash<'a> {
    /// Begin, or go on where an earlier attempt ended.
    pub fn new(work: &'a Work, policy: &'a UpdatePolicy, images: Vec<&'a Known>, memo: Memo) -> Result<Self, Fault> {
        let (driver, lend) = work.driver()?;
        let found = memo.step.is_some();
        Ok(Self { work, policy, driver, lend, images, memo, found })
    }

    /// As far as it goes without waiting.
    pub async fn run(mut self) -> Result<Outcome, Stop> {
        loop {
            let Some(step) = self.memo.step.clone() else {
                if let Some(outcome) = self.choose().await? {
                    return Ok(outcome);
                }
                continue;
            };
            let outcome = match step.phase.clone() {
                Phase::Apply => self.apply(step).await?,
                Phase::Job { .. } => self.poll(step).await?,
                Phase::Restart | Phase::Start => self.restart(step).await?,
                Phase::Settle { since } => self.settle(step, since).await?,
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
        }
    }

    /// Plan from what the controller says now, and begin the first step, if there is one.
    async fn choose(&mut self) -> Result<Option<Outcome>, Stop> {
        self.work.say("planning firmware");
        let steps = self.plan().await?;
        self.work.keep(Kind::Firmware, evidence::firmware(&steps, Source::Catalogue(self.images.len()))).await?;
        let Some(next) = steps.first() else { return self.finish().await.map(Some) };
        let asked = self.policy.apply || self.work.server().wave.is_some();
        if let Some(why) = left_alone(self.work.parts.observe, self.work.manager().as_deref(), asked) {
            return Ok(Some(self.say(&steps, &why)));
        }
        let restart = match next.reset_after {
            None => None,
            Some(ResetKind::Bmc) => Some(Restart::Bmc),
            Some(ResetKind::Host) => Some(Restart::Host),
            Some(kind) => {
                let text = format!("{} asks for a reset of kind {kind:?}", next.image.component);
                return Err(Fault::new("reset-needed", Retry::Never, Blame::Plugin, text).into());
            }
        };
        let what = format!("{} {}", next.image.component, next.image.version);
        if self.memo.flashed.len() >= MOST || self.memo.flashed.iter().any(|line| line.starts_with(&what)) {
            return Err(unsettled(&what, "was written and read back, and is planned again").into());
        }
        if self.memo.settings.is_none() {
            self.work.say("reading settings before the update");
            self.memo.settings = settings::look(self.work, &self.driver, &self.lend).await?;
        }
        let was_off = self.driver.get_power(&self.lend).await? == PowerState::Off;
        self.memo.step = Some(StepMemo {
            component: next.image.component.clone(),
            version: next.image.version.clone(),
            from: next.current_version.clone(),
            sha256: next.image.sha256.clone(),
            reset: restart,
            disruptive: next.disruptive,
            tries: 1,
            phase: Phase::Apply,
            becomes: Becomes::Itself,
            was_off,
            pull: None,
        });
        self.found = false;
        Ok(None)
    }

    /// The driver's plan, in an order that meets what images require.
    async fn plan(&self) -> Result<Vec<Step>, Stop> {
        let image = |known: &&Known| Image {
            component: known.image.component.clone(),
            version: known.image.version.clone(),
            sha256: known.image.sha256.clone(),
            uri: String::new(),
        };
        let images: Vec<Image> = self.images.iter().map(image).collect();
        let steps = self.driver.plan(&self.lend, &images).await?;
        let known: HashMap<&str, &Known> =
            self.images.iter().map(|known| (known.image.component.as_str(), *known)).collect();
        let wanted: Vec<_> = steps
            .iter()
            .filter_map(|step| known.get(step.image.component.as_str()).map(|known| known.wanted()))
            .collect();
        if wanted.len() != steps.len() {
            let text = "the plan has an image that the catalogue has not";
            return Err(Fault::new("plugin-fault", Retry::Never, Blame::Plugin, text).into());
        }
        if wanted.iter().all(|one| one.requires.is_empty()) {
            return Ok(steps);
        }
        let inventory = self.driver.read_inventory(&self.lend).await?;
        let installed: BTreeMap<String, String> =
            inventory.firmware.iter().map(|one| (one.id.clone(), one.version.clone())).collect();
        let order = order(&wanted, &installed).map_err(|unmet| {
            Fault::new("firmware-requires", Retry::Never, Blame::Operator, unmet.to_string())
                .hint("add the required version to the catalogue, restart the host, then `farrier server retry`")
        })?;
        Ok(order.into_iter().filter_map(|at| steps.get(at).cloned()).collect())
    }

    /// What would be written, and why it is not.
    fn say(&self, steps: &[Step], why: &str) -> Outcome {
        let line = |step: &Step| {
            let disruptive = if step.disruptive { ", takes the server down" } else { "" };
            format!("{} {} → {}{disruptive}", step.image.component, step.current_version, step.image.version)
        };
        let lines: Vec<_> = steps.iter().map(line).collect();
        let marks = vec![(Mark::Unupdated, format!("{why}: a firmware plan of {} step(s)", steps.len()))];
        let evidence = self.memo.evidence(&format!("firmware plan: {}", lines.join("; ")));
        Outcome::Done { facts: Box::default(), marks, evidence }
    }

    /// Nothing is left to write.
    async fn finish(&mut self) -> Result<Outcome, Stop> {
        let last = "firmware is at the catalogue's versions";
        if self.memo.flashed.is_empty() {
            return Ok(Outcome::done(self.memo.evidence(last)));
        }
        self.work.say("reading settings after the update");
        let after = match &self.memo.settings {
            Some(_) => settings::look(self.work, &self.driver, &self.lend).await?,
            None => None,
        };
        let changed = settings::compare(self.memo.settings.as_ref(), after.as_ref());
        Ok(Outcome::done(self.memo.evidence(&format!("{last}; {changed}"))))
    }

    /// Commit where it is; what follows may change something.
    pub(super) async fn commit(&mut self, step: StepMemo) -> Result<(), Stop> {
        self.memo.step = Some(step);
        self.work.checkpoint(&self.memo, true).await
    }

    pub(super) fn wait(&mut self, step: StepMemo, millis: u64, said: &str) -> Result<Option<Outcome>, Stop> {
        let job = Some(format!("firmware {}: {said}", step.what()));
        self.work.say(job.clone().unwrap_or_default());
        self.memo.step = Some(step);
        Ok(Some(Outcome::Wait { until: now().plus(millis.max(1)), job, memo: encode(&self.memo)? }))
    }

    /// Write it, unless it is there or an attempt before this one saw to it.
    async fn apply(&mut self, mut step: StepMemo) -> Result<Option<Outcome>, Stop> {
        if self.found || step.tries > 1 {
            let inventory = self.driver.read_inventory(&self.lend).await?;
            if is_there(&step, &inventory) {
                return self.proved(step, inventory).await;
            }
        }
        let image = self.images.iter().find(|known| known.image.sha256 == step.sha256).copied();
        let Some(image) = image else {
            let text = format!("{} is not in the catalogue any more", step.what());
            return Err(Fault::new("firmware-gone", Retry::Never, Blame::Operator, text)
                .hint("`farrier server retry` plans anew")
                .into());
        };
        let (uri, key) = pull::offer(self.work, image, self.policy.job_timeout_ms).await?;
        pull::end(self.work, step.pull.take()).await;
        step.pull = key;
        self.found = false;
        self.commit(step.clone()).await?;
        self.work.say(format!("writing {}", step.what()));
        let mut lend = self.lend.clone();
        // This image and no other.
        lend.images = Images::of([(step.sha256.clone(), image.image.file.clone())]);
        let wanted = Step {
            image: Image {
                component: step.component.clone(),
                version: step.version.clone(),
                sha256: step.sha256.clone(),
                uri,
            },
            current_version: step.from.clone(),
            reset_after: step.reset.map(|kind| match kind {
                Restart::Bmc => ResetKind::Bmc,
                Restart::Host => ResetKind::Host,
            }),
            disruptive: step.disruptive,
        };
        match self.driver.apply(&lend, &wanted).await {
            Ok(Completion::Done) => self.written(step).await.map(|()| None),
            Ok(Completion::Pending(job)) => {
                let seconds = job.poll_after;
                let title = job.title.clone();
                step.phase = Phase::Job { job, since: now() };
                self.wait(step, poll_wait(seconds), &title)
            }
            // What stands in the way may pass; the next attempt looks before it writes.
            Err(error) => Err(error.into()),
        }
    }

    /// The controller says it is written: now the version must show it.
    async fn written(&mut self, mut step: StepMemo) -> Result<(), Stop> {
        step.phase = if step.becomes == Becomes::ByRestart && step.reset.is_some() {
            Phase::Restart
        } else {
            Phase::Settle { since: now() }
        };
        self.commit(step).await
    }

    /// Look at the job.
    async fn poll(&mut self, mut step: StepMemo) -> Result<Option<Outcome>, Stop> {
        let Phase::Job { job, since } = step.phase.clone() else { return Ok(None) };
        let late = now().since(since) >= self.policy.job_timeout_ms;
        match self.driver.poll(&self.lend, &job).await {
            Ok(JobState::Running(progress)) if !late => {
                let said = match progress.percent {
                    Some(percent) => format!("{percent} %, {}", progress.message),
                    None => progress.message.clone(),
                };
                self.wait(step, poll_wait(progress.poll_after), &said)
            }
            Ok(JobState::Running(_)) => Err(self.late(&step).into()),
            Ok(JobState::Succeeded(said)) => {
                // The words are the drivers' agreement with the host: see `docs/guides/write-a-plugin.md`.
                if said.starts_with("verified") {
                    step.phase = Phase::Apply;
                    self.found = false;
                    self.commit(step).await?;
                    return Ok(None);
                }
                if said.starts_with("staged") && step.becomes == Becomes::Itself {
                    step.becomes = Becomes::ByRestart;
                }
                self.written(step).await.map(|()| None)
            }
            Ok(JobState::Failed(error)) => self.failed(step, &CallError::Plugin(error)).await,
            // Forgotten: the version says what came of it. It may be one that needs the restart.
            Err(CallError::Plugin(Error::NotFound(_))) => {
                let inventory = self.driver.read_inventory(&self.lend).await?;
                if is_there(&step, &inventory) {
                    return self.proved(step, inventory).await;
                }
                if step.becomes == Becomes::Itself {
                    step.becomes = Becomes::ByRestart;
                }
                self.written(step).await.map(|()| None)
            }
            Err(error) if error.retry() != Retry::Never && !late => {
                self.wait(step, self.policy.look_ms, "the controller is away while it writes")
            }
            Err(error) if error.retry() != Retry::Never => Err(self.late(&step).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The job ended badly: once more where that may help, else a person.
    async fn failed(&mut self, mut step: StepMemo, error: &CallError) -> Result<Option<Outcome>, Stop> {
        if error.retry() != Retry::Never && step.tries < TRIES {
            (step.tries, step.phase) = (step.tries + 1, Phase::Apply);
            self.commit(step).await?;
            return Ok(None);
        }
        let text = format!("{} was not written: {error}", step.what());
        let hint = error.fault().hint.unwrap_or_else(|| {
            "is it the image for this model? correct the catalogue or the controller, then `farrier server retry`"
                .to_owned()
        });
        Err(Fault::new("firmware-failed", Retry::Never, Blame::Controller, text).hint(hint).into())
    }

    fn late(&self, step: &StepMemo) -> Fault {
        let text = format!("{}: not written after {} s", step.what(), self.policy.job_timeout_ms / 1_000);
        Fault::new("firmware-timeout", Retry::Never, Blame::Controller, text)
            .hint("look at the job on the controller; when it has ended, `farrier server retry`")
    }
}

/// The version that was wanted is not there, whatever was done.
pub fn unsettled(what: &str, text: &str) -> Fault {
    Fault::new("firmware-version", Retry::Never, Blame::Controller, format!("{what} {text}")).hint(
        "look at the controller's update log, and whether the image is for this model, then `farrier server retry`",
    )
}

/// Does the controller show the wanted version?
pub fn is_there(step: &StepMemo, inventory: &Inventory) -> bool {
    let of = |version: &str| crate::firmware::version::same(version, &step.version);
    inventory.firmware.iter().any(|one| one.id == step.component && of(&one.version))
}

/// Why nothing is written, if so. A manager that the controller names comes before what anybody asked: it would take the firmware back.
fn left_alone(observe: bool, manager: Option<&str>, asked: bool) -> Option<String> {
    match manager {
        _ if observe => Some("the host only observes".to_owned()),
        Some(manager) => Some(format!("external manager `{manager}`, which owns the firmware")),
        None => (!asked).then(|| "policy.update.apply = false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_of_a_server_that_somebody_else_manages_is_left_alone() {
        let why = left_alone(false, Some("OneView"), true);
        assert_eq!(why.as_deref(), Some("external manager `OneView`, which owns the firmware"));
        assert_eq!(left_alone(false, None, true), None);
        assert_eq!(left_alone(false, None, false).as_deref(), Some("policy.update.apply = false"));
        assert_eq!(left_alone(true, None, true).as_deref(), Some("the host only observes"));
    }
}
