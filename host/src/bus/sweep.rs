//! Finds lost commands: now and then, on one of the hosts.
//!
//! Promises that a server whose record says running while its command stands nowhere goes on without a restart. That should never be so;
//! where it is, the store says which server it was in the log.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Bus;

/// Between two looks.
pub const SWEEP: Duration = Duration::from_hours(1);

/// Look each time `every` has passed, until the token is cancelled. At the start of a host [`Bus::check`] does.
pub async fn run(bus: Arc<dyn Bus>, every: Duration, stop: CancellationToken) {
    // A little shorter, so that the same host finds the role free the next time, and another one if this one is gone.
    let term = every.saturating_sub(every / 60);
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        let swept = match bus.elect("sweep", term).await {
            Ok(true) => bus.sweep().await,
            Ok(false) => Ok(0),
            Err(error) => Err(error),
        };
        match swept {
            Ok(0) => {}
            Ok(swept) => tracing::warn!(swept, "commands stood on no stream and were published again"),
            Err(error) => tracing::warn!(%error, "lost commands are looked for later"),
        }
    }
}
