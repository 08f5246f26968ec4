//! `/metrics`: what Prometheus scrapes, from what is in memory.
//!
//! Promises that a scrape asks neither a controller nor the store, whatever the size of the fleet; that whoever sees some servers only is shown
//! theirs alone and nothing of the host; that names, labels and the number of series are those of `docs/reference/metrics.md`. Does not:
//! keep history; that is Prometheus's.
//!
//! Not obvious: a scrape first takes references to everything it shows, then writes without a lock: a slow reader holds up nobody.

mod counts;
pub mod families;
mod host;
mod known;
mod servers;
mod store;
mod totals;
mod view;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use farrier_lifecycle::{ServerId, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

pub use self::view::View;
use crate::bus::BusError;
use crate::fleet::{Change, Fleet, Place, Row};
use crate::monitor::Cache;
use crate::plugin::Calls;
use crate::stage::Parts;

/// Servers whose evidence is read again each second, beside those that moved: a part of all, and at least so many.
const AGAIN: usize = 8;
/// Seconds in which all have had their turn.
const ROUND: usize = 600;
/// Entries read at once where the stream of changes was lost.
const PAGE: usize = 500;

/// See the module.
pub struct Metrics {
    parts: Arc<Parts>,
    fleet: Arc<Fleet>,
    /// What the monitor saw.
    pub cache: Arc<Cache>,
    counts: Arc<counts::Counts>,
    register: known::Register,
    store: RwLock<store::Store>,
}

impl Metrics {
    /// Over these servers. Calls of plugins are counted from now on, the rest when [`Metrics::run`] runs.
    pub fn new(parts: Arc<Parts>, fleet: Arc<Fleet>) -> Self {
        let counts = Arc::new(counts::Counts::default());
        parts.plugins.tell(counts.clone());
        Self {
            cache: Arc::new(Cache::new(parts.catalogue.clone())),
            parts,
            fleet,
            counts,
            register: known::Register::default(),
            store: RwLock::default(),
        }
    }

    /// Where calls of plugins are counted.
    pub fn counts(&self) -> Arc<dyn Calls> {
        self.counts.clone()
    }

    /// Everything to be shown to somebody who sees these servers; `whole`: and the host itself.
    pub fn view(&self, whole: bool, sees: impl Fn(&Row) -> bool, now: Timestamp) -> View {
        let rows = self.fleet.rows(sees);
        let snapshots = self.cache.all(rows.iter().map(|row| &row.server.id));
        let known = self.register.all(rows.iter().map(|row| &row.server.id));
        let lines = rows.into_iter().zip(snapshots).zip(known);
        let lines = view::lines(lines.map(|((row, snapshot), known)| (row, snapshot, known)));
        let host = whole.then(|| host::Host {
            store: self.store.read().unwrap_or_else(PoisonError::into_inner).clone(),
            leads: self.cache.leads(),
            polls: self.cache.polls(),
            lag: self.parts.projector.borrow().clone(),
            plugins: self.parts.plugins.list().to_vec(),
            counts: self.counts.clone(),
        });
        View::new(lines, host, now)
    }

    /// Keep everything current until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let reader = async {
            let mut reader = store::Reader::new(self.parts.bus.clone());
            loop {
                let store = reader.turn().await;
                *self.store.write().unwrap_or_else(PoisonError::into_inner) = store;
                tokio::time::sleep(store::OFTEN).await;
            }
        };
        let dirty = tokio::sync::Mutex::new(HashSet::new());
        let all = async { tokio::join!(reader, self.follow(&dirty), self.refresh(&dirty)) };
        stop.run_until_cancelled(all).await;
    }

    /// Count the journal, and note who moved.
    async fn follow(&self, dirty: &tokio::sync::Mutex<HashSet<ServerId>>) {
        let (mut cursor, mut changes) = self.fleet.watch();
        self.counts.begin(self.fleet.rows(|_| true).iter().map(|row| (row.server.id.clone(), row.server.stage)));
        loop {
            match changes.recv().await {
                Ok(Change::Transition(transition)) if Place::of(&transition.cursor) > Place::of(&cursor) => {
                    cursor.clone_from(&transition.cursor);
                    self.counts.take(&transition.entry);
                    dirty.lock().await.insert(transition.entry.server.clone());
                }
                Ok(Change::Transition(_)) => {}
                Ok(Change::Reset) => {
                    cursor = self.fleet.cursor();
                    let all = self.fleet.rows(|_| true);
                    dirty.lock().await.extend(all.iter().map(|row| row.server.id.clone()));
                }
                Err(RecvError::Lagged(_)) => {
                    if let Err(error) = self.catch_up(&mut cursor, dirty).await {
                        tracing::warn!(%error, "transitions are missing from the counters");
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Count from the journal itself what was missed.
    async fn catch_up(
        &self,
        cursor: &mut String,
        dirty: &tokio::sync::Mutex<HashSet<ServerId>>,
    ) -> Result<(), BusError> {
        loop {
            let page = self.parts.bus.journal(cursor, PAGE, Duration::ZERO).await?;
            let full = page.len() >= PAGE;
            let mut dirty = dirty.lock().await;
            for (at, entry) in page {
                *cursor = at;
                self.counts.take(&entry);
                dirty.insert(entry.server);
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Read what stages and the warranty book keep: of everyone once, then of those who moved, and of all others in turn.
    async fn refresh(&self, dirty: &tokio::sync::Mutex<HashSet<ServerId>>) {
        let mut queue: Vec<ServerId> = Vec::new();
        let mut first = true;
        loop {
            let moved: Vec<ServerId> = dirty.lock().await.drain().collect();
            let mut due = moved;
            if queue.is_empty() {
                let rows = self.fleet.rows(|_| true);
                queue = rows.iter().map(|row| row.server.id.clone()).collect();
                self.register.retain(&queue.iter().cloned().collect());
            }
            let share = if first { queue.len() } else { (queue.len() / ROUND).max(AGAIN).min(queue.len()) };
            due.extend(queue.drain(..share));
            first = false;
            while let Some(id) = due.pop() {
                let Some(row) = self.fleet.get(&id) else { continue };
                if let Err(error) = self.register.read(&self.parts, &row.server).await {
                    tracing::debug!(%error, "what is kept of a server is not read; it is tried again");
                    dirty.lock().await.extend(due.drain(..).chain([id]));
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
