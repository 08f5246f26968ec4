//! The driver for any controller that speaks Redfish.
//!
//! Promises: what the Redfish schema says, without a vendor's OEM members. Does not: refuse a controller because a
//! better driver exists; the host asks those first, as their match rules are narrower.
//!
//! Not obvious: AMI's firmware, which many vendors ship under their own name, takes `If-Match: *` only. It is known by
//! the `Ami` member of the service root.

use farrier_plugin_sdk::driver::{Context, Vendor, rules};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::redfish::Etags;
use farrier_plugin_sdk::types::{AuthScheme, Capabilities, Error, PluginInfo};
use farrier_plugin_sdk::{RedfishDriver, export_bmc_driver};

/// No vendor in particular.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generic;

impl Vendor for Generic {
    fn info(&self) -> PluginInfo {
        PluginInfo {
            name: "redfish".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Any controller that speaks Redfish, by the schema alone".to_owned(),
            capabilities: Capabilities::UEFI_HTTP_BOOT
                | Capabilities::VIRTUAL_MEDIA
                | Capabilities::RESET_BIOS_DEFAULTS
                | Capabilities::CLEAR_EVENT_LOG,
            // A rule without a field matches every service root.
            matches: vec![rules::root(None, None, None)],
            auth: vec![AuthScheme::RedfishSession, AuthScheme::Basic],
        }
    }

    fn confirm(&self, context: &Context<'_>) -> Result<(), Error> {
        if context.root()?.link(&["Systems"]).is_some() {
            return Ok(());
        }
        Err(Error::Unsupported("the Redfish service lists no systems".to_owned()))
    }

    fn etags(&self, context: &Context<'_>) -> Result<Etags, Error> {
        Ok(if context.root()?.at(&["Oem", "Ami"]).is_some() { Etags::Any } else { Etags::Own })
    }
}

/// The component.
pub type Component = RedfishDriver<Generic>;
export_bmc_driver!(Component);
