//! The security baseline: what policy asks of a driver, and what an audit says of it.
//!
//! Promises to fail closed: a required control without a finding, or not compliant, fails; one the controller cannot do is no means to
//! check, and fails too, unless policy leaves this vendor out or does not require it.

use farrier_lifecycle::{Blame, Fault, Retry};

use crate::config::{ControlPolicy, HardenPolicy, Value, for_driver};
use crate::plugin::wit::hardening::{Control, Finding, Verdict};
use crate::plugin::wit::types;

/// The controls of the policy that apply to this driver.
pub fn controls<'a>(policy: &'a HardenPolicy, driver: &str) -> Vec<&'a ControlPolicy> {
    let applies = |control: &&ControlPolicy| {
        control.matches.is_empty() || control.matches.iter().any(|prefix| for_driver(prefix, driver))
    };
    policy.control.iter().filter(applies).collect()
}

/// A control as the plugin takes it.
pub fn control(policy: &ControlPolicy) -> Control {
    let desired = match &policy.desired {
        Value::Flag(flag) => types::Value::Flag(*flag),
        Value::Number(number) => types::Value::Number(*number),
        Value::Text(text) => types::Value::Text(text.clone()),
        Value::Texts(texts) => types::Value::Texts(texts.clone()),
    };
    Control { id: policy.id.clone(), desired, secret: None }
}

/// What an audit means for the stage: the evidence, or the fault.
pub fn judge(policy: &[&ControlPolicy], findings: &[Finding]) -> Result<String, Fault> {
    let mut compliant = Vec::new();
    let mut reported = Vec::new();
    let mut wrong = Vec::new();
    let mut impossible = Vec::new();
    for control in policy {
        let finding = findings.iter().find(|finding| finding.control == control.id);
        let verdict = finding.map(|finding| finding.verdict);
        let line = describe(control, finding);
        match (verdict, control.require) {
            (Some(Verdict::Compliant), _) => compliant.push(control.id.as_str()),
            (Some(Verdict::NotApplicable), true) => impossible.push(line),
            (_, true) => wrong.push(line),
            (_, false) => reported.push(line),
        }
    }
    if !wrong.is_empty() {
        return Err(Fault::new("control-not-applied", Retry::Never, Blame::Controller, wrong.join("; "))
            .hint("set it by hand or update the controller's firmware, then `farrier server retry`"));
    }
    if !impossible.is_empty() {
        return Err(Fault::new("no-expectation", Retry::Never, Blame::Operator, impossible.join("; "))
            .hint("limit the control to vendors that have it with `match`, or set `require = false`"));
    }
    let mut evidence = format!("{} controls compliant: {}", compliant.len(), compliant.join(", "));
    if !reported.is_empty() {
        evidence.push_str("\nreported, not required: ");
        evidence.push_str(&reported.join("; "));
    }
    Ok(evidence)
}

fn describe(control: &ControlPolicy, finding: Option<&Finding>) -> String {
    let wanted = shown(&control.desired);
    let Some(finding) = finding else { return format!("{} was not audited, should be {wanted}", control.id) };
    let detail = finding.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    match (finding.verdict, &finding.observed) {
        (Verdict::NotApplicable, _) => format!("{} does not exist on this controller{detail}", control.id),
        (_, Some(observed)) => format!("{} is {}, should be {wanted}{detail}", control.id, observed_text(observed)),
        (_, None) => format!("{} could not be read back, should be {wanted}{detail}", control.id),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Texts(texts) => texts.join(", "),
    }
}

fn observed_text(value: &types::Value) -> String {
    match value {
        types::Value::Flag(flag) => flag.to_string(),
        types::Value::Number(number) => number.to_string(),
        types::Value::Text(text) => text.clone(),
        types::Value::Texts(texts) => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(id: &str, require: bool) -> ControlPolicy {
        ControlPolicy { id: id.to_owned(), desired: Value::Flag(false), require, matches: Vec::new() }
    }

    fn finding(id: &str, verdict: Verdict, observed: bool) -> Finding {
        Finding { control: id.to_owned(), verdict, observed: Some(types::Value::Flag(observed)), detail: None }
    }

    fn code(policy: &ControlPolicy, findings: &[Finding]) -> String {
        judge(&[policy], findings).map_or_else(|fault| fault.code, |_| "passed".to_owned())
    }

    #[test]
    fn a_required_control_passes_only_when_it_was_read_back_compliant() {
        let ipmi = policy("ipmi-over-lan", true);
        assert_eq!(code(&ipmi, &[finding("ipmi-over-lan", Verdict::Compliant, false)]), "passed");
        assert_eq!(code(&ipmi, &[finding("ipmi-over-lan", Verdict::NonCompliant, true)]), "control-not-applied");
        assert_eq!(code(&ipmi, &[]), "control-not-applied");
        assert_eq!(code(&ipmi, &[finding("ipmi-over-lan", Verdict::NotApplicable, true)]), "no-expectation");
    }

    #[test]
    fn a_control_that_is_not_required_is_reported_and_passes() {
        let accounts = policy("default-account", false);
        let evidence = judge(&[&accounts], &[finding("default-account", Verdict::NonCompliant, true)]).unwrap();
        assert!(evidence.contains("reported, not required: default-account is true, should be false"), "{evidence}");
    }

    #[test]
    fn a_control_is_asked_only_of_the_drivers_it_names() {
        let mut tls = policy("tls-minimum-version", true);
        tls.matches = vec!["hpe".to_owned(), "dell".to_owned()];
        let harden = HardenPolicy { control: vec![tls, policy("ssdp", true)] };
        assert_eq!(controls(&harden, "hpe-ilo").len(), 2);
        assert_eq!(controls(&harden, "supermicro").len(), 1);
    }
}
