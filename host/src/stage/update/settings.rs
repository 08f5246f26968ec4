//! The controller's settings before and after an update: vendors' images are known to bring some back to the factory's.
//!
//! It compares what the baseline names, as the audit observes it. It mends nothing: harden does, which follows.

use std::collections::BTreeMap;

use crate::plugin::wit::types::Error;
use crate::plugin::{CallError, Driver, Lend};
use crate::stage::baseline::{control, controls};
use crate::stage::evidence::setting;
use crate::stage::{Stop, Work};

/// What each control of the baseline is now; `None` where there is no baseline or the driver has no audit.
pub async fn look(work: &Work, driver: &Driver, lend: &Lend) -> Result<Option<BTreeMap<String, String>>, Stop> {
    let Some(policy) = work.parts.config.policy.harden.on() else { return Ok(None) };
    let baseline: Vec<_> = controls(policy, driver.name()).iter().map(|one| control(one)).collect();
    let findings = match driver.audit(lend, &baseline).await {
        Ok(findings) => findings,
        Err(CallError::Missing { .. } | CallError::Plugin(Error::Unsupported(_))) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let seen =
        findings.iter().filter_map(|one| Some((one.control.clone(), setting(one.observed.as_ref()?).to_string())));
    Ok(Some(seen.collect()))
}

/// What changed, in a line.
pub fn compare(before: Option<&BTreeMap<String, String>>, after: Option<&BTreeMap<String, String>>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return "settings were not compared".to_owned() };
    let value = |side: &BTreeMap<String, String>, name: &str| side.get(name).cloned().unwrap_or("absent".to_owned());
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let changed: Vec<String> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("{name} {} → {}", value(before, name), value(after, name)))
        .collect();
    if changed.is_empty() {
        format!("{} settings are as they were", before.len())
    } else {
        format!("settings changed by the update: {} (hardening follows)", changed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_update_changed_is_said() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = of(&[("ipmi-over-lan", "false"), ("ssh", "true"), ("ssdp", "false")]);
        assert_eq!(compare(Some(&before), Some(&before)), "3 settings are as they were");
        let after = of(&[("ipmi-over-lan", "true"), ("ssh", "true")]);
        let said = compare(Some(&before), Some(&after));
        let expected =
            "settings changed by the update: ipmi-over-lan false → true, ssdp false → absent (hardening follows)";
        assert_eq!(said, expected);
        assert_eq!(compare(None, Some(&after)), "settings were not compared");
    }
}
