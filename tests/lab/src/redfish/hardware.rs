//! Parts that break in service, and what a controller shows and logs of it.
//!
//! Promises that a broken part is seen wherever the vendor shows it (old and new resources alike), and is well again the moment it is
//! mended; that the log gets an entry at each, in the vendor's words where a recording or its message registry has them. It does not
//! simulate what follows from it: a server with a dead fan does not heat up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bmc::Bmc;
use super::config::Kind;
use super::handle::BmcHandle;
use super::profile::profile;
use super::resource::{Resource, key, put};
use super::state::State;

/// Something that breaks. Numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "part", deny_unknown_fields)]
pub enum Broken {
    /// A processor is too hot.
    Temperature,
    /// A fan stands still.
    Fan {
        /// Which.
        number: usize,
    },
    /// A power supply has no input.
    Supply {
        /// Which; odd ones are on feed A.
        number: usize,
    },
    /// A drive says that it will fail.
    Drive {
        /// Which.
        number: usize,
    },
    /// A drive has little of its endurance left.
    Worn {
        /// Which.
        number: usize,
    },
    /// A network port has no link.
    Link {
        /// Which.
        number: usize,
    },
    /// The controller takes connections and answers nothing.
    Silent,
}

/// Something that stands in the log and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logged {
    /// Memory corrected an error, once.
    MemoryCorrected,
    /// Memory could not.
    MemoryFailed,
    /// A processor gave up.
    MachineCheck,
    /// The watchdog restarted the server.
    Watchdog,
    /// The controller itself restarted.
    ControllerReset,
    /// The lid was taken off.
    ChassisOpen,
    /// And put on.
    ChassisClosed,
}

/// What is broken now.
#[derive(Debug, Default)]
pub(super) struct Hardware {
    pub(super) broken: BTreeSet<Broken>,
    /// The controller's log is so far ahead of the machine's clock.
    pub(super) ahead: Duration,
}

/// One entry to write: severity, code, text.
type Words = (&'static str, &'static str, String);

impl BmcHandle {
    /// Break something; the log says so.
    pub fn break_part(&self, part: Broken) {
        if self.bmc.state().hardware.broken.insert(part) {
            self.bmc.log_words(broke(self.bmc.kind(), &part));
        }
    }

    /// Mend it; the log says so.
    pub fn mend(&self, part: &Broken) {
        if self.bmc.state().hardware.broken.remove(part) {
            self.bmc.log_words(mended(self.bmc.kind(), part));
        }
    }

    /// Mend everything.
    pub fn mend_all(&self) {
        let broken = self.bmc.state().hardware.broken.clone();
        for part in &broken {
            self.mend(part);
        }
    }

    /// What is broken.
    pub fn broken(&self) -> BTreeSet<Broken> {
        self.bmc.state().hardware.broken.clone()
    }

    /// Put `times` entries of this into the log.
    pub fn log_times(&self, what: Logged, times: usize) {
        for _ in 0..times {
            self.bmc.log_words(Some(logged(self.bmc.kind(), what)));
        }
    }

    /// Put an entry into the hardware log as it is.
    pub fn log_entry(&self, severity: &str, code: &str, message: &str) {
        self.bmc.write_entry(severity, code, message);
    }

    /// From now on the log's clock is so far ahead of this machine's.
    pub fn log_ahead(&self, ahead: Duration) {
        self.bmc.state().hardware.ahead = ahead;
    }
}

impl Bmc {
    fn log_words(&self, words: Option<Words>) {
        if let Some((severity, code, message)) = words {
            self.write_entry(severity, code, &message);
        }
    }

    /// Into each of the vendor's hardware logs: Dell writes its SEL and its Lifecycle Log.
    fn write_entry(&self, severity: &str, code: &str, message: &str) {
        let mut state = self.state();
        let logs: &[&str] = match self.kind() {
            Kind::HpeIlo5 | Kind::HpeIlo6 => &["/systems/1/logservices/iml/entries/"],
            Kind::DellIdrac9 => &["/logservices/sel/entries/", "/logservices/lclog/entries/"],
            Kind::SupermicroX13 | Kind::Generic => &["/logservices/log1/entries/"],
        };
        let system = |path: &str| self.kind() == Kind::DellIdrac9 || path.contains("/systems/");
        let at = jiff::Timestamp::now().checked_add(state.hardware.ahead).unwrap_or_else(|_| jiff::Timestamp::now());
        let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        for log in logs {
            let found = state.resources.iter().find(|(path, _)| path.contains(log) && system(path));
            let Some((path, sample)) = found.map(|(path, resource)| (path.clone(), resource.clone())) else { continue };
            let Some((parent, _)) = path.rsplit_once('/') else { continue };
            let shown = sample.path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
            let id = (1000 + state.serial()).to_string();
            let mut body = sample.body();
            put(&mut body, "@odata.id", json!(format!("{shown}/{id}")));
            put(&mut body, "Id", json!(id));
            put(&mut body, "Message", json!(message));
            put(&mut body, "Severity", json!(severity));
            put(&mut body, "Created", json!(at));
            if body.get("MessageId").is_some() {
                put(&mut body, "MessageId", json!(code));
            }
            if body.pointer("/Oem/Hpe").is_some() {
                put(&mut body, "Oem/Hpe/Severity", json!(severity));
                put(&mut body, "Oem/Hpe/Repaired", json!(severity == "OK"));
                put(&mut body, "Oem/Hpe/Updated", json!(at));
            }
            let entry = Resource::new(&format!("{shown}/{id}"), &body, Arc::clone(&sample.meta));
            state.resources.insert(format!("{parent}/{id}"), entry);
        }
    }
}

