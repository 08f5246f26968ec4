//! Bringing a controller to a baseline, and proving it.
//!
//! Promises: `audit` only reads; `harden` writes only what differs, one PATCH a resource, and what it reports is what
//! a fresh audit reads afterwards. A refused change stays a finding, with the controller's words. Does not: change
//! accounts or credentials, or lock the controller.
//!
//! Not obvious: a batch that is refused is tried again control by control, because some controllers refuse all for the
//! sake of one. A control counts as changed only when the read-back says so.

use super::{Context, Vendor};
use crate::error;
use crate::types::{Completion, Control, Error, Finding, Hardened, Job, ResetKind, Value, Verdict};
use serde_json::Value as JsonValue;

/// Why a control is as before though its change was accepted.
const TAKEN_NOT_MADE: &str = "the controller took the change and did not make it";
/// The same where a job goes on.
const TAKEN_AS_JOB: &str = "the controller took the change and makes it in a job";

/// One write towards a control.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The resource to PATCH.
    pub path: String,
    /// The part of the body this control needs; parts for one resource are merged.
    pub body: JsonValue,
    /// Send it after the others: it restarts or cuts off the controller.
    pub last: bool,
}

impl Change {
    /// A change without an order of its own.
    pub fn new(path: &str, body: JsonValue) -> Self {
        Self { path: path.to_owned(), body, last: false }
    }
}

/// The setting behind a control.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// The controller has no such setting; why.
    Absent(String),
    /// It has one.
    Found {
        /// As it is, in the control's unit.
        observed: Value,
        /// Whether that is what the baseline wants.
        compliant: bool,
        /// What would make it so; empty where this driver must not change it.
        changes: Vec<Change>,
        /// What an operator should know beside.
        detail: Option<String>,
    },
}

impl Setting {
    /// A setting compared for equality with the control.
    pub fn equal(observed: Value, control: &Control, changes: Vec<Change>) -> Self {
        let compliant = observed == control.desired;
        Self::Found { observed, compliant, changes, detail: None }
    }
}

/// Compare and change nothing.
pub fn audit<V: Vendor>(vendor: &V, context: &Context<'_>, baseline: &[Control]) -> Result<Vec<Finding>, Error> {
    vendor.confirm(context)?;
    baseline.iter().map(|control| Ok(finding(control, vendor.setting(context, control)?))).collect()
}

fn finding(control: &Control, setting: Setting) -> Finding {
    let (verdict, observed, detail) = match setting {
        Setting::Absent(why) => (Verdict::NotApplicable, None, Some(why)),
        Setting::Found { observed, compliant, detail, .. } => {
            (if compliant { Verdict::Compliant } else { Verdict::NonCompliant }, Some(observed), detail)
        }
    };
    Finding { control: control.id.clone(), verdict, observed, detail }
}

/// Change what differs, then audit.
pub fn harden<V: Vendor>(vendor: &V, context: &Context<'_>, baseline: &[Control]) -> Result<Hardened, Error> {
    vendor.confirm(context)?;
    let mut wanted: Vec<(String, Change)> = Vec::new();
    for control in baseline {
        if let Setting::Found { compliant: false, changes, .. } = vendor.setting(context, control)? {
            wanted.extend(changes.into_iter().map(|change| (control.id.clone(), change)));
        }
    }
    let mut effect = Effect::default();
    for batch in batches(wanted) {
        apply(vendor, context, &batch, &mut effect)?;
    }
    context.redfish.forget();
    let mut findings = audit(vendor, context, baseline)?;
    let mut changed: Vec<String> = Vec::new();
    for finding in &mut findings {
        let control = &finding.control;
        if finding.verdict == Verdict::Compliant && effect.written.contains(control) && !changed.contains(control) {
            changed.push(control.clone());
        }
        if finding.verdict == Verdict::NonCompliant {
            let refused = effect.refused.iter().find(|(id, _)| id == control).map(|(_, why)| format!("refused: {why}"));
            let text = if effect.job.is_some() { TAKEN_AS_JOB } else { TAKEN_NOT_MADE };
            let ignored = || effect.written.contains(control).then(|| text.to_owned());
            finding.detail = refused.or_else(ignored).or_else(|| finding.detail.take());
        }
    }
    let pending_reset = if changed.is_empty() { None } else { effect.reset };
    Ok(Hardened { findings, changed, pending_reset, pending: effect.job })
}

/// What the writes did.
#[derive(Default)]
struct Effect {
    written: Vec<String>,
    refused: Vec<(String, String)>,
    reset: Option<ResetKind>,
    job: Option<Job>,
}

/// Changes of one resource, with the controls they belong to.
struct Batch {
    path: String,
    parts: Vec<(String, JsonValue)>,
    last: bool,
}

/// One batch a resource, in the baseline's order, those with a part marked `last` at the end.
fn batches(wanted: Vec<(String, Change)>) -> Vec<Batch> {
    let mut all: Vec<Batch> = Vec::new();
    for (control, change) in wanted {
        match all.iter_mut().find(|batch| crate::redfish::same(&batch.path, &change.path)) {
            Some(batch) => {
                batch.last |= change.last;
                batch.parts.push((control, change.body));
            }
            None => all.push(Batch { path: change.path, parts: vec![(control, change.body)], last: change.last }),
        }
    }
    all.sort_by_key(|batch| batch.last);
    all
}

/// Send a batch; refused as a whole, send its controls one by one.
fn apply<V: Vendor>(vendor: &V, context: &Context<'_>, batch: &Batch, effect: &mut Effect) -> Result<(), Error> {
    let mut controls: Vec<&str> = batch.parts.iter().map(|(control, _)| control.as_str()).collect();
    controls.dedup();
    match send(vendor, context, batch, None, effect) {
        Ok(()) => return Ok(()),
        Err(error) if !error::is_refusal(&error) => return Err(error),
        Err(error) => {
            if let [only] = controls.as_slice() {
                effect.refused.push(((*only).to_owned(), error::line(&error)));
                return Ok(());
            }
        }
    }
    for control in controls {
        match send(vendor, context, batch, Some(control), effect) {
            Ok(()) => {}
            Err(error) if error::is_refusal(&error) => {
                effect.refused.push((control.to_owned(), error::line(&error)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// PATCH the parts of one control, or of all.
fn send<V: Vendor>(
    vendor: &V,
    context: &Context<'_>,
    batch: &Batch,
    only: Option<&str>,
    effect: &mut Effect,
) -> Result<(), Error> {
    let mut body = JsonValue::Object(serde_json::Map::new());
    let parts = || batch.parts.iter().filter(|(control, _)| only.is_none_or(|only| only == control));
    for (_, part) in parts() {
        crate::json::merge(&mut body, part);
    }
    let written = context.redfish.patch(&batch.path, &body, vendor.etags(context)?)?;
    effect.written.extend(parts().map(|(control, _)| control.clone()));
    effect.reset = stronger(effect.reset, written.reset.or_else(|| vendor.reset_after(&batch.path)));
    if let Completion::Pending(job) = written.completion("controller settings") {
        effect.job = Some(job);
    }
    Ok(())
}

/// A restart of the server holds more than one of the controller.
fn stronger(a: Option<ResetKind>, b: Option<ResetKind>) -> Option<ResetKind> {
    match (a, b) {
        (Some(ResetKind::Host), _) | (_, Some(ResetKind::Host)) => Some(ResetKind::Host),
        (a, b) => a.or(b),
    }
}
