//! Firmware: from an image that came in to another version in the inventory.
//!
//! Promises the ways of going on that vendors have: HPE's state inside the update service, Dell's job that waits for a boot,
//! Supermicro's verification and then `StartUpdate`, the standard's task. A controller that was written goes away and comes
//! back without its sessions. Each write is counted once as a flash. Images are those of [`super::image`]; anything else fails
//! its verification.

mod form;
mod pull;
mod push;

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::bmc::Bmc;
use super::config::Kind;
use super::image::{Bad, Image};
use super::profile::{Profile, TASKS};
use super::read::dynamic;
use super::reply::{Message, Reply};
use super::resource::{key, put};
use super::state::State;
use crate::ledger::Kind as Count;

const INVENTORY: &str = "/redfish/v1/updateservice/firmwareinventory/";
const SERVICE: &str = "/redfish/v1/updateservice";

/// An image that is to be written, and where.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) image: Image,
    /// The inventory entry's key.
    at: String,
    name: String,
    /// Only look at it: Supermicro's first phase.
    verify: bool,
}

impl Load {
    /// What some bytes are for on this controller; `None`: nothing.
    fn of(state: &State, kind: Kind, bytes: &[u8]) -> Option<Self> {
        let image = Image::read(bytes)?;
        let entries = state.resources.range(INVENTORY.to_owned()..).take_while(|(at, _)| at.starts_with(INVENTORY));
        for (at, resource) in entries {
            let body = resource.body();
            let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (id, name) = (text("Id"), text("Name"));
            if is_for(kind, &image.component, &id, &name) {
                return Some(Self { image, at: at.clone(), name, verify: false });
            }
        }
        None
    }

    fn controller(&self) -> bool {
        self.image.component == "bmc"
    }
}

/// Is this inventory entry the component, as drivers name it?
fn is_for(kind: Kind, component: &str, id: &str, name: &str) -> bool {
    let slug = |text: &str| text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    match (kind, component) {
        (Kind::HpeIlo5 | Kind::HpeIlo6, "bmc") => name.starts_with("iLO "),
        (Kind::HpeIlo5 | Kind::HpeIlo6, "bios") => name == "System ROM",
        (Kind::HpeIlo5 | Kind::HpeIlo6, other) => slug(name) == other,
        (Kind::DellIdrac9, _) if !id.starts_with("Installed-") => false,
        (Kind::DellIdrac9, "bmc") => id.contains("__iDRAC.Embedded"),
        (Kind::DellIdrac9, "bios") => id.contains("__BIOS.Setup"),
        (Kind::DellIdrac9, other) => id.split_once("__").is_some_and(|(_, device)| slug(device) == other),
        (_, other) => slug(id) == other,
    }
}

impl Bmc {
    /// An image goes on: it waits for a boot, or is looked at and written after a while.
    fn begin_update(self: &Arc<Self>, load: Option<Load>, at_boot: bool) -> Reply {
        let kind = self.kind();
        let mut state = self.state();
        let what = load.as_ref().map_or_else(String::new, |load| match (kind, load.controller()) {
            (Kind::SupermicroX13, true) => format!("BMC {}", if load.verify { "Verify" } else { "Update" }),
            (Kind::SupermicroX13, false) => format!("BIOS {}", if load.verify { "Verify" } else { "Update" }),
            _ => format!("Firmware Update: {}", load.name),
        });
        let id = self.new_job(&mut state, if what.is_empty() { "Firmware Update" } else { &what }, None);
        // What is no good is found out while it comes in, not at the boot.
        let waits = at_boot && load.as_ref().is_some_and(|load| load.image.bad != Some(Bad::Verify));
        if let Some(job) = state.jobs.last_mut() {
            (job.state, job.percent) = if waits { ("Scheduled", 0) } else { ("Running", 10) };
            job.load.clone_from(&load);
        }
        ilo_state(&mut state, kind, "Updating", None);
        let task = dynamic(&state, kind, "task", &id);
        drop(state);
        if !waits {
            self.after_a_while(&id, load);
        }
        answer(kind, &id, task)
    }

    /// A job for an image that is yet to be fetched.
    fn begin_fetch(self: &Arc<Self>) -> (Reply, String) {
        let kind = self.kind();
        let mut state = self.state();
        let id = self.new_job(&mut state, "Firmware Update", None);
        if let Some(job) = state.jobs.last_mut() {
            (job.state, job.percent) = ("Running", 0);
        }
        ilo_state(&mut state, kind, "Uploading", None);
        let task = dynamic(&state, kind, "task", &id);
        (answer(kind, &id, task), id)
    }

