//! Canonical MAAS 3.x as a boot provisioner.
//!
//! Promises: a machine is enrolled once however often the host asks; MAAS commissions with `skip_bmc_config=1` always, so
//! that it never undoes the hardening of a controller; every call begins by reading the machine's state, and a wrong
//! state is a `conflict` or `busy`, never a second effect. Does not: switch servers. Machines are enrolled with the power
//! type `manual`, because the host does the booting, through the controller and its own guard.
//!
//! Not obvious: the validation image of MAAS is its commissioning image. A commissioning script (setting `script`,
//! default `farrier-validate`) gets the callback URL as its parameter, so that a validation is one boot.

pub mod api;
pub mod machine;
pub mod profile;

use farrier_plugin_sdk::http::Host;
use farrier_plugin_sdk::services::HostSide;
use farrier_plugin_sdk::types::{Completion, Error, Job};
use farrier_world_boot::exports::farrier::provisioning::{boot_provisioner, jobs, metadata};
use metadata::{AuthScheme, Capabilities, PluginInfo};

pub use boot_provisioner::{Architecture, BootProfile, Machine, MachineState};
pub use farrier_plugin_sdk::bindings::farrier::provisioning::types::ServerRef;
pub use jobs::{JobProgress, JobState};

use api::Maas;

/// What the host offers a call.
const SIDE: HostSide = HostSide(farrier_world_boot::farrier::provisioning::settings::get);

/// The exports.
pub struct Component;

impl metadata::Guest for Component {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: "maas".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Canonical MAAS 3.x: enrolment, commissioning, installation, erasure".to_owned(),
            capabilities: Capabilities::empty(),
            matches: Vec::new(),
            auth: vec![AuthScheme::Oauth1Plaintext],
        }
    }
}

impl boot_provisioner::Guest for Component {
    fn enroll(machine: Machine) -> Result<Completion, Error> {
        machine::enroll(&Maas::new(&Host, &SIDE), &machine)
    }

    fn set_profile(server: ServerRef, profile: BootProfile) -> Result<Completion, Error> {
        profile::set(&Maas::new(&Host, &SIDE), &server, &profile)
    }

    fn get_state(server: ServerRef) -> Result<MachineState, Error> {
        machine::state(&Maas::new(&Host, &SIDE), &server)
    }

    fn release(server: ServerRef) -> Result<Completion, Error> {
        profile::release(&Maas::new(&Host, &SIDE), &server)
    }
}

impl jobs::Guest for Component {
    fn poll(job: Job) -> Result<JobState, Error> {
        profile::poll(&Maas::new(&Host, &SIDE), &job.id)
    }
}

#[cfg(target_arch = "wasm32")]
farrier_world_boot::export!(Component with_types_in farrier_world_boot);
