//! The embedded store: one SQLite file in `state_dir`, for one host.
//!
//! Promises what the port promises, with an fsync before each answer (WAL, `synchronous = FULL`). One process at a time: a
//! lock file names who has it. It does not serve several hosts; Redis does. The decision that is not obvious: whatever was
//! leased when the file was opened belonged to a process that is gone, so those leases end at once, and `reap` finds them
//! with all its rules about suspects.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use farrier_lifecycle::{JournalEntry, Lease, Server, ServerId, Stage, Timestamp};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Notify;

use super::lock::{Lock, unusable};
use super::shared::{Clock, Hands, Settings, lease_json, millis, nonce};
use super::{Begin, Bus, BusError, BusStatus, Commit, Committed, DeadLetter, Due, Entry, EntryBody, Fence, Observed};
use engine::{Engine, sql};

mod change;
mod engine;
mod schema;
mod side;
mod work;

/// The journal is pruned once in so many commits.
const PRUNE_EVERY: u64 = 512;

/// The embedded store.
pub struct SqliteBus {
    engine: Engine,
    clock: Clock,
    lease: u64,
    process: String,
    hands: Hands,
    entries: Notify,
    commits: std::sync::atomic::AtomicU64,
    _lock: Option<Lock>,
}

impl SqliteBus {
    /// Open or make `bus.db` in `state_dir`, for this process alone.
    ///
    /// [`BusError::Unusable`] names the process that has it, or a schema newer than this program.
    pub fn open(state_dir: &Path, settings: &Settings) -> Result<Self, BusError> {
        let lock = Lock::take(state_dir)?;
        let path = file(state_dir);
        // Made here rather than by SQLite, for its mode: what it holds is for this user.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| unusable(&path, &error))?;
        let connection = Connection::open(&path).map_err(|error| unusable(&path, &error))?;
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;";
        connection.execute_batch(pragmas).map_err(sql)?;
        schema::migrate(&connection)?;
        work::take_back(&connection).map_err(sql)?;
        Ok(Self::new(Engine::thread(connection)?, settings, Some(lock)))
    }

    /// Open `bus.db` for reading only, whether or not a host has it.
    pub fn open_readonly(state_dir: &Path, settings: &Settings) -> Result<Self, BusError> {
        let path = file(state_dir);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(|error| unusable(&path, &error))?;
        schema::check(&connection, &path)?;
        Ok(Self::new(Engine::thread(connection)?, settings, None))
    }

    /// A store in memory, for tests and simulations: each call runs where it is made.
    pub fn memory(settings: &Settings) -> Result<Self, BusError> {
        let connection = Connection::open_in_memory().map_err(sql)?;
        schema::migrate(&connection)?;
        Ok(Self::new(Engine::Inline(Mutex::new(connection)), settings, None))
    }

    /// The same, as the one host of this `state_dir`, which holds more than the store: a socket, pinned certificates.
    ///
    /// [`BusError::Unusable`] names the process that has the folder.
    pub fn as_host(self, state_dir: &Path) -> Result<Self, BusError> {
        Ok(Self { _lock: Some(Lock::take(state_dir)?), ..self })
    }

    fn new(engine: Engine, settings: &Settings, lock: Option<Lock>) -> Self {
        Self {
            engine,
            clock: settings.clock.clone().unwrap_or_else(|| std::sync::Arc::new(crate::egress::now)),
            lease: millis(settings.lease),
            process: nonce(),
            hands: Hands::default(),
            entries: Notify::new(),
            commits: std::sync::atomic::AtomicU64::new(0),
            _lock: lock,
        }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Entries or journal entries may have come: those who wait look again.
    fn wake(&self) {
        self.entries.notify_waiters();
    }

    /// Take what is there, without waiting; what an earlier caller never got comes first.
    async fn take_now(&self, stages: &[Stage], permits: usize) -> Result<Vec<Entry>, BusError> {
        let mut doubt = self.hands.fetch().await;
        if doubt.0 {
            let lost = self.engine.run(work::taken).await?;
            let lost = lost.into_iter().filter(|entry| stages.contains(&entry.stage));
            let lost: Vec<_> = lost.filter(|entry| !self.hands.holds(entry.stage, &entry.id)).take(permits).collect();
            if !lost.is_empty() {
                self.hands.give(&lost);
                return Ok(lost);
            }
        }
        doubt.0 = true;
        let (stages, deadline) = (stages.to_vec(), self.now().plus(self.lease));
        let entries = self.engine.run(move |db| work::take(db, &stages, permits, deadline)).await?;
        self.hands.give(&entries);
        doubt.0 = false;
        Ok(entries)
    }
}

/// Wait until `look` finds something or the time is over.
macro_rules! wait_for {
    ($self:ident, $wait:ident, $look:expr) => {{
        let end = tokio::time::Instant::now() + $wait;
        loop {
            let woken = $self.entries.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let found = $look;
            if !found.is_empty() || tokio::time::timeout_at(end, woken).await.is_err() {
                break Ok(found);
            }
        }
    }};
}

#[async_trait]
impl Bus for SqliteBus {
    async fn check(&self) -> Result<Vec<String>, BusError> {
        let begun = Instant::now();
        self.engine.run(side::probe).await?;
        let took = begun.elapsed();
        let slow = took > Duration::from_millis(200);
        let slow = slow.then(|| format!("the disk under `state_dir` took {} ms for one write", took.as_millis()));
        let swept = self.sweep().await?;
        let lost = (swept > 0).then(|| format!("{swept} commands stood on no stream and were published again"));
        Ok(slow.into_iter().chain(lost).collect())
    }

