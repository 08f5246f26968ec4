//! What the tests of orders share: ready servers without a pipeline, people, and a worker for the last stage.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use farrier::access::{Means, Principal, Role};
use farrier::bus::{Begin, Bus, Commit, Committed, Origin, apply};
use farrier::config::{Approve, Orders};
use farrier::order::{Desk, Order, State, Wanted};
use farrier_lifecycle::{Event, Hardware, JournalEntry, Lease, Outcome, Policy, Server, ServerId, Stage, Status};

use crate::bus::{NOW, Rig, Stepped};

/// How long servers are kept in these tests, milliseconds.
pub const KEPT: u64 = 3_600_000;

pub fn somebody(name: &str, roles: &[Role], tenant: Option<&str>) -> Principal {
    let roles = roles.iter().copied().collect::<BTreeSet<_>>();
    Principal { name: name.to_owned(), means: Means::Token, roles, sites: None, tenant: tenant.map(str::to_owned) }
}

pub fn operator() -> Principal {
    somebody("ana", &[Role::Operator], None)
}

pub fn approver() -> Principal {
    somebody("ben", &[Role::Approver], None)
}

pub fn desk_on(bus: &Arc<dyn Bus>, clock: &Stepped, approve: Approve) -> Desk {
    let orders = Orders { reserve_ms: KEPT, approve };
    Desk::new(bus.clone(), orders, Policy::default(), false).with_clock(clock.clock())
}

pub fn desk(rig: &Rig) -> Desk {
    desk_on(&rig.bus, &rig.clock, Approve::Never)
}

pub fn wanted(count: u32) -> Wanted {
    Wanted { tenant: Some("acme".to_owned()), count, ..Wanted::default() }
}

pub fn id(n: u32) -> ServerId {
    format!("9440c9{n:06x}").parse().unwrap()
}

/// Server `n` is ready, as the pipeline leaves it, with what `change` makes of it.
pub async fn ready_with(rig: &Rig, n: u32, change: impl FnOnce(&mut Server)) -> ServerId {
    let [_, a, b, c] = n.to_be_bytes();
    let lease = Lease {
        mac: format!("94:40:c9:{a:02x}:{b:02x}:{c:02x}").parse().unwrap(),
        ip: format!("10.{a}.{b}.{c}").parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: rig.clock.now(),
        source: "test".to_owned(),
    };
    let mut server = Server::unseen(lease);
    (server.version, server.entered, server.attempt) = (1, 1, 1);
    (server.stage, server.status, server.since) = (Stage::Assign, Status::Resting, rig.clock.now());
    server.facts.name = Some(format!("SRV-{n:03}"));
    server.facts.site = Some("ams".to_owned());
    server.facts.model = Some("ProLiant DL360 Gen10 Plus".to_owned());
    server.facts.hardware = Some(Hardware { cores: 64, memory_gib: 512, ..Hardware::default() });
    change(&mut server);
    let journal = JournalEntry {
        transition: format!("{}:1", server.id),
        server: server.id.clone(),
        name: server.label().to_owned(),
        version: 1,
        at: rig.clock.now(),
        event: "rest".to_owned(),
        from: server.lifecycle_state(),
        to: server.lifecycle_state(),
        stage: Stage::Assign,
        status: "resting".to_owned(),
        since: rig.clock.now(),
        note: None,
        fault: None,
    };
    let id = server.id.clone();
    let commit = Commit { expected: 0, server, publish: None, journal, fence: None, ack: false, ack_foreign: None };
    assert_eq!(rig.bus.commit(&commit).await.unwrap(), Committed::Done);
    id
}

pub async fn ready(rig: &Rig, n: u32) -> ServerId {
    ready_with(rig, n, |_| {}).await
}

/// Deliver what waits for delivery, as the worker does; how many.
pub async fn work(bus: &dyn Bus, clock: &Stepped) -> usize {
    let entries = bus.take(&[Stage::Assign], 64, NOW).await.unwrap();
    for entry in &entries {
        let Begin::Run { server, fence } = bus.begin(entry).await.unwrap() else { continue };
        let outcome = server.tenant.map_or(Outcome::Rest, |tenant| Outcome::done(format!("delivered to {tenant}")));
        let event = Event::Outcome { token: fence.token, outcome };
        apply(bus, &fence.server, &event, &Policy::default(), clock.now(), Origin::Attempt(&fence)).await.unwrap();
    }
    entries.len()
}

/// Pass and work until nothing moves any more.
pub async fn settle(rig: &Rig, desk: &Desk) {
    for _ in 0..20 {
        let before = rig.bus.status().await.unwrap().journal;
        desk.pass().await.unwrap();
        work(rig.bus(), &rig.clock).await;
        if rig.bus.status().await.unwrap().journal == before {
            return;
        }
    }
    panic!("it does not settle");
}

pub async fn order(desk: &Desk, order: &Order) -> Order {
    desk.get(&operator(), &order.id).await.unwrap()
}

pub async fn state(desk: &Desk, one: &Order) -> State {
    order(desk, one).await.state
}

/// The numbers of its servers' names.
pub fn names(order: &Order) -> Vec<&str> {
    order.servers.iter().map(|line| line.name.as_str()).collect()
}

/// Holds of every store at every moment: what a server says and what orders say agree, and nobody has too much.
pub async fn sound(bus: &dyn Bus, desk: &Desk) {
    let servers: BTreeMap<_, _> =
        bus.list().await.unwrap().into_iter().map(|server| (server.id.clone(), server)).collect();
    let mut owners: BTreeMap<ServerId, String> = BTreeMap::new();
    for order in desk.list(&operator()).await.unwrap() {
        let given = servers.values().filter(|server| server.order.as_deref() == Some(order.id.as_str())).count();
        assert!(given <= order.count() && order.servers.len() <= order.count(), "{} has too much", order.id);
        for line in order.servers.iter().filter(|line| line.delivered) {
            let owner = owners.insert(line.id.clone(), order.id.clone());
            assert_eq!(owner, None, "{} was given twice", line.name);
            assert_eq!(servers[&line.id].order.as_deref(), Some(order.id.as_str()));
            assert_eq!(servers[&line.id].tenant.as_deref(), Some(order.tenant.as_str()));
        }
    }
}

/// A future that dies at its `left`-th poll.
struct Mortal<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

/// Run it until it dies; whether it came to its end.
pub async fn ends<F: Future>(left: usize, future: F) -> bool {
    Mortal { future: Box::pin(future), left }.await.is_some()
}
