//! Runs the stages: takes commands, keeps their leases, commits their outcomes.
//!
//! The rules, each paid for: a permit is taken before an entry is read; recovery has permits of its own; a lost lease cancels the
//! attempt; a server has one attempt at a time here, whatever the store delivers; a heartbeat goes before each take-over; a drain stops
//! reading first, waits, then hands back. The worker decides nothing: what an outcome means is `step`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_lifecycle::{Blame, Event, Fault, Outcome, Retry, Server, Stage};
use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::held::{Held, HeldLeases};
use super::{Parts, Work};
use crate::bus::{ApplyError, Begin, BusError, Entry, EntryBody, Fence, Origin};

/// How long one blocking read of the streams lasts.
const READ_WAIT: Duration = Duration::from_secs(2);
/// Between two looks at timers that are due.
const TIMER_TICK: Duration = Duration::from_millis(200);
/// After an error of the store, before it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What reads the stages' streams and runs them.
#[derive(Clone)]
pub struct Worker {
    parts: Arc<Parts>,
    held: HeldLeases,
    permits: Arc<Semaphore>,
    recovery: Arc<Semaphore>,
    tasks: TaskTracker,
    lease: Duration,
}

impl Worker {
    /// A worker over these parts.
    pub fn new(parts: Arc<Parts>) -> Self {
        let settings = &parts.config.lifecycle;
        Self {
            held: HeldLeases::default(),
            permits: Arc::new(Semaphore::new(settings.permits)),
            recovery: Arc::new(Semaphore::new(settings.recovery_permits)),
            tasks: TaskTracker::new(),
            lease: Duration::from_millis(settings.lease_ms),
            parts,
        }
    }

    /// Work until `shutdown`, then drain: attempts under way get the configured grace, the rest is handed back.
    pub async fn run(self, shutdown: CancellationToken) {
        let beats = CancellationToken::new();
        let loops = TaskTracker::new();
        loops.spawn(self.clone().take_loop(shutdown.clone()));
        loops.spawn(self.clone().reap_loop(shutdown.clone()));
        loops.spawn(self.clone().timer_loop(shutdown.clone()));
        let beating = tokio::spawn(self.clone().beat_loop(beats.clone()));
        loops.close();
        loops.wait().await;
        self.drain().await;
        beats.cancel();
        let _ = beating.await;
    }