    async fn observe(&self, lease: &Lease, foreign: Option<&Entry>) -> Result<Observed, BusError> {
        let (lease, entry) = (lease.clone(), foreign.map(|entry| entry.id.clone()));
        let observed = self.engine.run(move |db| change::observe(db, &lease, entry.as_deref())).await?;
        if let (Observed::Known, Some(entry)) = (&observed, foreign) {
            self.hands.drop(entry.stage, &entry.id);
        }
        Ok(observed)
    }

    async fn publish_lease(&self, lease: &Lease) -> Result<(), BusError> {
        let fields = vec![("d".to_owned(), lease_json(lease)?)];
        self.engine.run(move |db| work::append(db, Stage::Discover, &fields)).await?;
        self.wake();
        Ok(())
    }

    async fn read(&self, server: &ServerId) -> Result<Option<Server>, BusError> {
        let id = server.clone();
        self.engine.run(move |db| change::read(db, id.as_str())).await
    }

    async fn list(&self) -> Result<Vec<Server>, BusError> {
        self.engine.run(change::list).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, BusError> {
        let change = commit.clone();
        let committed = self.engine.run(move |db| change::commit(db, &change)).await?;
        if let Some(fence) = commit.fence.as_ref().filter(|_| commit.ack && committed != Committed::Conflict) {
            self.hands.drop_fence(fence);
        }
        if matches!(committed, Committed::Done | Committed::Already) {
            if let Some((stage, id)) = &commit.ack_foreign {
                self.hands.drop(*stage, id);
            }
            self.wake();
        }
        if self.commits.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1 {
            let now = self.now();
            self.engine.run(move |db| side::prune(db, now)).await?;
        }
        Ok(committed)
    }

    async fn take(&self, stages: &[Stage], permits: usize, wait: Duration) -> Result<Vec<Entry>, BusError> {
        if permits == 0 {
            return Ok(Vec::new());
        }
        wait_for!(self, wait, self.take_now(stages, permits).await?)
    }

    async fn begin(&self, entry: &Entry) -> Result<Begin, BusError> {
        let EntryBody::Command(command) = &entry.body else {
            return Err(BusError::NotFound(format!("command in entry {}", entry.id)));
        };
        let fence = Fence {
            server: command.server.clone(),
            stage: entry.stage,
            token: command.token,
            entry: entry.id.clone(),
            epoch: 0,
            owner: nonce(),
        };
        let deadline = self.now().plus(self.lease);
        let begin = self.engine.run(move |db| work::begin(db, fence, deadline)).await?;
        if matches!(begin, Begin::Stale | Begin::Parked) {
            self.hands.drop(entry.stage, &entry.id);
            self.wake();
        }
        Ok(begin)
    }

    async fn beat(&self, fences: &[Fence]) -> Result<Vec<bool>, BusError> {
        let (fences, deadline) = (fences.to_vec(), self.now().plus(self.lease));
        self.engine.run(move |db| work::beat(db, &fences, deadline)).await
    }

    async fn hand_back(&self, fence: &Fence) -> Result<(), BusError> {
        let held = fence.clone();
        self.engine.run(move |db| work::hand_back(db, &held)).await?;
        self.hands.drop_fence(fence);
        self.wake();
        Ok(())
    }

    async fn reap(&self, permits: usize) -> Result<Vec<Entry>, BusError> {
        let mut doubt = self.hands.fetch().await;
        let before = std::mem::replace(&mut doubt.0, true);
        let (now, deadline) = (self.now(), self.now().plus(self.lease));
        let entries = self.engine.run(move |db| work::reap(db, permits, now, deadline)).await?;
        self.hands.give(&entries);
        doubt.0 = before;
        drop(doubt);
        self.wake();
        Ok(entries)
    }

    async fn sweep(&self) -> Result<u64, BusError> {
        let lost = self.engine.run(work::sweep).await?;
        for command in &lost {
            tracing::warn!(server = %command.server, stage = %command.stage, "a lost command is published again");
        }
        // Also what was parked is on its stream now.
        self.wake();
        Ok(u64::try_from(lost.len()).unwrap_or(u64::MAX))
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, BusError> {
        let now = self.now();
        self.engine.run(move |db| side::due(db, now, limit)).await
    }

    async fn bury(&self, entry: &Entry, code: &str, reason: &str) -> Result<(), BusError> {
        let (buried, code, reason, now) = (entry.clone(), code.to_owned(), reason.to_owned(), self.now());
        self.engine.run(move |db| side::bury(db, &buried, &code, &reason, now)).await?;
        self.hands.drop(entry.stage, &entry.id);
        Ok(())
    }

    async fn discard(&self, entry: &Entry) -> Result<(), BusError> {
        let row = work::row_id(&entry.id)?;
        self.engine.run(move |db| work::remove(db, row)).await?;
        self.hands.drop(entry.stage, &entry.id);
        Ok(())
    }

    async fn dead(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.engine.run(move |db| side::dead(db, limit)).await
    }

    async fn redrive(&self, letter: &str) -> Result<(), BusError> {
        let letter = letter.to_owned();
        self.engine.run(move |db| side::redrive(db, &letter)).await?;
        self.wake();
        Ok(())
    }

    async fn journal(
        &self,
        after: &str,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<(String, JournalEntry)>, BusError> {
        let after = side::cursor(after)?;
        wait_for!(self, wait, self.engine.run(move |db| side::journal(db, after, limit)).await?)
    }

    async fn journal_ends(&self) -> Result<Option<(String, String)>, BusError> {
        self.engine.run(side::journal_ends).await
    }

    async fn journal_last(&self, limit: usize) -> Result<Vec<(String, JournalEntry)>, BusError> {
        self.engine.run(move |db| side::journal_last(db, limit)).await
    }

    async fn timeline(&self, server: &ServerId) -> Result<Vec<JournalEntry>, BusError> {
        let id = server.clone();
        self.engine.run(move |db| side::timeline(db, id.as_str())).await
    }

    async fn elect(&self, role: &str, ttl: Duration) -> Result<bool, BusError> {
        let (role, owner, now) = (role.to_owned(), self.process.clone(), self.now());
        self.engine.run(move |db| side::elect(db, &role, &owner, now, now.plus(millis(ttl)))).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BusError> {
        let (key, now) = (key.to_owned(), self.now());
        self.engine.run(move |db| side::get(db, &key, now)).await
    }

    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), BusError> {
        let (key, value) = (key.to_owned(), value.map(<[u8]>::to_vec));
        let now = self.now();
        let expires = ttl.map(|ttl| now.plus(millis(ttl)));
        self.engine.run(move |db| side::set(db, &key, value.as_deref(), expires, now)).await
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        ttl: Option<Duration>,
    ) -> Result<bool, BusError> {
        let (key, expected, value) = (key.to_owned(), expected.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        let now = self.now();
        let expires = ttl.map(|ttl| now.plus(millis(ttl)));
        let change = move |db: &Connection| side::swap(db, &key, (expected.as_deref(), value.as_deref()), expires, now);
        self.engine.run(change).await
    }

    async fn audit(&self, entry: &str) -> Result<(), BusError> {
        let (entry, now) = (entry.to_owned(), self.now());
        self.engine.run(move |db| side::audit(db, &entry, now)).await
    }

    async fn audits(&self, after: &str, limit: usize) -> Result<Vec<(String, String)>, BusError> {
        let after = side::cursor(after)?;
        self.engine.run(move |db| side::audits(db, after, limit)).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<(String, u64)>, BusError> {
        let (prefix, now) = (prefix.to_owned(), self.now());
        self.engine.run(move |db| side::keys(db, &prefix, now)).await
    }

    async fn status(&self) -> Result<BusStatus, BusError> {
        self.engine.run(side::status).await
    }

    async fn leave(&self) -> Result<(), BusError> {
        let process = self.process.clone();
        self.engine.run(move |db| work::leave(db, &process)).await?;
        self.wake();
        Ok(())
    }
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("bus.db")
}
