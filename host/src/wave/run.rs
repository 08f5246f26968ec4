//! The desk at work: elected, it moves running waves.
//!
//! Promises that one host of a store moves waves at a time, but for the moment in which the role moves; `pass.rs` says why that does no
//! harm.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Desk, WaveError};

/// The role's name.
const ROLE: &str = "waves";
/// A host that is silent for so long loses the role.
const TERM: Duration = Duration::from_secs(15);
/// Between two renewals of the role, and two tries for it.
const RENEW: Duration = Duration::from_secs(3);
/// Between two passes while a wave runs.
const BUSY: Duration = Duration::from_millis(500);
/// Between two passes while none does.
const IDLE: Duration = Duration::from_secs(2);

impl Desk {
    /// Work until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut asked: Option<(Instant, bool)> = None;
        loop {
            let pause = match stop.run_until_cancelled(self.turn(&mut asked)).await {
                None => return,
                Some(Ok(true)) => BUSY,
                Some(Ok(false)) => IDLE,
                Some(Err(error)) => {
                    tracing::warn!(%error, code = error.code(), "firmware waves wait");
                    asked = None;
                    IDLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Move what runs, if the role is this host's; whether anything runs.
    async fn turn(&self, asked: &mut Option<(Instant, bool)>) -> Result<bool, WaveError> {
        let mine = match *asked {
            Some((at, mine)) if at.elapsed() < RENEW => mine,
            _ => {
                let mine = self.bus.elect(ROLE, TERM).await?;
                *asked = Some((Instant::now(), mine));
                mine
            }
        };
        if mine { self.pass().await } else { Ok(false) }
    }
}
