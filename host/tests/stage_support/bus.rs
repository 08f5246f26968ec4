//! A store that passes everything on, and does what a test asks for on the way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use farrier::bus::{
    Begin, Bus, BusError, BusStatus, Commit, Committed, DeadLetter, Due, Entry, Fence, Observed, SqliteBus,
};
use farrier_lifecycle::{JournalEntry, Lease, Server, ServerId, Stage};
use tokio::sync::watch;

use crate::bus::Stepped;

/// A store in memory.
pub struct Told {
    inner: SqliteBus,
    clock: Stepped,
    /// By how much the clock jumps at the next `reap`, after everything before it.
    pub jump: Mutex<Option<Duration>>,
    /// The first commit of which this is true does not reach the store.
    pub lose: Mutex<Option<Lose>>,
    /// `begin` waits while it is shut, and so does `hand_back`.
    pub begin: Door,
    pub hand_back: Door,
    /// Reads of the streams that go on.
    pub taking: AtomicUsize,
}

/// Open, until it is shut.
pub struct Door(watch::Sender<bool>);

impl Default for Door {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Door {
    pub fn open(&self, open: bool) {
        self.0.send_replace(open);
    }

    async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

type Lose = Box<dyn Fn(&Commit) -> bool + Send>;

impl Told {
    pub fn new(clock: &Stepped) -> Self {
        let inner = SqliteBus::memory(&clock.settings()).unwrap();
        Self {
            inner,
            clock: clock.clone(),
            jump: Mutex::default(),
            lose: Mutex::default(),
            begin: Door::default(),
            hand_back: Door::default(),
            taking: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl Bus for Told {
    async fn check(&self) -> Result<Vec<String>, BusError> {
        self.inner.check().await
    }

    async fn observe(&self, lease: &Lease, foreign: Option<&Entry>) -> Result<Observed, BusError> {
        self.inner.observe(lease, foreign).await
    }

    async fn publish_lease(&self, lease: &Lease) -> Result<(), BusError> {
        self.inner.publish_lease(lease).await
    }

    async fn read(&self, server: &ServerId) -> Result<Option<Server>, BusError> {
        self.inner.read(server).await
    }

    async fn list(&self) -> Result<Vec<Server>, BusError> {
        self.inner.list().await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, BusError> {
        let lost = self.lose.lock().unwrap().take_if(|lose| lose(commit)).is_some();
        if lost {
            return Err(BusError::Unreachable("the test says so".to_owned()));
        }
        self.inner.commit(commit).await
    }

    async fn take(&self, stages: &[Stage], permits: usize, wait: Duration) -> Result<Vec<Entry>, BusError> {
        self.taking.fetch_add(1, Ordering::SeqCst);
        let taken = self.inner.take(stages, permits, wait).await;
        self.taking.fetch_sub(1, Ordering::SeqCst);
        taken
    }

    async fn begin(&self, entry: &Entry) -> Result<Begin, BusError> {
        self.begin.pass().await;
        self.inner.begin(entry).await
    }

    async fn beat(&self, fences: &[Fence]) -> Result<Vec<bool>, BusError> {
        self.inner.beat(fences).await
    }

    async fn hand_back(&self, fence: &Fence) -> Result<(), BusError> {
        self.hand_back.pass().await;
        self.inner.hand_back(fence).await
    }

    async fn reap(&self, permits: usize) -> Result<Vec<Entry>, BusError> {
        let jump = self.jump.lock().unwrap().take();
        if let Some(by) = jump {
            self.clock.step(u64::try_from(by.as_millis()).unwrap());
        }
        self.inner.reap(permits).await
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, BusError> {
        self.inner.due(limit).await
    }

    async fn bury(&self, entry: &Entry, code: &str, reason: &str) -> Result<(), BusError> {
        self.inner.bury(entry, code, reason).await
    }

    async fn discard(&self, entry: &Entry) -> Result<(), BusError> {
        self.inner.discard(entry).await
    }

    async fn sweep(&self) -> Result<u64, BusError> {
        self.inner.sweep().await
    }

    async fn dead(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.inner.dead(limit).await
    }

    async fn redrive(&self, letter: &str) -> Result<(), BusError> {
        self.inner.redrive(letter).await
    }

    async fn journal(
        &self,
        after: &str,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<(String, JournalEntry)>, BusError> {
        self.inner.journal(after, limit, wait).await
    }

    async fn journal_ends(&self) -> Result<Option<(String, String)>, BusError> {
        self.inner.journal_ends().await
    }

    async fn journal_last(&self, limit: usize) -> Result<Vec<(String, JournalEntry)>, BusError> {
        self.inner.journal_last(limit).await
    }

    async fn timeline(&self, server: &ServerId) -> Result<Vec<JournalEntry>, BusError> {
        self.inner.timeline(server).await
    }

    async fn elect(&self, role: &str, ttl: Duration) -> Result<bool, BusError> {
        self.inner.elect(role, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BusError> {
        self.inner.get(key).await
    }

    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), BusError> {
        self.inner.set(key, value, ttl).await
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        ttl: Option<Duration>,
    ) -> Result<bool, BusError> {
        self.inner.swap(key, expected, value, ttl).await
    }

    async fn audit(&self, entry: &str) -> Result<(), BusError> {
        self.inner.audit(entry).await
    }

    async fn audits(&self, after: &str, limit: usize) -> Result<Vec<(String, String)>, BusError> {
        self.inner.audits(after, limit).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<(String, u64)>, BusError> {
        self.inner.keys(prefix).await
    }

    async fn status(&self) -> Result<BusStatus, BusError> {
        self.inner.status().await
    }

    async fn leave(&self) -> Result<(), BusError> {
        self.inner.leave().await
    }
}
