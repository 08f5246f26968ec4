//! The two stores, fed the same random operations, answer alike and end alike, and lose no server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bus;

use std::fmt::Debug;
use std::sync::Arc;

use bus::server::Server as Redis;
use bus::{NOW, Rig, Stepped, checkpoint};
use farrier::bus::{Applied, ApplyError, Begin, Entry, EntryBody, Fence, Origin, SqliteBus, apply_lease};
use farrier_lifecycle::{Action, Blame, Event, Fault, Outcome, Request, Retry, ServerId, Stage, Status};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

#[derive(Clone, Debug)]
enum Op {
    Lease { server: u8, host: u8, late: bool },
    Publish { server: u8, host: u8 },
    Take { stage: Index, permits: usize, begin: bool },
    Begin(Index),
    Beat(Index),
    Outcome { fence: Index, kind: u8 },
    Request { server: u8, kind: u8 },
    Bounce(u8),
    Report(u8),
    Timers,
    HandBack(Index),
    Reap(usize),
    Bury(Index),
    Redrive,
    Set { key: u8, ttl: Option<u8> },
    Swap { key: u8, expected: Option<u8>, value: Option<u8>, ttl: Option<u8> },
    Audit(u8),
    Step(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<Index>;
    prop_oneof![
        3 => (1..5_u8, 1..4_u8, any::<bool>()).prop_map(|(server, host, late)| Op::Lease { server, host, late }),
        2 => (1..5_u8, 1..4_u8).prop_map(|(server, host)| Op::Publish { server, host }),
        8 => (index(), 1..5_usize, prop::bool::weighted(0.8))
            .prop_map(|(stage, permits, begin)| Op::Take { stage, permits, begin }),
        2 => index().prop_map(Op::Begin),
        2 => index().prop_map(Op::Beat),
        8 => (index(), 0..10_u8).prop_map(|(fence, kind)| Op::Outcome { fence, kind }),
        3 => (1..5_u8, 0..13_u8).prop_map(|(server, kind)| Op::Request { server, kind }),
        3 => (1..5_u8).prop_map(Op::Bounce),
        1 => (1..5_u8).prop_map(Op::Report),
        2 => Just(Op::Timers),
        2 => index().prop_map(Op::HandBack),
        3 => (1..6_usize).prop_map(Op::Reap),
        1 => index().prop_map(Op::Bury),
        1 => Just(Op::Redrive),
        1 => (0..3_u8, prop::option::of(1..100_u8)).prop_map(|(key, ttl)| Op::Set { key, ttl }),
        3 => (0..3_u8, prop::option::of(0..2_u8), prop::option::of(0..2_u8), prop::option::of(1..100_u8))
            .prop_map(|(key, expected, value, ttl)| Op::Swap { key, expected, value, ttl }),
        1 => any::<u8>().prop_map(Op::Audit),
        4 => prop_oneof![Just(10_u64), Just(5_000), Just(31_000), Just(1_000_000)].prop_map(Op::Step),
    ]
}

/// One store, with what its worker holds; index for index the same as the other's.
struct Side {
    rig: Rig,
    entries: Vec<Entry>,
    fences: Vec<Fence>,
}

fn id(server: u8) -> ServerId {
    format!("9440c90000{server:02x}").parse().unwrap()
}

fn outcome(kind: u8, rig: &Rig) -> Outcome {
    let fault = |retry| Outcome::Failed(Fault::new("test", retry, Blame::Host, "for the test"));
    match kind {
        0 => checkpoint("{\"n\":1}"),
        1 => Outcome::Wait { until: rig.clock.now().plus(5_000), job: Some("job".to_owned()), memo: "{}".to_owned() },
        2 => Outcome::Wait { until: rig.clock.now().plus(900_000), job: None, memo: "{}".to_owned() },
        3 => fault(Retry::Backoff),
        4 => fault(Retry::Never),
        5 => fault(Retry::Slowly),
        6 => Outcome::Rest,
        _ => Outcome::done("done"),
    }
}

fn request(kind: u8, rig: &Rig) -> Request {
    match kind {
        0 | 1 => bus::hold(),
        2 | 3 => Request::Unhold,
        4 => Request::Retry,
        5 => Request::Assign { tenant: "tenant".to_owned(), accept: true, order: None },
        6 => Request::Release,
        7 => Request::Retire,
        8 => Request::Reset,
        9 | 10 => Request::Reserve {
            order: format!("O{}", kind - 8),
            tenant: "tenant".to_owned(),
            until: rig.clock.now().plus(60_000),
            accept: true,
        },
        11 => Request::Assign { tenant: "tenant".to_owned(), accept: true, order: Some("O1".to_owned()) },
        _ => {
            Request::Approve { action: Action::Power, reason: "test".to_owned(), expires: rig.clock.now().plus(60_000) }
        }
    }
}

/// What an entry says, without the store's id.
fn bodies(entries: &[Entry]) -> String {
    format!("{:?}", entries.iter().map(|entry| (entry.stage, &entry.body)).collect::<Vec<_>>())
}

fn said(applied: &Result<Applied, ApplyError>) -> String {
    match applied {
        Err(error) => format!("{}: {error}", error.code()),
        Ok(applied) => format!("{applied:?}"),
    }
}

impl Side {
    fn new(rig: Rig) -> Self {
        Self { rig, entries: Vec::new(), fences: Vec::new() }
    }

