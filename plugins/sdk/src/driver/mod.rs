//! A Redfish BMC driver in parts, and the places where vendors differ.
//!
//! Promises: [`Vendor`] has a default for each function, true to the Redfish schema; a driver overrides what its
//! vendor does otherwise and nothing else. Does not: hold state between calls.
//!
//! Not obvious: the hooks get the [`Context`], which reads lazily and remembers, so asking twice costs nothing.

pub mod boot;
mod context;
mod drives;
pub mod firmware;
pub mod hardening;
pub mod identity;
pub mod inventory;
pub mod jobs;
pub mod log;
pub mod nics;
pub mod power;
pub mod push;
pub mod reset;
pub mod rules;
pub mod sensors;
pub mod standard;
pub mod update;

pub use context::Context;
pub use hardening::{Change, Setting};

use crate::redfish::{Etags, Written};
use crate::types::{
    BootOverride, BootTarget, Control, Error, FirmwareComponent, Identity, JobState, Nic, PluginInfo, PowerSupply,
    ResetKind, Step,
};
use serde_json::{Value, json};
use std::rc::Rc;

/// What one vendor's controllers do differently.
pub trait Vendor {
    /// Who the plugin is: name, rules, capabilities.
    fn info(&self) -> PluginInfo;

    /// Confirm that the controller is this vendor's; `Unsupported` passes it on.
    fn confirm(&self, context: &Context<'_>) -> Result<(), Error>;

    /// Correct the identity that the schema's fields gave.
    fn identity(&self, _context: &Context<'_>, _identity: &mut Identity) -> Result<(), Error> {
        Ok(())
    }

    /// Correct the network interfaces: names, or ports that are missing.
    fn nics(&self, _context: &Context<'_>, _nics: &mut Vec<Nic>) -> Result<(), Error> {
        Ok(())
    }

    /// Correct a power supply, given what it was read from.
    fn power_supply(&self, _source: &Value, _supply: &mut PowerSupply) {}

    /// The component of a firmware inventory item; `None` leaves it out.
    fn component(&self, item: &Value) -> Option<FirmwareComponent> {
        firmware::component(item)
    }

    /// Where a component stands in the vendor's update order; smaller is earlier.
    fn update_rank(&self, component: &str) -> u8 {
        match component {
            "bmc" => 0,
            "bios" => 1,
            _ => 2,
        }
    }

    /// What must restart before a written component is current. A controller restarts by itself after its own update.
    fn update_reset(&self, component: &str) -> Option<ResetKind> {
        (component != "bmc").then_some(ResetKind::Host)
    }

    /// What the controller is busy with, where it is not free for an update.
    fn update_busy(&self, context: &Context<'_>, service: &Value) -> Result<Option<String>, Error> {
        push::busy(context, service)
    }

    /// The `UpdateParameters` of a multipart push.
    fn update_parameters(&self, _context: &Context<'_>, _step: &Step) -> Result<Value, Error> {
        Ok(json!({ "Targets": [] }))
    }

    /// Get the image of a step to the controller, which then verifies or writes it.
    fn send_image(&self, context: &Context<'_>, service: &Value, step: &Step) -> Result<Written, Error> {
        push::send(&self.update_parameters(context, step)?, context, service, step)
    }

    /// Start the second phase of an update whose image was verified; `None` where the vendor has one phase only.
    fn start_update(&self, _context: &Context<'_>, _step: &Step) -> Result<Option<Written>, Error> {
        Ok(None)
    }

    /// Whether sending an image only has it verified, and [`Vendor::start_update`] must follow.
    fn verifies_first(&self, _service: &Value) -> bool {
        false
    }

    /// What follows an update: a task or job, or the update service where the vendor tells it there.
    fn update_task(&self, context: &Context<'_>, path: &str) -> Result<Rc<Value>, Error> {
        context.redfish.get(path)
    }

    /// How an update is doing, from what [`Vendor::update_task`] read.
    fn judge_update(&self, task: &Value, _component: &str) -> JobState {
        jobs::judge_task(task)
    }

    /// How `If-Match` is sent.
    fn etags(&self, _context: &Context<'_>) -> Result<Etags, Error> {
        Ok(Etags::Own)
    }

    /// The resource whose `Boot` is read and written.
    fn boot_resource(&self, context: &Context<'_>) -> Result<Rc<Value>, Error> {
        context.system()
    }

    /// The `Boot` object that sets an override, given what `Boot` is now.
    fn boot_body(&self, wanted: &BootOverride, now: &Value) -> Result<Value, Error> {
        boot::standard_body(wanted, now, self.cd_target())
    }

    /// The contract's word for a `BootSourceOverrideTarget`; `None` where it has none.
    fn boot_target(&self, text: &str) -> Option<BootTarget> {
        boot::target(text)
    }

    /// The boot target that boots a virtual CD.
    fn cd_target(&self) -> &'static str {
        "Cd"
    }

    /// The setting behind a control, as it is and as it would be changed.
    fn setting(&self, context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
        standard::setting(context, control, self.factory_accounts())
    }

    /// Names of accounts this vendor ships.
    fn factory_accounts(&self) -> &'static [&'static str] {
        &["Administrator", "ADMIN", "admin", "root"]
    }

    /// What must restart for a change of this resource to hold, where the answer does not say.
    fn reset_after(&self, _path: &str) -> Option<ResetKind> {
        None
    }

    /// The contract's name of a log; `None` leaves the log out. `of_system` tells a system's logs from a manager's.
    fn log_name(&self, id: &str, _of_system: bool) -> Option<String> {
        Some(crate::text::slug(id))
    }

    /// What became of a job whose resource is gone.
    fn forgotten_job(&self, _context: &Context<'_>, id: &str) -> Result<JobState, Error> {
        Err(Error::NotFound(format!("the controller no longer knows the job {id}")))
    }
}
