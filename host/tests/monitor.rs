//! The monitor with its plan, cache and observers on a real store, on a clock of the test's own: nothing here waits for time to pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use farrier::bus::{Bus, Commit, Committed, Settings, SqliteBus};
use farrier::config;
use farrier::fleet::Fleet;
use farrier::health::{Sample, Seen};
use farrier::monitor::{Cache, Eyes, Looked, Monitor, Now, Observer, Shift, Wanted};
use farrier::plugin::wit::event_log::Entry;
use farrier::plugin::wit::telemetry::{Quantity, Reading};
use farrier::plugin::wit::types::Health;
use farrier_lifecycle::{
    Blame, Facts, Fault, JournalEntry, Lease, LifecycleState, Retry, Server, ServerId, Stage, Status, Timestamp,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const MINUTE: u64 = 60_000;
/// Longer than anything that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// One simulated controller.
#[derive(Default)]
struct Controller {
    /// Looks under way.
    inside: u32,
    /// When looks began, on the test's clock.
    looks: Vec<u64>,
    /// Of these, with the parts.
    inventories: u32,
    dead: bool,
    /// The next looks wait until told.
    stuck: bool,
    log: Vec<&'static str>,
}

/// Looks at simulated controllers, each look by the clock taking no time.
struct Estate {
    clock: Arc<AtomicU64>,
    controllers: Mutex<HashMap<ServerId, Controller>>,
    free: Notify,
    samples: Mutex<Vec<Sample>>,
}

#[async_trait]
impl Eyes for Estate {
    async fn look(&self, server: &Server, wanted: &Wanted) -> Result<Looked, Fault> {
        let stuck = {
            let mut all = self.controllers.lock().unwrap();
            let one = all.entry(server.id.clone()).or_default();
            one.inside += 1;
            assert_eq!(one.inside, 1, "a second look at {} while one is under way", server.id);
            one.looks.push(self.clock.load(Ordering::SeqCst));
            one.inventories += u32::from(wanted.inventory);
            one.stuck
        };
        if stuck {
            self.free.notified().await;
        }
        let mut all = self.controllers.lock().unwrap();
        let one = all.get_mut(&server.id).unwrap();
        one.inside -= 1;
        if one.dead {
            return Err(Fault::new("unreachable", Retry::Backoff, Blame::Network, "no answer"));
        }
        let from = wanted.cursor.as_ref().map_or(one.log.len(), |cursor| cursor.parse().unwrap());
        let entry = |(n, text): (usize, &&str)| Entry {
            id: n.to_string(),
            log: "sel".to_owned(),
            at: None,
            severity: Health::Critical,
            code: None,
            message: (*text).to_owned(),
        };
        let events = one.log.iter().enumerate().skip(from).map(entry).collect();
        let inlet = Reading {
            sensor: "inlet".to_owned(),
            quantity: Quantity::TemperatureCelsius,
            value: 21.0,
            health: Health::Ok,
        };
        let seen = Seen { readings: vec![inlet], events, inventory: None };
        Ok(Looked { seen, cursor: Some(one.log.len().to_string()) })
    }
}

#[async_trait]
impl Observer for Estate {
    async fn observe(&self, server: &Server, sample: &Sample) {
        assert_eq!(server.id, sample.server);
        self.samples.lock().unwrap().push(sample.clone());
    }
}

impl Estate {
    fn with<T>(&self, id: &ServerId, change: impl FnOnce(&mut Controller) -> T) -> T {
        change(self.controllers.lock().unwrap().entry(id.clone()).or_default())
    }

    fn looks(&self, id: &ServerId) -> Vec<u64> {
        self.with(id, |one| one.looks.clone())
    }

    fn messages(&self) -> Vec<String> {
        let samples = self.samples.lock().unwrap();
        let seen = samples.iter().filter_map(|sample| sample.seen.as_ref().ok());
        seen.flat_map(|seen| seen.events.iter().map(|entry| entry.message.clone())).collect()
    }
}

fn server(n: u32, stage: Stage, status: Status) -> Server {
    let lease = Lease {
        mac: format!("94:40:c9:00:{:02x}:{:02x}", n >> 8, n & 0xff).parse().unwrap(),
        ip: std::net::Ipv4Addr::from(0x0a00_0000 + n).into(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(1),
        source: "test".to_owned(),
    };
    let facts = Facts { driver: Some("redfish".to_owned()), name: Some(format!("SRV-{n:04}")), ..Facts::default() };
    Server { stage, status, version: 1, entered: 1, attempt: 1, facts, ..Server::unseen(lease) }
}

async fn put(bus: &dyn Bus, server: &Server) {
    let journal = JournalEntry {
        transition: format!("{}:1", server.id),
        server: server.id.clone(),
        name: server.label().to_owned(),
        version: 1,
        at: Timestamp(1),
        event: "test".to_owned(),
        from: LifecycleState::Offline,
        to: server.lifecycle_state(),
        stage: server.stage,
        status: server.status.as_str().to_owned(),
        since: Timestamp(1),
        note: None,
        fault: None,
    };
    let (server, publish) = (server.clone(), server.outstanding());
    let commit = Commit { expected: 0, server, publish, journal, fence: None, ack: false, ack_foreign: None };
    assert_eq!(bus.commit(&commit).await.unwrap(), Committed::Done);
}

/// One host that looks.
struct Host {
    monitor: Arc<Monitor>,
    shift: Shift,
    cache: Arc<Cache>,
    estate: Arc<Estate>,
    stop: CancellationToken,
}

async fn host(bus: Arc<dyn Bus>, estate: &Arc<Estate>) -> Host {
    let fleet = Arc::new(Fleet::new(bus.clone()));
    fleet.load().await.unwrap();
    let (cache, ticks) = (Arc::new(Cache::default()), estate.clock.clone());
    let clock: Now = Arc::new(move || {
        let now = ticks.load(Ordering::SeqCst);
        (now, Timestamp(1_700_000_000_000 + now))
    });
    let settings = config::Monitor { inventory_every: 5, ..config::Monitor::default() };
    let observers: Vec<Arc<dyn Observer>> = vec![estate.clone()];
    let monitor = Monitor::new(bus, fleet, cache.clone(), estate.clone(), observers, settings).with_clock(clock);
    Host {
        monitor: Arc::new(monitor),
        shift: Shift::default(),
        cache,
        estate: estate.clone(),
        stop: CancellationToken::new(),
    }
}

impl Host {
    /// Let the time pass by seconds; every look that begins has ended before the next second.
    async fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 1_000 {
            let now = self.estate.clock.fetch_add(1_000, Ordering::SeqCst) + 1_000;
            // Twice: what was full may go on.
            for _ in 0..2 {
                self.monitor.turn(&mut self.shift, &self.stop).await.unwrap();
                self.shift.settle(now).await;
            }
        }
    }
}

fn estate() -> Arc<Estate> {
    Arc::new(Estate {
        clock: Arc::default(),
        controllers: Mutex::default(),
        free: Notify::new(),
        samples: Mutex::default(),
    })
}

fn store() -> Arc<dyn Bus> {
    Arc::new(SqliteBus::memory(&Settings::default()).unwrap())
}

#[tokio::test]
async fn every_server_past_discover_is_looked_at_once_a_minute_and_no_other() {
    let (bus, estate) = (store(), estate());
    for n in 0..60 {
        let stage = if n % 2 == 0 { Stage::Assign } else { Stage::Service };
        put(&*bus, &server(n, stage, Status::Resting)).await;
    }
    let discover = server(900, Stage::Discover, Status::Running);
    let busy = server(901, Stage::Harden, Status::Running);
    let gone = server(902, Stage::Retired, Status::Resting);
    for one in [&discover, &busy, &gone] {
        put(&*bus, one).await;
    }
    let mut host = host(bus, &estate).await;
    host.pass(10 * MINUTE).await;
    for one in [&discover, &busy, &gone] {
        assert_eq!(estate.looks(&one.id), Vec::<u64>::new(), "{:?}", one.stage);
    }
    let mut seconds: BTreeMap<u64, u32> = BTreeMap::new();
    for n in 0..60 {
        let looks = estate.looks(&server(n, Stage::Assign, Status::Resting).id);
        assert!((9..=12).contains(&looks.len()), "{n}: {looks:?}");
        assert!(looks[0] <= MINUTE + 2_000, "the first within an interval: {looks:?}");
        for at in looks {
            *seconds.entry(at / 1_000).or_default() += 1;
        }
    }
    let most = seconds.values().max().unwrap();
    assert!(*most < 12, "{most} looks in one second: they are to be spread");
    assert!(host.cache.leads() && host.cache.polls()[0].1 >= 540);
}

#[tokio::test]
async fn a_look_that_hangs_is_not_repeated_and_holds_up_nobody() {
    let (bus, estate) = (store(), estate());
    let (one, two) = (server(1, Stage::Service, Status::Resting), server(2, Stage::Service, Status::Resting));
    put(&*bus, &one).await;
    put(&*bus, &two).await;
    estate.with(&one.id, |controller| controller.stuck = true);
    let mut host = host(bus, &estate).await;
    let begin = Instant::now();
    // The clock runs only while the other server is looked at; the hanging look never ends by itself.
    while estate.looks(&two.id).len() < 20 || estate.looks(&one.id).is_empty() {
        estate.clock.fetch_add(5_000, Ordering::SeqCst);
        host.monitor.turn(&mut host.shift, &host.stop).await.unwrap();
        // Looks that began run to where they end or hang.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(begin.elapsed() < PATIENCE, "{:?}", estate.looks(&two.id));
    }
    assert_eq!(estate.looks(&one.id).len(), 1);
    estate.with(&one.id, |controller| controller.stuck = false);
    estate.free.notify_waiters();
    host.shift.settle(estate.clock.load(Ordering::SeqCst)).await;
    host.pass(20 * MINUTE).await;
    assert!(estate.looks(&one.id).len() > 1, "it goes on where it is answered");
}

#[tokio::test]
async fn a_dead_controller_is_a_sample_with_its_fault_and_is_asked_less() {
    let (bus, estate) = (store(), estate());
    let dead = server(1, Stage::Service, Status::Resting);
    put(&*bus, &dead).await;
    let mut host = host(bus, &estate).await;
    host.pass(3 * MINUTE).await;
    let before = host.cache.get(&dead.id).unwrap();
    assert!(before.code.is_none() && before.points.len() == 1);
    estate.with(&dead.id, |controller| controller.dead = true);
    let silent = estate.looks(&dead.id).len();
    host.pass(60 * MINUTE).await;
    let looks = estate.looks(&dead.id).len() - silent;
    assert!((5..=12).contains(&looks), "{looks} looks in an hour of silence");
    let snapshot = host.cache.get(&dead.id).unwrap();
    assert_eq!(snapshot.code.as_deref(), Some("unreachable"));
    assert_eq!(snapshot.seen, before.seen, "when it was seen last");
    assert_eq!(
        snapshot.shown(Timestamp(1_700_000_000_000 + 60 * MINUTE)).len(),
        0,
        "readings of an hour ago are not shown"
    );
    let failed = estate.samples.lock().unwrap().last().unwrap().seen.clone().unwrap_err();
    assert_eq!((failed.code.as_str(), failed.blame), ("unreachable", Blame::Network));
    estate.with(&dead.id, |controller| controller.dead = false);
    host.pass(60 * MINUTE).await;
    let well = estate.looks(&dead.id);
    let last = &well[well.len() - 6..];
    assert!(last.windows(2).all(|pair| pair[1] - pair[0] < 75_000), "as often as before: {last:?}");
    assert!(host.cache.get(&dead.id).unwrap().code.is_none());
}

#[tokio::test]
async fn the_log_is_read_on_after_a_restart_and_nothing_comes_twice() {
    let (bus, estate) = (store(), estate());
    let one = server(1, Stage::Assign, Status::Resting);
    put(&*bus, &one).await;
    estate.with(&one.id, |controller| controller.log = vec!["last year's fan"]);
    let mut first = host(bus.clone(), &estate).await;
    first.pass(2 * MINUTE).await;
    assert_eq!(estate.messages(), Vec::<String>::new(), "what stood in the log before is history");
    estate.with(&one.id, |controller| controller.log.push("a"));
    first.pass(2 * MINUTE).await;
    drop(first);
    estate.with(&one.id, |controller| controller.log.extend(["b", "c"]));
    let mut second = host(bus.clone(), &estate).await;
    second.pass(3 * MINUTE).await;
    assert_eq!(estate.messages(), ["a", "b", "c"]);
    assert_eq!(second.cache.get(&one.id).unwrap().entries, [0, 0, 3], "counted over both hosts");
    let kept = farrier::stage::evidence::one(&*bus, &one.id, farrier::stage::evidence::Kind::Readings).await.unwrap();
    let kept = kept.unwrap().data;
    assert_eq!(kept["events"].as_array().unwrap().len(), 3, "{kept}");
    assert_eq!(kept["sensors"][0]["name"], "inlet");
}

#[tokio::test]
async fn parts_are_read_each_so_many_looks() {
    let (bus, estate) = (store(), estate());
    let one = server(1, Stage::Assign, Status::Resting);
    put(&*bus, &one).await;
    let mut host = host(bus, &estate).await;
    host.pass(30 * MINUTE).await;
    let looks = u32::try_from(estate.looks(&one.id).len()).unwrap();
    let inventories = estate.with(&one.id, |controller| controller.inventories);
    assert_eq!(inventories, looks.div_ceil(5), "of {looks} looks");
}

#[tokio::test]
async fn a_stop_ends_the_looks_under_way() {
    let (bus, estate) = (store(), estate());
    let one = server(1, Stage::Assign, Status::Resting);
    put(&*bus, &one).await;
    estate.with(&one.id, |controller| controller.stuck = true);
    let mut host = host(bus, &estate).await;
    let begin = Instant::now();
    while estate.looks(&one.id).is_empty() {
        estate.clock.fetch_add(1_000, Ordering::SeqCst);
        host.monitor.turn(&mut host.shift, &host.stop).await.unwrap();
        tokio::task::yield_now().await;
        assert!(begin.elapsed() < PATIENCE);
    }
    host.stop.cancel();
    host.shift.settle(0).await;
    assert!(estate.samples.lock().unwrap().is_empty(), "what did not end was not seen");
}
