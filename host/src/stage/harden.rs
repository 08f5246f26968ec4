//! harden: the controller brought to the baseline, then audited, whoever did the work.
//!
//! A playbook does it where Ansible is configured, the driver otherwise; the audit through the driver decides in both cases. No credential
//! is changed.
//!
//! Not obvious: that the baseline is being brought on is committed before it is. An attempt that ends half-way leaves settings that read well
//! and hold only after a restart of the controller, so the one after it restarts the controller whether or not it changes anything.

use std::fmt;

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
use crate::plugin::wit::types::{Error, ResetKind};
use crate::plugin::{CallError, Driver, Lend};

/// Between two looks at a controller that restarts, milliseconds.
const RESET_LOOK: u64 = 10_000;
/// How long a controller may be away after its restart, milliseconds; a slow one takes three minutes.
const RESET_AWAY: u64 = 600_000;

/// What harden must find again after a crash.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memo {
    /// What was changed, for the journal; empty while that is not known.
    changed: String,
    /// The baseline is being brought on, and the controller was not yet told to restart where it must.
    #[serde(default)]
    applying: bool,
    /// When it was told to restart.
    #[serde(default)]
    reset: Option<Timestamp>,
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
    let owner = tool.map(Owner::Tool).or_else(|| work.manager().map(Owner::Manager));
    // What somebody else owns is audited and reported, and not changed behind its back.
    let owned = |one: &ControlPolicy| owner.as_ref().is_some_and(|owner| owner.owns(&one.id));
    let (theirs, ours): (Vec<&ControlPolicy>, Vec<&ControlPolicy>) = policy.iter().copied().partition(|one| owned(one));
    let all: Vec<ControlPolicy> =
        policy.iter().map(|one| ControlPolicy { require: one.require && !owned(one), ..(*one).clone() }).collect();
    let policy: Vec<&ControlPolicy> = all.iter().collect();
    let baseline: Vec<Control> = policy.iter().map(|one| control(one)).collect();
    if work.parts.observe {
        return observe(work, &driver, &lend, &policy, &baseline).await;
    }
    let memo = work.memo::<Memo>().unwrap_or_default();
    let changed = if memo.reset.is_some() {
        memo.changed.clone()
    } else if ours.is_empty() {
        nothing_of_ours(owner.as_ref())
    } else {
        match bring(work, &driver, &lend, &ours, &memo).await? {
            Brought::Settled(changed) => changed,
            Brought::Restarts(outcome) => return Ok(outcome),
        }
    };
    work.say("auditing");
    let findings = match (driver.audit(&lend, &baseline).await, memo.reset) {
        (Ok(findings), _) => findings,
        // Away, as it was told to be: that is no failed attempt.
        (Err(error), Some(reset)) if error.retry() != Retry::Never && now().since(reset) < RESET_AWAY => {
            return Ok(away(&memo)?);
        }
        (Err(error), _) => return Err(error.into()),
    };
    keep(work, &policy, &findings).await?;
    let judged = judge(&policy, &findings);
    if judged.is_err() && memo.reset.is_some() {
        // It was restarted, and that did not help: a retry begins at the beginning.
        work.checkpoint(&Memo::default(), true).await?;
    }
    let evidence = judged?;
    let marks = owner.and_then(|owner| left_to(&owner, &theirs, &findings)).into_iter().collect();
    Ok(Outcome::Done { facts: Box::default(), marks, evidence: format!("{changed}; {evidence}") })
}

/// Whose controls are not ours to set.
enum Owner<'a> {
    /// A fleet tool we know: those it is said to own.
    Tool(&'a Fleet),
    /// A manager that the controller names and no `[[fleet]]` entry covers: all.
    Manager(String),
}

impl Owner<'_> {
    fn owns(&self, control: &str) -> bool {
        match self {
            Self::Tool(tool) => tool.owns(control),
            Self::Manager(_) => true,
        }
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(tool) => write!(f, "fleet `{}`", tool.plugin),
            Self::Manager(name) => write!(f, "external manager `{name}`"),
        }
    }
}

fn nothing_of_ours(owner: Option<&Owner<'_>>) -> String {
    let beside = owner.map(|owner| format!(" beside {owner}")).unwrap_or_default();
    format!("nothing of ours to change{beside}")
}

