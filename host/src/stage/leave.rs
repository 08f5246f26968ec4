//! Leaving what a server was put into: its fleet tool, the boot provisioner, and the data on its drives where the provisioner erases.
//!
//! Promises that each step is written down before it is begun and when it is done, that its job is waited for without a permit, and that a step is
//! done only when the plugin says so of the call itself. After a crash the same call is made again; the plugin finds it done or running.
//! Does not: believe that drives are erased. A person vouches for that.
//!
//! Not obvious: an eraser is an image that the provisioner serves, and the provisioner switches nothing, so the host boots the server into it.

use farrier_lifecycle::{Blame, Fault, Outcome, Purpose, Retry, Server, Timestamp};
use serde::{Deserialize, Serialize};

use super::poll::poll_wait;
use super::power::power;
use super::validate::boot_once;
use super::work::encode;
use super::{Stop, Work, provisioner};
use crate::config::{Config, Erase, Fleet};
use crate::egress::now;
use crate::plugin::wit::bmc_driver::PowerAction;
use crate::plugin::wit::boot_provisioner::BootProfile;
use crate::plugin::wit::jobs::JobState;
use crate::plugin::wit::types::{Completion, Error, Job};
use crate::plugin::{CallError, Driver, Lend, Service, server_ref};

/// How long the provisioner may take for one thing: drives of many terabytes are written over for hours.
const PATIENCE_MS: u64 = 24 * 3_600_000;
/// Jobs of one step, before a person must look.
const ROUNDS: u32 = 4;

/// What is left, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// The fleet tool forgets the server.
    Unregister,
    /// The provisioner knows the server, so that it can serve the eraser.
    Enroll,
    /// It erases the drives.
    Erase,
    /// It forgets the server.
    Forget,
}

/// How far the boot into the eraser is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Boot {
    /// To be switched off and set to boot from the network.
    #[default]
    Prepare,
    /// To be switched on.
    Start,
    /// On its way.
    Begun,
}

/// What must be found again after a crash.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Memo {
    done: Vec<Step>,
    /// Work elsewhere that is waited for.
    job: Option<Job>,
    /// When it was begun.
    since: Timestamp,
    rounds: u32,
    boot: Boot,
}

/// How far it is.
pub enum Left {
    /// Waiting for work elsewhere.
    Wait(Outcome),
    /// All of it, a line for each.
    All(Vec<String>),
}

/// Who is asked for a step.
struct Tool {
    name: String,
    driver: Driver,
    lend: Lend,
    patience_ms: u64,
    is_fleet: bool,
}

impl Tool {
    fn fault(&self, error: &CallError) -> Fault {
        if self.is_fleet { error.fault() } else { error.service_fault(&self.name) }
    }
}

/// Leave everything the configuration names, as far as the server is taken back for it.
pub async fn run(work: &Work) -> Result<Left, Stop> {
    let mut memo: Memo = work.memo().unwrap_or_default();
    let mut lines = Vec::new();
    for step in steps(work) {
        let tool = open(work, step)?;
        if !memo.done.contains(&step)
            && let Some(outcome) = take(work, &tool, &mut memo, step).await?
        {
            return Ok(Left::Wait(outcome));
        }
        lines.extend(said(step, &tool.name));
    }
    Ok(Left::All(lines))
}

fn fleet(work: &Work) -> Option<&Fleet> {
    let server = work.server();
    work.parts.config.fleet(server.facts.driver.as_deref(), server.facts.site.as_deref())
}

/// What the configuration has done to a server that is taken back, each by the plugin that does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// The fleet tool that forgets the server.
    pub fleet: Option<&'a str>,
    /// The provisioner that erases its drives; the host switches it off and boots it into the eraser.
    pub eraser: Option<&'a str>,
    /// The provisioner that forgets it.
    pub provisioner: Option<&'a str>,
}

/// What is to be done, for the stage and for those who are told beforehand. A released server comes back: it stays in its fleet tool, and
/// the provisioner finds it again.
pub fn plan<'a>(config: &'a Config, server: &Server) -> Plan<'a> {
    let for_good = server.purpose != Some(Purpose::Reuse);
    let fleet = config.fleet(server.facts.driver.as_deref(), server.facts.site.as_deref());
    let boot = config.boot.as_ref().map(|boot| boot.plugin.as_str());
    Plan {
        fleet: fleet.filter(|_| for_good).map(|tool| tool.plugin.as_str()),
        eraser: boot.filter(|_| config.policy.retire.erase == Erase::Provisioner),
        provisioner: boot.filter(|_| for_good),
    }
}

fn steps(work: &Work) -> Vec<Step> {
    let plan = plan(&work.parts.config, &work.server());
    let mut steps = Vec::new();
    if plan.fleet.is_some() {
        steps.push(Step::Unregister);
    }
    if plan.eraser.is_some() {
        steps.extend([Step::Enroll, Step::Erase]);
    }
    if plan.provisioner.is_some() {
        steps.push(Step::Forget);
    }
    steps
}

fn said(step: Step, tool: &str) -> Option<String> {
    match step {
        Step::Unregister => Some(format!("taken out of {tool}")),
        Step::Enroll => None,
        Step::Erase => Some(format!("{tool} says that it erased the drives")),
        Step::Forget => Some(format!("{tool} has forgotten the server")),
    }
}

