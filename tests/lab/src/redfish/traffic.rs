//! How many requests a controller has at once.
//!
//! Promises the most there ever were, from a request's arrival to its answer, logins included.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one controller.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    inside: AtomicU64,
    most: AtomicU64,
    all: AtomicU64,
}

/// One request, until it is dropped.
pub(super) struct Inside<'a>(&'a Traffic);

impl Traffic {
    /// A request has come.
    pub(super) fn enter(&self) -> Inside<'_> {
        self.all.fetch_add(1, Ordering::Relaxed);
        let now = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Inside(self)
    }

    /// The most at once.
    pub(super) fn most(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }

    /// All there were.
    pub(super) fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}
