//! A thousand orders at once, on two desks: no server twice, no order too much, whatever the timing. On each store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bus;
mod order_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bus::server::Server as Redis;
use bus::{Rig, Stepped};
use farrier::bus::Bus;
use farrier::config::Approve;
use farrier::order::{Desk, Order, State, Wanted};
use farrier_lifecycle::Server;
use order_support::{desk_on, operator, ready, sound, wanted, work};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const ORDERS: usize = 1_000;
const SERVERS: u32 = 400;
/// Longer than it takes on a slow machine.
const LONG: Duration = Duration::from_mins(4);

/// Two hosts with a desk each.
struct Pair {
    rigs: [Arc<Rig>; 2],
    desks: [Arc<Desk>; 2],
}

fn pair(buses: [Arc<dyn Bus>; 2], clock: &Stepped) -> Pair {
    let rigs = buses.clone().map(|bus| Arc::new(Rig::new(bus, clock.clone())));
    Pair { rigs, desks: buses.map(|bus| Arc::new(desk_on(&bus, clock, Approve::Never))) }
}

/// One store in this process: both desks share it.
fn sqlite() -> Pair {
    let rig = Rig::sqlite_memory();
    pair([rig.bus.clone(), rig.bus.clone()], &rig.clock)
}

/// Two hosts on one server.
async fn redis(server: &Redis) -> Pair {
    let clock = Stepped::default();
    let host = || -> Arc<dyn Bus> { Arc::new(server.bus(&clock.settings())) };
    let pair = pair([host(), host()], &clock);
    pair.rigs[0].bus.check().await.unwrap();
    pair
}

/// Everybody places orders, while servers become ready.
async fn storm(pair: &Pair) {
    let mut tasks = JoinSet::new();
    for n in 0..ORDERS {
        let desk = pair.desks[n % 2].clone();
        tasks.spawn(async move {
            let order = Wanted { partial: n % 7 == 0, ..wanted(if n % 10 == 0 { 3 } else { 1 }) };
            desk.place(&operator(), &order).await.unwrap();
        });
    }
    for n in 1..=SERVERS {
        let rig = pair.rigs[0].clone();
        tasks.spawn(async move { drop(ready(&rig, n).await) });
    }
    tasks.join_all().await;
}

/// Both workers, and both elected desks, until `stop`.
fn hosts(pair: &Pair, stop: &CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (rig, desk) in pair.rigs.iter().zip(&pair.desks) {
        tasks.spawn(desk.clone().run(stop.clone()));
        let (rig, stop) = (rig.clone(), stop.clone());
        tasks.spawn(async move {
            while !stop.is_cancelled() {
                if work(rig.bus(), &rig.clock).await == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    tasks
}

/// Servers that are still to go out. What the last order in the line keeps while it lacks some stays with it: it takes all or none.
async fn still_moving(rig: &Rig, desk: &Desk) -> Option<Vec<Server>> {
    let mut left = rig.bus.list().await.unwrap();
    let there = left.len();
    left.retain(|server| !server.in_service());
    if there == usize::try_from(SERVERS).unwrap() && left.len() < 3 {
        let orders = desk.list(&operator()).await.unwrap();
        let hoards = |order: &Order| !order.wanted.partial && order.servers.len() < order.count();
        left.retain(|server| !orders.iter().any(|order| hoards(order) && order.lists(&server.id)));
        return (!left.is_empty()).then_some(left);
    }
    Some(left)
}

/// All servers go out or are kept, each once; the rest of the orders wait.
async fn a_thousand_orders(pair: Pair) {
    let stop = CancellationToken::new();
    let mut tasks = hosts(&pair, &stop);
    // Worse than two hosts can be: both desks pass all the time, elected or not.
    let over = Arc::new(AtomicBool::new(false));
    for desk in &pair.desks {
        let (desk, over) = (desk.clone(), over.clone());
        tasks.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                desk.pass().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    storm(&pair).await;
    let (began, rig, desk) = (Instant::now(), &pair.rigs[0], &pair.desks[0]);
    while let Some(left) = still_moving(rig, desk).await {
        assert!(began.elapsed() < LONG, "{} of {SERVERS} servers did not go out: {left:#?}", left.len());
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    stop.cancel();
    tasks.join_all().await;
    desk.pass().await.unwrap();
    sound(rig.bus(), desk).await;
    let orders = desk.list(&operator()).await.unwrap();
    assert_eq!(orders.len(), ORDERS);
    let mut listed = BTreeMap::new();
    for order in &orders {
        for line in &order.servers {
            assert_eq!(listed.insert(line.id.clone(), order.id.clone()), None, "{} is in two orders", line.name);
        }
    }
    assert_eq!(listed.len(), usize::try_from(SERVERS).unwrap());
    let open = orders.iter().filter(|order| order.state.is_open()).count();
    let short: usize = orders.iter().map(|order| order.count() - order.servers.len()).sum();
    assert_eq!(short, 900 + 3 * 100 - 400, "what was not given is still wanted");
    assert!(open > 0 && orders.iter().any(|order| order.state == State::Delivered));
}

/// With one desk elected, the older order is never behind the younger one.
async fn first_come_first_served(pair: Pair) {
    let mut placed = Vec::new();
    for n in 0..20 {
        placed.push(pair.desks[n % 2].place(&operator(), &wanted(2)).await.unwrap().id);
    }
    let stop = CancellationToken::new();
    let tasks = hosts(&pair, &stop);
    let (began, rig) = (Instant::now(), &pair.rigs[0]);
    for n in 1..=30 {
        ready(rig, n).await;
    }
    let delivered = loop {
        let orders = pair.desks[1].list(&operator()).await.unwrap();
        assert!(began.elapsed() < LONG, "not delivered: {orders:#?}");
        let done: Vec<_> =
            orders.into_iter().filter(|order| order.state == State::Delivered).map(|order| order.id).collect();
        if done.len() == 15 {
            break done;
        }
        tokio::task::yield_now().await;
    };
    stop.cancel();
    tasks.join_all().await;
    assert_eq!(delivered, placed[..15]);
    sound(rig.bus(), &pair.desks[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_orders_on_the_embedded_store() {
    a_thousand_orders(sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_orders_on_the_shared_store() {
    let Some(server) = Redis::start_with("no") else { return };
    a_thousand_orders(redis(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_come_first_served_on_the_embedded_store() {
    first_come_first_served(sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_come_first_served_on_the_shared_store() {
    let Some(server) = Redis::start_with("no") else { return };
    first_come_first_served(redis(&server).await).await;
}
