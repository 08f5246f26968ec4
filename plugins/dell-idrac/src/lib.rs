//! The driver for Dell iDRAC 8, 9 and 10.
//!
//! Promises: what an iDRAC has beside or against the Redfish schema: the service tag as serial number, attributes as the
//! surface of its settings, boot settings of iDRAC 10 in a resource of their own, jobs that outlive their tasks. Does not:
//! turn on lockdown, which would block every change after it.
//!
//! Not obvious: firmware versions start again at 1 with iDRAC 10, so the generation is read from the manager's `Model`
//! ("17G Monolithic"), never from a version.

mod attributes;

use farrier_plugin_sdk::driver::{Context, Setting, Vendor, firmware, jobs, rules};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::redfish::id_of;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{
    AuthScheme, Capabilities, Control, Error, FirmwareComponent, Identity, JobState, MatchRule, PluginInfo, Step,
};
use farrier_plugin_sdk::{RedfishDriver, export_bmc_driver, text};
use std::rc::Rc;

/// Dell iDRAC 8, 9 and 10.
#[derive(Debug, Clone, Copy, Default)]
pub struct DellIdrac;

impl Vendor for DellIdrac {
    fn info(&self) -> PluginInfo {
        let product = Some("Integrated Dell Remote Access");
        // iDRAC 7 and 8 say no `Vendor`.
        let mut matches = vec![rules::root(Some("Dell"), product, None), rules::root(None, product, None)];
        matches.push(rules::root(None, None, Some("Dell")));
        matches.push(MatchRule::IpmiManufacturer(674));
        let prefixes = ["c8:4b:d6", "b0:7b:25", "14:18:77", "18:fb:7b", "d0:94:66", "d0:67:e5"];
        matches.extend(rules::ouis(prefixes));
        PluginInfo {
            name: "dell-idrac".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Dell iDRAC 8, 9 and 10".to_owned(),
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
        let product = root.text(&["Product"]).is_some_and(|product| product.starts_with("Integrated Dell"));
        if product || root.at(&["Oem", "Dell"]).is_some() {
            return Ok(());
        }
        Err(Error::Unsupported("the service root names no Dell product: not an iDRAC".to_owned()))
    }

    fn identity(&self, context: &Context<'_>, identity: &mut Identity) -> Result<(), Error> {
        let root = context.root()?;
        let system = context.system()?;
        "Dell".clone_into(&mut identity.vendor);
        // `SerialNumber` is the mainboard's. The service tag is what is on the box and on the invoice.
        let tag = system.text(&["SKU"]).or_else(|| root.text(&["Oem", "Dell", "ServiceTag"]));
        if let Some(tag) = tag {
            let board = std::mem::replace(&mut identity.serial, tag);
            identity.extra.push(("board-serial".to_owned(), board));
        }
        if let Some(code) = system.text(&["Oem", "Dell", "DellSystem", "ExpressServiceCode"]) {
            identity.extra.push(("express-service-code".to_owned(), code));
        }
        if let Some(mac) = root.text(&["Oem", "Dell", "ManagerMACAddress"]).and_then(|mac| text::mac(&mac)) {
            identity.bmc_mac = Some(mac);
        }
        if let Some(number) = generation(context)? {
            identity.controller = format!("iDRAC{number}");
        }
        Ok(())
    }

    fn component(&self, item: &Value) -> Option<FirmwareComponent> {
        let id = item.text(&["Id"])?;
        // `Previous-` can be rolled back to, `Current-` repeats what is installed, `Available-` is not there yet.
        let rest = id.strip_prefix("Installed-")?;
        let name = item.text(&["Name"]).unwrap_or_else(|| id.clone());
        let device = rest.split_once("__").map_or(name.as_str(), |(_, device)| device);
        let id = match (device, name.as_str()) {
            ("BIOS.Setup.1-1" | "BIOS", _) => "bios".to_owned(),
            (device, _) if device.starts_with("iDRAC.Embedded") => "bmc".to_owned(),
            (_, "Integrated Dell Remote Access Controller") => "bmc".to_owned(),
            (device, _) => text::slug(device),
        };
        Some(FirmwareComponent { id, name, ..firmware::component(item)? })
    }

    fn update_rank(&self, component: &str) -> u8 {
        match component {
            "bmc" => 0,
            "bios" => 1,
            // The logic device takes a full power cycle and comes last.
            cpld if cpld.starts_with("cpld") => 3,
            _ => 2,
        }
    }

    fn boot_resource(&self, context: &Context<'_>) -> Result<Rc<Value>, Error> {
        let system = context.system()?;
        if generation(context)? == Some(10) {
            // The system's own `Boot` is read-only there.
            let settings = system.link(&["@Redfish.Settings", "SettingsObject"]);
            if let Some(settings) = context.redfish.find(settings.as_deref())? {
                return Ok(settings);
            }
        }
        Ok(system)
    }

    fn setting(&self, context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
        attributes::setting(context, control, self.factory_accounts())
    }

    fn factory_accounts(&self) -> &'static [&'static str] {
        &["root"]
    }

