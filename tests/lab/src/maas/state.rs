//! Machines and their states.
//!
//! Promises MAAS's numbers and names of states. A machine whose power type is `manual` stays where an operation put it
//! until it boots from the network.

use super::Faults;

/// A machine's state, by MAAS's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// 0
    New = 0,
    /// 1
    Commissioning = 1,
    /// 2
    FailedCommissioning = 2,
    /// 4
    Ready = 4,
    /// 6
    Deployed = 6,
    /// 8
    Broken = 8,
    /// 9
    Deploying = 9,
    /// 10
    Allocated = 10,
    /// 11
    FailedDeployment = 11,
    /// 12
    Releasing = 12,
    /// 14
    DiskErasing = 14,
    /// 15
    FailedDiskErasing = 15,
    /// 16
    RescueMode = 16,
}

impl Status {
    /// The number in `status`.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The text in `status_name`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Commissioning => "Commissioning",
            Self::FailedCommissioning => "Failed commissioning",
            Self::Ready => "Ready",
            Self::Deployed => "Deployed",
            Self::Broken => "Broken",
            Self::Deploying => "Deploying",
            Self::Allocated => "Allocated",
            Self::FailedDeployment => "Failed deployment",
            Self::Releasing => "Releasing",
            Self::DiskErasing => "Disk erasing",
            Self::FailedDiskErasing => "Failed disk erasing",
            Self::RescueMode => "Rescue mode",
        }
    }
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// MAAS's id.
    pub id: String,
    /// A DNS label.
    pub hostname: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `manual`, `redfish`.
    pub power_type: String,
    /// Lower case, colons.
    pub macs: Vec<String>,
    /// For people.
    pub description: String,
    /// Where it stands.
    pub status: Status,
    /// Whoever allocated it.
    pub owner: String,
    /// The parameter of the commissioning script.
    pub callback: Option<String>,
    /// `ubuntu/jammy`, once asked for.
    pub image: Option<String>,
    /// How often its drives were erased.
    pub erasures: u32,
    /// How often it was commissioned.
    pub commissionings: u32,
}

impl Machine {
    /// It booted from the network, and MAAS heard of the end of what it was booted for.
    pub(super) fn booted(&mut self, faults: Faults) {
        self.status = match self.status {
            Status::Commissioning if faults.commission_fails => Status::FailedCommissioning,
            Status::Commissioning => Status::Ready,
            Status::Deploying => Status::Deployed,
            Status::DiskErasing if faults.erase_fails => Status::FailedDiskErasing,
            Status::DiskErasing => {
                self.erasures += 1;
                self.owner.clear();
                self.image = None;
                Status::Ready
            }
            other => other,
        };
    }
}

/// Everything MAAS knows.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) machines: Vec<Machine>,
    pub(crate) nonces: std::collections::BTreeSet<String>,
    pub(crate) made: u32,
}

impl State {
    /// The machine with this id.
    pub(crate) fn by_id(&mut self, id: &str) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.id == id)
    }

    /// The machine with this MAC.
    pub(crate) fn by_mac(&mut self, mac: &str) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.macs.iter().any(|one| one.eq_ignore_ascii_case(mac)))
    }
}