    async fn begin(&mut self, entry: &Entry) -> String {
        match self.rig.bus.begin(entry).await.unwrap() {
            Begin::Run { server, fence } => {
                let said = format!("run {server:?} {} {}", fence.token, fence.epoch);
                self.fences.push(fence);
                said
            }
            Begin::Poison { server, fence, takeovers } => {
                let event = Event::WorkerLost { token: fence.token, takeovers };
                let applied = self.rig.apply(&server.id, event, Origin::Attempt(&fence)).await;
                format!("poison {takeovers} {}", said(&applied))
            }
            other => format!("{other:?}"),
        }
    }

    /// What ingest and the worker do with an entry that was taken.
    async fn work(&mut self, entry: &Entry) -> String {
        let EntryBody::Foreign(fields) = &entry.body else { return self.begin(entry).await };
        let data: serde_json::Value = serde_json::from_str(&fields[0].1).unwrap();
        let mac: farrier_lifecycle::Mac = data["mac_address"].as_str().unwrap().parse().unwrap();
        let octets = mac.octets();
        let host = data["ip_address"].as_str().unwrap().rsplit('.').next().unwrap().parse().unwrap();
        let mut lease = self.rig.lease(octets[5], host);
        let at: jiff::Timestamp = data["timestamp"].as_str().unwrap().parse().unwrap();
        lease.at = farrier_lifecycle::Timestamp(at.as_millisecond().try_into().unwrap());
        said(&apply_lease(self.rig.bus(), &lease, &self.rig.policy, self.rig.clock.now(), Some(entry)).await)
    }

    async fn take_in(&mut self, entries: Vec<Entry>, begin: bool) -> String {
        let mut text = bodies(&entries);
        for entry in entries {
            if begin {
                text += &self.work(&entry).await;
            } else {
                self.entries.push(entry);
            }
        }
        text
    }

    async fn apply(&mut self, op: &Op) -> String {
        let bus = self.rig.bus.clone();
        match op {
            Op::Lease { server, host, late } => {
                let mut lease = self.rig.lease(*server, *host);
                lease.at.0 -= if *late { 40_000 } else { 0 };
                said(&apply_lease(bus.as_ref(), &lease, &self.rig.policy, self.rig.clock.now(), None).await)
            }
            Op::Publish { server, host } => {
                bus.publish_lease(&self.rig.lease(*server, *host)).await.unwrap();
                String::new()
            }
            Op::Take { stage, permits, begin } => {
                // Discover more often: that is where the entries are.
                let stages = [&Stage::WORKED[..], &[Stage::Discover; 4]].concat();
                let entries = bus.take(&[*stage.get(&stages)], *permits, NOW).await.unwrap();
                self.take_in(entries, *begin).await
            }
            Op::Begin(index) if !self.entries.is_empty() => {
                let entry = self.entries.remove(index.index(self.entries.len()));
                self.work(&entry).await
            }
            Op::Beat(index) if !self.fences.is_empty() => {
                // One at a time: which of the leases that end at one instant is reaped first is left to the store.
                let mut held = Vec::new();
                for fence in &self.fences[..=index.index(self.fences.len())] {
                    self.rig.clock.step(1);
                    held.extend(bus.beat(std::slice::from_ref(fence)).await.unwrap());
                }
                format!("{held:?}")
            }
            Op::Outcome { fence, kind } if !self.fences.is_empty() => {
                // The fence stays: it is tried again when it is worth nothing any more.
                let fence = fence.get(&self.fences).clone();
                let outcome = outcome(*kind, &self.rig);
                said(&self.rig.outcome(&fence, outcome).await)
            }
            Op::Request { server, kind } => said(&self.rig.request(&id(*server), request(*kind, &self.rig)).await),
            // A new attempt while the old one may still be worked: what parks.
            Op::Bounce(server) => {
                let held = self.rig.request(&id(*server), bus::hold()).await;
                said(&held) + &said(&self.rig.request(&id(*server), Request::Unhold).await)
            }
            Op::Report(server) => {
                let Some(known) = bus.read(&id(*server)).await.unwrap() else { return String::new() };
                let event = Event::ReportReceived { entered: known.entered, report: "{}".to_owned() };
                said(&self.rig.apply(&known.id, event, Origin::Outside).await)
            }
            Op::Timers => {
                let mut text = String::new();
                for due in bus.due(8).await.unwrap() {
                    let token = self.rig.read(&due.server).await.token();
                    let applied = self.rig.apply(&due.server, Event::TimerFired { token }, Origin::Outside).await;
                    text = format!("{text}{due:?} {}", said(&applied));
                }
                text
            }
            Op::HandBack(index) if !self.fences.is_empty() => {
                bus.hand_back(index.get(&self.fences)).await.unwrap();
                String::new()
            }
            Op::Reap(permits) => {
                let entries = bus.reap(*permits).await.unwrap();
                self.take_in(entries, true).await
            }
            Op::Bury(index) if !self.entries.is_empty() => {
                let entry = index.get(&self.entries).clone();
                if matches!(entry.body, EntryBody::Foreign(_)) {
                    bus.bury(&entry, "malformed-lease", "test").await.unwrap();
                }
                String::new()
            }
            Op::Redrive => match bus.dead(1).await.unwrap().pop() {
                Some(letter) => format!("{:?}", bus.redrive(&letter.id).await.map_err(|error| error.to_string())),
                None => String::new(),
            },
            Op::Set { key, ttl } => {
                let ttl = ttl.map(|ttl| std::time::Duration::from_secs(ttl.into()));
                bus.set(&format!("kv/{key}"), Some(b"value"), ttl).await.unwrap();
                String::new()
            }
            Op::Swap { key, expected, value, ttl } => {
                let ttl = ttl.map(|ttl| std::time::Duration::from_secs(ttl.into()));
                let bytes = |value: &Option<u8>| value.map(|value| vec![value; usize::from(value)]);
                let (expected, value) = (bytes(expected), bytes(value));
                let swapped = bus.swap(&format!("swap/{key}"), expected.as_deref(), value.as_deref(), ttl).await;
                format!("{:?}", swapped.unwrap())
            }
            Op::Audit(n) => {
                bus.audit(&format!("{{\"n\":{n}}}")).await.unwrap();
                String::new()
            }
            Op::Step(millis) => {
                self.rig.clock.step(*millis);
                String::new()
            }
            _ => String::new(),
        }
    }

