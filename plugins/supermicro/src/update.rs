//! Firmware as Supermicro X12 and later take it: upload and verification first, then `StartUpdate`.
//!
//! Promises: settings, sensor records and certificate of the controller are kept, and so are the firmware setup's. Does not:
//! flash X11 and older, which have no Redfish way worth the name; where they offer `SimpleUpdate` the schema's pull is used.
//!
//! Not obvious: a controller that was left in its update mode takes nothing until it is restarted cold. That is said with the
//! refusal; the driver never does it.

use farrier_plugin_sdk::driver::Context;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::redfish::{Written, id_of};
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{Error, RemoteError, Step};

/// The end of the message id of a controller that is still in its update mode.
const STUCK: &str = "OemFirmwareAlreadyInUpdateMode";

/// What is updated, and what of it is kept.
pub fn parameters(context: &Context<'_>, step: &Step) -> Result<Value, Error> {
    let (target, kept) = match step.image.component.as_str() {
        "bmc" => {
            let kept = json!({ "BMC": { "PreserveCfg": true, "PreserveSdr": true, "PreserveSsl": true } });
            (id_of(&*context.manager()?), kept)
        }
        "bios" => {
            let kept = json!({ "BIOS": { "PreserveME": true, "PreserveNVRAM": true, "PreserveSMBIOS": true } });
            (context.system()?.link(&["Bios"]), kept)
        }
        other => {
            return Err(Error::Unsupported(format!("this controller updates BMC and BIOS by Redfish, not `{other}`")));
        }
    };
    let target = target.ok_or_else(|| Error::Malformed("the resource to update has no address".to_owned()))?;
    Ok(json!({
        "Targets": [target], "@Redfish.OperationApplyTime": "OnStartUpdateRequest", "Oem": { "Supermicro": kept },
    }))
}

/// Write what was verified.
pub fn start(context: &Context<'_>) -> Result<Option<Written>, Error> {
    let missing = || Error::Unsupported("the controller has no update service".to_owned());
    let service = context.of_root(&["UpdateService"])?.ok_or_else(missing)?;
    context.redfish.act(&service, "#UpdateService.StartUpdate", &json!({})).map(Some)
}

/// Say what helps a controller that is stuck.
pub fn hinted(error: Error) -> Error {
    match error {
        Error::Rejected(remote) if remote.code.as_deref().is_some_and(|code| code.ends_with(STUCK)) => {
            let resolution = "restart the controller cold (BMC cold reset), then try again".to_owned();
            Error::Rejected(RemoteError { resolution: Some(resolution), ..remote })
        }
        other => other,
    }
}