    fn after_a_while(self: &Arc<Self>, id: &str, load: Option<Load>) {
        let (bmc, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(bmc.config.timing.job).await;
            bmc.finish_update(&id, load);
        });
    }

    /// The job is over: verified, written, or failed.
    fn finish_update(&self, id: &str, load: Option<Load>) {
        let kind = self.kind();
        let mut state = self.state();
        let Some(job) = state.jobs.iter_mut().find(|job| job.id == id) else { return };
        let load = load.filter(|load| load.image.bad != Some(Bad::Verify));
        (job.state, job.percent) = if load.is_some() { ("Completed", 100) } else { ("Failed", 100) };
        let Some(load) = load else {
            return ilo_state(&mut state, kind, "Error", Some("iLO.2.24.InvalidFirmwareImage"));
        };
        if load.verify {
            state.verified = Some(load);
            return;
        }
        state.verified = None;
        ilo_state(&mut state, kind, "Complete", Some("iLO.2.24.Success"));
        let detail = format!("{} {}", load.image.component, load.image.version);
        if load.image.component == "bios" && kind != Kind::DellIdrac9 {
            state.staged.push(load);
        } else {
            write(&mut state, self.profile, &load);
            if load.controller() {
                self.away(&mut state);
            }
        }
        drop(state);
        self.count(Count::Flashed, &detail);
    }

    /// The controller starts again with its new firmware: sessions are lost, and tasks where they are not kept on flash.
    fn away(&self, state: &mut State) {
        state.away_until = Some(Instant::now() + self.config.timing.manager_reset);
        state.sessions.clear();
        if self.kind() != Kind::DellIdrac9 {
            state.jobs.clear();
        }
        ilo_state(state, self.kind(), "Idle", None);
    }

    /// `UpdateService.StartUpdate`: write what was verified.
    pub(super) fn start_update(self: &Arc<Self>) -> Reply {
        let load = self.state().verified.take();
        if load.is_none() {
            self.violation("StartUpdate: nothing was uploaded and verified");
            return Reply::refuse_base(self.kind(), 400, "ActionNotSupported", &["StartUpdate"]);
        }
        self.begin_update(load.map(|load| Load { verify: false, ..load }), false)
    }

    /// At a boot: what is staged becomes current, and jobs that waited for it run.
    pub(super) fn apply_firmware(self: &Arc<Self>, state: &mut State) {
        for load in std::mem::take(&mut state.staged) {
            write(state, self.profile, &load);
        }
        for job in state.jobs.iter_mut().filter(|job| job.load.is_some() && job.state == "Scheduled") {
            (job.state, job.percent) = ("Running", 50);
            self.after_a_while(&job.id, job.load.clone());
        }
    }

    /// Why no image is taken now, as the vendor says it.
    fn taken(&self) -> Option<Reply> {
        let kind = self.kind();
        let state = self.state();
        if kind == Kind::SupermicroX13 && state.verified.is_some() {
            let id = "SMC.1.0.OemFirmwareAlreadyInUpdateMode";
            return Some(Reply::refuse(kind, 400, &[Message::full(id, &[])]));
        }
        let busy = state.jobs.iter().any(|job| job.target.is_none() && job.state == "Running");
        busy.then(|| Reply::refuse_base(kind, 400, "ResourceInUse", &[]))
    }
}

/// How each vendor says that it goes on.
fn answer(kind: Kind, id: &str, task: Option<Value>) -> Reply {
    match kind {
        Kind::HpeIlo5 | Kind::HpeIlo6 => Reply::done(kind, None, None),
        Kind::SupermicroX13 => Reply::json(202, task.unwrap_or_default()),
        Kind::DellIdrac9 => {
            Reply { status: 202, headers: Vec::new(), body: None }.header("Location", format!("{TASKS}/{id}"))
        }
        Kind::Generic => Reply::json(202, task.unwrap_or_default()).header("Location", format!("{TASKS}/{id}")),
    }
}

/// Another version in the inventory and at the component's owner, as far as the image is good.
fn write(state: &mut State, profile: &Profile, load: &Load) {
    let owner = match load.image.component.as_str() {
        "bmc" => Some((key(profile.manager), "FirmwareVersion")),
        "bios" => Some((key(profile.system), "BiosVersion")),
        _ => None,
    };
    let version = match load.image.bad {
        Some(Bad::Boot) => {
            let at = if load.controller() { profile.manager } else { profile.system };
            return set(state, &key(at), "Status/Health", "Critical");
        }
        Some(Bad::Version) => "0.0.1",
        _ => load.image.version.as_str(),
    };
    set(state, &load.at, "Version", version);
    if let Some((at, property)) = owner {
        set(state, &at, property, version);
    }
}

fn set(state: &mut State, at: &str, property: &str, value: &str) {
    if let Some(resource) = state.resources.get_mut(at) {
        let mut body = resource.body();
        put(&mut body, property, json!(value));
        resource.store(&body);
    }
}

/// HPE tells the progress inside the update service, and a percentage only while it is busy.
fn ilo_state(state: &mut State, kind: Kind, to: &str, result: Option<&str>) {
    if matches!(kind, Kind::HpeIlo5 | Kind::HpeIlo6)
        && let Some(service) = state.resources.get_mut(SERVICE)
    {
        let mut body = service.body();
        put(&mut body, "Oem/Hpe/State", json!(to));
        if let Some(oem) = body.pointer_mut("/Oem/Hpe").and_then(Value::as_object_mut) {
            oem.remove("FlashProgressPercent");
            oem.remove("Result");
            if to == "Updating" {
                oem.insert("FlashProgressPercent".to_owned(), json!(10));
            }
            if let Some(id) = result {
                oem.insert("Result".to_owned(), json!({"MessageId": id}));
            }
        }
        service.store(&body);
    }
}
