//! What the stages and the warranty book keep of each server, in memory: audits, firmware plans, dates of firmware, ends of support.
//!
//! Promises that a scrape reads no store. After the start everything is read once, in the background; a server that moves is read again, and so
//! is every other one in turn, since the warranty book and other hosts write without a transition. Such news is shown after ten minutes
//! at the latest, and much sooner in a small fleet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use farrier_lifecycle::{Server, ServerId, Timestamp};
use serde_json::Value;

use crate::bus::BusError;
use crate::config::{Config, for_driver};
use crate::firmware::Catalogue;
use crate::monitor::{Part, label};
use crate::stage::Parts;
use crate::stage::evidence::{self, Kind};
use crate::warranty;

/// Firmware components of a server.
const MOST: usize = 64;

/// What is kept of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Findings of the last audit: compliant, not compliant, not applicable.
    pub findings: Option<[u64; 3]>,
    /// Did no control differ that policy requires?
    pub compliant: bool,
    /// Steps of the last firmware plan.
    pub outdated: Option<u64>,
    /// Components whose release is known, by the catalogue or by their version.
    pub firmware: Vec<Part<Timestamp>>,
    /// When support ends.
    pub ends: Option<Timestamp>,
}

/// Of every server.
#[derive(Default)]
pub struct Register(RwLock<HashMap<ServerId, Arc<Known>>>);

impl Register {
    /// Of these, in their order.
    pub fn all<'a>(&self, ids: impl Iterator<Item = &'a ServerId>) -> Vec<Option<Arc<Known>>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ids.map(|id| known.get(id).cloned()).collect()
    }

    /// Forget whoever is not among them.
    pub fn retain(&self, there: &HashSet<ServerId>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|id, _| there.contains(id));
    }

    /// Read what is kept of a server.
    pub async fn read(&self, parts: &Parts, server: &Server) -> Result<(), BusError> {
        let known = read(parts, server).await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(server.id.clone(), Arc::new(known));
        Ok(())
    }
}

async fn read(parts: &Parts, server: &Server) -> Result<Known, BusError> {
    let bus = &*parts.bus;
    let data = async |kind| {
        let one = evidence::one(bus, &server.id, kind).await?;
        Ok::<_, BusError>(one.map(|evidence| evidence.data))
    };
    let mut known = Known::default();
    if let Some(audit) = data(Kind::Audit).await? {
        let (findings, compliant) = judge(&parts.config, server, &audit);
        (known.findings, known.compliant) = (Some(findings), compliant);
    }
    known.outdated = data(Kind::Firmware).await?.and_then(|plan| steps(&plan));
    let inventory = data(Kind::Inventory).await?;
    known.firmware = inventory.map(|all| firmware(&parts.catalogue, server, &all)).unwrap_or_default();
    known.ends = warranty::of(bus, &server.id).await?.and_then(|support| support.ends);
    Ok(known)
}

fn list<'a>(data: &'a Value, name: &str) -> &'a [Value] {
    data.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Counts by verdict, and whether everything required complied.
fn judge(config: &Config, server: &Server, audit: &Value) -> ([u64; 3], bool) {
    let driver = server.facts.driver.as_deref().unwrap_or_default();
    let controls = config.policy.harden.on().map(|policy| policy.control.as_slice()).unwrap_or_default();
    let is_required = |id: &str| {
        let asked = controls.iter().find(|control| {
            control.id == id
                && (control.matches.is_empty() || control.matches.iter().any(|start| for_driver(start, driver)))
        });
        asked.is_none_or(|control| control.require)
    };
    let (mut counts, mut compliant) = ([0; 3], true);
    let [good, bad, none] = &mut counts;
    for finding in list(audit, "findings") {
        match text(finding, "verdict") {
            "compliant" => *good += 1,
            "non-compliant" => {
                *bad += 1;
                compliant &= !is_required(text(finding, "control"));
            }
            _ => *none += 1,
        }
    }
    (counts, compliant)
}

/// Components that a plan would change.
fn steps(plan: &Value) -> Option<u64> {
    let steps = plan.get("steps")?.as_array()?;
    let components: HashSet<&str> = steps.iter().map(|step| text(step, "component")).collect();
    u64::try_from(components.len()).ok()
}

fn firmware(catalogue: &Catalogue, server: &Server, inventory: &Value) -> Vec<Part<Timestamp>> {
    let mut taken = HashSet::new();
    let dates = catalogue.dates(&server.facts);
    let date = |one: &Value| dates.of(text(one, "id"), text(one, "version"));
    let dated = list(inventory, "firmware")
        .iter()
        .filter_map(|one| Some((label(text(one, "id")), date(one)?)))
        .filter(|(id, _)| taken.insert(id.clone()));
    dated.take(MOST).map(|(id, value)| Part { name: id.into(), value }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use farrier_lifecycle::{Facts, Lease};
    use serde_json::json;

    use super::*;

    fn server() -> Server {
        let lease = Lease {
            mac: "94:40:c9:00:00:01".parse().unwrap(),
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            hostname: None,
            vendor_class: None,
            at: Timestamp(0),
            source: "test".to_owned(),
        };
        Server { facts: Facts { driver: Some("hpe-ilo".to_owned()), ..Facts::default() }, ..Server::unseen(lease) }
    }

    #[test]
    fn what_policy_does_not_require_may_differ() {
        let audit = |control: &str| {
            json!({ "findings": [{ "control": control, "verdict": "non-compliant" }, { "control": "x", "verdict": "compliant" },
                { "control": "y", "verdict": "not-applicable" }] })
        };
        let mut config = Config::default();
        let policy = toml::from_str::<Config>(
            "[[policy.harden.control]]\nid = \"default-account\"\ndesired = false\nrequire = false\n\
             [[policy.harden.control]]\nid = \"ssdp\"\ndesired = false\n",
        );
        config.policy = policy.unwrap().policy;
        assert_eq!(judge(&config, &server(), &audit("default-account")), ([1, 1, 1], true));
        assert_eq!(judge(&config, &server(), &audit("ssdp")), ([1, 1, 1], false));
    }

    #[test]
    fn a_plan_counts_components_and_an_inventory_dates() {
        let plan = json!({ "steps": [{ "component": "bios" }, { "component": "bmc" }, { "component": "bios" }] });
        assert_eq!((steps(&plan), steps(&json!({ "steps": [] })), steps(&json!({}))), (Some(2), Some(0), None));
        let inventory = json!({ "firmware": [{ "id": "bios", "version": "U54 v2.10 (05/17/2024)" }, { "id": "bmc", "version": "1.66" }] });
        let found = firmware(&Catalogue::default(), &server(), &inventory);
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].name, found[0].value), ("bios", Timestamp(1_715_904_000_000)));
    }
}