/// Show what is broken, in a resource as it would be without.
pub(super) fn overlay(state: &State, kind: Kind, at: &str, body: &mut Value) {
    if state.hardware.broken.is_empty() {
        return;
    }
    let mut worst = None;
    for part in &state.hardware.broken {
        match part {
            Broken::Temperature => temperature(at, body),
            Broken::Fan { number } => fan(state, at, *number, body),
            Broken::Supply { number } => supply(state, at, *number, body),
            Broken::Drive { number } if at.contains("/drives/") && nth(state, at, *number) => {
                put(body, "FailurePredicted", json!(true));
                sick(body, "Status", "Warning");
            }
            Broken::Worn { number } if at.contains("/drives/") && nth(state, at, *number) => {
                put(body, "PredictedMediaLifeLeftPercent", json!(3));
            }
            Broken::Link { number } => link(state, kind, at, *number, body),
            Broken::Drive { .. } | Broken::Worn { .. } | Broken::Silent => {}
        }
        let health = match part {
            Broken::Temperature | Broken::Fan { .. } | Broken::Supply { .. } => Some("Critical"),
            Broken::Drive { .. } => Some("Warning"),
            _ => None,
        };
        // `Critical` is before `Warning`, as it should be.
        worst = match (worst, health) {
            (Some(one), Some(other)) => Some(std::cmp::min(one, other)),
            (one, other) => one.or(other),
        };
    }
    let profile = profile(kind);
    if let Some(health) = worst
        && (at == key(profile.system) || at == key(profile.chassis))
    {
        put(body, "Status/Health", json!(health));
        put(body, "Status/HealthRollup", json!(health));
    }
}

/// Is this the member of its collection with that number, in the order in which it is listed?
fn nth(state: &State, at: &str, number: usize) -> bool {
    let Some((parent, _)) = at.rsplit_once('/') else { return false };
    let prefix = format!("{parent}/");
    let child = |path: &&String| path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
    let mut members: Vec<&String> = state.resources.keys().filter(child).collect();
    members.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    number.checked_sub(1).and_then(|index| members.get(index)).is_some_and(|path| *path == at)
}

/// A `Status` that is not well; rolled up as well where the vendor does.
fn sick(body: &mut Value, status: &str, health: &str) {
    put(body, &format!("{status}/Health"), json!(health));
    if body.pointer(&format!("/{status}/HealthRollup")).is_some() {
        put(body, &format!("{status}/HealthRollup"), json!(health));
    }
}

/// The first of a list whose name fits.
fn first<'a>(body: &'a mut Value, list: &str, name: &str) -> Option<&'a mut Value> {
    let all = body.get_mut(list)?.as_array_mut()?;
    all.iter_mut().find(|one| one.get("Name").and_then(Value::as_str).is_some_and(|found| found.contains(name)))
}

fn temperature(at: &str, body: &mut Value) {
    if at.ends_with("/thermal")
        && let Some(sensor) = first(body, "Temperatures", "CPU")
    {
        put(sensor, "ReadingCelsius", json!(104));
        sick(sensor, "Status", "Critical");
    }
    let named = body.get("Name").and_then(Value::as_str).is_some_and(|name| name.contains("CPU"));
    if at.contains("/sensors/") && named {
        put(body, "Reading", json!(104));
        sick(body, "Status", "Critical");
    }
}

fn fan(state: &State, at: &str, number: usize, body: &mut Value) {
    let index = number.saturating_sub(1);
    if at.ends_with("/thermal") && body.pointer(&format!("/Fans/{index}")).is_some() {
        put(body, &format!("Fans/{index}/Reading"), json!(0));
        sick(body, &format!("Fans/{index}/Status"), "Critical");
    }
    if at.contains("/thermalsubsystem/fans/") && nth(state, at, number) {
        put(body, "SpeedPercent/Reading", json!(0));
        sick(body, "Status", "Critical");
    }
}

