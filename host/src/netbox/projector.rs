//! Follows the journal and writes it into the inventory: the only writer, elected, with a cursor in the store.
//!
//! Promises that every transition is written in the order of its server, however long the inventory is away and wherever the process dies:
//! the cursor moves only past what is written or kept as drift, and writing is repeatable. Several transitions of one server are
//! one write of its present state. A server the inventory refuses does not hold up the others.
//!
//! Whose fault a failure is decides: where the inventory as a whole does not work, everything waits with backoff; where it works and one
//! server fails, that server's transitions are kept as drift and tried again later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_lifecycle::{Fault, JournalEntry, Retry, ServerId};
use futures_util::StreamExt as _;
use tokio::sync::watch;

use super::{drift, support};
use crate::egress::now;
pub use crate::inventory::Lag;
use crate::inventory::{Inventory, JournalSource};

/// Where the cursor is kept in the store.
pub const CURSOR: &str = "netbox:cursor";

/// Answers about support looked at in one turn.
const ANSWERS: usize = 50;

/// Numbers of the projector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Servers written at once.
    pub width: usize,
    /// Entries read at once.
    pub batch: usize,
    /// How long one wait for news lasts; the role is kept meanwhile.
    pub wait: Duration,
    /// How long the role of the one projector is held without word.
    pub role: Duration,
    /// First pause after a failure of the inventory as a whole.
    pub backoff: Duration,
    /// Longest pause.
    pub backoff_cap: Duration,
    /// Between two tries of what was refused.
    pub drift_retry: Duration,
    /// Failures of one server that may be the inventory's, before it is its own.
    pub patience: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            width: 4,
            batch: 256,
            wait: Duration::from_secs(5),
            role: Duration::from_mins(1),
            backoff: Duration::from_secs(1),
            backoff_cap: Duration::from_mins(1),
            drift_retry: Duration::from_mins(15),
            patience: 5,
        }
    }
}

