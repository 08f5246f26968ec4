//! A fleet tool's plugin, called as the host calls it, against a simulated appliance.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier::config::{Bmc, Plugins as Settings};
use farrier::egress::{Effect, Gate};
use farrier::fault::Secret;
use farrier::plugin::wit::fleet_manager::BmcAccess;
use farrier::plugin::wit::jobs::JobState;
use farrier::plugin::wit::types::{Completion, Error, Job, ServerRef};
use farrier::plugin::{Broker, CallError, Driver, Lend, Login, MemoryPins, Plugins, Secrets, Target};
use farrier_lab::appliance::{Machine, Setup};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::rig::plugin;

/// A controller's password that JSON and HTML write in several ways.
pub const BMC_PASSWORD: &str = "Zebra\"käse\\Wort<77";

/// Five servers, more than two pages; one of them is a start of another's serial number.
pub fn machines() -> Vec<Machine> {
    let one = |at: usize, serial: &str| Machine {
        username: "root".to_owned(),
        password: BMC_PASSWORD.to_owned(),
        mac: format!("94:40:c9:00:00:{at:02x}"),
        ..Machine::new(serial, &format!("10.0.0.{at}"))
    };
    let serials = ["MXQ0001", "MXQ00", "MXQ000", "MXQ0004", "MXQ0005"];
    serials.iter().enumerate().map(|(at, serial)| one(at + 1, serial)).collect()
}

/// The same, all but the first known to the appliance.
pub fn mostly_known() -> Vec<Machine> {
    machines().into_iter().enumerate().map(|(at, one)| Machine { known: at > 0, ..one }).collect()
}

pub fn setup(machines: Vec<Machine>) -> Setup {
    Setup::new("appliance", machines)
}

pub struct Bench {
    pub driver: Driver,
    pub lend: Lend,
    pub broker: Broker,
    pub ledger: Ledger,
}

impl Bench {
    /// The plugin with a login for the appliance; `None`, said aloud, where it is not built.
    pub async fn new(name: &str, url: &str, ledger: &Ledger, question: &str) -> Option<Self> {
        Self::with_password(name, url, ledger, question, "appliance-password-1").await
    }

    pub async fn with_password(name: &str, url: &str, ledger: &Ledger, question: &str, password: &str) -> Option<Self> {
        let file = plugin(name)?;
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-compiled");
        let settings = Settings { call_timeout_ms: 20_000, ..Settings::default() };
        let driver = Plugins::open_file(&settings, Some(&cache), &file).await.unwrap().unwrap();
        let bmc = Bmc { request_timeout_ms: 5_000, rate: 10_000, ..Bmc::default() };
        let broker = Broker::new(&bmc, Arc::new(MemoryPins::default())).unwrap();
        let login = Login { username: "farrier".to_owned(), password: Secret::new(password) };
        let auth = driver.plugin().info.auth[0].clone();
        let target = Target { origin: url.parse().unwrap(), pin: "appliance".to_owned(), auth, login: Some(login) };
        let mut lend = Lend::new(broker.endpoint(&target).unwrap(), Gate::detached(Effect::Look));
        lend.questions = vec![question.to_owned()];
        lend.secrets =
            Secrets::none().grant("bmc-username", Secret::new("root")).grant("bmc-password", Secret::new(BMC_PASSWORD));
        Some(Self { driver, lend, broker, ledger: ledger.clone() })
    }

    /// Register, with whatever password is granted now.
    pub async fn register(&self, server: &ServerRef) -> Result<Completion, CallError> {
        self.driver.register(&self.lend, server, &access()).await
    }

    /// Wait for the end of a job, looking more often than it asks for.
    pub async fn end(&self, completion: Completion) -> Result<String, Error> {
        let Completion::Pending(job) = completion else { return Ok("done".to_owned()) };
        self.job_end(&job).await
    }

    pub async fn job_end(&self, job: &Job) -> Result<String, Error> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.driver.poll(&self.lend, job).await {
                Ok(JobState::Succeeded(text)) => return Ok(text),
                Ok(JobState::Failed(error)) | Err(CallError::Plugin(error)) => return Err(error),
                Ok(JobState::Running(_)) => {}
                Err(other) => panic!("{other}"),
            }
            assert!(Instant::now() < deadline, "the job has no end: {job:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Update until there is nothing left to do; how often something was started or waited for.
    pub async fn update_all(&self, server: &ServerRef, baseline: Option<&str>) -> usize {
        for round in 0..5 {
            match self.driver.update_firmware(&self.lend, server, baseline).await.unwrap() {
                Completion::Done => return round,
                pending @ Completion::Pending(_) => self.end(pending).await.unwrap(),
            };
        }
        panic!("the update has no end")
    }

    pub fn count(&self, kind: Kind) -> u64 {
        self.ledger.report().total(kind)
    }

    pub fn violations(&self) -> Vec<String> {
        self.ledger.report().violations.into_iter().map(|one| one.text).collect()
    }
}

pub fn access() -> BmcAccess {
    BmcAccess { username_secret: "bmc-username".to_owned(), password_secret: "bmc-password".to_owned() }
}

/// The server of a machine, by its place.
pub fn server(at: usize) -> ServerRef {
    let machine = &machines()[at];
    ServerRef {
        id: format!("server-{at}"),
        name: format!("AMS-SRV-{at:03}"),
        serial: Some(machine.serial.clone()),
        bmc_mac: Some(machine.mac.clone()),
        bmc_address: Some(machine.address.clone()),
        site: Some("ams".to_owned()),
    }
}

/// The plugin's own error.
pub fn plugin_error<T: std::fmt::Debug>(result: Result<T, CallError>) -> Error {
    match result {
        Err(CallError::Plugin(error)) => error,
        other => panic!("not an error of the plugin: {other:?}"),
    }
}
