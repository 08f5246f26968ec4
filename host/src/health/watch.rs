//! The engine with a store behind it: looks come in, cases go out, and a restart finds everything again.
//!
//! Promises that what the engine decided reaches the cases in order, however long the store is away, and that a host which takes over goes
//! on where the other stopped: what is wrong with a server is kept, and what was there of one that is well; written after the cases and not
//! before, so that a crash in between says a thing twice and never loses it. Not obvious: cases are kept without a ticket system as well, for the API and for
//! metrics; then nobody closes a ticket, and a case that is over is forgotten at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use farrier_lifecycle::{Server, Stage, Status, Timestamp};
use tokio::sync::Mutex;

use super::engine::{Engine, Settings, Who};
use super::patient::Patient;
use super::rack::{Group, GroupKey};
use super::rule::{Rule, Severity};
use super::sample::Sample;
use super::silence::Silences;
use super::verdict::{Step, Verdict};
use crate::bus::{Bus, BusError};
use crate::config;
use crate::ticket::{Cases, Finding};

const SERVERS: &str = "health/server/";
const RACKS: &str = "health/rack/";
/// Between two looks for servers that left, milliseconds.
const SWEEP: u64 = 300_000;

impl Who {
    /// What the record says.
    pub fn of(server: &Server) -> Self {
        let in_service = matches!(server.stage, Stage::Assign | Stage::Service);
        let failed = matches!(server.status, Status::Failed(_));
        Self {
            id: server.id.clone(),
            name: server.label().to_owned(),
            site: server.facts.site.clone(),
            rack: server.facts.rack.clone(),
            driver: server.facts.driver.clone().unwrap_or_default(),
            quiet: server.hold.is_some() || !in_service || failed,
        }
    }
}

/// See the module.
pub struct Watch {
    bus: Arc<dyn Bus>,
    rules: Vec<Rule>,
    settings: Settings,
    /// A ticket system takes the cases.
    desk: bool,
    inner: Mutex<Inner>,
}

/// Between looks.
struct Inner {
    engine: Engine,
    /// What is kept was read.
    loaded: bool,
    /// Decided, and not in a case yet.
    out: VecDeque<Verdict>,
    /// As last written.
    saved: BTreeMap<String, Vec<u8>>,
    swept: Timestamp,
}

impl Inner {
    fn new(rules: Vec<Rule>, settings: Settings) -> Self {
        let (out, saved) = (VecDeque::new(), BTreeMap::new());
        Self { engine: Engine::new(rules, settings), loaded: false, out, saved, swept: Timestamp(0) }
    }
}

impl Watch {
    /// Over a store; `desk`: a ticket system is configured.
    pub fn new(bus: Arc<dyn Bus>, rules: Vec<Rule>, config: &config::Health, desk: bool) -> Self {
        let settings = Settings { servers: config.rack_servers.max(2), window_ms: config.rack_window_ms };
        let inner = Mutex::new(Inner::new(rules.clone(), settings));
        Self { bus, rules, settings, desk, inner }
    }

    /// Take in one look at a server.
    ///
    /// # Errors
    /// When the store does not answer; what was decided is kept, and said at the next look or tick.
    pub async fn look(&self, server: &Server, sample: &Sample) -> Result<(), BusError> {
        let mut inner = self.inner.lock().await;
        self.load(&mut inner, sample.at).await?;
        let who = Who::of(server);
        let verdicts = inner.engine.observe(&who, sample);
        inner.out.extend(verdicts);
        self.tell(&mut inner).await?;
        self.keep_server(&mut inner, &format!("{SERVERS}{}", who.id), &who).await?;
        self.keep_racks(&mut inner).await
    }