/// Follow the journal until `stop` is true or dropped. `lag` always holds how it stands.
pub async fn run(
    source: Arc<dyn JournalSource>,
    inventory: Arc<dyn Inventory>,
    pace: Pace,
    lag: watch::Sender<Lag>,
    mut stop: watch::Receiver<bool>,
) {
    let mut projector = Projector {
        source,
        inventory,
        pace,
        lag,
        tries: BTreeMap::new(),
        drift_at: None,
        supports: Vec::new(),
        support_at: None,
    };
    let mut failures = 0_u32;
    loop {
        let pause = tokio::select! {
            () = stopped(&mut stop) => return,
            turn = projector.turn() => projector.judge(turn, &mut failures),
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error: nobody is left who could say stop, so stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Why a turn did not come to its end.
enum Trouble {
    /// The store does not answer.
    Store(String),
    /// The inventory does not work.
    Inventory(Fault),
    /// Another process is the projector.
    NotElected,
}

struct Projector {
    source: Arc<dyn JournalSource>,
    inventory: Arc<dyn Inventory>,
    pace: Pace,
    lag: watch::Sender<Lag>,
    /// Failures that may be the inventory's, by server.
    tries: BTreeMap<ServerId, u32>,
    drift_at: Option<Instant>,
    /// Keys of answers about support that are to be looked at.
    supports: Vec<String>,
    support_at: Option<Instant>,
}

impl Projector {
    /// How long to pause after a turn.
    fn judge(&self, turn: Result<(), Trouble>, failures: &mut u32) -> Duration {
        let trouble = match turn {
            Ok(()) => {
                *failures = 0;
                return Duration::ZERO;
            }
            Err(trouble) => trouble,
        };
        *failures = failures.saturating_add(1);
        let doubled = self.pace.backoff.saturating_mul(1 << (*failures - 1).min(16));
        let pause = doubled.min(self.pace.backoff_cap);
        match trouble {
            Trouble::NotElected => {
                *failures = 0;
                return self.pace.wait;
            }
            Trouble::Store(cause) => tracing::warn!(cause, "the projector cannot read the store"),
            Trouble::Inventory(fault) => {
                tracing::warn!(
                    code = fault.code,
                    cause = fault.text,
                    hint = fault.hint,
                    "the inventory cannot be written"
                );
                self.lag.send_modify(|lag| lag.blocked = Some(fault));
            }
        }
        pause
    }

    /// Read what is new, write it, move the cursor.
    async fn turn(&mut self) -> Result<(), Trouble> {
        self.keep_role().await?;
        self.retry_drifts().await?;
        self.write_supports().await?;
        let cursor = self.source.get(CURSOR).await.map_err(Trouble::Store)?.unwrap_or_default();
        let cursor = String::from_utf8(cursor).map_err(|error| Trouble::Store(error.to_string()))?;
        let news = self.source.read(&cursor, self.pace.batch, self.pace.wait).await.map_err(Trouble::Store)?;
        let Some((last, _)) = news.last() else {
            self.lag.send_modify(|lag| lag.behind_ms = 0);
            return Ok(());
        };
        let (last, count) = (last.clone(), news.len());
        let oldest = news.iter().map(|(_, entry)| entry.at).min().unwrap_or_default();
        self.lag.send_modify(|lag| lag.behind_ms = now().since(oldest));
        let mut groups: BTreeMap<ServerId, Vec<JournalEntry>> = BTreeMap::new();
        for (_, entry) in news {
            groups.entry(entry.server.clone()).or_default().push(entry);
        }
        self.keep_role().await?;
        self.write(groups).await?;
        self.source.set(CURSOR, Some(last.as_bytes())).await.map_err(Trouble::Store)?;
        self.lag.send_modify(|lag| {
            lag.passed += u64::try_from(count).unwrap_or_default();
            lag.behind_ms = 0;
            lag.blocked = None;
        });
        Ok(())
    }

    async fn keep_role(&self) -> Result<(), Trouble> {
        let elected = self.source.elect(self.pace.role).await.map_err(Trouble::Store)?;
        self.lag.send_modify(|lag| lag.elected = elected);
        if elected { Ok(()) } else { Err(Trouble::NotElected) }
    }

    /// Write every group; keep as drift what only that server fails with.
    async fn write(&mut self, groups: BTreeMap<ServerId, Vec<JournalEntry>>) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.pace.role / 2;
        let this: &Self = self;
        let outcomes: Vec<_> = futures_util::stream::iter(groups)
            .map(|(id, entries)| async move {
                if Instant::now() > deadline && this.keep_role().await.is_err() {
                    return (id, Some(Err(Trouble::NotElected)));
                }
                let outcome = this.write_one(&id, entries).await;
                (id, outcome.transpose())
            })
            .buffer_unordered(this.pace.width.max(1))
            .collect()
            .await;
        let any_written = outcomes.iter().any(|(_, outcome)| outcome.is_none());
        let mut worst = None;
        for (id, outcome) in outcomes {
            match outcome {
                None => {
                    self.tries.remove(&id);
                }
                Some(Err(trouble)) => worst = Some(trouble),
                Some(Ok((fault, entries, before))) => {
                    let tries = self.tries.entry(id.clone()).or_default();
                    *tries = tries.saturating_add(1);
                    let works = *tries >= self.pace.patience && (any_written || self.inventory.check().await.is_ok());
                    if !is_own(&fault) && !works {
                        worst = worst.or(Some(Trouble::Inventory(fault)));
                        continue;
                    }
                    self.tries.remove(&id);
                    self.refused(entries, before, fault).await?;
                }
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// One server: what was refused before comes first. `Some` is a failure with what was to be written.
    async fn write_one(
        &self,
        id: &ServerId,
        entries: Vec<JournalEntry>,
    ) -> Result<Option<(Fault, Vec<JournalEntry>, Option<drift::Drift>)>, Trouble> {
        let before = drift::of(self.source.as_ref(), id).await.map_err(Trouble::Store)?;
        let mut all = before.as_ref().map(|drift| drift.entries.clone()).unwrap_or_default();
        all.extend(
            entries.into_iter().filter(|entry| before.as_ref().is_none_or(|drift| !drift.entries.contains(entry))),
        );
        let Some(server) = self.source.server(id).await.map_err(Trouble::Store)? else { return Ok(None) };
        match self.inventory.project_all(&all, &server).await {
            Ok(()) => {
                if before.is_some() {
                    drift::clear(self.source.as_ref(), id).await.map_err(Trouble::Store)?;
                    tracing::info!(server = %id, "the inventory took what it had refused");
                }
                Ok(None)
            }
            Err(fault) => Ok(Some((fault, all, before))),
        }
    }

    async fn refused(
        &self,
        entries: Vec<JournalEntry>,
        before: Option<drift::Drift>,
        fault: Fault,
    ) -> Result<(), Trouble> {
        if before.as_ref().is_none_or(|drift| drift.fault != fault) {
            let (server, name) = entries.last().map(|entry| (entry.server.to_string(), entry.name.clone())).unzip();
            let (code, cause, hint) = (&fault.code, &fault.text, &fault.hint);
            tracing::error!(server, name, code, cause, hint, "the inventory refuses a server; it is tried again later");
        }
        drift::keep(self.source.as_ref(), before, entries, fault).await.map_err(Trouble::Store)?;
        self.count_drifts().await
    }

    async fn count_drifts(&self) -> Result<(), Trouble> {
        let drifts = self.source.keys(drift::PREFIX).await.map_err(Trouble::Store)?.len();
        self.lag.send_modify(|lag| lag.drifts = u64::try_from(drifts).unwrap_or_default());
        Ok(())
    }

    /// Now and then, what was refused is tried again.
    async fn retry_drifts(&mut self) -> Result<(), Trouble> {
        if self.drift_at.is_some_and(|at| at.elapsed() < self.pace.drift_retry) {
            return Ok(());
        }
        let drifts = drift::list(self.source.as_ref()).await.map_err(Trouble::Store)?;
        self.write(drifts.into_iter().map(|drift| (drift.server, Vec::new())).collect()).await?;
        self.drift_at = Some(Instant::now());
        self.count_drifts().await
    }
}

impl Projector {
    /// What became known of servers' support since the last look; some in each turn, so that transitions are not held up.
    async fn write_supports(&mut self) -> Result<(), Trouble> {
        if self.support_at.is_none_or(|at| at.elapsed() >= self.pace.drift_retry) {
            self.supports = self.source.keys(support::ANSWERS).await.map_err(Trouble::Store)?;
            self.support_at = Some(Instant::now());
        }
        for _ in 0..ANSWERS {
            let Some(key) = self.supports.pop() else { break };
            let Some(id) = key.strip_prefix(support::ANSWERS).and_then(|id| id.parse::<ServerId>().ok()) else {
                continue;
            };
            let Some(bytes) = self.source.get(&key).await.map_err(Trouble::Store)? else { continue };
            let Ok(answer) = serde_json::from_slice::<support::Answer>(&bytes) else { continue };
            let written = format!("{}{id}", support::WRITTEN);
            let mark = answer.mark().into_bytes();
            if self.source.get(&written).await.map_err(Trouble::Store)?.as_ref() == Some(&mark) {
                continue;
            }
            let Some(server) = self.source.server(&id).await.map_err(Trouble::Store)? else { continue };
            match self.inventory.support(&server, &bytes).await {
                Ok(true) => self.source.set(&written, Some(&mark)).await.map_err(Trouble::Store)?,
                Ok(false) => self.supports.clear(),
                Err(fault) if is_own(&fault) => {
                    tracing::warn!(server = %id, code = fault.code, cause = fault.text, "a warranty is not written; it is tried again later");
                }
                Err(fault) => return Err(Trouble::Inventory(fault)),
            }
        }
        Ok(())
    }
}

/// Is the fault of this server's data, and not of the inventory as a whole?
fn is_own(fault: &Fault) -> bool {
    const EVERYWHERE: [&str; 4] = ["netbox-forbidden", "not-netbox", "netbox-setup", "inventory-unreadable"];
    fault.retry != Retry::Backoff && !EVERYWHERE.contains(&fault.code.as_str())
}