fn supply(state: &State, at: &str, number: usize, body: &mut Value) {
    let index = number.saturating_sub(1);
    if at.ends_with("/power") && body.pointer(&format!("/PowerSupplies/{index}")).is_some() {
        for watts in ["LastPowerOutputWatts", "LineInputVoltage"] {
            if body.pointer(&format!("/PowerSupplies/{index}/{watts}")).is_some() {
                put(body, &format!("PowerSupplies/{index}/{watts}"), json!(0));
            }
        }
        sick(body, &format!("PowerSupplies/{index}/Status"), "Critical");
    }
    if at.contains("/powersubsystem/powersupplies/") && nth(state, at, number) {
        sick(body, "Status", "Critical");
    }
}

fn link(state: &State, kind: Kind, at: &str, number: usize, body: &mut Value) {
    let interface = at.starts_with(&format!("{}/ethernetinterfaces/", key(profile(kind).system)));
    let port = at.contains("/networkadapters/") && (at.contains("/ports/") || at.contains("/networkports/"));
    if (interface || port) && body.get("LinkStatus").is_some() && nth(state, at, number) {
        let down = if at.contains("/networkports/") { "Down" } else { "LinkDown" };
        put(body, "LinkStatus", json!(down));
    }
}

/// What the log says when it breaks. Dell: its message registry; Supermicro's power supply: recorded; the rest in their manner.
fn broke(kind: Kind, part: &Broken) -> Option<Words> {
    use Kind::{DellIdrac9, Generic, HpeIlo5, HpeIlo6, SupermicroX13};
    Some(match (kind, part) {
        (_, Broken::Silent | Broken::Worn { .. }) => return None,
        (HpeIlo5 | HpeIlo6, Broken::Temperature) => {
            ("Critical", "2.1", "Overheat condition (Temperature Sensor 2, Location CPU)".to_owned())
        }
        (HpeIlo5 | HpeIlo6, Broken::Fan { number }) => {
            ("Critical", "2.4", format!("System Fan Failure (Fan {number})"))
        }
        (HpeIlo5 | HpeIlo6, Broken::Supply { number }) => (
            "Critical",
            "11.1",
            format!("System Power Supply: Input Power Loss or Unplugged Power Cord (Power Supply {number})"),
        ),
        (HpeIlo5 | HpeIlo6, Broken::Drive { number }) => (
            "Warning",
            "19.6",
            format!("Slot 12 Storage - Drive at Port 2I Box 1 Bay {number} status changed to Predictive Failure"),
        ),
        (HpeIlo5 | HpeIlo6, Broken::Link { number }) => (
            "Warning",
            "17.11",
            format!("Connectivity status changed to Link Failure for adapter in slot 1, port {number}"),
        ),
        (DellIdrac9, Broken::Temperature) => (
            "Critical",
            "IDRAC.2.8.CPU0010",
            "CPU 1 temperature is greater than the upper critical threshold.".to_owned(),
        ),
        (DellIdrac9, Broken::Fan { number }) => {
            ("Critical", "IDRAC.2.8.FAN0001", format!("Fan {number} RPM is less than the lower critical threshold."))
        }
        (DellIdrac9, Broken::Supply { number }) => {
            ("Critical", "IDRAC.2.8.PSU0003", format!("The power input for power supply {number} is lost."))
        }
        (DellIdrac9, Broken::Drive { number }) => (
            "Warning",
            "IDRAC.2.8.PDR16",
            format!("Predictive failure reported for PCIe SSD in Slot {} in Bay 1.", number - 1),
        ),
        (DellIdrac9, Broken::Link { number }) => {
            ("Warning", "IDRAC.2.8.NIC100", format!("The Embedded NIC 1 Port {number} network link is down."))
        }
        (SupermicroX13, Broken::Supply { number }) => {
            ("Critical", "0xF3FFFF", format!("[PWR-0003] PS{number} Status, Power Supply input lost (AC/DC)"))
        }
        (SupermicroX13, Broken::Fan { number }) => {
            ("Critical", "0x0402FF", format!("[FAN-0002] FAN{number}, Lower Critical - going low"))
        }
        (SupermicroX13 | Generic, Broken::Temperature) => {
            ("Critical", "0x0107FF", "[TMP-0001] CPU1 Temp, Upper Critical - going high".to_owned())
        }
        (SupermicroX13 | Generic, Broken::Drive { number }) => {
            ("Warning", "0x0D02FF", format!("Drive Slot {number}, Predictive Failure"))
        }
        (SupermicroX13 | Generic, Broken::Link { number }) => {
            ("Warning", "0xA402FF", format!("AOC NIC{number} Link Down"))
        }
        (Generic, Broken::Fan { number }) => ("Critical", "Event.1.0.FanFailed", format!("Fan Bay {number} failed")),
        (Generic, Broken::Supply { number }) => {
            ("Critical", "Event.1.0.PowerLost", format!("Power Supply Bay {number} lost its input"))
        }
    })
}