    /// Time passed: silences begin and end, windows close, servers that left are forgotten.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub async fn tick(&self, now: Timestamp) -> Result<(), BusError> {
        let mut inner = self.inner.lock().await;
        self.load(&mut inner, now).await?;
        let silences = Silences(self.bus.clone()).list(now).await?;
        inner.engine.silence(silences);
        let mut verdicts = inner.engine.tick(now);
        if now.since(inner.swept) >= SWEEP {
            inner.swept = now;
            verdicts.extend(self.sweep(&mut inner, now).await?);
        }
        inner.out.extend(verdicts);
        self.tell(&mut inner).await?;
        let unwell: Vec<Who> =
            inner.engine.known().filter(|(_, one)| !one.is_well()).map(|(_, one)| one.who.clone()).collect();
        for who in unwell {
            self.keep_server(&mut inner, &format!("{SERVERS}{}", who.id), &who).await?;
        }
        self.keep_racks(&mut inner).await
    }

    /// Another host looks now: what is known here grows old, and is read again should this one look again.
    pub async fn pause(&self) {
        let mut inner = self.inner.lock().await;
        if inner.loaded {
            *inner = Inner::new(self.rules.clone(), self.settings);
        }
    }

    async fn load(&self, inner: &mut Inner, now: Timestamp) -> Result<(), BusError> {
        if inner.loaded {
            return Ok(());
        }
        let mut saved = BTreeMap::new();
        let patients: Vec<Patient> = self.read(SERVERS, &mut saved).await?;
        let groups: Vec<(GroupKey, Group)> = self.read(RACKS, &mut saved).await?;
        inner.engine.silence(Silences(self.bus.clone()).list(now).await?);
        inner.engine.restore(patients, groups);
        (inner.saved, inner.loaded, inner.swept) = (saved, true, now);
        Ok(())
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        prefix: &str,
        saved: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<T>, BusError> {
        let mut found = Vec::new();
        for (key, _) in self.bus.keys(prefix).await? {
            let Some(bytes) = self.bus.get(&key).await? else { continue };
            match serde_json::from_slice(&bytes) {
                Ok(one) => {
                    found.push(one);
                    saved.insert(key, bytes);
                }
                // Of another version: it is learnt anew, and costs a wait.
                Err(error) => tracing::warn!(%error, key, "what was kept of a server's health is not readable"),
            }
        }
        Ok(found)
    }

    /// Servers that were retired, or whose record is gone.
    async fn sweep(&self, inner: &mut Inner, now: Timestamp) -> Result<Vec<Verdict>, BusError> {
        let known: Vec<_> = inner.engine.known().map(|(id, _)| id.clone()).collect();
        // One question, however many are watched.
        let here =
            self.bus.list().await?.into_iter().filter(|one| !matches!(one.stage, Stage::Retire | Stage::Retired));
        let here: BTreeSet<_> = here.map(|server| server.id).collect();
        let mut verdicts = Vec::new();
        for id in known.into_iter().filter(|id| !here.contains(id)) {
            verdicts.extend(inner.engine.forget(&id, now, "the server left service"));
            self.write(inner, format!("{SERVERS}{id}"), None).await?;
        }
        Ok(verdicts)
    }

    /// Bring to the cases what was decided, in order.
    async fn tell(&self, inner: &mut Inner) -> Result<(), BusError> {
        let cases = Cases(self.bus.clone());
        while let Some(verdict) = inner.out.front() {
            self.say(&cases, verdict).await?;
            inner.out.pop_front();
        }
        Ok(())
    }

    async fn say(&self, cases: &Cases, verdict: &Verdict) -> Result<(), BusError> {
        let (name, code, cause) = (&verdict.name, &verdict.fault.code, &verdict.fault.text);
        if verdict.step != Step::Clear {
            tracing::warn!(name, code, cause, severity = verdict.severity.as_str(), "a fault of hardware in service");
            return cases
                .find(&Finding {
                    about: verdict.about.clone(),
                    name: verdict.name.clone(),
                    fault: verdict.fault.clone(),
                    since: verdict.since,
                    at: verdict.at,
                    warning: verdict.severity == Severity::Warning,
                    shown: (!verdict.shown.is_null()).then(|| verdict.shown.clone()),
                })
                .await;
        }
        tracing::info!(name, code, note = verdict.note, "a fault of hardware in service is over");
        let Some(case) = cases.get(&verdict.about, code).await? else { return Ok(()) };
        cases.end(case, self.desk, verdict.at, &verdict.note).await
    }

    async fn keep_server(&self, inner: &mut Inner, key: &str, who: &Who) -> Result<(), BusError> {
        let kept = inner.engine.patient(&who.id).and_then(Patient::kept);
        let bytes = kept.as_ref().map(serde_json::to_vec).transpose().map_err(|error| unwritable(key, &error))?;
        self.write(inner, key.to_owned(), bytes).await
    }

    async fn keep_racks(&self, inner: &mut Inner) -> Result<(), BusError> {
        let mut now = BTreeMap::new();
        for (key, group) in inner.engine.groups() {
            let feed = key.feed.as_deref().unwrap_or("all");
            let name = format!("{RACKS}{}/{}/{}/{feed}", key.site, key.rack, key.code);
            let bytes = serde_json::to_vec(&(key, group)).map_err(|error| unwritable(&name, &error))?;
            now.insert(name, bytes);
        }
        let old = inner.saved.keys().filter(|key| key.starts_with(RACKS) && !now.contains_key(*key));
        let gone: Vec<String> = old.cloned().collect();
        for key in gone {
            self.write(inner, key, None).await?;
        }
        for (key, bytes) in now {
            self.write(inner, key, Some(bytes)).await?;
        }
        Ok(())
    }

    /// Write a value that is not what is there.
    async fn write(&self, inner: &mut Inner, key: String, bytes: Option<Vec<u8>>) -> Result<(), BusError> {
        if inner.saved.get(&key) == bytes.as_ref() {
            return Ok(());
        }
        self.bus.set(&key, bytes.as_deref(), None).await?;
        match bytes {
            Some(bytes) => inner.saved.insert(key, bytes),
            None => inner.saved.remove(&key),
        };
        Ok(())
    }
}

fn unwritable(key: &str, error: &serde_json::Error) -> BusError {
    BusError::Corrupt { key: key.to_owned(), problem: error.to_string() }
}
