//! Who a server is.
//!
//! Promises: identity from the schema's fields, corrected by the vendor's hook; a serial number that is missing or a
//! placeholder is the empty text, never the placeholder. Does not: compare with an inventory.
//!
//! Not obvious: the BMC's MAC is that of the interface in use, not of the host-facing USB one that some list first.

use super::{Context, Vendor};
use crate::json::Json;
use crate::text;
use crate::types::{Error, Health, Identity};
use serde_json::Value;

/// Read the identity, after the vendor has confirmed the controller.
pub fn read<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<Identity, Error> {
    vendor.confirm(context)?;
    let root = context.root()?;
    let system = context.system()?;
    let manager = context.manager()?;
    let chassis = context.chassis()?;
    let of_chassis = |name: &str| chassis.as_ref().and_then(|c| c.text(&[name]));
    let mut identity = Identity {
        vendor: system.text(&["Manufacturer"]).or_else(|| root.text(&["Vendor"])).unwrap_or_default(),
        model: system.text(&["Model"]).or_else(|| of_chassis("Model")).unwrap_or_default(),
        serial: system.text(&["SerialNumber"]).or_else(|| of_chassis("SerialNumber")).unwrap_or_default(),
        sku: system.text(&["SKU"]),
        uuid: system.text(&["UUID"]),
        controller: manager.text(&["Model"]).unwrap_or_else(|| "BMC".to_owned()),
        controller_version: manager.text(&["FirmwareVersion"]).unwrap_or_default(),
        redfish_version: root.text(&["RedfishVersion"]),
        bmc_mac: controller_mac(context, &manager)?,
        asset_tag: system.text(&["AssetTag"]),
        extra: Vec::new(),
    };
    vendor.identity(context, &mut identity)?;
    Ok(identity)
}

/// The MAC of the interface the controller is reached by: enabled with a link if one is, else the first that is
/// not host-facing.
fn controller_mac(context: &Context<'_>, manager: &Value) -> Result<Option<String>, Error> {
    let all = context.redfish.members(manager.link(&["EthernetInterfaces"]).as_deref())?;
    let mac = |value: &Value| {
        let text = value.text(&["MACAddress"]).or_else(|| value.text(&["PermanentMACAddress"]));
        text.and_then(|text| text::mac(&text))
    };
    let outward: Vec<&Value> =
        all.iter().map(AsRef::as_ref).filter(|value| mac(value).is_some() && !is_host_facing(value)).collect();
    let linked = outward.iter().find(|value| {
        value.flag(&["InterfaceEnabled"]) != Some(false)
            && value.text(&["LinkStatus"]).is_some_and(|status| status.eq_ignore_ascii_case("linkup"))
    });
    Ok(linked.or_else(|| outward.first()).and_then(|value| mac(value)))
}

fn is_host_facing(interface: &Value) -> bool {
    let says = |text: Option<String>| {
        text.is_some_and(|text| {
            let lower = text.to_ascii_lowercase();
            ["tohost", "usb", "host", "vnic"].iter().any(|word| lower.contains(word))
        })
    };
    says(interface.text(&["Id"])) || says(interface.text(&["Oem", "Hpe", "InterfaceType"]))
}

/// The health of a resource: rolled up where it says so.
pub fn health(resource: &Value) -> Health {
    let said = resource.text(&["Status", "HealthRollup"]).or_else(|| resource.text(&["Status", "Health"]));
    severity(said.as_deref())
}

/// A Redfish `Health` or `Severity` text.
pub fn severity(text: Option<&str>) -> Health {
    match text.map(str::to_ascii_lowercase).as_deref() {
        Some("ok") => Health::Ok,
        Some("warning") => Health::Warning,
        Some("critical") => Health::Critical,
        _ => Health::Unknown,
    }
}
