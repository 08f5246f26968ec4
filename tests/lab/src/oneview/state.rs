//! Servers, profiles and tasks of an appliance, and what time does to them.

use std::time::{Duration, Instant};

use crate::appliance::Machine;
use crate::ledger::Kind as Count;

/// A server the appliance has.
#[derive(Clone, Debug)]
pub(super) struct Hardware {
    pub(super) uuid: String,
    /// Its place among the machines.
    pub(super) machine: usize,
    pub(super) state: &'static str,
    pub(super) profile: Option<Profile>,
}

/// A server profile, as far as firmware goes.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) etag: u64,
    pub(super) managed: bool,
    pub(super) baseline: Option<String>,
}

/// What a task will have done when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The server is there.
    Add,
    /// It is gone.
    Remove,
    /// Its firmware is at the bundle.
    Update,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) work: Work,
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) ends: Instant,
    pub(super) ended: bool,
    /// What it fails with, in the end.
    pub(super) error: Option<String>,
    /// It says it failed, and its effect is there.
    pub(super) lies: bool,
}

/// The appliance's state.
#[derive(Default)]
pub(super) struct State {
    pub(super) machines: Vec<Machine>,
    pub(super) hardware: Vec<Hardware>,
    pub(super) tasks: Vec<Task>,
    /// Servers that once were: a DELETE of one is no violation.
    pub(super) gone: Vec<String>,
    /// Effects to be counted.
    pub(super) effects: Vec<(Count, String)>,
}

/// A UUID that begins with the serial number's octets, as HPE's do.
pub(super) fn uuid(serial: &str) -> String {
    let octets: Vec<u8> = serial.bytes().chain(std::iter::repeat(b'_')).take(16).collect();
    let hex = octets.iter().fold(String::new(), |hex, octet| hex + &format!("{octet:02X}"));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

impl State {
    /// With these machines; some are known from the start.
    pub(super) fn new(machines: Vec<Machine>) -> Self {
        let known = machines.iter().enumerate().filter(|(_, machine)| machine.known);
        let hardware = known
            .map(|(at, machine)| Hardware {
                uuid: uuid(&machine.serial),
                machine: at,
                state: "NoProfileApplied",
                profile: None,
            })
            .collect();
        Self { machines, hardware, ..Self::default() }
    }

    /// Start a task.
    pub(super) fn begin(
        &mut self,
        work: Work,
        uuid: &str,
        name: &str,
        lasting: Duration,
        error: Option<String>,
        lies: bool,
    ) -> Task {
        let task = Task {
            id: format!("{:08X}-0000-4000-8000-{:012X}", self.tasks.len() + 1, self.tasks.len() + 1),
            work,
            uuid: uuid.to_owned(),
            name: name.to_owned(),
            ends: Instant::now() + lasting,
            ended: false,
            error,
            lies,
        };
        self.tasks.push(task.clone());
        task
    }

    /// Let time do what it does: tasks whose end has come, end.
    pub(super) fn settle(&mut self) {
        let now = Instant::now();
        let due: Vec<Task> = self.tasks.iter().filter(|task| !task.ended && task.ends <= now).cloned().collect();
        for task in due {
            self.end(&task);
            if let Some(own) = self.tasks.iter_mut().find(|own| own.id == task.id) {
                own.ended = true;
            }
        }
    }

    fn end(&mut self, task: &Task) {
        let good = task.error.is_none() || task.lies;
        let machine = self.hardware.iter().find(|one| one.uuid == task.uuid).map(|one| one.machine);
        match (&task.work, good) {
            (Work::Add, true) => {
                self.set(&task.uuid, "NoProfileApplied");
                self.effects.push((Count::Registration, task.name.clone()));
            }
            (Work::Add, false) => self.forget(&task.uuid),
            (Work::Remove, true) => {
                self.forget(&task.uuid);
                self.effects.push((Count::Removal, task.name.clone()));
            }
            (Work::Remove, false) => self.set(&task.uuid, "RemoveFailed"),
            (Work::Update, good) => {
                let profile = self.hardware.iter().any(|one| one.uuid == task.uuid && one.profile.is_some());
                self.set(&task.uuid, if profile { "ProfileApplied" } else { "NoProfileApplied" });
                if let (true, Some(machine)) = (good, machine.and_then(|at| self.machines.get_mut(at))) {
                    machine.flash();
                }
            }
        }
    }

    fn set(&mut self, uuid: &str, state: &'static str) {
        self.hardware.iter_mut().filter(|one| one.uuid == uuid).for_each(|one| one.state = state);
    }

    fn forget(&mut self, uuid: &str) {
        self.hardware.retain(|one| one.uuid != uuid);
        self.gone.push(uuid.to_owned());
    }

    /// A server and its machine.
    pub(super) fn server(&self, uuid: &str) -> Option<(&Hardware, &Machine)> {
        let hardware = self.hardware.iter().find(|one| one.uuid.eq_ignore_ascii_case(uuid))?;
        Some((hardware, self.machines.get(hardware.machine)?))
    }

    /// Forget the tasks that ended.
    pub(super) fn purge(&mut self) {
        self.settle();
        self.tasks.retain(|task| !task.ended);
    }

    /// Serial number and state of each server.
    pub(super) fn servers(&mut self) -> Vec<(String, String)> {
        self.settle();
        let all = self.hardware.iter();
        all.filter_map(|one| Some((self.machines.get(one.machine)?.serial.clone(), one.state.to_owned()))).collect()
    }

    fn of_serial(&mut self, serial: &str) -> Option<&mut Hardware> {
        let at = self.machines.iter().position(|machine| machine.serial == serial)?;
        self.hardware.iter_mut().find(|one| one.machine == at)
    }

    /// A profile without firmware.
    pub(super) fn assign_profile(&mut self, serial: &str) {
        if let Some(hardware) = self.of_serial(serial) {
            hardware.state = "ProfileApplied";
            hardware.profile = Some(Profile { etag: 1, managed: false, baseline: None });
        }
    }

    /// Another `eTag`.
    pub(super) fn touch_profile(&mut self, serial: &str) {
        if let Some(profile) = self.of_serial(serial).and_then(|hardware| hardware.profile.as_mut()) {
            profile.etag += 1;
        }
    }
}
