//! The leases this process holds on commands, and whether they can still be trusted.
//!
//! A lease counts from when its last confirmed heartbeat was *sent*, on the monotonic clock. While the link to the store is in
//! doubt it counts for nothing: no effect starts until a heartbeat is confirmed.
//!
//! Leases are kept by owner and not by entry: after a gap (a stopped process, a clock that was set) the store may deliver an entry again
//! whose attempt still runs here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_lifecycle::Token;
use tokio_util::sync::CancellationToken;

use crate::bus::Fence;
use crate::egress::LeaseClock;

/// The lease of one attempt under way.
pub struct Held {
    /// What the store knows it by.
    pub fence: Fence,
    /// Cancelled when the lease is lost, or when the host drains.
    pub cancel: CancellationToken,
    /// Cancelled when the attempt is over.
    ended: CancellationToken,
    trusted: Mutex<Trust>,
}

/// Until when, and whether that still counts.
struct Trust {
    until: Instant,
    confirmed: bool,
}

impl Held {
    fn trust(&self) -> std::sync::MutexGuard<'_, Trust> {
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// What a heartbeat sent at `sent` came to: `still` held, or lost.
    pub fn beaten(&self, still: bool, sent: Instant, lease: Duration) {
        if still {
            *self.trust() = Trust { until: sent + lease, confirmed: true };
        } else {
            self.cancel.cancel();
        }
    }
}

impl LeaseClock for Held {
    fn holds_until(&self) -> Option<Instant> {
        let trust = self.trust();
        trust.confirmed.then_some(trust.until)
    }

    fn attempt(&self) -> Token {
        self.fence.token
    }
}

/// All leases of this process, by owner.
#[derive(Clone, Default)]
pub struct HeldLeases {
    inner: Arc<Mutex<Leases>>,
}

#[derive(Default)]
struct Leases {
    held: HashMap<String, Arc<Held>>,
    closed: bool,
}

impl HeldLeases {
    fn leases(&self) -> std::sync::MutexGuard<'_, Leases> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remember a lease taken by a call that was sent at `sent` and lasts `lease`. Once closed, it is cancelled from the start.
    pub fn add(&self, fence: Fence, sent: Instant, lease: Duration) -> Arc<Held> {
        let held = Arc::new(Held {
            fence,
            cancel: CancellationToken::new(),
            ended: CancellationToken::new(),
            trusted: Mutex::new(Trust { until: sent + lease, confirmed: true }),
        });
        let mut leases = self.leases();
        if leases.closed {
            held.cancel.cancel();
        }
        leases.held.insert(held.fence.owner.clone(), held.clone());
        held
    }

    /// Wait until this attempt is the only one of its server here. An earlier one has lost its lease to it, and is cancelled; where it is the
    /// earlier one itself, it is the one cancelled.
    pub async fn alone(&self, held: &Held) {
        let order = |one: &Held| (one.fence.epoch, one.fence.owner.clone());
        let mut others = self.all();
        others.retain(|one| one.fence.server == held.fence.server && one.fence.owner != held.fence.owner);
        for other in others {
            if order(&other) > order(held) {
                return held.cancel.cancel();
            }
            other.cancel.cancel();
            held.cancel.run_until_cancelled(other.ended.cancelled()).await;
        }
    }

    /// The attempt is over, one way or the other.
    pub fn remove(&self, fence: &Fence) {
        if let Some(held) = self.leases().held.remove(&fence.owner) {
            held.ended.cancel();
        }
    }

    /// Everything held now.
    pub fn all(&self) -> Vec<Arc<Held>> {
        self.leases().held.values().cloned().collect()
    }

    /// The host drains: what is begun from now on is only handed back.
    pub fn close(&self) {
        self.leases().closed = true;
    }

    /// Cancel all that is held.
    pub fn cancel(&self) {
        for held in self.all() {
            held.cancel.cancel();
        }
    }

    /// A heartbeat failed: nothing is known. What ran out in the meantime is lost.
    pub fn in_doubt(&self) {
        for held in self.all() {
            let mut trust = held.trust();
            trust.confirmed = false;
            if trust.until <= Instant::now() {
                held.cancel.cancel();
            }
        }
    }
}