/// What the log says when it is well again.
fn mended(kind: Kind, part: &Broken) -> Option<Words> {
    let what = match part {
        Broken::Silent | Broken::Worn { .. } => return None,
        Broken::Temperature => "CPU 1 temperature".to_owned(),
        Broken::Fan { number } => format!("Fan {number}"),
        Broken::Supply { number } => format!("Power supply {number}"),
        Broken::Drive { number } => format!("Drive {number}"),
        Broken::Link { number } => format!("Network link of port {number}"),
    };
    let text = match kind {
        Kind::HpeIlo5 | Kind::HpeIlo6 => format!("{what} status changed to OK"),
        Kind::DellIdrac9 => format!("{what} is operating normally."),
        Kind::SupermicroX13 | Kind::Generic => format!("{what}, returned to normal"),
    };
    Some(("OK", "0x0000FF", text))
}

/// HPE's fatal ones and Supermicro's correctable one are recorded; Dell's are of its message registry.
fn logged(kind: Kind, what: Logged) -> Words {
    let hpe = matches!(kind, Kind::HpeIlo5 | Kind::HpeIlo6);
    let dell = kind == Kind::DellIdrac9;
    let (severity, code, text) = match what {
        Logged::MemoryCorrected if hpe => ("Warning", "10.645", "Corrected Memory Error (Processor 2, DIMM 4)"),
        Logged::MemoryCorrected if dell => {
            ("Warning", "IDRAC.2.8.MEM0700", "A correctable memory error was detected at location DIMM_A1.")
        }
        Logged::MemoryCorrected => ("Warning", "0x0C00FF", "[ OEM ] Correctable ECC @DIMMB1"),
        Logged::MemoryFailed if hpe => {
            ("Critical", "10.644", "DIMM Failure - Uncorrectable Memory Error (Processor 2, DIMM 4)")
        }
        Logged::MemoryFailed if dell => (
            "Critical",
            "IDRAC.2.8.MEM0001",
            "Multi-bit memory errors detected on a memory device at location(s) DIMM_A1.",
        ),
        Logged::MemoryFailed => ("Critical", "0x0C01FF", "[ OEM ] Uncorrectable ECC @DIMMB1"),
        Logged::MachineCheck if hpe => (
            "Critical",
            "5.3",
            "Uncorrectable Machine Check Exception (Processor 2, APIC ID 0x00000080, Bank 0x00000012)",
        ),
        Logged::MachineCheck if dell => ("Critical", "IDRAC.2.8.CPU0000", "CPU 1 has an internal error (IERR)."),
        Logged::MachineCheck => ("Critical", "0x0700FF", "[CPU-0001] CPU1, IERR"),
        Logged::Watchdog if hpe => ("Critical", "33.10", "ASR Detected by System ROM"),
        Logged::Watchdog if dell => ("Critical", "IDRAC.2.8.ASR0001", "The watchdog timer expired."),
        Logged::Watchdog => ("Critical", "0x2300FF", "[WDT-0001] Watchdog timer expired, Hard Reset"),
        Logged::ControllerReset if hpe => ("Warning", "35.36", "iLO was reset."),
        Logged::ControllerReset if dell => ("Warning", "IDRAC.2.8.RAC0182", "The iDRAC firmware was rebooted."),
        Logged::ControllerReset => ("Warning", "0xA500FF", "BMC cold boot"),
        Logged::ChassisOpen if hpe => (
            "Warning",
            "10.1025",
            "Intrusion Alert Detection - The server chassis hood was removed prior to this power on.",
        ),
        Logged::ChassisOpen if dell => ("Critical", "IDRAC.2.8.SEC0033", "The chassis is open while the power is off."),
        Logged::ChassisOpen => {
            ("Warning", "0x0500FF", "[CHS-0001] Chassis Intru, the chassis was opened: chassis is open")
        }
        Logged::ChassisClosed if hpe => ("OK", "10.1026", "The server chassis hood was replaced."),
        Logged::ChassisClosed => ("OK", "0x0580FF", "The chassis is closed while the power is off."),
    };
    (severity, code, text.to_owned())
}