    fn update_parameters(&self, _context: &Context<'_>, step: &Step) -> Result<Value, Error> {
        // The controller restarts by itself; everything else is written while the server boots.
        let when = if step.image.component == "bmc" { "Immediate" } else { "OnReset" };
        Ok(json!({ "Targets": [], "@Redfish.OperationApplyTime": when, "Oem": {} }))
    }

    /// The job, which tells more than the task of the same id and outlives it.
    fn update_task(&self, context: &Context<'_>, path: &str) -> Result<Rc<Value>, Error> {
        job(context, path)?.map_or_else(|| context.redfish.get(path), Ok)
    }

    fn judge_update(&self, task: &Value, component: &str) -> JobState {
        let scheduled = task.text(&["JobState"]).as_deref() == Some("Scheduled") && component != "bmc";
        match jobs::judge_task(task) {
            JobState::Running(progress) if scheduled => JobState::Succeeded(progress.message),
            other => other,
        }
    }

    /// A task is purged once it has succeeded; the job of the same id stays.
    fn forgotten_job(&self, context: &Context<'_>, id: &str) -> Result<JobState, Error> {
        let unknown = || Error::NotFound(format!("the iDRAC no longer knows the job {id}"));
        Ok(jobs::judge_task(&*job(context, id)?.ok_or_else(unknown)?))
    }
}

/// The job of a task's id, looked for in the list; `None` where there is none.
fn job(context: &Context<'_>, task: &str) -> Result<Option<Rc<Value>>, Error> {
    let name = task.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let link = context.manager()?.link(&["Links", "Oem", "Dell", "Jobs"]);
    let Some(first) = context.redfish.find(link.as_deref())? else { return Ok(None) };
    let mut found = None;
    context.redfish.pages(first, &mut |page| {
        let members = page.list(&["Members"]).iter().filter_map(id_of);
        found = members.into_iter().find(|link| link.trim_end_matches('/').rsplit('/').next() == Some(&name));
        found.is_none()
    })?;
    context.redfish.find(found.as_deref())
}

/// 7, 8, 9 or 10, by the generation of servers the manager says it is made for.
fn generation(context: &Context<'_>) -> Result<Option<u8>, Error> {
    let model = context.manager()?.text(&["Model"]).unwrap_or_default();
    let digits: String = model.chars().take_while(char::is_ascii_digit).collect();
    let servers: Option<u8> =
        digits.parse().ok().filter(|_| model.get(digits.len()..).is_some_and(|r| r.starts_with('G')));
    Ok(servers.map(|number| match number {
        0..=12 => 7,
        13 => 8,
        14..=16 => 9,
        _ => 10,
    }))
}

/// The component.
pub type Component = RedfishDriver<DellIdrac>;
export_bmc_driver!(Component);
