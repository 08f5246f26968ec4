//! What a server is made of.
//!
//! Promises: processors, memory, drives, interfaces, power supplies and firmware, each without empty slots. Members
//! whose link leads nowhere are counted in `extra` as `unreadable`, never silently left out. Does not: compare.
//!
//! Not obvious: a GPU is a `Processor` in Redfish; only those that are CPUs, or do not say, are counted here.

use super::{Context, Vendor, drives, firmware, identity, nics};
use crate::json::Json;
use crate::types::{Dimm, Error, Inventory, PowerSupply, Processor};
use serde_json::Value;

/// Read the whole inventory.
pub fn read<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<Inventory, Error> {
    let identity = identity::read(vendor, context)?;
    let system = context.system()?;
    let processors = context.redfish.members(system.link(&["Processors"]).as_deref())?;
    let memory = context.redfish.members(system.link(&["Memory"]).as_deref())?;
    let drives = drives::read(context, &system)?;
    let firmware = firmware::components(vendor, context)?;
    let nics = nics::read(vendor, context, &system)?;
    let power_supplies = power_supplies(vendor, context)?;
    let mut extra = Vec::new();
    if context.redfish.missing() > 0 {
        extra.push(("unreadable".to_owned(), context.redfish.missing().to_string()));
    }
    Ok(Inventory {
        identity,
        health: identity::health(&system),
        bios_version: system.text(&["BiosVersion"]),
        processors: processors.iter().filter_map(|value| processor(value)).collect(),
        memory: memory.iter().filter_map(|value| dimm(value)).collect(),
        drives,
        nics,
        power_supplies,
        firmware,
        extra,
    })
}

fn processor(value: &Value) -> Option<Processor> {
    let cpu = value.text(&["ProcessorType"]).is_none_or(|kind| kind.eq_ignore_ascii_case("cpu"));
    if value.is_absent() || !cpu {
        return None;
    }
    let count = |name: &str| value.natural(&[name]).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    Some(Processor {
        socket: value.text(&["Socket"]).or_else(|| value.text(&["Id"])).unwrap_or_default(),
        model: value.text(&["Model"]).unwrap_or_default(),
        cores: count("TotalCores"),
        threads: count("TotalThreads"),
    })
}

fn dimm(value: &Value) -> Option<Dimm> {
    let mebibytes = value.natural(&["CapacityMiB"]).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    if value.is_absent() || mebibytes == 0 {
        return None;
    }
    Some(Dimm {
        slot: value.text(&["DeviceLocator"]).or_else(|| value.text(&["Id"])).unwrap_or_default(),
        mebibytes,
        speed: value.natural(&["OperatingSpeedMhz"]).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
        part_number: value.text(&["PartNumber"]),
        serial: value.text(&["SerialNumber"]),
    })
}

/// From `Power` where the chassis has it, in one request; else from `PowerSubsystem`.
fn power_supplies<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<Vec<PowerSupply>, Error> {
    let Some(chassis) = context.chassis()? else { return Ok(Vec::new()) };
    let power = context.redfish.find(chassis.link(&["Power"]).as_deref())?;
    let old = power.as_ref().map_or(&[][..], |power| power.list(&["PowerSupplies"]));
    if !old.is_empty() {
        return Ok(old.iter().filter_map(|value| power_supply(vendor, value)).collect());
    }
    let subsystem = context.redfish.find(chassis.link(&["PowerSubsystem"]).as_deref())?;
    let link = subsystem.and_then(|subsystem| subsystem.link(&["PowerSupplies"]));
    let members = context.redfish.members(link.as_deref())?;
    Ok(members.iter().filter_map(|value| power_supply(vendor, value)).collect())
}

fn power_supply<V: Vendor>(vendor: &V, value: &Value) -> Option<PowerSupply> {
    if value.is_absent() {
        return None;
    }
    let id = value.text(&["MemberId"]).or_else(|| value.text(&["Id"]));
    let mut supply = PowerSupply {
        slot: value.text(&["Name"]).or(id).unwrap_or_default(),
        model: value.text(&["Model"]),
        serial: value.text(&["SerialNumber"]),
        watts: value.natural(&["PowerCapacityWatts"]).and_then(|n| u32::try_from(n).ok()),
        health: identity::health(value),
    };
    vendor.power_supply(value, &mut supply);
    Some(supply)
}
