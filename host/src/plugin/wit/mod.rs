//! The plugin contract as the host sees it: one module for each released folder of `wit/`.
//!
//! The rest of the host uses the latest version through the names here; a second version gets a module and a thin
//! conversion of its own, and nothing else changes.

pub mod since_v0_1_0;

pub use since_v0_1_0::exports::farrier::provisioning::{
    bmc_driver, boot_provisioner, event_log, firmware, fleet_manager, hardening, jobs, metadata, telemetry, ticketing,
    warranty,
};
pub use since_v0_1_0::farrier::provisioning::{clock, http, kv, log, progress, settings, types};

/// Package and version every export's name carries: `farrier:provisioning/metadata@0.1.0`.
pub const VERSION: &str = "0.1.0";

/// The full name of an interface of this contract.
pub fn interface(name: &str) -> String {
    format!("farrier:provisioning/{name}@{VERSION}")
}

/// The generator gives flags no serde of their own; here they are an array of their names.
const CAPABILITIES: [(metadata::Capabilities, &str); 7] = [
    (metadata::Capabilities::UEFI_HTTP_BOOT, "uefi-http-boot"),
    (metadata::Capabilities::VIRTUAL_MEDIA, "virtual-media"),
    (metadata::Capabilities::RESET_BMC_DEFAULTS, "reset-bmc-defaults"),
    (metadata::Capabilities::RESET_BIOS_DEFAULTS, "reset-bios-defaults"),
    (metadata::Capabilities::CLEAR_EVENT_LOG, "clear-event-log"),
    (metadata::Capabilities::FIRMWARE_PULL, "firmware-pull"),
    (metadata::Capabilities::FIRMWARE_PUSH, "firmware-push"),
];

impl metadata::Capabilities {
    /// The names of those set.
    pub fn names(self) -> Vec<&'static str> {
        CAPABILITIES.into_iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| name).collect()
    }
}

impl serde::Serialize for metadata::Capabilities {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> serde::Deserialize<'de> for metadata::Capabilities {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names: Vec<String> = serde::Deserialize::deserialize(deserializer)?;
        let set = CAPABILITIES.into_iter().filter(|(_, name)| names.iter().any(|wanted| wanted == name));
        Ok(set.fold(Self::empty(), |all, (flag, _)| all | flag))
    }
}