    async fn drain(&self) {
        self.held.close();
        self.tasks.close();
        let grace = Duration::from_millis(self.parts.config.lifecycle.grace_ms);
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            // Each attempt hands its own command back, so that none waits for another's.
            self.held.cancel();
            self.tasks.wait().await;
        }
    }

    async fn take_loop(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let Some(Ok(first)) = shutdown.run_until_cancelled(self.permits.clone().acquire_owned()).await else {
                return;
            };
            let mut permits = vec![first];
            while let Ok(more) = self.permits.clone().try_acquire_owned() {
                permits.push(more);
            }
            let read = self.parts.bus.take(&Stage::WORKED, permits.len(), READ_WAIT);
            // A read that is dropped half-way may have taken entries: it is left to end by itself, which its wait bounds.
            match read.await {
                Ok(entries) => {
                    for (entry, permit) in entries.into_iter().zip(permits) {
                        let worker = self.clone();
                        self.tasks.spawn(async move {
                            worker.handle(entry).await;
                            drop(permit);
                        });
                    }
                }
                Err(error) => self.store_failed("read", &error, &shutdown).await,
            }
        }
    }

    async fn reap_loop(self, shutdown: CancellationToken) {
        let mut tick = interval(Duration::from_millis(self.parts.config.lifecycle.lease_ms.clamp(100, 4_000) / 4));
        while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
            let mut permits = Vec::new();
            while let Ok(permit) = self.recovery.clone().try_acquire_owned() {
                permits.push(permit);
            }
            // After a gap (a stopped process, a suspended machine, a clock that was set) what is held here has run out in the store, and would
            // be taken over from this very process: it is beaten first.
            if permits.is_empty() || !self.beat().await {
                continue;
            }
            match self.parts.bus.reap(permits.len()).await {
                Ok(entries) => {
                    for (entry, permit) in entries.into_iter().zip(permits) {
                        tracing::warn!(entry = entry.id, stage = %entry.stage, "command taken over from a lost worker");
                        let worker = self.clone();
                        self.tasks.spawn(async move {
                            worker.handle(entry).await;
                            drop(permit);
                        });
                    }
                }
                Err(error) => self.store_failed("reap", &error, &shutdown).await,
            }
        }
    }

    async fn timer_loop(self, shutdown: CancellationToken) {
        let mut tick = interval(TIMER_TICK);
        while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
            match self.parts.bus.due(64).await {
                Ok(due) => {
                    for timer in due {
                        if let Err(error) = self.fire(&timer.server).await {
                            tracing::warn!(server = %timer.server, %error, "timer not fired; it stays due");
                        }
                    }
                }
                Err(error) => self.store_failed("timers", &error, &shutdown).await,
            }
        }
    }

    async fn fire(&self, id: &farrier_lifecycle::ServerId) -> Result<(), ApplyError> {
        let Some(server) = self.parts.bus.read(id).await? else { return Ok(()) };
        let event = Event::TimerFired { token: server.token() };
        self.parts.apply(id, &event, Origin::Outside).await.map(drop)
    }

    async fn beat_loop(self, end: CancellationToken) {
        let mut tick = interval(Duration::from_millis(self.parts.config.lifecycle.beat_ms));
        while end.run_until_cancelled(tick.tick()).await.is_some() {
            self.beat().await;
        }
    }

    /// Extend what is held; whether the store answered.
    async fn beat(&self) -> bool {
        let held = self.held.all();
        if held.is_empty() {
            return true;
        }
        let fences: Vec<_> = held.iter().map(|held| held.fence.clone()).collect();
        let sent = Instant::now();
        match self.parts.bus.beat(&fences).await {
            Ok(still) => {
                for (held, still) in held.iter().zip(still) {
                    held.beaten(still, sent, self.lease);
                }
                true
            }
            Err(error) => {
                self.held.in_doubt();
                tracing::warn!(%error, "heartbeat failed; no effect starts until one is confirmed");
                false
            }
        }
    }

    async fn store_failed(&self, what: &'static str, error: &BusError, shutdown: &CancellationToken) {
        tracing::warn!(what, %error, "the store does not serve; trying again");
        shutdown.run_until_cancelled(sleep(STORE_PAUSE)).await;
    }

    async fn handle(&self, entry: Entry) {
        if let EntryBody::Foreign(fields) = &entry.body {
            if let Err(error) = self.parts.foreign.take_in(&self.parts, &entry, fields).await {
                tracing::warn!(entry = entry.id, %error, "foreign entry not taken in; it comes again");
            }
            return;
        }
        let sent = Instant::now();
        match self.parts.bus.begin(&entry).await {
            Ok(Begin::Run { server, fence }) => {
                let held = self.held.add(fence, sent, self.lease);
                self.held.alone(&held).await;
                self.attempt(*server, &held).await;
                self.held.remove(&held.fence);
            }
            Ok(Begin::Poison { server, fence, takeovers }) => {
                let event = Event::WorkerLost { token: fence.token, takeovers };
                self.commit(&server, &event, &fence).await;
            }
            Ok(Begin::Stale | Begin::Parked) => {}
            Err(error) => {
                tracing::warn!(entry = entry.id, %error, "command not begun; it is taken over when its lease ends");
            }
        }
    }

    async fn attempt(&self, server: Server, held: &Arc<Held>) {
        let work = Work::new(self.parts.clone(), server, held.clone());
        let stage = held.fence.stage;
        let running = std::panic::AssertUnwindSafe(super::run(stage, &work)).catch_unwind();
        let Some(ended) = held.cancel.run_until_cancelled(running).await else {
            tracing::warn!(server = %held.fence.server, %stage, "attempt cancelled: its lease is gone, it is not wanted any more, or the host stops");
            return self.give_back(&held.fence).await;
        };
        let outcome = match ended {
            Ok(Ok(outcome)) => outcome,
            // The lease is gone, or the store is: nothing this attempt says counts.
            Ok(Err(lost)) => {
                tracing::warn!(server = %held.fence.server, %stage, %lost, "attempt abandoned");
                // A store that refuses the same each time must not have the stage repeated without a pause.
                held.cancel.run_until_cancelled(sleep(STORE_PAUSE)).await;
                return self.give_back(&held.fence).await;
            }
            Err(_) => Outcome::Failed(
                Fault::new("host-panic", Retry::Backoff, Blame::Host, format!("the {stage} stage panicked"))
                    .hint("this is a bug of Farrier: please report it with the host's log"),
            ),
        };
        let server = work.into_server();
        self.commit(&server, &Event::Outcome { token: held.fence.token, outcome }, &held.fence).await;
    }

    /// Where the lease is still held, this frees the server at once for what is wanted of it; otherwise it does nothing.
    async fn give_back(&self, fence: &Fence) {
        if let Err(error) = self.parts.bus.hand_back(fence).await {
            tracing::warn!(server = %fence.server, %error, "command not handed back; it is taken over when its lease ends");
        }
    }

    /// Commit an outcome; a store that is away is asked again as long as the lease can last.
    async fn commit(&self, server: &Server, event: &Event, fence: &Fence) {
        let deadline = Instant::now() + self.lease;
        loop {
            match self.parts.apply(&server.id, event, Origin::Attempt(fence)).await {
                Ok(_) => return,
                Err(ApplyError::Bus(error @ BusError::Unreachable(_))) if Instant::now() < deadline => {
                    tracing::warn!(server = server.label(), %error, "outcome not committed yet");
                    sleep(STORE_PAUSE / 4).await;
                }
                Err(error) => {
                    tracing::warn!(server = server.label(), %error, "outcome not committed; the attempt is repeated");
                    sleep(STORE_PAUSE).await;
                    return self.give_back(fence).await;
                }
            }
        }
    }
}