/// The mark for required controls that are somebody else's and do not comply.
fn left_to(owner: &Owner<'_>, theirs: &[&ControlPolicy], findings: &[Finding]) -> Option<(Mark, String)> {
    let complies = |id: &str| findings.iter().any(|one| one.control == id && one.verdict == Verdict::Compliant);
    let left: Vec<&str> =
        theirs.iter().filter(|one| one.require && !complies(&one.id)).map(|one| one.id.as_str()).collect();
    let text = || format!("{owner}, which owns {}", left.join(", "));
    (!left.is_empty()).then(|| (Mark::Unhardened, text()))
}

/// Nothing is asked of the controller, because of this line of policy.
fn left_out(line: &str) -> Outcome {
    let marks = vec![(Mark::Unhardened, line.to_owned())];
    Outcome::Done { facts: Box::default(), marks, evidence: format!("not-required: {line}") }
}

/// What bringing the baseline on came to.
enum Brought {
    /// All of it holds; what was changed.
    Settled(String),
    /// The controller restarts for it.
    Restarts(Outcome),
}

/// Bring the baseline on, so that no restart it needs is forgotten. An attempt that finds an earlier one at it cannot tell what that one
/// changed: the settings read as they should, and may hold only after a restart.
async fn bring(
    work: &Work,
    driver: &Driver,
    lend: &Lend,
    ours: &[&ControlPolicy],
    memo: &Memo,
) -> Result<Brought, Stop> {
    let baseline: Vec<Control> = ours.iter().map(|one| control(one)).collect();
    if !memo.applying {
        work.checkpoint(&Memo { applying: true, ..Memo::default() }, true).await?;
    }
    let (changed, pending) = apply(work, driver, lend, ours, &baseline).await?;
    let changed = if memo.changed.is_empty() { changed } else { memo.changed.clone() };
    match pending {
        Some(kind) => restart(work, driver, lend, kind, changed, false).await.map(Brought::Restarts),
        None if memo.applying => {
            restart(work, driver, lend, ResetKind::Bmc, changed, true).await.map(Brought::Restarts)
        }
        None => {
            work.checkpoint(&Memo::default(), true).await?;
            Ok(Brought::Settled(changed))
        }
    }
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

/// The controller restarts by itself; it is audited when it is back. `guessed`: no driver says that it must.
async fn restart(
    work: &Work,
    driver: &Driver,
    lend: &Lend,
    kind: ResetKind,
    changed: String,
    guessed: bool,
) -> Result<Outcome, Stop> {
    if kind != ResetKind::Bmc {
        let text = format!("the driver asks for a reset of kind {kind:?} after hardening");
        return Err(Fault::new("reset-needed", Retry::Never, Blame::Operator, text)
            .hint("restart the server by hand, then `farrier server retry`")
            .into());
    }
    let mut memo = Memo { changed, applying: true, reset: None };
    work.checkpoint(&memo, true).await?;
    work.say("restarting the controller");
    match driver.reset(lend, kind).await {
        // Without an answer it may have gone down before it could give one.
        Ok(_) | Err(CallError::Plugin(Error::Unreachable(_) | Error::TimedOut) | CallError::Deadline { .. }) => {}
        // Nothing waits for a restart on a controller that has none.
        Err(CallError::Plugin(Error::Unsupported(_))) if guessed => {}
        // Not told: the next attempt finds that, and tells it.
        Err(error) => return Err(error.into()),
    }
    (memo.applying, memo.reset) = (false, Some(now()));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Value;

    #[test]
    fn what_a_manager_left_undone_is_a_mark_with_its_name() {
        let control = |id: &str, require| {
            let desired = Value::Flag(false);
            ControlPolicy { id: id.to_owned(), desired, require, matches: Vec::new() }
        };
        let controls = [control("ssh", true), control("ssdp", true), control("snmp", false)];
        let finding =
            |control: &str, verdict| Finding { control: control.to_owned(), verdict, observed: None, detail: None };
        let owner = Owner::Manager("OneView".to_owned());
        assert!(controls.iter().all(|one| owner.owns(&one.id)), "all is the manager's");
        let theirs: Vec<_> = controls.iter().collect();
        let mut findings = vec![finding("ssh", Verdict::Compliant), finding("ssdp", Verdict::NonCompliant)];
        let (mark, line) = left_to(&owner, &theirs, &findings).unwrap();
        assert_eq!((mark, line.as_str()), (Mark::Unhardened, "external manager `OneView`, which owns ssdp"));
        assert_eq!(nothing_of_ours(Some(&owner)), "nothing of ours to change beside external manager `OneView`");
        findings.push(finding("ssdp", Verdict::Compliant));
        assert_eq!(left_to(&owner, &theirs, &findings), None, "the audit passed: it is hardened, by whomever");
    }
}
