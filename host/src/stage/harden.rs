//! harden: the controller brought to the baseline, then audited, whoever did the work.
//!
//! A playbook does it where Ansible is configured, the driver otherwise; the audit through the driver decides in both cases. No credential
//! is changed.

use farrier_lifecycle::{Blame, Fault, Mark, Outcome, Retry, Timestamp};
use serde::{Deserialize, Serialize};

use super::baseline::{control, controls, judge};
use super::evidence::{self, Kind};
use super::work::encode;
use super::{Stop, Work};
use crate::ansible::{Hardening, Runner};
use crate::config::{ControlPolicy, Fleet};
use crate::egress::now;
use crate::plugin::wit::hardening::{Control, Finding, Verdict};
use crate::plugin::wit::types::ResetKind;
use crate::plugin::{Driver, Lend};

/// Between two looks at a controller that restarts, milliseconds.
const RESET_LOOK: u64 = 10_000;
/// How long a controller may be away after its restart, milliseconds; a slow one takes three minutes.
const RESET_AWAY: u64 = 600_000;

/// What harden must find again after a crash.
#[derive(Debug, Serialize, Deserialize)]
struct Memo {
    /// What was changed, for the journal.
    changed: String,
    /// When the controller was told to restart.
    reset: Timestamp,
}

/// Harden and audit; after a controller's restart, audit.
pub async fn run(work: &Work) -> Result<Outcome, Stop> {
    let policy = match work.parts.config.policy.harden.on() {
        None => return Ok(left_out("policy.harden = \"off\"")),
        Some(policy) if policy.control.is_empty() => return Ok(left_out("policy.harden.control = []")),
        Some(policy) => policy,
    };
    let (driver, lend) = work.driver()?;
    let server = work.server();
    let driver_name = server.facts.driver.as_deref();
    let policy = controls(policy, driver_name.unwrap_or_default());
    let config = &work.parts.config;
    // Where update is off nothing is registered, and so nothing is owned.
    let tool = config.fleet(driver_name, server.facts.site.as_deref()).filter(|_| config.policy.update.on().is_some());
    // What the fleet tool owns is audited and reported, and not changed behind its back.
    let owned = |one: &ControlPolicy| tool.is_some_and(|tool| tool.owns(&one.id));
    let (theirs, ours): (Vec<&ControlPolicy>, Vec<&ControlPolicy>) = policy.iter().copied().partition(|one| owned(one));
    let all: Vec<ControlPolicy> =
        policy.iter().map(|one| ControlPolicy { require: one.require && !owned(one), ..(*one).clone() }).collect();
    let policy: Vec<&ControlPolicy> = all.iter().collect();
    let baseline: Vec<Control> = policy.iter().map(|one| control(one)).collect();
    if work.parts.observe {
        return observe(work, &driver, &lend, &policy, &baseline).await;
    }
    let restarted = work.memo::<Memo>();
    let changed = if let Some(memo) = &restarted {
        memo.changed.clone()
    } else {
        let (changed, reset) = if ours.is_empty() {
            ("nothing of ours to change".to_owned(), None)
        } else {
            let baseline: Vec<Control> = ours.iter().map(|one| control(one)).collect();
            apply(work, &driver, &lend, &ours, &baseline).await?
        };
        if let Some(kind) = reset {
            return restart(work, &driver, &lend, kind, changed).await;
        }
        changed
    };
    work.say("auditing");
    let findings = match (driver.audit(&lend, &baseline).await, restarted) {
        (Ok(findings), _) => findings,
        // Away, as it was told to be: that is no failed attempt.
        (Err(error), Some(memo)) if error.retry() != Retry::Never && now().since(memo.reset) < RESET_AWAY => {
            return Ok(away(&memo)?);
        }
        (Err(error), _) => return Err(error.into()),
    };
    keep(work, &policy, &findings).await?;
    let evidence = judge(&policy, &findings)?;
    let marks = tool.and_then(|tool| left_to(tool, &theirs, &findings)).into_iter().collect();
    Ok(Outcome::Done { facts: Box::default(), marks, evidence: format!("{changed}; {evidence}") })
}

