//! The shared store: Redis 7 or Valkey Streams, for several hosts.
//!
//! Promises what the port promises; each operation is one call of the Lua library beside this file. It does not wait inside
//! a fetch: `take` fetches without blocking and then waits with a plain XREAD after the last ids seen in the same step, so a
//! wait that is given up can lose no entry, and no entry that came in between is missed. What a fetch's lost reply
//! contained is found by reading the own pending entries before the next.

use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use farrier_lifecycle::{JournalEntry, Lease, Server, ServerId, Stage};
use redis::{Client, Cmd, IntoConnectionInfo, Value, cmd};

use super::lock::Lock;
use super::shared::{Clock, Hands, JOURNAL_KEPT, MAX_TAKEOVERS, Settings, TOUCH, lease_json, millis, nonce, record};
use super::{Begin, Bus, BusError, BusStatus, Commit, Committed, DeadLetter, Due, Entry, EntryBody, Fence, Observed};
use crate::fault::Secret;
use library::Library;
use link::{Link, list, number, say, text};
use work::{data_of, entries, fence_args, stream, wait_after};

pub use peek::{Fields, Peek};

mod check;
mod library;
mod link;
mod peek;
mod side;
mod work;

/// The longest single wait in Redis; a longer one is several.
const BLOCK: Duration = Duration::from_secs(2);
/// Longer than [`BLOCK`], or a wait would break its link.
const PATIENCE: Duration = Duration::from_secs(10);
/// A heartbeat that takes longer is as good as none.
const BEAT_PATIENCE: Duration = Duration::from_secs(3);

/// The shared store.
pub struct RedisBus {
    library: Library,
    /// Commands.
    main: Link,
    /// Heartbeats, so that a slow command costs no lease.
    beats: Link,
    /// Waits for work, one at a time.
    reader: tokio::sync::Mutex<Link>,
    /// Waits for the journal, one at a time.
    tail: tokio::sync::Mutex<Link>,
    process: String,
    lease: Duration,
    clock: Option<Clock>,
    hands: Hands,
    /// The name that outlives a restart, and the lock that makes it this process's alone.
    host: Option<(String, Lock)>,
}

