//! A driver for Contoso's controllers: the smallest one that is of use.
//!
//! Promises what the Redfish schema says, and one thing of Contoso's own: whether the locator light is on. Does not: log in,
//! open connections, retry or wait. The host does.
//!
//! Not obvious: a driver says only what its vendor does otherwise. `Vendor` has a default for everything else.

use farrier_plugin_sdk::driver::{Context, Vendor};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::types::{
    AuthScheme, Capabilities, Error, Identity, MatchRule, PluginInfo, ServiceRootRule,
};
use farrier_plugin_sdk::{RedfishDriver, export_bmc_driver};

/// As the service root spells it.
const CONTOSO: &str = "Contoso";

/// Contoso's controllers.
#[derive(Default)]
pub struct HelloBmc;

impl Vendor for HelloBmc {
    /// Asked once, when the plugin is loaded.
    fn info(&self) -> PluginInfo {
        PluginInfo {
            name: "hello-bmc".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Contoso's controllers; an example".to_owned(),
            capabilities: Capabilities::empty(),
            // Matched before anything is logged in to: the service root is public. A rule that names a vendor
            // beats the generic driver's, which matches everything.
            matches: vec![MatchRule::ServiceRoot(ServiceRootRule {
                vendor: Some(CONTOSO.to_owned()),
                product_prefix: None,
                oem: None,
            })],
            auth: vec![AuthScheme::RedfishSession, AuthScheme::Basic],
        }
    }

    /// A match is a guess; this decides. `Unsupported` passes the controller on to the next driver.
    fn confirm(&self, context: &Context<'_>) -> Result<(), Error> {
        match context.root()?.text(&["Vendor"]) {
            Some(vendor) if vendor.eq_ignore_ascii_case(CONTOSO) => Ok(()),
            other => Err(Error::Unsupported(format!("its vendor is {other:?}, not {CONTOSO}"))),
        }
    }

    /// What the schema's fields gave is here to be corrected, or added to.
    fn identity(&self, context: &Context<'_>, identity: &mut Identity) -> Result<(), Error> {
        if let Some(on) = context.system()?.flag(&["LocationIndicatorActive"]) {
            identity.extra.push(("locator".to_owned(), if on { "on" } else { "off" }.to_owned()));
        }
        Ok(())
    }
}

/// The component.
pub type Component = RedfishDriver<HelloBmc>;
export_bmc_driver!(Component);
