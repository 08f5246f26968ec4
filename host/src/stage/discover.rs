//! discover: who asked for this address?
//!
//! The inventory says which server has this controller; OUI and service root nominate drivers, `identify` confirms one; the identity must
//! agree with the inventory. Only looks, never writes. A server that NetBox has in a tenant's hands, held, failed or leaving, and of which
//! the store knows nothing, is not taken into work: the store may have been lost.

use std::net::IpAddr;
use std::time::Duration;

use farrier_lifecycle::{Blame, Facts, Fault, Hardware, Mac, Outcome, Retry, Server};

use super::compare::{model, serial};
use super::evidence::{self, Kind};
use super::{Stop, Work};
use crate::config::Requirement;
use crate::inventory::{Expected, Heights};
use crate::plugin::wit::bmc_driver::{Identity, Inventory};
use crate::plugin::wit::types::Error;
use crate::plugin::{CallError, ControllerAuth, Driver, Lend};

/// What a driver's identity calls a manager beside us, in its `extra`.
const MANAGER: &str = "external-manager";
/// Letters of its name that are kept.
const MANAGER_NAME: usize = 80;

/// Find, identify, check, read.
pub async fn run(work: &Work) -> Result<Outcome, Stop> {
    let server = work.server();
    work.say("looking it up in the inventory");
    let expected = work.expected().await?;
    claimed_elsewhere(work, &server, &expected).await?;
    let heights = heights(work, &expected).await;
    work.learn(known(&expected, heights)).await?;
    work.say("identifying the controller");
    let (name, driver, lend, identity) = identify(work, &server).await?;
    let required = required(work);
    let of = |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let (serial, model) = (of(&identity.serial), of(&identity.model));
    let seen = evidence::identity(
        (expected.serial.as_deref(), serial.as_deref()),
        (expected.model.as_deref(), model.as_deref()),
    );
    // Before it is judged: a wrong serial number is what someone will look at.
    work.keep(Kind::Identity, seen).await?;
    let checked = check(&server, &identity, &expected, &required)?;
    work.say("reading its inventory");
    let inventory = driver.read_inventory(&lend).await?;
    work.keep(Kind::Inventory, evidence::inventory(&inventory)).await?;
    let managed = manager(&identity).map(|one| format!("; managed by `{one}`, says the controller"));
    let evidence = format!(
        "{} {} driven by {name}; {}; {}{}",
        identity.vendor,
        identity.model,
        checked.join(", "),
        contents(&inventory),
        managed.unwrap_or_default()
    );
    let facts = facts(&expected, heights, &identity, &inventory, name);
    Ok(Outcome::Done { facts: Box::new(facts), marks: Vec::new(), evidence })
}

/// What is only drawn is no reason to stop.
async fn heights(work: &Work, expected: &Expected) -> Heights {
    work.parts.inventory.heights(expected).await.unwrap_or_else(|fault| {
        tracing::warn!(server = expected.name, %fault, "the inventory does not say how high the server and its rack are");
        Heights::default()
    })
}

/// With the store lost, an active server must not look like a new one. A record that has its inventory id passed here before.
async fn claimed_elsewhere(work: &Work, server: &Server, expected: &Expected) -> Result<(), Stop> {
    let (None, Some(claim)) = (&server.facts.inventory_id, &expected.claim) else { return Ok(()) };
    // What people call it and where it stands, but not the id, which says that it was taken.
    work.learn(Facts { inventory_id: None, ..known(expected, Heights::default()) }).await?;
    let on_record = work.parts.inventory.address(expected).await?;
    let text = format!("NetBox has {} at {claim}, and this host has no record of bringing it there", expected.name);
    let hint = "if it may be provisioned, set its status to `planned` and empty its `lifecycle_state` in NetBox, then `farrier server retry`";
    let fault = Fault::new("claimed-active", Retry::Never, Blame::Operator, text).hint(hint);
    Err(fault.lines(audited(on_record, server.lease.ip)).into())
}

/// What is noted of such a server's address, and all that is done about it.
fn audited(on_record: Option<IpAddr>, leased: IpAddr) -> Option<String> {
    match on_record {
        Some(known) if known == leased => None,
        Some(known) => Some(format!("BMC IP mismatch: NetBox record={known}, DHCP offered={leased}")),
        None => Some(format!("BMC IP {leased} leased (none is on record)")),
    }
}

