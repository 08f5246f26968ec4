//! What a Farrier plugin is written with: the contract's bindings, and a Redfish driver in parts.
//!
//! Promises: a plugin crate that depends on this one by path alone builds as a component, needs no path to the
//! WIT files and writes no unsafe code. Logic built on [`Http`] runs natively, against a recorded tree, as well as
//! in the sandbox.
//!
//! Does not: hold addresses, credentials, sessions, retries or sleep. Those are the host's.
//!
//! Not obvious: a BMC driver is the trait [`Vendor`], which has a default for everything that Redfish says
//! clearly. A driver overrides what its vendor does otherwise, and [`RedfishDriver`] turns it into the exports.

pub mod bindings;
pub mod driver;
pub mod error;
mod guest;
pub mod http;
pub mod json;
pub mod redfish;
pub mod services;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;

pub use driver::{Context, Vendor};
pub use guest::RedfishDriver;
pub use http::Http;
pub use redfish::Redfish;
pub use serde_json;

/// The types of the contract, under the names a driver uses.
pub mod types {
    pub use crate::bindings::exports::farrier::provisioning::bmc_driver::{
        BootMode, BootOverride, BootPersistence, BootTarget, Dimm, Drive, DriveProtocol, FirmwareComponent, Identity,
        Inventory, Nic, PowerAction, PowerState, PowerSupply, Processor,
    };
    pub use crate::bindings::exports::farrier::provisioning::event_log::{Entry, Page};
    pub use crate::bindings::exports::farrier::provisioning::firmware::{Image, Step};
    pub use crate::bindings::exports::farrier::provisioning::hardening::{Control, Finding, Hardened, Verdict};
    pub use crate::bindings::exports::farrier::provisioning::jobs::{JobProgress, JobState};
    pub use crate::bindings::exports::farrier::provisioning::metadata::{
        AuthScheme, Capabilities, MatchRule, PluginInfo, ServiceRootRule,
    };
    pub use crate::bindings::exports::farrier::provisioning::telemetry::{Quantity, Reading};
    pub use crate::bindings::farrier::provisioning::http::{
        Blob, Body, HttpError, Method, Part, PartContent, Request, Response, SecretRef, TextOrSecret,
    };
    pub use crate::bindings::farrier::provisioning::types::{
        Busy, Completion, Error, Health, Job, OtherError, RemoteError, ResetKind, Value,
    };
}

/// Export a type that implements the `Guest` traits of the world `bmc-driver-plugin`.
///
/// Only for wasm: a native linker refuses the export names, and native builds are for tests.
#[macro_export]
macro_rules! export_bmc_driver {
    ($component:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export!($component with_types_in $crate::bindings);
    };
}