impl RedisBus {
    /// Make ready to connect; nothing is sent before the first operation, which should be [`Bus::check`].
    pub fn new(
        url: &url::Url,
        username: Option<&str>,
        password: Option<&Secret>,
        settings: &Settings,
    ) -> Result<Self, BusError> {
        if url.scheme() == "rediss" {
            // An error says that a provider is installed already.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        let info = url.clone().into_connection_info().map_err(|error| say(&error))?;
        let mut login = info.redis_settings().clone();
        if let Some(username) = username {
            login = login.set_username(username);
        }
        if let Some(password) = password {
            login = login.set_password(password.expose());
        }
        let client = Client::open(info.set_redis_settings(login)).map_err(|error| say(&error))?;
        Ok(Self {
            library: Library::new(settings.site.as_deref()),
            main: Link::new(&client, PATIENCE),
            beats: Link::new(&client, BEAT_PATIENCE),
            reader: tokio::sync::Mutex::new(Link::new(&client, PATIENCE)),
            tail: tokio::sync::Mutex::new(Link::new(&client, PATIENCE)),
            process: format!("host-{}", nonce()),
            lease: settings.lease,
            clock: settings.clock.clone(),
            hands: Hands::default(),
            host: None,
        })
    }

    /// The same, as the one host of this `state_dir`: [`Bus::check`] takes back at once what the process before it held.
    ///
    /// [`BusError::Unusable`] names the process that has the folder.
    pub fn as_host(mut self, state_dir: &Path) -> Result<Self, BusError> {
        let lock = Lock::take(state_dir)?;
        let id = lock.host_id()?;
        self.process = format!("{id}.{}", nonce());
        self.host = Some((id, lock));
        Ok(self)
    }

    /// Does the server answer, to this user?
    pub async fn ping(&self) -> Result<(), BusError> {
        self.main.query(&cmd("PING")).await.map(drop)
    }

    /// The time for the library: `""` is the server's own.
    fn now(&self) -> String {
        self.clock.as_ref().map(|clock| clock().0.to_string()).unwrap_or_default()
    }

    /// The host's time, for what the host decided by its own: timers, dead letters.
    fn host_now(&self) -> u64 {
        self.clock.as_ref().map_or_else(|| crate::egress::now().0, |clock| clock().0)
    }

    async fn call(&self, call: &Cmd) -> Result<Value, BusError> {
        self.main.call(&self.library, call).await
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn check(&self) -> Result<Vec<String>, BusError> {
        self.check_all().await
    }

    async fn observe(&self, lease: &Lease, foreign: Option<&Entry>) -> Result<Observed, BusError> {
        let mut call = self.library.call("observe");
        call.arg(ServerId::from(lease.mac).as_str()).arg(lease.ip.to_string()).arg(lease.at.0).arg(TOUCH);
        call.arg(foreign.map_or("", |entry| stream(entry.stage))).arg(foreign.map_or("", |entry| entry.id.as_str()));
        let answer = list(self.call(&call).await?)?;
        match answer.as_slice() {
            [Value::Int(0)] => {
                if let Some(entry) = foreign {
                    self.hands.drop(entry.stage, &entry.id);
                }
                Ok(Observed::Known)
            }
            [_, server] => Ok(Observed::Changed(Some(Box::new(record(&lease.mac.to_string(), &text(server)?)?)))),
            _ => Ok(Observed::Changed(None)),
        }
    }

    async fn publish_lease(&self, lease: &Lease) -> Result<(), BusError> {
        let mut add = cmd("XADD");
        add.arg(self.library.key(stream(Stage::Discover))).arg("*").arg("d").arg(lease_json(lease)?);
        self.main.query(&add).await.map(drop)
    }

    async fn read(&self, server: &ServerId) -> Result<Option<Server>, BusError> {
        let mut call = self.library.call("read");
        call.arg(server.as_str());
        match self.call(&call).await? {
            Value::Nil => Ok(None),
            found => record(server.as_str(), &text(&found)?).map(Some),
        }
    }

    async fn list(&self) -> Result<Vec<Server>, BusError> {
        self.list_all().await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, BusError> {
        let call = self.commit_call(commit)?;
        let answer = text(&self.call(&call).await?)?;
        let committed = match answer.as_str() {
            "done" => Committed::Done,
            "already" => Committed::Already,
            "conflict" => Committed::Conflict,
            _ => Committed::Fenced,
        };
        if let Some(fence) = commit.fence.as_ref().filter(|_| commit.ack && committed != Committed::Conflict) {
            self.hands.drop_fence(fence);
        }
        if let (Some((stage, id)), Committed::Done | Committed::Already) = (&commit.ack_foreign, committed) {
            self.hands.drop(*stage, id);
        }
        Ok(committed)
    }

    async fn take(&self, stages: &[Stage], permits: usize, wait: Duration) -> Result<Vec<Entry>, BusError> {
        let end = Instant::now() + wait;
        if permits == 0 || stages.is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let (entries, tails) = self.take_now(stages, permits).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !entries.is_empty() || left.is_zero() {
                return Ok(entries);
            }
            let keys: Vec<_> = stages.iter().map(|stage| self.library.key(stream(*stage))).collect();
            wait_after(&self.reader, &keys, &tails, left).await?;
        }
    }

    async fn begin(&self, entry: &Entry) -> Result<Begin, BusError> {
        let EntryBody::Command(command) = &entry.body else {
            return Err(BusError::NotFound(format!("command in entry {}", entry.id)));
        };
        let owner = nonce();
        let mut call = self.library.call("begin");
        call.arg(&self.process).arg(self.now()).arg(millis(self.lease)).arg(stream(entry.stage)).arg(&entry.id);
        call.arg(command.server.as_str()).arg(command.token.to_string());
        call.arg(data_of(&command.server, entry.stage, command.token)?).arg(&owner).arg(MAX_TAKEOVERS);
        let answer = list(self.call(&call).await?)?;
        let word = answer.first().map(text).transpose()?.unwrap_or_default();
        let [_, epoch, server, takeovers] = answer.as_slice() else {
            self.hands.drop(entry.stage, &entry.id);
            return Ok(if word == "parked" { Begin::Parked } else { Begin::Stale });
        };
        let server = Box::new(record(command.server.as_str(), &text(server)?)?);
        let fence = Fence {
            server: command.server.clone(),
            stage: entry.stage,
            token: command.token,
            entry: entry.id.clone(),
            epoch: number(epoch)?,
            owner,
        };
        if word == "poison" {
            let takeovers = u32::try_from(number(takeovers)?).unwrap_or(u32::MAX);
            return Ok(Begin::Poison { server, fence, takeovers });
        }
        Ok(Begin::Run { server, fence })
    }

    async fn beat(&self, fences: &[Fence]) -> Result<Vec<bool>, BusError> {
        if fences.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.library.call("beat");
        call.arg(self.now()).arg(millis(self.lease));
        for fence in fences {
            fence_args(&mut call, fence);
        }
        let answer = list(self.beats.call(&self.library, &call).await?)?;
        Ok(answer.iter().map(|held| matches!(held, Value::Int(1))).collect())
    }

    async fn hand_back(&self, fence: &Fence) -> Result<(), BusError> {
        let mut call = self.library.call("hand_back");
        fence_args(&mut call, fence);
        call.arg(data_of(&fence.server, fence.stage, fence.token)?);
        self.call(&call).await?;
        self.hands.drop_fence(fence);
        Ok(())
    }

    async fn reap(&self, permits: usize) -> Result<Vec<Entry>, BusError> {
        // After an outage every lease has run out; their holders get one lease's time to come back and say so.
        if self.main.reconnected().is_some_and(|at| at.elapsed() < self.lease) {
            return Ok(Vec::new());
        }
        self.import().await?;
        let mut doubt = self.hands.fetch().await;
        let before = std::mem::replace(&mut doubt.0, true);
        let mut call = self.library.call("reap");
        call.arg(&self.process).arg(self.now()).arg(millis(self.lease)).arg(permits);
        // Once: the entries of a lost reply are found by the next take.
        let answer = self.main.call_once(&self.library, &call).await.map_err(|error| say(&error))?;
        let entries = entries(answer)?;
        self.hands.give(&entries);
        doubt.0 = before;
        Ok(entries)
    }

    async fn sweep(&self) -> Result<u64, BusError> {
        self.sweep_now().await
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, BusError> {
        self.due_now(limit).await
    }

    async fn bury(&self, entry: &Entry, code: &str, reason: &str) -> Result<(), BusError> {
        self.bury_one(entry, code, reason).await
    }

    async fn discard(&self, entry: &Entry) -> Result<(), BusError> {
        self.discard_one(entry).await
    }

    async fn dead(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.dead_now(limit).await
    }

    async fn redrive(&self, letter: &str) -> Result<(), BusError> {
        self.redrive_one(letter).await
    }

    async fn journal(
        &self,
        after: &str,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<(String, JournalEntry)>, BusError> {
        let end = Instant::now() + wait;
        loop {
            let (found, last) = self.journal_now(after, limit).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !found.is_empty() || left.is_zero() {
                return Ok(found);
            }
            wait_after(&self.tail, &[self.library.key("farrier:journal")], &[last], left).await?;
        }
    }

    async fn journal_last(&self, limit: usize) -> Result<Vec<(String, JournalEntry)>, BusError> {
        self.journal_last_now(limit).await
    }

    async fn journal_ends(&self) -> Result<Option<(String, String)>, BusError> {
        self.journal_ends_now().await
    }

    async fn timeline(&self, server: &ServerId) -> Result<Vec<JournalEntry>, BusError> {
        self.timeline_of(server).await
    }

    async fn elect(&self, role: &str, ttl: Duration) -> Result<bool, BusError> {
        let mut call = self.library.call("elect");
        call.arg(role).arg(&self.process).arg(self.now()).arg(millis(ttl));
        Ok(matches!(self.call(&call).await?, Value::Int(1)))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BusError> {
        let mut call = self.library.call("get");
        call.arg(key).arg(self.now());
        match self.call(&call).await? {
            Value::BulkString(value) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), BusError> {
        let mut call = self.library.call("set");
        call.arg(key).arg(self.now()).arg(ttl.map(|ttl| millis(ttl).to_string()).unwrap_or_default());
        if let Some(value) = value {
            call.arg(value);
        }
        self.call(&call).await.map(drop)
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        ttl: Option<Duration>,
    ) -> Result<bool, BusError> {
        let mut call = self.library.call("swap");
        call.arg(key).arg(self.now()).arg(ttl.map(|ttl| millis(ttl).to_string()).unwrap_or_default());
        call.arg(u8::from(value.is_some())).arg(value.unwrap_or_default());
        call.arg(u8::from(expected.is_some())).arg(expected.unwrap_or_default());
        // Once: the second of two would find the first one's value and say that somebody else was quicker.
        let answer = self.main.call_once(&self.library, &call).await.map_err(|error| say(&error))?;
        Ok(answer == Value::Int(1))
    }

    async fn audit(&self, entry: &str) -> Result<(), BusError> {
        let mut call = self.library.call("audit");
        call.arg(JOURNAL_KEPT).arg(entry);
        self.call(&call).await.map(drop)
    }

    async fn audits(&self, after: &str, limit: usize) -> Result<Vec<(String, String)>, BusError> {
        self.audits_now(after, limit).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<(String, u64)>, BusError> {
        let mut call = self.library.call("keys");
        call.arg(prefix).arg(self.now());
        let mut keys = Vec::new();
        for (key, size) in link::pairs(self.call(&call).await?)? {
            keys.push((key, size.parse().unwrap_or_default()));
        }
        keys.sort();
        Ok(keys)
    }

    async fn status(&self) -> Result<BusStatus, BusError> {
        self.status_now().await
    }

    async fn leave(&self) -> Result<(), BusError> {
        let mut call = self.library.call("leave");
        call.arg(&self.process).arg(Stage::WORKED.map(stream).as_slice());
        self.call(&call).await.map(drop)
    }
}