/// The mark for required controls that are the tool's and do not comply.
fn left_to(tool: &Fleet, theirs: &[&ControlPolicy], findings: &[Finding]) -> Option<(Mark, String)> {
    let complies = |id: &str| findings.iter().any(|one| one.control == id && one.verdict == Verdict::Compliant);
    let left: Vec<&str> =
        theirs.iter().filter(|one| one.require && !complies(&one.id)).map(|one| one.id.as_str()).collect();
    let text = || format!("fleet `{}`, which owns {}", tool.plugin, left.join(", "));
    (!left.is_empty()).then(|| (Mark::Unhardened, text()))
}

/// Nothing is asked of the controller, because of this line of policy.
fn left_out(line: &str) -> Outcome {
    let marks = vec![(Mark::Unhardened, line.to_owned())];
    Outcome::Done { facts: Box::default(), marks, evidence: format!("not-required: {line}") }
}

/// Bring the controller to the baseline; what was changed, and what must restart for it.
async fn apply(
    work: &Work,
    driver: &Driver,
    lend: &Lend,
    policy: &[&ControlPolicy],
    baseline: &[Control],
) -> Result<(String, Option<ResetKind>), Stop> {
    if let Some(runner) = &work.parts.ansible {
        return playbook(work, runner, lend, policy).await;
    }
    work.say("hardening through the driver");
    let hardened = driver.harden(lend, baseline).await?;
    let changed = if hardened.changed.is_empty() {
        "nothing to change".to_owned()
    } else {
        format!("changed {}", hardened.changed.join(", "))
    };
    Ok((changed, hardened.pending_reset))
}

async fn playbook(
    work: &Work,
    runner: &Runner,
    lend: &Lend,
    policy: &[&ControlPolicy],
) -> Result<(String, Option<ResetKind>), Stop> {
    work.say("hardening with Ansible");
    let server = work.server();
    let hardening = Hardening {
        name: server.label().to_owned(),
        driver: server.facts.driver.clone().unwrap_or_default(),
        controls: policy.iter().map(|one| (*one).clone()).collect(),
    };
    let board = work.parts.progress.clone();
    let id = server.id.clone();
    let done = runner.harden(&hardening, lend, &move |line: &str| board.say(&id, line)).await?;
    Ok((done.summary, done.pending_reset))
}

/// The controller restarts by itself; it is audited when it is back.
async fn restart(work: &Work, driver: &Driver, lend: &Lend, kind: ResetKind, changed: String) -> Result<Outcome, Stop> {
    if kind != ResetKind::Bmc {
        let text = format!("the driver asks for a reset of kind {kind:?} after hardening");
        return Err(Fault::new("reset-needed", Retry::Never, Blame::Operator, text)
            .hint("restart the server by hand, then `farrier server retry`")
            .into());
    }
    let memo = Memo { changed, reset: now() };
    work.checkpoint(&memo, true).await?;
    work.say("restarting the controller");
    driver.reset(lend, kind).await?;
    Ok(away(&memo)?)
}

fn away(memo: &Memo) -> Result<Outcome, Fault> {
    let job = Some("the controller restarts with its new settings".to_owned());
    Ok(Outcome::Wait { until: now().plus(RESET_LOOK), job, memo: encode(memo)? })
}

/// Before it is judged: what does not comply is what someone will look at.
async fn keep(work: &Work, policy: &[&ControlPolicy], findings: &[Finding]) -> Result<(), Stop> {
    let desired = policy.iter().filter_map(|one| Some((one.id.clone(), serde_json::to_value(&one.desired).ok()?)));
    let by = if work.parts.ansible.is_some() { "ansible" } else { "driver" };
    work.keep(Kind::Audit, evidence::audit(&desired.collect(), findings, by)).await
}

async fn observe(
    work: &Work,
    driver: &Driver,
    lend: &Lend,
    policy: &[&ControlPolicy],
    baseline: &[Control],
) -> Result<Outcome, Stop> {
    let findings = driver.audit(lend, baseline).await?;
    keep(work, policy, &findings).await?;
    let now = judge(policy, &findings).unwrap_or_else(|fault| fault.text);
    Ok(Outcome::done(format!("would bring the controller to the baseline; now: {now}")))
}
