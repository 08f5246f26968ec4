//! The rounds: at start and every hour, every server is compared with what NetBox has of it.
//!
//! Finds what no webhook told of. Reads NetBox in bulk first and looks twice only at what seems to differ, so that ten thousand
//! servers cost a few hundred requests. One process at a time; nothing is written but the differences.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use farrier_lifecycle::ServerId;
use tokio_util::sync::CancellationToken;

use super::look::{LookError, Looked, look};
use super::{PREFIX, kept};
use crate::bus::Bus;
use crate::inventory::Inventory;

/// Servers compared in one go.
const CHUNK: usize = 200;

/// Numbers of the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// From one round to the next.
    pub every: Duration,
    /// Before what was moving is looked at again, and before another try when NetBox or the store is away.
    pub pause: Duration,
    /// Looks at what is moving, in one round.
    pub looks: u32,
    /// How long the role is held without word.
    pub role: Duration,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { every: Duration::from_hours(1), pause: Duration::from_secs(30), looks: 5, role: Duration::from_mins(2) }
    }
}

/// Go round until `stop`.
pub async fn run(bus: Arc<dyn Bus>, inventory: Arc<dyn Inventory>, rounds: Rounds, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let round = round(&*bus, &*inventory, rounds);
        let pause = match stop.run_until_cancelled(round).await {
            None => return,
            Some(Ok(true)) => rounds.every,
            // Another process is at it; it may die.
            Some(Ok(false)) => rounds.every.min(rounds.role),
            Some(Err(error)) => {
                tracing::warn!(%error, "NetBox and the records were not compared; trying again");
                rounds.pause
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// One round; false: another process does it.
pub async fn round(bus: &dyn Bus, inventory: &dyn Inventory, rounds: Rounds) -> Result<bool, LookError> {
    if !bus.elect("drift", rounds.role).await? {
        return Ok(false);
    }
    let mut doubtful: Vec<ServerId> = Vec::new();
    let kept_now: HashSet<String> = bus.keys(PREFIX).await?.into_iter().map(|(key, _)| key).collect();
    let is_kept = |id: &ServerId| kept_now.contains(&format!("{PREFIX}{id}"));
    let servers = bus.list().await?;
    let here: HashSet<ServerId> = servers.iter().map(|server| server.id.clone()).collect();
    for chunk in servers.chunks(CHUNK) {
        if !bus.elect("drift", rounds.role).await? {
            return Ok(false);
        }
        for (id, differences) in inventory.differences(chunk).await.map_err(LookError::Inventory)? {
            if !differences.is_empty() || is_kept(&id) {
                doubtful.push(id);
            }
        }
    }
    // The looks may take minutes: whole records are not kept for them.
    drop(servers);
    for looked in 0..rounds.looks {
        if looked > 0 {
            tokio::time::sleep(rounds.pause).await;
        }
        let mut moving = Vec::new();
        for id in doubtful {
            bus.elect("drift", rounds.role).await?;
            if look(bus, inventory, &id, None).await? == Looked::Moving {
                moving.push(id);
            }
        }
        doubtful = moving;
        if doubtful.is_empty() {
            break;
        }
    }
    forget(bus, &here).await?;
    Ok(true)
}

/// Differences of servers that are no more.
async fn forget(bus: &dyn Bus, here: &HashSet<ServerId>) -> Result<(), LookError> {
    for (key, _) in bus.keys(PREFIX).await? {
        if let Ok(id) = key.trim_start_matches(PREFIX).parse::<ServerId>()
            && !here.contains(&id)
            && !kept(bus, &id).await?.is_empty()
        {
            bus.set(&key, None, None).await?;
        }
    }
    Ok(())
}
