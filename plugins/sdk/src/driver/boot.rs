//! What a server boots next.
//!
//! Promises: an override that stands already is not written again; a target the controller does not list is refused
//! before anything is sent. Does not: change the persistent boot order.
//!
//! Not obvious: the mode is sent only where it differs, because several controllers refuse members they cannot change.

use super::{Context, Vendor};
use crate::json::Json;
use crate::redfish::{Redfish, id_of};
use crate::types::{BootMode, BootOverride, BootPersistence, BootTarget, Error};
use serde_json::{Value, json};
use std::rc::Rc;

/// The override that stands.
pub fn get<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<BootOverride, Error> {
    let resource = vendor.boot_resource(context)?;
    let boot = boot_of(&resource);
    let enabled = boot.text(&["BootSourceOverrideEnabled"]).unwrap_or_default();
    let legacy = boot.text(&["BootSourceOverrideMode"]).is_some_and(|mode| mode.eq_ignore_ascii_case("legacy"));
    let name = boot.text(&["BootSourceOverrideTarget"]).unwrap_or_else(|| "None".to_owned());
    let off = enabled.eq_ignore_ascii_case("disabled") || enabled.is_empty();
    let target = if off {
        BootTarget::None
    } else {
        vendor.boot_target(&name).ok_or_else(|| {
            Error::Unsupported(format!("the boot override is `{name}`, for which the contract has no word"))
        })?
    };
    let target = match target {
        BootTarget::UefiHttp(_) => BootTarget::UefiHttp(boot.text(&["HttpBootUri"])),
        BootTarget::VirtualCd(_) => BootTarget::VirtualCd(inserted_image(context)?.unwrap_or_default()),
        other => other,
    };
    let continuous = enabled.eq_ignore_ascii_case("continuous");
    Ok(BootOverride {
        target,
        persistence: if continuous { BootPersistence::Continuous } else { BootPersistence::Once },
        mode: if legacy { BootMode::Legacy } else { BootMode::Uefi },
    })
}

/// Set the override.
pub fn set<V: Vendor>(vendor: &V, context: &Context<'_>, wanted: &BootOverride) -> Result<(), Error> {
    if stands(&get(vendor, context), wanted) {
        return Ok(());
    }
    if let BootTarget::VirtualCd(image) = &wanted.target {
        insert(context, image, vendor)?;
    }
    let resource = vendor.boot_resource(context)?;
    let path = id_of(&resource).ok_or_else(|| Error::Malformed("the system resource has no @odata.id".to_owned()))?;
    let body = json!({ "Boot": vendor.boot_body(wanted, boot_of(&resource))? });
    context.redfish.patch(&path, &body, vendor.etags(context)?).map(|_| ())
}

/// A cleared override has no persistence, and its mode says nothing.
fn stands(now: &Result<BootOverride, Error>, wanted: &BootOverride) -> bool {
    let Ok(now) = now else { return false };
    match wanted.target {
        BootTarget::None => now.target == BootTarget::None,
        _ => now == wanted,
    }
}

fn boot_of(resource: &Value) -> &Value {
    resource.at(&["Boot"]).unwrap_or(&Value::Null)
}

/// The contract's word for a target of the schema.
pub fn target(text: &str) -> Option<BootTarget> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Some(BootTarget::None),
        "pxe" => Some(BootTarget::Pxe),
        "uefihttp" => Some(BootTarget::UefiHttp(None)),
        "hdd" => Some(BootTarget::Disk),
        "biossetup" => Some(BootTarget::BiosSetup),
        "cd" | "usbcd" => Some(BootTarget::VirtualCd(String::new())),
        _ => None,
    }
}

