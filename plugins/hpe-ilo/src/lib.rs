//! The driver for HPE iLO 5, 6 and 7.
//!
//! Promises: what an iLO has beside or against the Redfish schema: its version texts, port names, power supply bays, the
//! places of its security settings, its refusals during POST. Does not: drive iLO 4, whose tree is another (`Oem.Hp`).
//!
//! Not obvious: an iLO refuses `If-Match: *` with 412 and takes its own `ETag`.

mod security;
mod update;

use farrier_plugin_sdk::driver::{Context, Setting, Vendor, rules};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::redfish::Written;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::types::{
    AuthScheme, Capabilities, Control, Error, FirmwareComponent, Identity, JobState, MatchRule, Nic, PluginInfo,
    PowerSupply, ResetKind, Step,
};
use farrier_plugin_sdk::{RedfishDriver, export_bmc_driver, text};

/// HPE iLO 5, 6 and 7.
#[derive(Debug, Clone, Copy, Default)]
pub struct HpeIlo;

impl Vendor for HpeIlo {
    fn info(&self) -> PluginInfo {
        let prefixes = ["94:40:c9", "5c:ed:8c", "3c:a8:2a", "94:18:82", "d0:67:26"];
        let mut matches = vec![rules::root(Some("HPE"), None, Some("Hpe")), rules::root(None, None, Some("Hpe"))];
        matches.push(MatchRule::IpmiManufacturer(47_196));
        matches.extend(rules::ouis(prefixes));
        PluginInfo {
            name: "hpe-ilo".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "HPE iLO 5, 6 and 7".to_owned(),
            capabilities: Capabilities::UEFI_HTTP_BOOT
                | Capabilities::VIRTUAL_MEDIA
                | Capabilities::RESET_BIOS_DEFAULTS
                | Capabilities::CLEAR_EVENT_LOG,
            matches,
            auth: vec![AuthScheme::RedfishSession, AuthScheme::Basic],
        }
    }

    fn confirm(&self, context: &Context<'_>) -> Result<(), Error> {
        if context.root()?.at(&["Oem", "Hpe"]).is_some() {
            return Ok(());
        }
        Err(Error::Unsupported("the service root has no `Oem.Hpe`: not an iLO 5 or later".to_owned()))
    }

    fn identity(&self, context: &Context<'_>, identity: &mut Identity) -> Result<(), Error> {
        let root = context.root()?;
        let managers = root.list(&["Oem", "Hpe", "Manager"]);
        let said = |name: &str| managers.first().and_then(|manager| manager.text(&[name]));
        "HPE".clone_into(&mut identity.vendor);
        if let Some(kind) = said("ManagerType") {
            identity.controller = kind;
        }
        if let Some(number) = text::version_number(&identity.controller_version) {
            identity.controller_version = number.to_owned();
        }
        // Owned by a fleet tool: settings made here would be taken back by it.
        if let Some(owner) = said("ExternalManager").filter(|owner| !owner.eq_ignore_ascii_case("none")) {
            identity.extra.push(("external-manager".to_owned(), owner));
        }
        if let Some(post) = context.system()?.text(&["Oem", "Hpe", "PostState"]) {
            identity.extra.push(("post-state".to_owned(), post));
        }
        Ok(())
    }

    fn nics(&self, context: &Context<'_>, nics: &mut Vec<Nic>) -> Result<(), Error> {
        name_ports(context, nics)
    }

    fn power_supply(&self, source: &Value, supply: &mut PowerSupply) {
        if let Some(bay) = source.natural(&["Oem", "Hpe", "BayNumber"]) {
            supply.slot = format!("Bay {bay}");
        }
    }

    fn component(&self, item: &Value) -> Option<FirmwareComponent> {
        let name = item.text(&["Name"])?;
        // The ids are numbers in an order that changes; the name with the place of the device is stable.
        let place = item.text(&["Oem", "Hpe", "DeviceContext"]).filter(|place| place.contains("Slot"));
        let id = match name.as_str() {
            "System ROM" => "bios".to_owned(),
            ilo if ilo.starts_with("iLO ") && ilo.len() == 5 => "bmc".to_owned(),
            other => place.map_or_else(|| text::slug(other), |place| text::slug(&format!("{other} {place}"))),
        };
        Some(FirmwareComponent {
            id,
            name,
            version: item.text(&["Version"]).unwrap_or_default(),
            updateable: item.flag(&["Updateable"]).unwrap_or(false),
        })
    }

    fn update_busy(&self, _context: &Context<'_>, service: &Value) -> Result<Option<String>, Error> {
        Ok(update::busy(service))
    }

    fn send_image(&self, context: &Context<'_>, service: &Value, step: &Step) -> Result<Written, Error> {
        update::send(context, service, step)
    }

    fn judge_update(&self, service: &Value, _component: &str) -> JobState {
        update::judge(service)
    }

    fn setting(&self, context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
        security::setting(context, control, self.factory_accounts())
    }

    fn factory_accounts(&self) -> &'static [&'static str] {
        &["Administrator"]
    }

    fn reset_after(&self, path: &str) -> Option<ResetKind> {
        // SNMP and time settings hold after a restart of the iLO, whether or not the answer says so.
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        let late = ["/snmpservice", "/datetime"].iter().any(|end| path.ends_with(end))
            || path.contains("/ethernetinterfaces/");
        late.then_some(ResetKind::Bmc)
    }

    fn log_name(&self, id: &str, of_system: bool) -> Option<String> {
        match (id, of_system) {
            ("IML", _) => Some("iml".to_owned()),
            ("SL", _) => Some("security".to_owned()),
            ("IEL", false) => Some("event".to_owned()),
            // The system's `Event` log repeats what the other three say.
            ("Event", true) => None,
            (other, _) => Some(text::slug(other)),
        }
    }
}

/// Give ports the names on the box where iLO 5 has them: `NIC.Slot.1.1`, and the port's number.
fn name_ports(context: &Context<'_>, nics: &mut [Nic]) -> Result<(), Error> {
    let link = context.system()?.link(&["Oem", "Hpe", "Links", "NetworkAdapters"]);
    let adapters = context.redfish.members(link.as_deref())?;
    for adapter in adapters {
        let Some(name) = adapter.text(&["StructuredName"]) else { continue };
        for (index, port) in adapter.list(&["PhysicalPorts"]).iter().enumerate() {
            let mac = port.text(&["MacAddress"]).and_then(|mac| text::mac(&mac));
            let number = port.natural(&["Oem", "Hpe", "PortNumber"]).unwrap_or(index as u64 + 1);
            if let Some(nic) = nics.iter_mut().find(|nic| Some(&nic.mac) == mac.as_ref()) {
                nic.name = format!("{name}-{number}");
            }
        }
    }
    Ok(())
}

/// The component.
pub type Component = RedfishDriver<HpeIlo>;
export_bmc_driver!(Component);