    /// Everything that can be seen, without the store's own ids.
    async fn state(&self) -> String {
        let bus = self.rig.bus();
        let servers = bus.list().await.unwrap();
        let mut timelines = Vec::new();
        for server in &servers {
            timelines.push(bus.timeline(&server.id).await.unwrap());
        }
        let mut status = bus.status().await.unwrap();
        status.store.clear();
        let mut dead = bus.dead(1_000).await.unwrap();
        for letter in &mut dead {
            letter.id.clear();
        }
        let journal: Vec<_> = bus.journal("", 10_000, NOW).await.unwrap().into_iter().map(|(_, entry)| entry).collect();
        assert_eq!(status.journal, u64::try_from(journal.len()).unwrap());
        let keys = bus.keys("").await.unwrap();
        let audits: Vec<_> = bus.audits("", 10_000).await.unwrap().into_iter().map(|(_, entry)| entry).collect();
        show(&[&servers, &timelines, &status, &dead, &journal, &keys, &audits])
    }

    /// Work everything that is there until nothing is; then no server is left that thinks it runs.
    async fn drain(&mut self) {
        for _ in 0..100 {
            self.rig.expire();
            let mut entries = self.rig.bus.reap(64).await.unwrap();
            entries.extend(self.rig.bus.take(&Stage::WORKED, 64, NOW).await.unwrap());
            let before = self.fences.len();
            self.take_in(entries, true).await;
            for fence in self.fences.split_off(before) {
                self.rig.outcome(&fence, outcome(4, &self.rig)).await.unwrap();
            }
            let status = self.rig.bus.status().await.unwrap();
            if status.streams.iter().all(|stream| stream.length == 0) {
                break;
            }
        }
        for server in self.rig.bus.list().await.unwrap() {
            assert_ne!(server.status, Status::Running, "{} is lost: its command stands nowhere", server.id);
        }
    }
}

fn show(parts: &[&dyn Debug]) -> String {
    parts.iter().fold(String::new(), |text, part| text + &format!("{part:#?}\n"))
}

async fn compare(redis: &Redis, ops: &[Op]) {
    let mut raw = redis.raw().await;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
    let rig = |bus, clock: Stepped| Side::new(Rig::new(bus, clock));
    let clocks = [Stepped::default(), Stepped::default()];
    let mut sqlite = rig(Arc::new(SqliteBus::memory(&clocks[0].settings()).unwrap()), clocks[0].clone());
    let mut shared = rig(Arc::new(redis.bus(&clocks[1].settings())), clocks[1].clone());
    shared.rig.bus.check().await.unwrap();
    for (number, op) in ops.iter().enumerate() {
        // Leases that end at one instant may come in any order.
        sqlite.rig.clock.step(1);
        shared.rig.clock.step(1);
        let (one, other) = (sqlite.apply(op).await, shared.apply(op).await);
        assert_eq!(one, other, "operation {number}: {op:?}");
        if number % 10 == 9 {
            assert_eq!(sqlite.state().await, shared.state().await, "after operation {number}: {op:?}");
        }
    }
    assert_eq!(sqlite.state().await, shared.state().await);
    sqlite.drain().await;
    shared.drain().await;
}

#[test]
fn both_stores_answer_alike() {
    let Some(redis) = Redis::start_with("no") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 64, max_shrink_iters: 200, ..Config::default() });
    let walk = prop::collection::vec(op(), 20..120);
    let result = runner.run(&walk, |ops| {
        runtime.block_on(compare(&redis, &ops));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
