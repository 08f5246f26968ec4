//! What a controller is started with, what can be done to it, and what it tells.
//!
//! Promises plain data: nothing here opens a socket. [`Timing`] defaults are short, for tests; an estate that
//! should look real sets its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

/// Which vendor's controller is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// HPE iLO 5 (Gen10, Gen10 Plus): `Thermal` and `Power` only, no KCS switch.
    HpeIlo5,
    /// HPE iLO 6 (Gen11): as iLO 5, with the newer subsystems beside the old resources.
    HpeIlo6,
    /// Dell iDRAC9: attributes, jobs, paged logs, Service Tag as identity.
    DellIdrac9,
    /// Supermicro X13: no `Vendor`, suffixed BIOS names, account lockout.
    SupermicroX13,
    /// A service that keeps to the standard alone and requires `If-Match`.
    Generic,
}

/// The power state a controller reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// The server runs.
    On,
    /// The server is off; the controller answers.
    Off,
}

/// One network port of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The name an operating system would give it, e.g. `ens1f0`.
    pub name: String,
    /// Colon separated, any case; each vendor reports its own case.
    pub mac: String,
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From an accepted `On` until the reported power state is `On`.
    pub power_on: Duration,
    /// From an accepted `ForceOff` until the reported power state is `Off`.
    pub power_off: Duration,
    /// As `power_off`, for `GracefulShutdown`.
    pub graceful_off: Duration,
    /// How long the self-test lasts after power on or a restart.
    pub post: Duration,
    /// How long the controller does not answer after `Manager.Reset`.
    pub manager_reset: Duration,
    /// How long a job or task runs once it may.
    pub job: Duration,
    /// Added to every answer.
    pub latency: Duration,
    /// How long a lockout or a source block lasts; `None` is the vendor's own (30 s, 60 s).
    pub lockout: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            power_on: millis(150),
            power_off: millis(100),
            graceful_off: millis(150),
            post: millis(200),
            manager_reset: millis(200),
            job: millis(100),
            latency: Duration::ZERO,
            lockout: None,
        }
    }
}

/// Everything a controller is started with.
#[derive(Clone, Debug)]
pub struct BmcConfig {
    /// The server's name: the system it is counted under in the ledger.
    pub name: String,
    /// Whose controller it is.
    pub kind: Kind,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The serial number (HPE, Supermicro, generic) or Service Tag (Dell) by which the server is known.
    pub serial: String,
    /// As the vendor writes it, e.g. `ProLiant DL360 Gen10 Plus`.
    pub model: String,
    /// As the vendor writes it, e.g. `HPE`, `Dell Inc.`.
    pub manufacturer: String,
    /// MAC of the controller itself, colon separated.
    pub bmc_mac: String,
    /// Network ports of the server.
    pub nics: Vec<Nic>,
    /// The one account that exists at first.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Part serials, UUIDs, readings and tokens follow from it.
    pub seed: u64,
    /// Whether the server starts on.
    pub power: Power,
    /// How long things take.
    pub timing: Timing,
}

impl BmcConfig {
    /// A controller of `kind` on a free loopback port, with two network ports, `admin`-like credentials of
    /// its own and the server off.
    pub fn new(name: &str, kind: Kind) -> Self {
        let (manufacturer, model, username) = match kind {
            Kind::HpeIlo5 => ("HPE", "ProLiant DL360 Gen10 Plus", "Administrator"),
            Kind::HpeIlo6 => ("HPE", "ProLiant DL360 Gen11", "Administrator"),
            Kind::DellIdrac9 => ("Dell Inc.", "PowerEdge R750", "root"),
            Kind::SupermicroX13 => ("Supermicro", "SYS-121H-TNR", "ADMIN"),
            Kind::Generic => ("Contoso", "3500RX", "admin"),
        };
        let nic = |name: &str, mac: &str| Nic { name: name.to_owned(), mac: mac.to_owned() };
        Self {
            name: name.to_owned(),
            kind,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            serial: if kind == Kind::DellIdrac9 { "ABC1234" } else { "MXQ00001AB" }.to_owned(),
            model: model.to_owned(),
            manufacturer: manufacturer.to_owned(),
            bmc_mac: "94:40:c9:00:00:01".to_owned(),
            nics: vec![nic("ens1f0", "88:e9:a4:00:00:01"), nic("ens1f1", "88:e9:a4:00:00:02")],
            username: username.to_owned(),
            password: "lab-password-1".to_owned(),
            seed: 1,
            power: Power::Off,
            timing: Timing::default(),
        }
    }
}

/// Something wrong with a controller, until [`clear_faults`](super::BmcHandle::clear_faults).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every answer comes this much later.
    Slow(Duration),
    /// The next `times` requests are answered with this status and a vendor-shaped error.
    Error {
        /// The HTTP status, e.g. 500.
        status: u16,
        /// How many requests.
        times: u32,
    },
    /// The next `times` requests end in a closed connection without an answer.
    Drop {
        /// How many requests.
        times: u32,
    },
    /// The next `times` answers stop half-way through the body.
    Truncate {
        /// How many answers.
        times: u32,
    },
    /// The next `times` requests are answered 503 with `Retry-After`.
    Busy {
        /// Seconds in `Retry-After`.
        retry_after: u64,
        /// How many requests.
        times: u32,
    },
    /// A write of this hardening control is answered with success and changes nothing.
    Lie {
        /// The control's id, e.g. `ipmi-over-lan`.
        control: String,
    },
    /// Another serial number is reported everywhere.
    Serial(String),
    /// The session pool is full; every login is refused for that reason.
    SessionExhaustion,
    /// The password differs from the configured one; every login with the configured one is refused.
    WrongPassword,
    /// A graceful shutdown or restart is accepted and never happens.
    IgnoreGraceful,
}

/// What happened to the server, for whoever plays what boots on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmcEvent {
    /// The server's name.
    pub server: String,
    /// What happened.
    pub kind: EventKind,
}

/// The part of a [`BmcEvent`] that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The server starts to boot: it was powered on, or restarted.
    PowerOn {
        /// The override in force, as the vendor writes it (`Pxe`, `UefiHttp`), or `None` for the boot order.
        boot_target: Option<String>,
        /// `UEFI` or `Legacy`.
        mode: String,
        /// True when power was on before: a restart.
        restart: bool,
    },
    /// The server is off.
    PowerOff,
}

/// Where events go: one channel may serve many controllers, and `None` discards them.
pub type Hooks = Option<UnboundedSender<BmcEvent>>;

/// Why a controller or a replay could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address could not be bound.
    #[error("cannot listen on {address} (is the port taken, or the address not loopback?)")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate for {address}: {reason}")]
    Certificate {
        /// The address asked for.
        address: SocketAddr,
        /// What the library said.
        reason: String,
    },
    /// A data file of this crate does not hold what it must.
    #[error("the {kind:?} tree is not usable: {reason}")]
    Tree {
        /// Whose tree.
        kind: Kind,
        /// What is wrong.
        reason: String,
    },
    /// A recorded tree could not be read.
    #[error("cannot read the recorded tree at {}: {reason} (expected a folder holding redfish/v1/index.json)", path.display())]
    Recording {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
