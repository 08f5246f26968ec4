//! Runs Ansible playbooks that harden controllers, without ever giving them a controller.
//!
//! A playbook gets a loopback HTTPS endpoint of this host and a one-time credential, good for one run and one server; behind it the
//! broker logs in, pins, guards and limits as it does for plugins. So a run that outlives a killed host can reach nothing. Secrets are in
//! the environment of the run, never on its command line.

mod command;
mod events;
mod loopback;
mod process;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::config::{Ansible, ControlPolicy};
use crate::egress::{Effect, Gate};
use crate::fault::{Blame, Fault, Retry};
use crate::plugin::wit::types::ResetKind;
use crate::plugin::{CallError, Lend};
use farrier_lifecycle::Action;

pub use loopback::Loopback;

/// What to harden, and to what.
#[derive(Clone, Debug)]
pub struct Hardening {
    /// The inventory's name for the server: the host name in the playbook.
    pub name: String,
    /// The driver: the playbook picks its tasks by it.
    pub driver: String,
    /// The baseline.
    pub controls: Vec<ControlPolicy>,
}

/// A run that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// For the journal: tasks in all, and which changed something.
    pub summary: String,
    /// Names of the tasks that changed something, in order.
    pub changed: Vec<String>,
    /// What must restart before the changes hold, as the playbook's fact `farrier_pending_reset` says.
    pub pending_reset: Option<ResetKind>,
}

/// Starts playbooks, a few at a time.
#[derive(Clone)]
pub struct Runner {
    program: String,
    playbook: PathBuf,
    timeout: Duration,
    runs: Arc<Semaphore>,
}

impl Runner {
    /// Check that the program is there; it is found once, by path, so that a later change of `PATH` changes nothing.
    ///
    /// # Errors
    /// `ansible-missing`.
    pub fn new(settings: &Ansible) -> Result<Self, Fault> {
        let program = process::find(&settings.program).ok_or_else(|| {
            let text = format!("`{}` is not installed", settings.program);
            Fault::new("ansible-missing", Retry::Never, Blame::Operator, text)
                .hint("install Ansible, or remove the [ansible] section: drivers harden by themselves")
        })?;
        let playbook = std::path::absolute(&settings.playbook).unwrap_or_else(|_| settings.playbook.clone());
        let timeout = Duration::from_millis(settings.timeout_ms);
        Ok(Self { program, playbook, timeout, runs: Arc::new(Semaphore::new(settings.runs.max(1))) })
    }

    /// Harden one controller; `say` gets a line for each task. Dropping the future stops the run and everything it started.
    ///
    /// # Errors
    /// The guard's refusal; `credentials-refused`; `playbook-failed` with the controller's words; `playbook-broken`, `playbook-timeout`.
    pub async fn harden(
        &self,
        what: &Hardening,
        lend: &Lend,
        say: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Ran, Fault> {
        let gate = Gate { grant: Effect::Act(Action::Harden), ..lend.gate.clone() };
        let _one_of_few = self.runs.acquire().await;
        gate.pass(false, Duration::from_secs(5)).await.map_err(|denied| CallError::Refused(denied).fault())?;
        let failed = |error: std::io::Error| {
            Fault::new("playbook", Retry::Backoff, Blame::Host, format!("run the playbook: {error}"))
        };
        let door = Loopback::start(lend.endpoint.clone(), gate).await.map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("farrier-ansible-").tempdir().map_err(failed)?;
        let command = command::command(&self.program, &self.playbook, what, &door, folder.path())?;
        let ran = tokio::time::timeout(self.timeout, process::run(command, say)).await;
        // What the guard or the login refused is why the playbook failed, however the playbook tells it.
        if let Some(refused) = door.refused() {
            return Err(refused.fault());
        }
        let report = ran.map_err(|_| {
            let text = format!("the playbook ran longer than {} s", self.timeout.as_secs());
            Fault::new("playbook-timeout", Retry::Backoff, Blame::Operator, text)
                .hint("what it did is unknown: it is run again and audited")
        })?;
        report.map_err(failed)?.judge()
    }
}
