//! Firmware: what is installed, and which images of a catalogue apply in which order.
//!
//! Promises: component ids are stable within a model; a plan is the catalogue's images whose component is installed in
//! another version, in the vendor's order. Does not: apply a step; [`super::update`] does.
//!
//! Not obvious: versions are compared for equality only. A catalogue says what shall run, which may be older, and
//! version texts of one component are not ordered across controller generations.

use super::{Context, Vendor};
use crate::json::Json;
use crate::text;
use crate::types::{Error, FirmwareComponent, Image, ResetKind, Step};
use serde_json::Value;
use std::rc::Rc;

/// The components that are installed.
pub fn components<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<Vec<FirmwareComponent>, Error> {
    Ok(listed(vendor, context)?.into_iter().map(|(component, _)| component).collect())
}

/// One component with the inventory item it was read from.
pub fn find<V: Vendor>(
    vendor: &V,
    context: &Context<'_>,
    id: &str,
) -> Result<Option<(FirmwareComponent, Rc<Value>)>, Error> {
    Ok(listed(vendor, context)?.into_iter().find(|(component, _)| component.id == id))
}

fn listed<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<Vec<(FirmwareComponent, Rc<Value>)>, Error> {
    let link = context.of_root(&["UpdateService"])?.and_then(|service| service.link(&["FirmwareInventory"]));
    let items = context.redfish.members(link.as_deref())?;
    let mut taken = Vec::new();
    let none = || Rc::new(Value::Null);
    let mut all: Vec<_> = items.iter().filter_map(|item| Some((vendor.component(item)?, Rc::clone(item)))).collect();
    if items.is_empty() && link.is_none() {
        all = without_service(context)?.into_iter().map(|component| (component, none())).collect();
    }
    for (component, _) in &mut all {
        component.id = text::unique(&component.id, &mut taken);
    }
    Ok(all)
}

/// Controller and firmware setup, from the resources themselves, where there is no update service.
fn without_service(context: &Context<'_>) -> Result<Vec<FirmwareComponent>, Error> {
    let of = |id: &str, name: &str, version: Option<String>| {
        version.map(|version| FirmwareComponent {
            id: id.to_owned(),
            name: name.to_owned(),
            version,
            updateable: false,
        })
    };
    let manager = context.manager()?.text(&["FirmwareVersion"]);
    let system = context.system()?.text(&["BiosVersion"]);
    Ok([of("bmc", "BMC", manager), of("bios", "BIOS", system)].into_iter().flatten().collect())
}

/// The component of an inventory item by the schema's fields.
pub fn component(item: &Value) -> Option<FirmwareComponent> {
    let id = item.text(&["Id"])?;
    let name = item.text(&["Name"]).unwrap_or_else(|| id.clone());
    Some(FirmwareComponent {
        id: classify(&id).map_or_else(|| text::slug(&id), ToOwned::to_owned),
        name,
        version: item.text(&["Version"]).unwrap_or_default(),
        updateable: item.flag(&["Updateable"]).unwrap_or(false),
    })
}

/// `bmc` or `bios` for the usual names of the two; only where the whole name says so.
pub fn classify(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "bmc" | "bmc-primary" | "ilo 5" | "ilo 6" | "ilo 7" | "ilo" => Some("bmc"),
        "bios" | "uefi" | "system rom" => Some("bios"),
        _ => None,
    }
}

/// Which images apply, in order.
pub fn plan<V: Vendor>(vendor: &V, context: &Context<'_>, catalogue: &[Image]) -> Result<Vec<Step>, Error> {
    vendor.confirm(context)?;
    let installed = components(vendor, context)?;
    let mut steps: Vec<Step> = catalogue
        .iter()
        .filter_map(|image| {
            let component = installed.iter().find(|component| component.id == image.component)?;
            let current = !text::same_version(&component.version, &image.version);
            (current && component.updateable).then(|| step(vendor, image, &component.version))
        })
        .collect();
    steps.sort_by_key(|step| vendor.update_rank(&step.image.component));
    Ok(steps)
}

fn step<V: Vendor>(vendor: &V, image: &Image, current: &str) -> Step {
    let reset_after = vendor.update_reset(&image.component);
    Step {
        image: image.clone(),
        current_version: current.to_owned(),
        reset_after,
        disruptive: reset_after == Some(ResetKind::Host),
    }
}
