//! What the tests of the worker and the stages share: its parts over a store in memory, and an inventory that answers when it is told to.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod bus;
pub mod lab;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use farrier::bus::{Bus as _, Origin};
use farrier::config::Config;
use farrier::fault::Fault;
use farrier::inventory::{Expected, Found, Inventory, Lag};
use farrier::plugin::{Broker, MemoryPins, Plugins};
use farrier::stage::{Foreign, NotALease, Parts, ProgressBoard, Worker};
use farrier_lifecycle::{Event, JournalEntry, Lease, Mac, Policy, Request, Server, ServerId, Stage, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bus::Stepped;
use bus::Told;

/// Longer than anything that works.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Look-ups of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Begun.
    pub all: usize,
    /// Not over yet.
    pub now: usize,
    /// The most at once.
    pub most: usize,
}

/// An inventory that lets those who ask wait until it is open.
pub struct Desk {
    open: watch::Sender<bool>,
    asked: Arc<Mutex<BTreeMap<Mac, Asked>>>,
    found: Mutex<Found>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { open: watch::Sender::new(false), asked: Arc::default(), found: Mutex::new(Found::Unknown) }
    }
}

/// One who asks, until it is answered or gives up.
struct Asking(Arc<Mutex<BTreeMap<Mac, Asked>>>, Mac);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.lock().unwrap().entry(self.1).or_default().now -= 1;
    }
}

impl Desk {
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// What is answered from now on.
    pub fn says(&self, found: Found) {
        *self.found.lock().unwrap() = found;
    }

    pub fn asked(&self, server: &ServerId) -> Asked {
        let asked = self.asked.lock().unwrap();
        asked.iter().find(|(mac, _)| ServerId::from(**mac) == *server).map(|(_, asked)| *asked).unwrap_or_default()
    }
}

#[async_trait]
impl Inventory for Desk {
    fn describe(&self) -> String {
        "a desk".to_owned()
    }

    async fn find(&self, mac: Mac) -> Result<Found, Fault> {
        let asking = Asking(self.asked.clone(), mac);
        {
            let mut asked = self.asked.lock().unwrap();
            let one = asked.entry(mac).or_default();
            (one.all, one.now) = (one.all + 1, one.now + 1);
            one.most = one.most.max(one.now);
        }
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        drop(asking);
        Ok(self.found.lock().unwrap().clone())
    }

    async fn project(&self, _: &JournalEntry, _: &Server) -> Result<(), Fault> {
        Ok(())
    }

    async fn check(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    async fn address(&self, _: &Expected) -> Result<Option<IpAddr>, Fault> {
        Ok(None)
    }
}

/// A host's parts, and what is behind them.
pub struct Rig {
    pub bus: Arc<Told>,
    pub clock: Stepped,
    pub desk: Arc<Desk>,
    pub parts: Arc<Parts>,
    pub stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// With heartbeats an hour apart, and no driver.
    pub async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { state_dir: folder.path().to_owned(), ..Config::default() };
        config.plugins.dir = folder.path().to_owned();
        (config.lifecycle.beat_ms, config.lifecycle.grace_ms) = (3_600_000, 1);
        change(&mut config);
        let (clock, desk) = (Stepped::default(), Arc::new(Desk::default()));
        let bus = Arc::new(Told::new(&clock));
        let parts = Arc::new(parts(bus.clone(), desk.clone(), config).await);
        Self { bus, clock, desk, parts, stop: CancellationToken::new(), _folder: folder }
    }

    /// The worker, until `stop`.
    pub fn work(&self) -> JoinHandle<()> {
        tokio::spawn(Worker::new(self.parts.clone()).run(self.stop.clone()))
    }

    /// Controller `n` asks for an address.
    pub async fn lease(&self, n: u8) -> ServerId {
        let lease = lease(n);
        self.parts.lease(&lease, None).await.unwrap();
        ServerId::from(lease.mac)
    }

    /// Somebody asks something of a server.
    pub async fn request(&self, id: &ServerId, request: Request) {
        let event = Event::Requested { by: "test".to_owned(), request };
        self.parts.apply(id, &event, Origin::Outside).await.unwrap();
    }

    /// Ask until it is so.
    pub async fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(Instant::now() < end, "{what}");
            tokio::task::yield_now().await;
        }
    }

    /// Wait until the server has left the stage; its journal.
    pub async fn passed(&self, id: &ServerId, stage: Stage) -> Vec<JournalEntry> {
        let end = Instant::now() + PATIENCE;
        loop {
            let journal = self.bus.timeline(id).await.unwrap();
            if journal.last().is_some_and(|last| last.stage != stage) {
                return journal;
            }
            assert!(Instant::now() < end, "it stays in {stage}: {journal:#?}");
            tokio::task::yield_now().await;
        }
    }

    /// The worker has ended.
    pub async fn ended(&self, work: JoinHandle<()>) {
        tokio::time::timeout(PATIENCE, work).await.expect("the worker ends").unwrap();
    }
}

async fn parts(bus: Arc<Told>, desk: Arc<Desk>, config: Config) -> Parts {
    let cache: &Path = env!("CARGO_TARGET_TMPDIR").as_ref();
    let (plugins, problems) = Plugins::open(&config.plugins, cache, None).await.unwrap();
    assert_eq!(problems, []);
    Parts {
        broker: Broker::new(&config.bmc, Arc::new(MemoryPins::default())).unwrap(),
        policy: Policy::default(),
        catalogue: Arc::default(),
        foreign: Foreign(Box::new(|_| Err(NotALease::Ignored("none is taken here".to_owned())))),
        config: Arc::new(config),
        bus,
        inventory: desk,
        plugins,
        ansible: None,
        observe: false,
        progress: ProgressBoard::default(),
        projector: watch::channel(Lag::default()).1,
    }
}

/// As the inventory knows a server.
pub fn known() -> Found {
    Found::Server(Box::new(Expected { id: "1".to_owned(), name: "AMS-SRV-001".to_owned(), ..Expected::default() }))
}

pub fn lease(n: u8) -> Lease {
    Lease {
        mac: format!("94:40:c9:00:00:{n:02x}").parse().unwrap(),
        ip: format!("127.0.0.{n}").parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(1_700_000_000_000),
        source: "test".to_owned(),
    }
}
