//! What the tests of the bus share: a store under a stepped clock, and short words for what they do with it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::missing_panics_doc)]

pub mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farrier::bus::{
    Applied, ApplyError, Begin, Bus, Clock, Entry, EntryBody, Fence, Origin, Settings, SqliteBus, apply, apply_lease,
};
use farrier_lifecycle::{Event, Lease, Outcome, Policy, Request, Server, ServerId, Stage, Timestamp};

/// The lease of every test, in the stores' time.
pub const LEASE: Duration = Duration::from_secs(30);
/// No wait.
pub const NOW: Duration = Duration::ZERO;
/// Longer than anything that works.
pub const LONG: Duration = Duration::from_secs(20);

/// A clock that stands still until it is told.
#[derive(Clone)]
pub struct Stepped(Arc<AtomicU64>);

impl Default for Stepped {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }
}

impl Stepped {
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    pub fn step(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }

    pub fn settings(&self) -> Settings {
        Settings { lease: LEASE, site: None, clock: Some(self.clock()) }
    }
}

/// A store, its clock, and what must live as long as it.
pub struct Rig {
    pub bus: Arc<dyn Bus>,
    pub clock: Stepped,
    pub policy: Policy,
    pub keep: Vec<Box<dyn Send + Sync>>,
}

impl Rig {
    pub fn new(bus: Arc<dyn Bus>, clock: Stepped) -> Self {
        Self { bus, clock, policy: Policy::default(), keep: Vec::new() }
    }

    pub fn sqlite_memory() -> Self {
        let clock = Stepped::default();
        Self::new(Arc::new(SqliteBus::memory(&clock.settings()).unwrap()), clock)
    }

    pub fn sqlite_file() -> Self {
        let (clock, dir) = (Stepped::default(), tempfile::tempdir().unwrap());
        let mut rig = Self::new(Arc::new(SqliteBus::open(dir.path(), &clock.settings()).unwrap()), clock);
        rig.keep.push(Box::new(dir));
        rig
    }

    /// On a server of its own; `None` if there is no program for one.
    pub async fn redis() -> Option<Self> {
        let (clock, server) = (Stepped::default(), server::Server::start()?);
        let mut rig = Self::new(Arc::new(server.bus(&clock.settings())), clock);
        assert_eq!(rig.bus.check().await.unwrap(), Vec::<String>::new());
        rig.keep.push(Box::new(server));
        Some(rig)
    }

    pub fn bus(&self) -> &dyn Bus {
        self.bus.as_ref()
    }

    /// A lease of server `n` with the last octet `host`, at the clock's time.
    pub fn lease(&self, n: u8, host: u8) -> Lease {
        Lease {
            mac: format!("94:40:c9:00:00:{n:02x}").parse().unwrap(),
            ip: format!("10.0.{n}.{host}").parse().unwrap(),
            hostname: Some("ilo".to_owned()),
            vendor_class: None,
            at: self.clock.now(),
            source: "test".to_owned(),
        }
    }

    /// Server `n` is seen for the first time.
    pub async fn see(&self, n: u8) -> Server {
        let lease = self.lease(n, 1);
        let applied = apply_lease(self.bus(), &lease, &self.policy, self.clock.now(), None).await.unwrap();
        applied.server().expect("a new server is a transition").clone()
    }

    pub async fn apply(&self, id: &ServerId, event: Event, origin: Origin<'_>) -> Result<Applied, ApplyError> {
        apply(self.bus(), id, &event, &self.policy, self.clock.now(), origin).await
    }

    pub async fn request(&self, id: &ServerId, request: Request) -> Result<Applied, ApplyError> {
        self.apply(id, Event::Requested { by: "test".to_owned(), request }, Origin::Outside).await
    }

    pub async fn outcome(&self, fence: &Fence, outcome: Outcome) -> Result<Applied, ApplyError> {
        let event = Event::Outcome { token: fence.token, outcome };
        self.apply(&fence.server, event, Origin::Attempt(fence)).await
    }

    /// The entries that are there now.
    pub async fn take(&self, stage: Stage, permits: usize) -> Vec<Entry> {
        self.bus.take(&[stage], permits, NOW).await.unwrap()
    }

    /// Take and begin one command that must be there and run.
    pub async fn run_one(&self, stage: Stage) -> (Server, Fence) {
        let entry = self.take(stage, 1).await.pop().expect("a command is waiting");
        self.run(&entry).await
    }

    /// Begin a command that must run.
    pub async fn run(&self, entry: &Entry) -> (Server, Fence) {
        match self.bus.begin(entry).await.unwrap() {
            Begin::Run { server, fence } => (*server, fence),
            other => panic!("the command runs, but: {other:?}"),
        }
    }

    pub async fn read(&self, id: &ServerId) -> Server {
        self.bus.read(id).await.unwrap().expect("the server is known")
    }

    /// Entries on a stage's stream, and how many of them are leased.
    pub async fn backlog(&self, stage: Stage) -> (u64, u64) {
        let status = self.bus.status().await.unwrap();
        let stream = status.streams.iter().find(|stream| stream.stage == stage).unwrap();
        (stream.length, stream.in_flight)
    }

    /// Let every lease run out.
    pub fn expire(&self) {
        self.clock.step(u64::try_from(LEASE.as_millis()).unwrap() + 1);
    }
}

pub fn checkpoint(memo: &str) -> Outcome {
    Outcome::Checkpoint { memo: memo.to_owned(), effect: true, facts: Box::default() }
}

pub fn server_of(entry: &Entry) -> String {
    match &entry.body {
        EntryBody::Command(command) => command.server.to_string(),
        EntryBody::Foreign(_) => "foreign".to_owned(),
    }
}

pub fn hold() -> Request {
    Request::Hold { reason: "test".to_owned() }
}
