//! Resets of the controller and of the firmware setup.
//!
//! Promises: the reset type sent is one the controller lists. Does not: reset the server, which the host composes from
//! power actions, nor restore a controller's factory state: the ways vendors offer lose the network or the accounts.
//!
//! Not obvious: a controller that lists no type gets no parameter, as Supermicro X10 wants it.

use super::{Context, power};
use crate::json::Json;
use crate::types::{Completion, Error, ResetKind};
use serde_json::{Value, json};

/// Reset.
pub fn reset(context: &Context<'_>, kind: ResetKind) -> Result<Completion, Error> {
    match kind {
        ResetKind::Bmc => controller(context),
        ResetKind::BiosDefaults => bios(context),
        ResetKind::BmcDefaults => Err(Error::Unsupported(
            "this driver restores no factory defaults of a controller: its network would not be kept".to_owned(),
        )),
        ResetKind::Host => Err(Error::InvalidInput("a server is reset by power off and on, not by `reset`".to_owned())),
    }
}

fn controller(context: &Context<'_>) -> Result<Completion, Error> {
    const ACTION: &str = "#Manager.Reset";
    let manager = context.manager()?;
    let allowed = context.redfish.allowable(&manager, ACTION, "ResetType")?;
    let parameters: Value = if allowed.is_empty() {
        json!({})
    } else {
        let kind = power::choose(&allowed, &["GracefulRestart", "ForceRestart"])
            .ok_or_else(|| Error::Unsupported(format!("the controller restarts only by {allowed:?}")))?;
        json!({ "ResetType": kind })
    };
    Ok(context.redfish.act(&manager, ACTION, &parameters)?.completion("controller restart"))
}

fn bios(context: &Context<'_>) -> Result<Completion, Error> {
    let link = context.system()?.link(&["Bios"]);
    let bios = context
        .redfish
        .find(link.as_deref())?
        .ok_or_else(|| Error::Unsupported("the system has no BIOS resource".to_owned()))?;
    Ok(context.redfish.act(&bios, "#Bios.ResetBios", &json!({}))?.completion("firmware setup to defaults"))
}
