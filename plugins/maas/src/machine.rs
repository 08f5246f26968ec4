//! One machine of MAAS: found, enrolled, its state read.
//!
//! Promises: enrolment looks for the server's MACs before it creates, and again when MAAS says that one is taken, so that
//! an answer lost on the way makes no second machine. Does not: change a machine that is in somebody's use.
//!
//! Not obvious: a state is a number; `status_name` is display text and differs between releases.

use crate::api::Maas;
use crate::{Architecture, Machine, MachineState, ServerRef};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::services::encode;
use farrier_plugin_sdk::text::mac;
use farrier_plugin_sdk::types::{Completion, Error};

/// Where the machine's id is kept, so that it is found without its MACs.
pub const ID: &str = "system-id";

/// Who switches the machine: nobody but the host.
const POWER: &str = "manual";

/// A machine's state, as far as this plugin tells states apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0, 4: New, Ready. Free.
    Free,
    /// 2, 8, 22: Failed commissioning, Broken, Failed testing. Free, and something went wrong before.
    Faulty,
    /// 1, 21: Commissioning, Testing.
    Commissioning,
    /// 10: Allocated, to us or to somebody.
    Allocated,
    /// 9.
    Deploying,
    /// 6.
    Deployed,
    /// 11.
    FailedDeployment,
    /// 12, 14: Releasing, Disk erasing.
    Releasing,
    /// 13, 15.
    FailedReleasing,
    /// 3, 5, 7, 16 to 20, and any number of a later release.
    Other(u64),
}

impl Status {
    /// From the number.
    pub const fn of(number: u64) -> Self {
        match number {
            0 | 4 => Self::Free,
            2 | 8 | 22 => Self::Faulty,
            1 | 21 => Self::Commissioning,
            10 => Self::Allocated,
            9 => Self::Deploying,
            6 => Self::Deployed,
            11 => Self::FailedDeployment,
            12 | 14 => Self::Releasing,
            13 | 15 => Self::FailedReleasing,
            other => Self::Other(other),
        }
    }
}

/// What was read of a machine.
#[derive(Debug, Clone)]
pub struct Known {
    /// MAAS's id: `abc123`.
    pub id: String,
    /// Its state.
    pub status: Status,
    /// Its state as MAAS says it, for people.
    pub shown: String,
    /// The whole object.
    pub body: Value,
}

impl Known {
    /// Read a machine's object.
    pub fn read(body: &Value) -> Result<Self, Error> {
        let missing = |name: &str| Error::Malformed(format!("a machine without `{name}`"));
        let id = body.text(&["system_id"]).ok_or_else(|| missing("system_id"))?;
        let number = body.natural(&["status"]).ok_or_else(|| missing("status"))?;
        let shown = body.text(&["status_name"]).unwrap_or_else(|| format!("status {number}"));
        Ok(Self { id, status: Status::of(number), shown, body: body.clone() })
    }

    /// Its path.
    pub fn path(&self) -> String {
        format!("machines/{}/", encode(&self.id))
    }

    /// The path of an operation on it.
    pub fn operation(&self, name: &str) -> String {
        format!("machines/{}/?op={name}", encode(&self.id))
    }
}

/// Make a server known to MAAS.
pub fn enroll(maas: &Maas<'_>, machine: &Machine) -> Result<Completion, Error> {
    let macs: Vec<String> = machine.boot_macs.iter().filter_map(|text| mac(text)).collect();
    if macs.is_empty() || macs.len() != machine.boot_macs.len() {
        return Err(Error::InvalidInput("a machine is enrolled by the MACs it boots from, each a MAC".to_owned()));
    }
    let name = hostname(&machine.server.name);
    let known = match by_macs(maas, &macs)? {
        Some(known) => known,
        None => create(maas, machine, &macs, &name)?,
    };
    maas.around.keep(ID, &known.id, None)?;
    correct(maas, &known, &name)?;
    Ok(Completion::Done)
}

