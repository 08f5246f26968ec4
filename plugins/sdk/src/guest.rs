//! From a [`Vendor`] to the exports of the world `bmc-driver-plugin`.
//!
//! Promises: each export makes one [`Context`] and hands it to the part of the driver that does the work. Does not:
//! anything else.
//!
//! Not obvious: the exports have no state and no `self`, so a vendor is a type that is made by default.

use crate::bindings::exports::farrier::provisioning as exports;
use crate::driver::{
    Context, Vendor, boot, firmware, hardening, identity, inventory, log, power, reset, sensors, update,
};
use crate::http::Host;
use crate::services::HostSide;
use crate::types::{
    BootOverride, Completion, Control, Error, Finding, Hardened, Identity, Image, Inventory, Job, JobState, Page,
    PluginInfo, PowerAction, PowerState, Reading, ResetKind, Step,
};
use std::marker::PhantomData;

/// What the host keeps for a driver between calls. This world has no settings.
static SIDE: HostSide = HostSide(|_| None);

/// The exports of a vendor's driver.
pub struct RedfishDriver<V>(PhantomData<V>);

impl<V: Vendor + Default + 'static> exports::metadata::Guest for RedfishDriver<V> {
    fn describe() -> PluginInfo {
        V::default().info()
    }
}

impl<V: Vendor + Default + 'static> exports::bmc_driver::Guest for RedfishDriver<V> {
    fn identify() -> Result<Identity, Error> {
        identity::read(&V::default(), &Context::new(&Host))
    }

    fn read_inventory() -> Result<Inventory, Error> {
        inventory::read(&V::default(), &Context::new(&Host))
    }

    fn get_power() -> Result<PowerState, Error> {
        power::get(&Context::new(&Host))
    }

    fn set_power(action: PowerAction) -> Result<(), Error> {
        power::set(&Context::new(&Host), action)
    }

    fn get_boot() -> Result<BootOverride, Error> {
        boot::get(&V::default(), &Context::new(&Host))
    }

    fn set_boot(wanted: BootOverride) -> Result<(), Error> {
        boot::set(&V::default(), &Context::new(&Host), &wanted)
    }

    fn reset(kind: ResetKind) -> Result<Completion, Error> {
        reset::reset(&Context::new(&Host), kind)
    }
}

impl<V: Vendor + Default + 'static> exports::hardening::Guest for RedfishDriver<V> {
    fn audit(baseline: Vec<Control>) -> Result<Vec<Finding>, Error> {
        hardening::audit(&V::default(), &Context::new(&Host), &baseline)
    }

    fn harden(baseline: Vec<Control>) -> Result<Hardened, Error> {
        hardening::harden(&V::default(), &Context::new(&Host), &baseline)
    }
}

impl<V: Vendor + Default + 'static> exports::firmware::Guest for RedfishDriver<V> {
    fn plan(catalogue: Vec<Image>) -> Result<Vec<Step>, Error> {
        firmware::plan(&V::default(), &Context::new(&Host), &catalogue)
    }

    fn apply(step: Step) -> Result<Completion, Error> {
        update::apply(&V::default(), &Context::with(&Host, &SIDE), &step)
    }
}

impl<V: Vendor + Default + 'static> exports::telemetry::Guest for RedfishDriver<V> {
    fn read_sensors() -> Result<Vec<Reading>, Error> {
        sensors::read(&Context::new(&Host))
    }
}

impl<V: Vendor + Default + 'static> exports::event_log::Guest for RedfishDriver<V> {
    fn read(after: Option<String>) -> Result<Page, Error> {
        log::read(&V::default(), &Context::new(&Host), after.as_deref())
    }

    fn clear(name: String) -> Result<(), Error> {
        log::clear(&V::default(), &Context::new(&Host), &name)
    }
}

impl<V: Vendor + Default + 'static> exports::jobs::Guest for RedfishDriver<V> {
    fn poll(job: Job) -> Result<JobState, Error> {
        update::poll(&V::default(), &Context::with(&Host, &SIDE), &job.id)
    }
}
