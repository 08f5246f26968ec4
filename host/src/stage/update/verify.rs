//! After an image was written: what must restart is restarted once, and the version is awaited.
//!
//! Promises that only a staged image restarts anything, that a server that was off is off again, and that without the version within its
//! time the image is written again once and then a person must look. The guard refuses a restart of an active server; none comes here.

use farrier_lifecycle::{Outcome, Retry, Timestamp};

use super::flash::{Flash, TRIES, is_there, unsettled};
use super::memo::{Becomes, Phase, Restart, StepMemo};
use super::pull;
use crate::egress::now;
use crate::plugin::wit::bmc_driver::{Inventory, PowerAction};
use crate::plugin::wit::types::ResetKind;
use crate::stage::Stop;
use crate::stage::evidence::{self, Kind};
use crate::stage::power::power;

/// Between two looks at the power state, milliseconds.
const POWER_LOOK: u64 = 2_000;

impl Flash<'_> {
    /// Restart what the staged image waits for.
    pub(super) async fn restart(&mut self, mut step: StepMemo) -> Result<Option<Outcome>, Stop> {
        let look = POWER_LOOK.min(self.policy.look_ms);
        match (step.reset, &step.phase) {
            (Some(Restart::Bmc), _) => {
                self.work.say(format!("restarting the controller for {}", step.what()));
                self.driver.reset(&self.lend, ResetKind::Bmc).await?;
            }
            (Some(Restart::Host), Phase::Restart) => {
                self.work.say(format!("switching off for {}", step.what()));
                power(self.work, &self.driver, &self.lend, PowerAction::Off, look).await?;
                step.phase = Phase::Start;
                self.commit(step).await?;
                return Ok(None);
            }
            (Some(Restart::Host), _) => {
                self.work.say(format!("switching on for {}", step.what()));
                power(self.work, &self.driver, &self.lend, PowerAction::On, look).await?;
            }
            (None, _) => {}
        }
        step.becomes = Becomes::Restarted;
        step.phase = Phase::Settle { since: now() };
        self.commit(step).await?;
        Ok(None)
    }

    /// Is the version there by now?
    pub(super) async fn settle(&mut self, mut step: StepMemo, since: Timestamp) -> Result<Option<Outcome>, Stop> {
        let late = now().since(since) >= self.policy.settle_ms;
        let inventory = match self.driver.read_inventory(&self.lend).await {
            Ok(inventory) => inventory,
            Err(error) if error.retry() != Retry::Never && !late => {
                return self.wait(step, self.policy.look_ms, "the controller is away after the update");
            }
            Err(error) => return Err(error.into()),
        };
        if is_there(&step, &inventory) {
            return self.proved(step, inventory).await;
        }
        if !late {
            return self.wait(step, self.policy.look_ms, "waiting for the new version");
        }
        if step.tries < TRIES {
            step.tries += 1;
            (step.phase, step.becomes) = (Phase::Apply, Becomes::Itself);
            self.commit(step).await?;
            return Ok(None);
        }
        let is = inventory.firmware.iter().find(|one| one.id == step.component).map(|one| one.version.clone());
        let is = is.unwrap_or_else(|| "not there".to_owned());
        let text = format!("was written {TRIES} times, and the controller still shows {is}");
        Err(unsettled(&step.what(), &text).into())
    }

    /// The controller shows it.
    pub(super) async fn proved(&mut self, step: StepMemo, inventory: Inventory) -> Result<Option<Outcome>, Stop> {
        self.work.keep(Kind::Inventory, evidence::inventory(&inventory)).await?;
        if step.was_off {
            power(self.work, &self.driver, &self.lend, PowerAction::Off, POWER_LOOK.min(self.policy.look_ms)).await?;
        }
        pull::end(self.work, step.pull.clone()).await;
        self.memo.flashed.push(format!("{} (was {})", step.what(), step.from));
        self.memo.step = None;
        self.work.checkpoint(&self.memo, true).await?;
        Ok(None)
    }
}