fn create(maas: &Maas<'_>, machine: &Machine, macs: &[String], name: &str) -> Result<Known, Error> {
    let architecture = match machine.architecture {
        Architecture::X8664 => "amd64",
        Architecture::Aarch64 => "arm64",
    };
    let comment = format!("{} (serial {})", machine.server.name, machine.server.serial.as_deref().unwrap_or("unknown"));
    let mut fields = vec![
        ("architecture", architecture),
        ("hostname", name),
        ("power_type", POWER),
        ("description", &comment),
        // It is commissioned when the host says so: that is the validation boot.
        ("commission", "false"),
    ];
    fields.extend(macs.iter().map(|mac| ("mac_addresses", mac.as_str())));
    match maas.post("machines/", &fields) {
        Ok(body) => Known::read(&body),
        // An earlier request made it, and its answer was lost.
        Err(Error::Rejected(refusal)) => match by_macs(maas, macs)? {
            Some(known) => Ok(known),
            None => Err(Error::Rejected(refusal)),
        },
        Err(error) => Err(error),
    }
}

/// Name and power type, where nobody uses the machine.
fn correct(maas: &Maas<'_>, known: &Known, name: &str) -> Result<(), Error> {
    let differs = known.body.text(&["hostname"]).as_deref() != Some(name)
        || known.body.text(&["power_type"]).as_deref() != Some(POWER);
    if differs && matches!(known.status, Status::Free | Status::Faulty) {
        maas.put(&known.path(), &[("hostname", name), ("power_type", POWER)])?;
    }
    Ok(())
}

/// The machine that has one of these MACs.
fn by_macs(maas: &Maas<'_>, macs: &[String]) -> Result<Option<Known>, Error> {
    let query: Vec<String> = macs.iter().map(|mac| format!("mac_address={}", encode(mac))).collect();
    let found = list(maas, &format!("machines/?{}", query.join("&")))?;
    one(found.into_iter().filter(|known| has_mac(known, macs)).collect())
}

/// MAAS filters; what it answered is checked all the same.
fn has_mac(known: &Known, macs: &[String]) -> bool {
    let interfaces = known.body.list(&["interface_set"]);
    interfaces
        .iter()
        .filter_map(|one| one.text(&["mac_address"]))
        .filter_map(|text| mac(&text))
        .any(|mac| macs.contains(&mac))
}

fn list(maas: &Maas<'_>, path: &str) -> Result<Vec<Known>, Error> {
    let answer = maas.get(path)?;
    let members = answer.as_array().ok_or_else(|| Error::Malformed(format!("GET {path}: not a list")))?;
    members.iter().map(Known::read).collect()
}

fn one(mut found: Vec<Known>) -> Result<Option<Known>, Error> {
    found.dedup_by(|a, b| a.id == b.id);
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|known| known.id.as_str()).collect();
        return Err(Error::InvalidInput(format!("MAAS has several machines for this server: {}", ids.join(", "))));
    }
    Ok(found.pop())
}

/// The server's machine: by the id kept at enrolment, else by its name.
pub fn find(maas: &Maas<'_>, server: &ServerRef) -> Result<Option<Known>, Error> {
    if let Some(id) = maas.around.kept(ID)? {
        match maas.get(&format!("machines/{}/", encode(&id))) {
            Ok(body) => return Known::read(&body).map(Some),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let name = hostname(&server.name);
    let found = list(maas, &format!("machines/?hostname={}", encode(&name)))?;
    one(found.into_iter().filter(|known| known.body.text(&["hostname"]).as_deref() == Some(name.as_str())).collect())
}

/// Where the machine stands, in the contract's words.
pub fn state(maas: &Maas<'_>, server: &ServerRef) -> Result<MachineState, Error> {
    let Some(known) = find(maas, server)? else { return Ok(MachineState::Unknown) };
    Ok(match known.status {
        Status::Free | Status::Allocated | Status::Other(5 | 7) => MachineState::Enrolled,
        Status::Commissioning | Status::Releasing | Status::Other(16 | 17 | 19) => MachineState::Booting,
        Status::Deploying => MachineState::Deploying,
        Status::Deployed => MachineState::Deployed,
        Status::Faulty | Status::FailedDeployment | Status::FailedReleasing | Status::Other(_) => MachineState::Failed,
    })
}

/// A name MAAS takes: a DNS label.
pub fn hostname(name: &str) -> String {
    let label: String = farrier_plugin_sdk::text::slug(name).chars().take(63).collect();
    label.trim_end_matches('-').to_owned()
}
