//! The stages of the lifecycle, one file each, and the worker that runs them.
//!
//! A stage reads what it needs, does its work through a plugin or a playbook, and returns an outcome. It changes no record and
//! writes no inventory; [`Work::checkpoint`] is its only way to the store.

mod assign;
mod baseline;
pub mod boot_token;
mod cabling;
mod compare;
mod discover;
pub mod evidence;
mod fleet;
mod foreign;
mod harden;
mod held;
mod leave;
mod mark;
mod monitor;
mod poll;
mod ports;
mod power;
mod progress;
mod provisioner;
mod reach;
mod report;
mod retire;
pub mod update;
mod validate;
mod work;
mod worker;

use std::pin::Pin;
use std::sync::Arc;

use farrier_lifecycle::{Event, Lease, Outcome, Policy, ServerId, Stage};

pub use foreign::{Foreign, ForeignReader, NotALease};
pub use leave::{Plan as LeavePlan, plan as leaving};
pub use mark::Mark;
pub use progress::ProgressBoard;
pub use reach::looking;
pub use report::{MAX_BYTES as MAX_REPORT_BYTES, parse as parse_report};
pub use work::{Lost, Stop, Work};
pub use worker::Worker;

use crate::ansible::Runner;
use crate::bus::{self, Applied, ApplyError, Bus, Entry, Origin};
use crate::config::Config;
use crate::egress::now;
use crate::firmware::Catalogue;
use crate::inventory::{Inventory, Lag};
use crate::plugin::{Broker, Plugins};

/// What the stages work with; one for each host.
pub struct Parts {
    /// The whole configuration.
    pub config: Arc<Config>,
    /// The numbers of `step`.
    pub policy: Policy,
    /// The store.
    pub bus: Arc<dyn Bus>,
    /// What should exist.
    pub inventory: Arc<dyn Inventory>,
    /// The plugins loaded at start-up.
    pub plugins: Plugins,
    /// Which firmware servers should have.
    pub catalogue: Arc<Catalogue>,
    /// The way to controllers.
    pub broker: Broker,
    /// Hardening by playbook, where configured.
    pub ansible: Option<Runner>,
    /// Only look, whatever a stage would do.
    pub observe: bool,
    /// Reads leases that other programs put on the bus.
    pub foreign: Foreign,
    /// What running attempts say.
    pub progress: ProgressBoard,
    /// How the projector of this process stands.
    pub projector: tokio::sync::watch::Receiver<Lag>,
}

impl Parts {
    /// Say what an event means for a server, and commit it.
    pub async fn apply(&self, id: &ServerId, event: &Event, origin: Origin<'_>) -> Result<Applied, ApplyError> {
        bus::apply(&*self.bus, id, event, &self.policy, now(), origin).await
    }

    /// Take a lease in, with the entry it came in, if any.
    pub async fn lease(&self, lease: &Lease, entry: Option<&Entry>) -> Result<Applied, ApplyError> {
        bus::apply_lease(&*self.bus, lease, &self.policy, now(), entry).await
    }
}

/// Run one attempt of a stage.
pub async fn run(stage: Stage, work: &Work) -> Result<Outcome, Lost> {
    // Boxed: the worker's frame is not as large as the largest of them.
    let running: Pin<Box<dyn Future<Output = Result<Outcome, Stop>> + Send + '_>> = match stage {
        Stage::Discover => Box::pin(discover::run(work)),
        Stage::Validate => Box::pin(validate::run(work)),
        Stage::Update => Box::pin(update::run(work)),
        Stage::Harden => Box::pin(harden::run(work)),
        Stage::Monitor => Box::pin(monitor::run(work)),
        Stage::Assign => return Ok(assign::run(work)),
        Stage::Retire => Box::pin(retire::run(work)),
        Stage::Service | Stage::Retired => return Ok(Outcome::Rest),
    };
    match running.await {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Fault(fault)) => Ok(Outcome::Failed(fault)),
        Err(Stop::Lost(lost)) => Err(lost),
    }
}