/// The `Boot` object that sets an override.
pub fn standard_body(wanted: &BootOverride, now: &Value, cd: &str) -> Result<Value, Error> {
    let name = match &wanted.target {
        BootTarget::None => "None",
        BootTarget::Pxe => "Pxe",
        BootTarget::UefiHttp(_) => "UefiHttp",
        BootTarget::Disk => "Hdd",
        BootTarget::BiosSetup => "BiosSetup",
        BootTarget::VirtualCd(_) => cd,
    };
    let enabled = match (&wanted.target, wanted.persistence) {
        (BootTarget::None, _) => "Disabled",
        (_, BootPersistence::Once) => "Once",
        (_, BootPersistence::Continuous) => "Continuous",
    };
    listed(now, "BootSourceOverrideTarget", name)?;
    listed(now, "BootSourceOverrideEnabled", enabled)?;
    let mut boot = json!({ "BootSourceOverrideTarget": name, "BootSourceOverrideEnabled": enabled });
    let mode = if wanted.mode == BootMode::Uefi { "UEFI" } else { "Legacy" };
    let differs = now.text(&["BootSourceOverrideMode"]).is_some_and(|now| !now.eq_ignore_ascii_case(mode));
    if differs && wanted.target != BootTarget::None {
        crate::json::merge(&mut boot, &json!({ "BootSourceOverrideMode": mode }));
    }
    if let BootTarget::UefiHttp(Some(uri)) = &wanted.target {
        if now.as_object().is_none_or(|now| !now.contains_key("HttpBootUri")) {
            return Err(Error::Unsupported("the firmware takes no URI for UEFI HTTP boot".to_owned()));
        }
        crate::json::merge(&mut boot, &json!({ "HttpBootUri": uri }));
    }
    Ok(boot)
}

/// Refuse a value that is not among the property's allowable values, where the controller lists them.
fn listed(now: &Value, property: &str, value: &str) -> Result<(), Error> {
    let allowed = now.texts(&[&format!("{property}@Redfish.AllowableValues")]);
    if allowed.is_empty() || allowed.iter().any(|name| name == value) {
        return Ok(());
    }
    Err(Error::Unsupported(format!("{property} takes {}, not {value}", allowed.join(", "))))
}

/// The virtual drive that takes a CD: under the manager, or in newer trees under the system.
fn cd_drive(context: &Context<'_>) -> Result<Option<Rc<Value>>, Error> {
    for owner in [context.manager()?, context.system()?] {
        let drives = context.redfish.members(owner.link(&["VirtualMedia"]).as_deref())?;
        let takes_cd =
            |d: &&Rc<Value>| d.texts(&["MediaTypes"]).iter().any(|kind| matches!(kind.as_str(), "CD" | "DVD"));
        if let Some(drive) = drives.iter().find(takes_cd) {
            return Ok(Some(Rc::clone(drive)));
        }
    }
    Ok(None)
}

fn inserted_image(context: &Context<'_>) -> Result<Option<String>, Error> {
    let Some(drive) = cd_drive(context)? else { return Ok(None) };
    Ok(drive.text(&["Image"]).filter(|_| drive.flag(&["Inserted"]) != Some(false)))
}

/// Attach an image as a CD; one that is attached already stays.
fn insert<V: Vendor>(context: &Context<'_>, image: &str, vendor: &V) -> Result<(), Error> {
    let drive = cd_drive(context)?
        .ok_or_else(|| Error::Unsupported("the controller has no virtual drive that takes a CD".to_owned()))?;
    let redfish: &Redfish<'_> = &context.redfish;
    match drive.text(&["Image"]).filter(|_| drive.flag(&["Inserted"]) != Some(false)) {
        Some(now) if now == image => return Ok(()),
        Some(_) => redfish.act(&drive, "#VirtualMedia.EjectMedia", &json!({})).map(|_| ())?,
        None => {}
    }
    match redfish.act(&drive, "#VirtualMedia.InsertMedia", &json!({ "Image": image })) {
        // Lenovo has no action and takes the image as a property.
        Err(Error::Unsupported(_)) => {
            let path = id_of(&drive).ok_or_else(|| Error::Malformed("a virtual drive has no @odata.id".to_owned()))?;
            redfish.patch(&path, &json!({ "Image": image, "Inserted": true }), vendor.etags(context)?).map(|_| ())
        }
        other => other.map(|_| ()),
    }
}
