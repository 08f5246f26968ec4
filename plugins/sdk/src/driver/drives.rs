//! The drives of a server.
//!
//! Promises: drives of every storage resource, each once, without empty bays. Does not: read volumes.
//!
//! Not obvious: three generations of schema are asked in turn, and a later one only where the earlier has no drive:
//! `Storage`, then HPE's `SmartStorage` of iLO 5, then `SimpleStorage`.

use super::{Context, identity};
use crate::json::Json;
use crate::redfish::id_of;
use crate::types::{Drive, DriveProtocol, Error};
use serde_json::Value;

/// The drives.
pub fn read(context: &Context<'_>, system: &Value) -> Result<Vec<Drive>, Error> {
    let storages = context.redfish.members(system.link(&["Storage"]).as_deref())?;
    let mut links: Vec<String> = Vec::new();
    let mut nvme_only: Vec<String> = Vec::new();
    for storage in &storages {
        if storage.list(&["StorageControllers"]).iter().any(is_nvme_only) {
            nvme_only.extend(storage.list(&["Drives"]).iter().filter_map(id_of));
        }
        for link in storage.list(&["Drives"]).iter().filter_map(id_of) {
            if !links.iter().any(|known| crate::redfish::same(known, &link)) {
                links.push(link);
            }
        }
    }
    let values = context.redfish.get_all(&links)?;
    let mut drives: Vec<Drive> = values
        .iter()
        .filter_map(|value| {
            let nvme = id_of(value).is_some_and(|id| nvme_only.iter().any(|link| crate::redfish::same(link, &id)));
            drive(value).map(|found| if nvme { as_nvme(found) } else { found })
        })
        .collect();
    if drives.is_empty() {
        drives = smart_storage(context, system)?;
    }
    if drives.is_empty() {
        let simple = context.redfish.members(system.link(&["SimpleStorage"]).as_deref())?;
        drives = simple.iter().flat_map(|s| s.list(&["Devices"])).filter_map(drive).collect();
    }
    Ok(drives)
}

fn is_nvme_only(controller: &Value) -> bool {
    let protocols = controller.texts(&["SupportedDeviceProtocols"]);
    !protocols.is_empty() && protocols.iter().all(|protocol| protocol.eq_ignore_ascii_case("nvme"))
}

/// A drive that does not say what it is, behind a controller that takes `NVMe` only (Supermicro X13).
fn as_nvme(found: Drive) -> Drive {
    match found.protocol {
        DriveProtocol::Other => Drive { protocol: DriveProtocol::Nvme, solid_state: true, ..found },
        _ => found,
    }
}

fn drive(value: &Value) -> Option<Drive> {
    let bytes = value.natural(&["CapacityBytes"]).unwrap_or(0);
    if value.is_absent() || (bytes == 0 && value.text(&["Model"]).is_none()) {
        return None;
    }
    let label = value
        .text(&["PhysicalLocation", "PartLocation", "ServiceLabel"])
        .or_else(|| value.text(&["Id"]))
        .or_else(|| value.text(&["Name"]));
    let media = value.text(&["MediaType"]).unwrap_or_default();
    Some(Drive {
        slot: label.unwrap_or_default(),
        model: value.text(&["Model"]).unwrap_or_default(),
        serial: value.text(&["SerialNumber"]),
        bytes,
        protocol: protocol(value.text(&["Protocol"]).as_deref()),
        solid_state: media.eq_ignore_ascii_case("ssd"),
        endurance_left: value
            .natural(&["PredictedMediaLifeLeftPercent"])
            .and_then(|n| u8::try_from(n).ok())
            .filter(|n| *n <= 100),
        health: identity::health(value),
    })
}

fn protocol(text: Option<&str>) -> DriveProtocol {
    match text.map(str::to_ascii_lowercase).as_deref() {
        Some("nvme" | "pcie") => DriveProtocol::Nvme,
        Some("sas") => DriveProtocol::Sas,
        Some("sata") => DriveProtocol::Sata,
        _ => DriveProtocol::Other,
    }
}

/// The drives of iLO 5's array controllers.
fn smart_storage(context: &Context<'_>, system: &Value) -> Result<Vec<Drive>, Error> {
    let link = system.link(&["Oem", "Hpe", "Links", "SmartStorage"]);
    let Some(smart) = context.redfish.find(link.as_deref())? else { return Ok(Vec::new()) };
    let controllers = context.redfish.members(smart.link(&["Links", "ArrayControllers"]).as_deref())?;
    let mut drives = Vec::new();
    for controller in controllers {
        let disks = context.redfish.members(controller.link(&["Links", "PhysicalDrives"]).as_deref())?;
        drives.extend(disks.iter().map(|disk| smart_drive(disk)));
    }
    Ok(drives)
}

fn smart_drive(disk: &Value) -> Drive {
    let used = disk.natural(&["SSDEnduranceUtilizationPercentage"]).and_then(|n| u8::try_from(n).ok());
    let blocks = disk.natural(&["CapacityLogicalBlocks"]).unwrap_or(0);
    Drive {
        slot: disk.text(&["Location"]).or_else(|| disk.text(&["Id"])).unwrap_or_default(),
        model: disk.text(&["Model"]).unwrap_or_default(),
        serial: disk.text(&["SerialNumber"]),
        bytes: blocks.saturating_mul(disk.natural(&["BlockSizeBytes"]).unwrap_or(512)),
        protocol: protocol(disk.text(&["InterfaceType"]).as_deref()),
        solid_state: disk.text(&["MediaType"]).as_deref() == Some("SSD"),
        endurance_left: used.map(|used| 100_u8.saturating_sub(used)),
        health: identity::health(disk),
    }
}
