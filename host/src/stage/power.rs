//! Power as the stages use it: asked for, then read until it is so.

use farrier_lifecycle::{Blame, Fault, Retry};

use super::{Stop, Work};
use crate::plugin::wit::bmc_driver::{PowerAction, PowerState};
use crate::plugin::{Driver, Lend};

/// How long a power state may take to change, milliseconds.
const WAIT: u64 = 120_000;

/// Ask for a power state unless it is there or on its way, and read every `poll_ms` until it is there.
pub async fn power(work: &Work, driver: &Driver, lend: &Lend, action: PowerAction, poll_ms: u64) -> Result<(), Stop> {
    let (there, coming) = match action {
        PowerAction::On => (PowerState::On, PowerState::PoweringOn),
        PowerAction::Off | PowerAction::Soft => (PowerState::Off, PowerState::PoweringOff),
    };
    let mut state = driver.get_power(lend).await?;
    if state != there && state != coming {
        driver.set_power(lend, action).await?;
    }
    let mut waited = 0;
    loop {
        state = driver.get_power(lend).await?;
        if state == there {
            return Ok(());
        }
        if waited >= WAIT {
            let text = format!("asked for {there:?}, still {state:?} after {} s", WAIT / 1000);
            return Err(Fault::new("power-stuck", Retry::Backoff, Blame::Controller, text).into());
        }
        work.pause(poll_ms).await;
        waited = waited.saturating_add(poll_ms.max(1));
    }
}
