//! The driver for Supermicro X10 to X13.
//!
//! Promises: what these controllers have beside or against the Redfish schema: OEM resources for time and syslog, a virtual
//! CD that boots only as `UsbCd`, two logs of the same name. Does not: turn on lockdown.
//!
//! Not obvious: the service root of older firmware names no vendor, so the manufacturer of the system confirms, and a
//! blank serial number falls back to the mainboard's.

mod settings;
mod update;

use farrier_plugin_sdk::driver::{Context, Setting, Vendor, boot, firmware, push, rules};
use farrier_plugin_sdk::json::{Json, merge};
use farrier_plugin_sdk::redfish::Written;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{
    AuthScheme, BootMode, BootOverride, BootTarget, Capabilities, Control, Error, FirmwareComponent, Identity,
    MatchRule, PluginInfo, Step,
};
use farrier_plugin_sdk::{RedfishDriver, export_bmc_driver};

/// Supermicro X10 to X13.
#[derive(Debug, Clone, Copy, Default)]
pub struct Supermicro;

impl Vendor for Supermicro {
    fn info(&self) -> PluginInfo {
        let mut matches =
            vec![rules::root(Some("Supermicro"), None, None), rules::root(None, None, Some("Supermicro"))];
        matches.push(MatchRule::IpmiManufacturer(10_876));
        let prefixes = ["7c:c2:55", "ac:1f:6b", "3c:ec:ef", "0c:c4:7a", "00:25:90", "90:5a:08"];
        matches.extend(rules::ouis(prefixes));
        PluginInfo {
            name: "supermicro".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Supermicro X10 to X13".to_owned(),
            capabilities: Capabilities::UEFI_HTTP_BOOT
                | Capabilities::VIRTUAL_MEDIA
                | Capabilities::RESET_BIOS_DEFAULTS
                | Capabilities::CLEAR_EVENT_LOG,
            matches,
            auth: vec![AuthScheme::RedfishSession, AuthScheme::Basic],
        }
    }

    fn confirm(&self, context: &Context<'_>) -> Result<(), Error> {
        let root = context.root()?;
        let supermicro = |text: &str| text.to_ascii_lowercase().replace(' ', "").starts_with("supermicro");
        let no = |why: String| Err(Error::Unsupported(format!("{why}: not a Supermicro controller")));
        match root.text(&["Vendor"]) {
            Some(vendor) if supermicro(&vendor) => return Ok(()),
            Some(vendor) => return no(format!("the service root names `{vendor}`")),
            None if root.at(&["Oem", "Supermicro"]).is_some() => return Ok(()),
            None => {}
        }
        let maker = context.system()?.text(&["Manufacturer"]).unwrap_or_default();
        if supermicro(&maker) { Ok(()) } else { no(format!("the system is made by `{maker}`")) }
    }

    fn identity(&self, context: &Context<'_>, identity: &mut Identity) -> Result<(), Error> {
        "Supermicro".clone_into(&mut identity.vendor);
        "Supermicro BMC".clone_into(&mut identity.controller);
        let chassis = context.chassis()?;
        let board = chassis.as_ref().and_then(|c| c.text(&["Oem", "Supermicro", "BoardSerialNumber"]));
        if let Some(board) = board {
            if identity.serial.is_empty() {
                identity.serial.clone_from(&board);
            }
            identity.extra.push(("board-serial".to_owned(), board));
        }
        if let Some(part) = context.system()?.text(&["PartNumber"]) {
            identity.extra.push(("part-number".to_owned(), part));
        }
        if let Some(serial) = chassis.and_then(|chassis| chassis.text(&["SerialNumber"])) {
            identity.extra.push(("chassis-serial".to_owned(), serial));
        }
        Ok(())
    }

    fn component(&self, item: &Value) -> Option<FirmwareComponent> {
        // The backup bank and the golden image are listed also where there is none.
        firmware::component(item).filter(|component| !component.version.eq_ignore_ascii_case("not present"))
    }

    fn send_image(&self, context: &Context<'_>, service: &Value, step: &Step) -> Result<Written, Error> {
        push::send(&update::parameters(context, step)?, context, service, step).map_err(update::hinted)
    }

    fn verifies_first(&self, service: &Value) -> bool {
        service.text(&["MultipartHttpPushUri"]).is_some()
    }

    fn start_update(&self, context: &Context<'_>, _step: &Step) -> Result<Option<Written>, Error> {
        update::start(context).map_err(update::hinted)
    }

    fn boot_target(&self, text: &str) -> Option<BootTarget> {
        // In UEFI mode the firmware keeps `Pxe` under this name.
        if text.eq_ignore_ascii_case("uefibootnext") { Some(BootTarget::Pxe) } else { boot::target(text) }
    }

    fn cd_target(&self) -> &'static str {
        "UsbCd"
    }

    fn boot_body(&self, wanted: &BootOverride, now: &Value) -> Result<Value, Error> {
        // The enabled member goes with every write, as the standard body has it: left out, it silently becomes `Once`.
        // The mode goes too, where there is one.
        let mut body = boot::standard_body(wanted, now, self.cd_target())?;
        if now.text(&["BootSourceOverrideMode"]).is_some() {
            let mode = if wanted.mode == BootMode::Uefi { "UEFI" } else { "Legacy" };
            merge(&mut body, &json!({ "BootSourceOverrideMode": mode }));
        }
        Ok(body)
    }

    fn setting(&self, context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
        settings::setting(context, control, self.factory_accounts())
    }

    fn factory_accounts(&self) -> &'static [&'static str] {
        &["ADMIN"]
    }

    fn log_name(&self, _id: &str, of_system: bool) -> Option<String> {
        Some(if of_system { "sel" } else { "maintenance" }.to_owned())
    }
}

/// The component.
pub type Component = RedfishDriver<Supermicro>;
export_bmc_driver!(Component);