/// Offer the controller to the nominated drivers until one confirms it.
async fn identify(work: &Work, server: &Server) -> Result<(String, Driver, Lend, Identity), Stop> {
    let probe = work.endpoint(ControllerAuth::NOBODY, None)?;
    let timeout = Duration::from_millis(work.parts.config.bmc.request_timeout_ms);
    let root = probe.probe_service_root(timeout).await.map_err(CallError::from)?;
    let class = server.lease.vendor_class.as_deref();
    for name in work.parts.plugins.candidates(Some(server.lease.mac), class, root.as_ref()) {
        let Some(driver) = work.parts.plugins.driver(&name) else { continue };
        let lend = work.lend(&name)?;
        match driver.identify(&lend).await {
            Ok(identity) => return Ok((name, driver, lend, identity)),
            Err(CallError::Plugin(Error::Unsupported(why))) => {
                tracing::debug!(server = server.label(), plugin = name, why, "driver declined the controller");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::new("no-driver", Retry::Slowly, Blame::Operator, "no plugin drives this controller")
        .hint("`farrier plugin list` shows what is loaded; add the vendor's plugin and restart the host")
        .into())
}

/// What validate requires is checked here already where the controller can tell.
fn required(work: &Work) -> Vec<Requirement> {
    work.parts.config.policy.validate.on().map(|policy| policy.require.clone()).unwrap_or_default()
}

fn check(
    server: &Server,
    identity: &Identity,
    expected: &Expected,
    required: &[Requirement],
) -> Result<Vec<String>, Fault> {
    let mut agreed = Vec::new();
    if expected.serial.is_some() || required.contains(&Requirement::Serial) {
        agreed.push(serial(Some(identity.serial.as_str()).filter(|serial| !serial.is_empty()), expected)?);
    }
    if expected.model.is_some() || required.contains(&Requirement::Model) {
        agreed.push(model(Some(identity.model.as_str()).filter(|model| !model.is_empty()), expected)?);
    }
    if let Some(mac) = identity.bmc_mac.as_deref().and_then(|mac| mac.parse::<Mac>().ok())
        && mac != server.lease.mac
    {
        let text = format!("the controller says its MAC is {mac}, the lease was for {}", server.lease.mac);
        return Err(Fault::new("identity-mismatch", Retry::Never, Blame::Inventory, text)
            .hint("does another controller answer at this address? then `farrier server retry`"));
    }
    Ok(agreed)
}

fn contents(inventory: &Inventory) -> String {
    let memory: u64 = inventory.memory.iter().map(|dimm| u64::from(dimm.mebibytes)).sum();
    format!(
        "{} CPUs, {} GiB, {} drives, {} NICs",
        inventory.processors.len(),
        memory / 1024,
        inventory.drives.len(),
        inventory.nics.len()
    )
}

/// What the inventory alone says.
fn known(expected: &Expected, heights: Heights) -> Facts {
    Facts {
        name: Some(expected.name.clone()),
        inventory_id: Some(expected.id.clone()),
        site: expected.site.clone(),
        rack: expected.rack.as_ref().map(|(rack, _)| rack.clone()).filter(|rack| !rack.is_empty()),
        unit: expected.rack.as_ref().and_then(|(_, unit)| *unit),
        bmc_interface: Some(expected.bmc_interface.clone()).filter(|name| !name.is_empty()),
        units: heights.server,
        rack_units: heights.rack,
        ..Facts::default()
    }
}

fn facts(expected: &Expected, heights: Heights, identity: &Identity, inventory: &Inventory, driver: String) -> Facts {
    let mut boot_macs: Vec<Mac> = expected.nics.iter().filter_map(|nic| nic.mac).collect();
    for mac in inventory.nics.iter().filter_map(|nic| nic.mac.parse::<Mac>().ok()) {
        if !boot_macs.contains(&mac) {
            boot_macs.push(mac);
        }
    }
    Facts {
        driver: Some(driver),
        vendor: Some(identity.vendor.clone()),
        model: Some(identity.model.clone()),
        serial: Some(identity.serial.clone()),
        controller: Some(format!("{} {}", identity.controller, identity.controller_version)),
        manager: manager(identity),
        hardware: Some(hardware(inventory)),
        boot_macs,
        ..known(expected, heights)
    }
}

/// Who else manages the server, as its controller says.
fn manager(identity: &Identity) -> Option<String> {
    let (_, name) = identity.extra.iter().find(|(key, _)| key == MANAGER)?;
    let name: String = name.trim().chars().filter(|letter| !letter.is_control()).take(MANAGER_NAME).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// The inventory in numbers.
fn hardware(inventory: &Inventory) -> Hardware {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let mebibytes: u64 = inventory.memory.iter().map(|dimm| u64::from(dimm.mebibytes)).sum();
    let bytes = inventory.drives.iter().fold(0_u64, |all, drive| all.saturating_add(drive.bytes));
    Hardware {
        cpu_model: inventory.processors.first().map(|cpu| cpu.model.trim().to_owned()).unwrap_or_default(),
        sockets: count(inventory.processors.len()),
        cores: inventory.processors.iter().map(|cpu| u32::from(cpu.cores)).fold(0, u32::saturating_add),
        memory_gib: u32::try_from(mebibytes >> 10).unwrap_or(u32::MAX),
        drives: count(inventory.drives.len()),
        drive_gib: bytes >> 30,
        nics: count(inventory.nics.len()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_address_of_an_active_server_is_noted_in_the_words_people_know() {
        let leased: IpAddr = "10.0.0.2".parse().unwrap();
        assert_eq!(audited(Some(leased), leased), None);
        let moved = "BMC IP mismatch: NetBox record=10.0.0.1, DHCP offered=10.0.0.2";
        assert_eq!(audited("10.0.0.1".parse().ok(), leased).as_deref(), Some(moved));
        assert_eq!(audited(None, leased).as_deref(), Some("BMC IP 10.0.0.2 leased (none is on record)"));
    }

    #[test]
    fn a_manager_is_read_from_what_any_driver_adds() {
        let named = |key: &str, name: &str| {
            let identity = Identity {
                vendor: "HPE".to_owned(),
                model: "x".to_owned(),
                serial: "x".to_owned(),
                sku: None,
                uuid: None,
                controller: "iLO 6".to_owned(),
                controller_version: "1".to_owned(),
                redfish_version: None,
                bmc_mac: None,
                asset_tag: None,
                extra: vec![("post-state".to_owned(), "Off".to_owned()), (key.to_owned(), name.to_owned())],
            };
            manager(&identity)
        };
        assert_eq!(named("external-manager", " HPE\n OneView ").as_deref(), Some("HPE OneView"));
        assert_eq!(named("external-manager", &"x".repeat(200)).map(|name| name.len()), Some(MANAGER_NAME));
        assert_eq!(named("external-manager", " "), None);
        assert_eq!(named("asset", "OneView"), None);
    }
}
