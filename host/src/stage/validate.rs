//! validate: one network boot of the validation image, then its report against the inventory.
//!
//! Each step is verified before it is repeated: the server is off before the boot override is set, and it is switched on only if it is off,
//! so a crash between two steps repeats neither. The report comes under a one-time token; without it the server is booted again, at most
//! three times.

use farrier_lifecycle::{Blame, Fault, Mark, Outcome, Retry, Server, Timestamp};

use serde_json::json;

use super::boot_token::{Memo, Phase, mac_key};
use super::cabling::cabling;
use super::evidence::{self, Kind};
use super::power::power;
use super::report::Report;
use super::work::encode;
use super::{Stop, Work, compare, ports, provisioner, report};
use crate::config::ValidatePolicy;
use crate::egress::now;
use crate::inventory::Expected;
use crate::plugin::wit::bmc_driver::{BootMode, BootOverride, BootPersistence, BootTarget, PowerAction};
use crate::plugin::{Driver, Lend};

/// Boots without a report before a person must look.
const BOOTS: u32 = 3;

/// Boot, wait, compare: whichever is next.
pub async fn run(work: &Work) -> Result<Outcome, Stop> {
    let server = work.server();
    let Some(policy) = work.parts.config.policy.validate.on().cloned() else {
        let marks = vec![(Mark::Unvalidated, "policy.validate = \"off\"".to_owned())];
        return Ok(Outcome::Done { facts: Box::default(), marks, evidence: "not-required: switched off".to_owned() });
    };
    if work.parts.observe {
        return observe(work, &policy).await;
    }
    if let Some(body) = &server.report {
        return judge(work, body, &policy).await;
    }
    let memo = match Memo::of(&server) {
        None => begin(work, &server, 1).await?,
        Some(memo) if overdue(&memo) => {
            if memo.boot >= BOOTS {
                provisioner::release(work).await;
                return Err(no_report(memo.boot).into());
            }
            begin(work, &server, memo.boot + 1).await?
        }
        Some(memo) => memo,
    };
    boot(work, memo, &policy).await
}

fn overdue(memo: &Memo) -> bool {
    memo.phase == Phase::Await && memo.deadline.is_some_and(|deadline| deadline <= now())
}

fn no_report(boots: u32) -> Fault {
    Fault::new("no-report", Retry::Never, Blame::Network, format!("booted {boots} times, and the validation image never reported"))
        .hint("does the boot network serve the iPXE script, and can the image reach `http.public_url`? then `farrier server retry`")
}

/// A new boot under a new token; committed before anything is touched.
async fn begin(work: &Work, server: &Server, number: u32) -> Result<Memo, Stop> {
    let memo = Memo::new(&server.id, number);
    // First, so that whoever finds the memo finds these as well.
    for mac in &server.facts.boot_macs {
        work.parts.bus.set(&mac_key(*mac), Some(server.id.as_str().as_bytes()), None).await?;
    }
    work.checkpoint(&memo, true).await?;
    Ok(memo)
}

async fn boot(work: &Work, mut memo: Memo, policy: &ValidatePolicy) -> Result<Outcome, Stop> {
    if matches!(memo.phase, Phase::Enroll | Phase::Serve)
        && let Some(outcome) = provisioner::serve(work, &mut memo).await?
    {
        return Ok(outcome);
    }
    let (driver, lend) = work.driver()?;
    if memo.phase == Phase::Prepare {
        work.say("switching off for the validation boot");
        power(work, &driver, &lend, PowerAction::Off, policy.poll_ms).await?;
        work.say("setting one network boot");
        boot_once(&driver, &lend).await?;
        memo.phase = Phase::Start;
        work.checkpoint(&memo, true).await?;
    }
    if memo.phase == Phase::Start {
        work.say("switching on into the validation image");
        power(work, &driver, &lend, PowerAction::On, policy.poll_ms).await?;
        memo.phase = Phase::Await;
        memo.deadline = Some(now().plus(policy.timeout_ms));
    }
    let until = memo.deadline.unwrap_or_else(|| Timestamp::plus(now(), policy.timeout_ms));
    Ok(Outcome::Wait { until, job: None, memo: encode(&memo)? })
}

/// Have the next boot come from the network, once: an override that stands for good would have the tenant's server boot from it for ever, and
/// one for legacy firmware finds no image.
pub(super) async fn boot_once(driver: &Driver, lend: &Lend) -> Result<(), Stop> {
    let wanted = BootOverride { target: BootTarget::Pxe, persistence: BootPersistence::Once, mode: BootMode::Uefi };
    if driver.get_boot(lend).await? == wanted {
        return Ok(());
    }
    driver.set_boot(lend, &wanted).await?;
    let seen = driver.get_boot(lend).await?;
    if seen == wanted {
        return Ok(());
    }
    let BootOverride { target, persistence, mode } = seen;
    let text = format!("the controller accepted one network boot and reads back {target:?}, {persistence:?}, {mode:?}");
    Err(Fault::new("boot-not-set", Retry::Backoff, Blame::Controller, text).into())
}

async fn judge(work: &Work, body: &str, policy: &ValidatePolicy) -> Result<Outcome, Stop> {
    work.say("comparing the report with the inventory");
    let report = report::parse(body).map_err(|error| {
        Fault::new("malformed-report", Retry::Never, Blame::Host, error.to_string())
            .hint("`farrier server retry` boots again")
    })?;
    let expected = work.expected().await?;
    let seen = cabling(&report, &expected);
    // Before it is judged: a wrong cable is what someone will look at.
    work.keep(Kind::Cabling, json!(seen)).await?;
    let assigned = ports::assign(work, policy, &report, &expected, &seen).await?;
    let expected = if assigned.is_empty() { expected } else { again(work, &report).await? };
    let verdict = match compare::compare(&report, &expected, &policy.require) {
        Ok(verdict) => verdict,
        Err(fault) => {
            if matches!(fault.code.as_str(), "identity-mismatch" | "model-mismatch") {
                work.keep(Kind::Identity, identity(&report, &expected)).await?;
            }
            return Err(fault.into());
        }
    };
    let mut evidence = format!("agrees with the inventory: {}", verdict.evidence.join(", "));
    for line in assigned {
        evidence.push('\n');
        evidence.push_str(&line);
    }
    Ok(Outcome::Done { facts: Box::default(), marks: verdict.marks, evidence })
}

/// The inventory as it is with the cables that were just written.
async fn again(work: &Work, report: &Report) -> Result<Box<Expected>, Stop> {
    let expected = work.expected().await?;
    work.keep(Kind::Cabling, json!(cabling(report, &expected))).await?;
    Ok(expected)
}

fn identity(report: &Report, expected: &Expected) -> serde_json::Value {
    evidence::identity(
        (expected.serial.as_deref(), report.serial.as_deref()),
        (expected.model.as_deref(), report.model.as_deref()),
    )
}

/// What would be done, and what is there to compare with.
async fn observe(work: &Work, policy: &ValidatePolicy) -> Result<Outcome, Stop> {
    let (driver, lend) = work.driver()?;
    let power = driver.get_power(&lend).await?;
    let boot = driver.get_boot(&lend).await?;
    let expected = work.expected().await?;
    let cables = expected.nics.iter().filter(|nic| nic.cable.is_some()).count();
    let require: Vec<_> = policy.require.iter().map(|one| one.as_str()).collect();
    Ok(Outcome::done(format!(
        "would switch off (it is {power:?}), boot once from the network (override is {:?}), switch on, and compare {} with {} interfaces and {cables} cables",
        boot.target,
        require.join(", "),
        expected.nics.len()
    )))
}
