//! Devices, discoveries, jobs and the baseline, and what time does to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::appliance::{Component, Machine};
use crate::ledger::Kind as Count;

/// `TaskId` of the baseline.
pub(super) const BASELINE_TASK: u64 = 12_950;

/// A device the appliance has.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) id: u64,
    /// Its place among the machines.
    pub(super) machine: usize,
}

/// A discovery.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) username: String,
    pub(super) job: u64,
}

/// What a job is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Discover the machine at this place, if there is one.
    Discover(Option<usize>),
    /// Bring these sources of a device to the baseline.
    Update { device: u64, sources: Vec<String> },
    /// Compare the baseline anew.
    Compare,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) work: Work,
    pub(super) begun: String,
    pub(super) ends: Option<Instant>,
    /// `LastRunStatus.Id`
    pub(super) status: u64,
    /// What it ends with: status and words.
    pub(super) outcome: (u64, String),
    /// It says it failed, and its effect is there.
    pub(super) lies: bool,
}

/// The appliance's state.
#[derive(Default)]
pub(super) struct State {
    pub(super) machines: Vec<Machine>,
    pub(super) devices: Vec<Device>,
    pub(super) groups: Vec<Group>,
    pub(super) jobs: Vec<Job>,
    /// What the last comparison found, by device.
    pub(super) found: BTreeMap<u64, Vec<Component>>,
    /// `LastRun` of the baseline.
    pub(super) compared: String,
    pub(super) echoes: u64,
    /// Effects to be counted.
    pub(super) effects: Vec<(Count, String)>,
    next: u64,
}

/// As the appliance writes a time: no zone, and fit to be sorted.
pub(super) fn time() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

impl State {
    /// With these machines; some are known from the start.
    pub(super) fn new(machines: Vec<Machine>) -> Self {
        let mut state = Self { machines, next: 13_000, ..Self::default() };
        let known: Vec<usize> =
            state.machines.iter().enumerate().filter(|(_, machine)| machine.known).map(|(at, _)| at).collect();
        for at in known {
            state.devices.push(Device { id: 123_450 + at as u64, machine: at });
        }
        state.compare();
        let outcome = (2060, String::new());
        let name = "baseline comparison".to_owned();
        let job = Job {
            id: BASELINE_TASK,
            name,
            work: Work::Compare,
            begun: time(),
            ends: None,
            status: 2060,
            outcome,
            lies: false,
        };
        state.jobs.push(job);
        state
    }

    /// A number that was not used before.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Start a job.
    pub(super) fn begin(
        &mut self,
        name: &str,
        work: Work,
        lasting: Duration,
        outcome: (u64, String),
        lies: bool,
    ) -> u64 {
        let id = self.number();
        let ends = Some(Instant::now() + lasting);
        self.jobs.push(Job { id, name: name.to_owned(), work, begun: time(), ends, status: 2050, outcome, lies });
        id
    }

    /// Compare the baseline with what is installed now.
    pub(super) fn compare(&mut self) {
        let machine = |device: &Device| Some((device.id, self.machines.get(device.machine)?.firmware.clone()));
        self.found = self.devices.iter().filter_map(machine).collect();
        self.compared = time();
    }

    /// Let time do what it does.
    pub(super) fn settle(&mut self) {
        let now = Instant::now();
        let due: Vec<Job> = self.jobs.iter().filter(|job| job.ends.is_some_and(|end| end <= now)).cloned().collect();
        for job in due {
            self.end(&job);
            if let Some(own) = self.jobs.iter_mut().find(|own| own.id == job.id) {
                own.ends = None;
                own.status = job.outcome.0;
            }
        }
    }

    fn end(&mut self, job: &Job) {
        let good = job.outcome.0 == 2060 || job.lies;
        match &job.work {
            Work::Discover(Some(at)) if good => {
                self.devices.push(Device { id: 123_450 + *at as u64, machine: *at });
                self.compare();
                self.effects.push((Count::Registration, job.name.clone()));
            }
            Work::Update { device, sources } if good => {
                let at = self.devices.iter().find(|one| one.id == *device).map(|one| one.machine);
                if let Some(machine) = at.and_then(|at| self.machines.get_mut(at)) {
                    for one in machine.firmware.iter_mut().filter(|one| sources.contains(&one.source)) {
                        one.installed.clone_from(&one.available);
                    }
                }
            }
            Work::Compare if good => self.compare(),
            _ => {}
        }
    }

    /// A device and its machine.
    pub(super) fn device(&self, id: u64) -> Option<(&Device, &Machine)> {
        let device = self.devices.iter().find(|one| one.id == id)?;
        Some((device, self.machines.get(device.machine)?))
    }

    /// Forget the jobs that ended, but for the baseline's.
    pub(super) fn purge(&mut self) {
        self.settle();
        self.jobs.retain(|job| job.ends.is_some() || job.id == BASELINE_TASK);
    }

    /// Service tags.
    pub(super) fn tags(&self) -> Vec<String> {
        self.devices.iter().filter_map(|one| Some(self.machines.get(one.machine)?.serial.clone())).collect()
    }
}