fn open(work: &Work, step: Step) -> Result<Tool, Fault> {
    let gone = || Fault::new("host-error", Retry::Backoff, Blame::Host, "the configuration changed under way");
    if step == Step::Unregister {
        let tool = fleet(work).ok_or_else(gone)?;
        let (driver, lend) = work.fleet(tool)?;
        let name = tool.plugin.clone();
        return Ok(Tool { name, driver, lend, patience_ms: tool.job_timeout_ms, is_fleet: true });
    }
    let config = work.parts.config.boot.as_ref().ok_or_else(gone)?;
    let service = Service::open(&work.parts.plugins, config, "boot-provisioner")?;
    let lend = service.lend(&work.parts.broker, work.gate())?;
    let driver = service.driver().clone();
    Ok(Tool { name: config.plugin.clone(), driver, lend, patience_ms: PATIENCE_MS, is_fleet: false })
}

/// One step, to its end or to what is waited for.
async fn take(work: &Work, tool: &Tool, memo: &mut Memo, step: Step) -> Result<Option<Outcome>, Stop> {
    if let Some(job) = memo.job.clone() {
        if step == Step::Erase {
            boot(work, memo).await?;
        }
        if let Some(outcome) = settle(work, tool, memo, &job).await? {
            return Ok(Some(outcome));
        }
    }
    work.say(match step {
        Step::Unregister => format!("leaving {}", tool.name),
        Step::Enroll => format!("making the server known to {}", tool.name),
        Step::Erase => format!("having the drives erased by {}", tool.name),
        Step::Forget => format!("having {} forget the server", tool.name),
    });
    work.checkpoint(memo, true).await?;
    match call(work, tool, step).await? {
        Completion::Done => {
            memo.done.push(step);
            (memo.rounds, memo.boot) = (0, Boot::default());
            work.checkpoint(memo, true).await?;
            Ok(None)
        }
        Completion::Pending(job) => {
            memo.rounds = memo.rounds.saturating_add(1);
            if memo.rounds > ROUNDS {
                let text = format!("{} began `{}` {ROUNDS} times, and it is not done", tool.name, job.title);
                return Err(stuck(text).into());
            }
            (memo.job, memo.since) = (Some(job.clone()), now());
            if step == Step::Erase {
                work.checkpoint(memo, true).await?;
                boot(work, memo).await?;
            }
            wait(work, memo, &job, &job.title).map(Some)
        }
    }
}

async fn call(work: &Work, tool: &Tool, step: Step) -> Result<Completion, Stop> {
    let record = work.server();
    let (driver, lend, server) = (&tool.driver, &tool.lend, server_ref(&record));
    let completion = match step {
        Step::Unregister => driver.unregister(lend, &server).await,
        Step::Enroll => driver.enroll(lend, &provisioner::machine(&record)?).await,
        Step::Erase => driver.set_profile(lend, &server, &BootProfile::Erase).await,
        Step::Forget => driver.release(lend, &server).await,
    };
    Ok(completion.map_err(|error| tool.fault(&error))?)
}

/// Into the eraser; what is done of it is not done again.
async fn boot(work: &Work, memo: &mut Memo) -> Result<(), Stop> {
    if memo.boot == Boot::Begun {
        return Ok(());
    }
    let (driver, lend) = work.driver()?;
    let poll_ms = work.parts.config.policy.validate.on().cloned().unwrap_or_default().poll_ms;
    if memo.boot == Boot::Prepare {
        work.say("switching off to boot the eraser");
        power(work, &driver, &lend, PowerAction::Off, poll_ms).await?;
        boot_once(&driver, &lend).await?;
        memo.boot = Boot::Start;
        work.checkpoint(memo, true).await?;
    }
    work.say("switching on into the eraser");
    power(work, &driver, &lend, PowerAction::On, poll_ms).await?;
    memo.boot = Boot::Begun;
    work.checkpoint(memo, true).await
}

/// Look at the job. `None`: there is none any more, and the call may be made again.
async fn settle(work: &Work, tool: &Tool, memo: &mut Memo, job: &Job) -> Result<Option<Outcome>, Stop> {
    let fault = match tool.driver.poll(&tool.lend, job).await {
        Ok(JobState::Running(progress)) if now().since(memo.since) < tool.patience_ms => {
            let again = Job { poll_after: progress.poll_after, ..job.clone() };
            return wait(work, memo, &again, &progress.message).map(Some);
        }
        Ok(JobState::Running(progress)) => {
            stuck(format!("{}: `{}` does not end: {}", tool.name, job.title, progress.message))
        }
        // Forgotten: the call itself finds what is so.
        Ok(JobState::Succeeded(_)) | Err(CallError::Plugin(Error::NotFound(_))) => {
            memo.job = None;
            return work.checkpoint(memo, true).await.map(|()| None);
        }
        Ok(JobState::Failed(error)) => tool.fault(&CallError::Plugin(error)),
        Err(error) => return Err(tool.fault(&error).into()),
    };
    // The next attempt must not find the dead job again, and boots anew.
    (memo.job, memo.boot) = (None, Boot::default());
    work.checkpoint(memo, true).await?;
    Err(fault.into())
}

fn stuck(text: String) -> Fault {
    Fault::new("job-stuck", Retry::Never, Blame::Operator, text)
        .hint("look at the server there, then `farrier server retry`")
}

fn wait(work: &Work, memo: &mut Memo, job: &Job, said: &str) -> Result<Outcome, Stop> {
    work.say(said);
    memo.job = Some(job.clone());
    let until = now().plus(poll_wait(job.poll_after));
    Ok(Outcome::Wait { until, job: Some(job.title.clone()), memo: encode(memo)? })
}
