//! Facts about the shared store alone: crashes, lost replies, several hosts, legacy lists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::similar_names)]

mod bus;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bus::server::Server as Redis;
use bus::{LEASE, LONG, NOW, Rig, Stepped, checkpoint, server_of};
use farrier::bus::{ApplyError, Begin, Bus, BusError, EntryBody, Settings};
use farrier_lifecycle::{Outcome, Stage};

const DISCOVERED: &str = "netbox:bmc:discovered";

/// Two hosts on one server, on one clock.
fn two_hosts(redis: &Redis) -> (Rig, Rig) {
    let clock = Stepped::default();
    let host = || Rig::new(Arc::new(redis.bus(&clock.settings())), clock.clone());
    (host(), host())
}

#[tokio::test]
async fn a_dead_hosts_work_goes_on_elsewhere() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = two_hosts(&redis);
    for n in 1..=3 {
        one.see(n).await;
    }
    let (_, begun) = one.run_one(Stage::Discover).await;
    let kept = one.outcome(&begun, checkpoint("{\"at\":1}")).await.unwrap().server().unwrap().clone();
    let only_taken = one.take(Stage::Discover, 1).await.pop().unwrap();
    // As `kill -9` leaves it: nothing given back.
    drop(one);
    assert_eq!(other.bus.reap(8).await.unwrap(), [], "its lease holds");
    assert_eq!(other.take(Stage::Discover, 8).await.len(), 1);
    other.expire();
    let taken = other.bus.reap(8).await.unwrap();
    assert_eq!(taken.len(), 3, "all three leases ran out, each is taken over once: {taken:?}");
    let mut seen = BTreeSet::new();
    for entry in &taken {
        let (server, fence) = other.run(entry).await;
        if server.id == kept.id {
            assert_eq!((&server, fence.epoch), (&kept, begun.epoch + 1));
        }
        seen.insert(server_of(entry));
        other.outcome(&fence, Outcome::done("found")).await.unwrap();
    }
    assert!(seen.contains(&server_of(&only_taken)) && seen.len() == 3);
    assert_eq!(other.backlog(Stage::Discover).await, (0, 0));
}

#[tokio::test]
async fn a_restarted_host_takes_its_own_work_back_at_once() {
    let Some(redis) = Redis::start() else { return };
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let open = || redis.bus(&clock.settings()).as_host(dir.path());
    let rig = Rig::new(Arc::new(open().unwrap()), clock.clone());
    let (other, _) = two_hosts(&redis);
    rig.bus.check().await.unwrap();
    for n in 1..=4 {
        rig.see(n).await;
    }
    let (_, begun) = rig.run_one(Stage::Discover).await;
    rig.take(Stage::Discover, 1).await;
    let (_, others) = other.run_one(Stage::Discover).await;
    assert!(rig.bus.elect("projector", LEASE).await.unwrap());
    assert!(other.bus.elect("watch", LEASE).await.unwrap());
    assert!(matches!(open(), Err(BusError::Unusable { problem, .. }) if problem.contains("in use by process")));
    drop(rig);
    let rig = Rig::new(Arc::new(open().unwrap()), clock.clone());
    rig.bus.check().await.unwrap();
    assert!(rig.bus.elect("projector", LEASE).await.unwrap(), "its own role is free at once");
    assert!(!rig.bus.elect("watch", LEASE).await.unwrap(), "another host's is not");
    assert_eq!(rig.take(Stage::Discover, 8).await.len(), 2, "taken or waiting, not begun: they wait");
    let taken = rig.bus.reap(8).await.unwrap();
    assert_eq!(taken.iter().map(server_of).collect::<Vec<_>>(), [begun.server.to_string()]);
    assert_eq!(rig.run(&taken[0]).await.1.epoch, begun.epoch + 1);
    assert_eq!(other.bus.beat(&[others]).await.unwrap(), [true], "another host's work is left alone");
}

#[tokio::test]
async fn an_entry_taken_over_is_lost_to_the_first() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = two_hosts(&redis);
    one.see(1).await;
    let paused = one.take(Stage::Discover, 1).await.pop().unwrap();
    one.expire();
    let taken = other.bus.reap(1).await.unwrap();
    let (_, fence) = other.run(&taken[0]).await;
    assert_eq!(one.bus.begin(&paused).await.unwrap(), Begin::Stale, "the paused host has nothing to begin");
    assert_eq!(other.bus.beat(&[fence]).await.unwrap(), [true]);
}

#[tokio::test]
async fn one_of_two_hosts_has_a_role() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = two_hosts(&redis);
    assert!(one.bus.elect("projector", LEASE).await.unwrap());
    assert!(!other.bus.elect("projector", LEASE).await.unwrap());
    assert!(other.bus.elect("watch", LEASE).await.unwrap());
    one.expire();
    assert!(other.bus.elect("projector", LEASE).await.unwrap());
    assert!(!one.bus.elect("projector", LEASE).await.unwrap());
    other.bus.leave().await.unwrap();
    assert!(one.bus.elect("projector", LEASE).await.unwrap(), "who leaves gives it up");
}

#[tokio::test]
async fn every_waiting_host_hears_of_work_and_journal() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = two_hosts(&redis);
    other.bus.check().await.unwrap();
    let began = Instant::now();
    let (bus, watcher) = (other.bus.clone(), other.bus.clone());
    let work = tokio::spawn(async move { bus.take(&Stage::WORKED, 8, LONG).await.unwrap() });
    let journal = tokio::spawn(async move { watcher.journal("", 8, LONG).await.unwrap() });
    tokio::task::yield_now().await;
    one.see(1).await;
    assert_eq!(work.await.unwrap().len(), 1);
    assert_eq!(journal.await.unwrap().len(), 1);
    assert!(began.elapsed() < LONG / 2);
}

/// Lose the reply of a fetch: the same call on a connection of the test's own, in the name of the bus's process.
#[tokio::test]
async fn the_entries_of_a_lost_reply_are_read_again() {
    let Some(redis) = Redis::start() else { return };
    let (rig, _) = two_hosts(&redis);
    rig.see(1).await;
    rig.see(2).await;
    let had = rig.take(Stage::Discover, 1).await;
    let mut raw = redis.raw().await;
    let consumers: Vec<Vec<redis::Value>> =
        redis::cmd("XINFO").arg(&["CONSUMERS", DISCOVERED, "host"]).query_async(&mut raw).await.unwrap();
    let redis::Value::BulkString(name) = &consumers[0][1] else { panic!("{consumers:?}") };
    let lost: redis::Value = redis::cmd("XREADGROUP")
        .arg(&["GROUP", "host"])
        .arg(name)
        .arg(&["COUNT", "1", "STREAMS", DISCOVERED, ">"])
        .query_async(&mut raw)
        .await
        .unwrap();
    assert_ne!(lost, redis::Value::Nil);
    assert!(rig.take(Stage::Discover, 8).await.is_empty(), "nothing is wrong yet, as far as the host knows");
    let _: () =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).query_async(&mut raw).await.unwrap();
    let again = rig.take(Stage::Discover, 8).await;
    assert_eq!(again.len(), 1, "the link broke, so the own entries are read first");
    assert_ne!(server_of(&again[0]), server_of(&had[0]), "what the worker has is not given twice");
    rig.run(&again[0]).await;
}

#[tokio::test]
async fn a_killed_server_loses_no_answered_commit() {
    let Some(mut redis) = Redis::start() else { return };
    let clock = Stepped::default();
    let rig = Rig::new(Arc::new(redis.bus(&clock.settings())), clock);
    rig.bus.check().await.unwrap();
    let mut done = BTreeSet::new();
    for round in 0..4_u8 {
        for n in 1..=8 {
            rig.see(round * 8 + n).await;
        }
        let taken = rig.take(Stage::Discover, 4).await;
        let mut begun = Vec::new();
        for entry in &taken {
            begun.push(rig.run(entry).await.1);
        }
        rig.outcome(&begun[0], Outcome::done("found")).await.unwrap();
        done.insert(begun[0].server.clone());
        redis.kill_and_restart();
        // The first call after the crash repeats itself on a new connection; leases and fences outlive the server.
        assert_eq!(rig.bus.beat(&begun[1..]).await.unwrap(), [true, true, true]);
        for fence in &begun[1..] {
            rig.outcome(fence, Outcome::done("found")).await.unwrap();
            done.insert(fence.server.clone());
        }
    }
    for server in rig.bus.list().await.unwrap() {
        let stage = if done.contains(&server.id) { Stage::Validate } else { Stage::Discover };
        assert_eq!(server.stage, stage);
    }
    assert_eq!((rig.backlog(Stage::Discover).await, rig.backlog(Stage::Validate).await), ((16, 0), (16, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_under_fire_are_done_once() {
    let Some(mut redis) = Redis::start() else { return };
    let clock = Stepped::default();
    let rig = Arc::new(Rig::new(Arc::new(redis.bus(&clock.settings())), clock));
    rig.bus.check().await.unwrap();
    for n in 1..=60 {
        rig.see(n).await;
    }
    let done = Arc::new(AtomicU32::new(0));
    let worker = tokio::spawn({
        let (rig, done) = (rig.clone(), done.clone());
        async move {
            let end = Instant::now() + LONG;
            while done.load(Ordering::SeqCst) < 60 {
                assert!(Instant::now() < end, "{done:?} of 60");
                // Errors are what a worker meets; each call may be made again.
                let Ok(taken) = rig.bus.take(&[Stage::Discover], 3, Duration::from_millis(50)).await else { continue };
                for entry in taken {
                    let begun = loop {
                        match rig.bus.begin(&entry).await {
                            Ok(begun) => break begun,
                            Err(BusError::Unreachable(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    };
                    let Begin::Run { fence, .. } = begun else { panic!("{begun:?}") };
                    while let Err(error) = rig.outcome(&fence, Outcome::done("found")).await {
                        assert!(matches!(error, ApplyError::Bus(BusError::Unreachable(_))), "{error}");
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    });
    for part in [5, 25, 45] {
        while done.load(Ordering::SeqCst) < part && !worker.is_finished() {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| redis.kill_and_restart());
    }
    worker.await.unwrap();
    for server in rig.bus.list().await.unwrap() {
        assert_eq!((server.version, server.stage), (2, Stage::Validate), "{}", server.id);
        assert_eq!(rig.bus.timeline(&server.id).await.unwrap().len(), 2);
    }
    assert_eq!(rig.bus.journal("", 1_000, NOW).await.unwrap().len(), 120);
}

#[tokio::test]
async fn after_an_outage_others_leases_are_left_alone_for_one_lease() {
    let Some(mut redis) = Redis::start() else { return };
    let lease = Duration::from_millis(700);
    // The server's own clock: what a host runs on.
    let settings = Settings { lease, ..Settings::default() };
    let rig = Rig::new(Arc::new(redis.bus(&settings)), Stepped::default());
    rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    redis.kill_and_restart();
    let began = Instant::now();
    while rig.bus.reap(8).await.unwrap_or_default().is_empty() {
        assert!(began.elapsed() < LONG, "the lease runs out");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() >= lease, "others had time to say that they live");
    assert_eq!(rig.bus.beat(&[fence]).await.unwrap(), [false]);
}

#[tokio::test]
async fn legacy_lists_become_leases() {
    let Some(redis) = Redis::start() else { return };
    let mut raw = redis.raw().await;
    for (push, key, raw_text) in [
        ("LPUSH", DISCOVERED, "first"),
        ("LPUSH", DISCOVERED, "second"),
        ("RPUSH", "bm:events:dhcp_lease", "third"),
        ("LPUSH", "netbox:dhcp:leases", "\"not \u{1f} JSON"),
    ] {
        let _: i64 = redis::cmd(push).arg(key).arg(raw_text).query_async(&mut raw).await.unwrap();
    }
    let (rig, _) = two_hosts(&redis);
    let warnings = rig.bus.check().await.unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("netbox:bmc:discovered:legacy"), "{warnings:?}");
    // A producer that was not changed goes on writing where it may.
    let _: i64 = redis::cmd("RPUSH").arg(&["bm:events:dhcp_lease", "later"]).query_async(&mut raw).await.unwrap();
    rig.bus.reap(8).await.unwrap();
    let mut texts = Vec::new();
    for entry in rig.take(Stage::Discover, 8).await {
        let EntryBody::Foreign(fields) = &entry.body else { panic!("{entry:?}") };
        assert_eq!(fields[0].0, "d");
        texts.push(fields[0].1.clone());
        rig.bus.bury(&entry, "malformed-lease", "test").await.unwrap();
    }
    texts.sort();
    assert_eq!(texts, ["\"not \u{1f} JSON", "first", "later", "second", "third"]);
    assert_eq!(rig.bus.dead(8).await.unwrap().len(), 5);
    assert_eq!(rig.bus.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_of_another_kind_is_refused() {
    let Some(redis) = Redis::start() else { return };
    let mut raw = redis.raw().await;
    let _: () = redis::cmd("SET").arg(&["netbox:server:ready", "mine"]).query_async(&mut raw).await.unwrap();
    let (rig, _) = two_hosts(&redis);
    let error = rig.bus.check().await.unwrap_err();
    assert!(matches!(&error, BusError::Unusable { problem, .. } if problem.contains("netbox:server:ready")), "{error}");
}

#[tokio::test]
async fn a_foreign_entry_on_any_stream_can_be_buried() {
    let Some(redis) = Redis::start() else { return };
    let (rig, _) = two_hosts(&redis);
    rig.bus.check().await.unwrap();
    let mut raw = redis.raw().await;
    let _: String = redis::cmd("XADD")
        .arg(&["netbox:server:hardened", "*", "s", "9440c9000001", "q", "1.1", "d", "forged"])
        .query_async(&mut raw)
        .await
        .unwrap();
    let entry = rig.take(Stage::Monitor, 1).await.pop().unwrap();
    assert!(matches!(entry.body, EntryBody::Foreign(_)), "only what we wrote is ours");
    rig.bus.bury(&entry, "not-ours", "an entry from outside").await.unwrap();
    assert_eq!(rig.bus.dead(1).await.unwrap()[0].stream, "netbox:server:hardened");
    assert_eq!(rig.backlog(Stage::Monitor).await, (0, 0));
}

#[tokio::test]
async fn what_someone_deleted_is_published_again() {
    let Some(redis) = Redis::start() else { return };
    let (rig, _) = two_hosts(&redis);
    rig.see(1).await;
    rig.see(2).await;
    rig.run_one(Stage::Discover).await;
    let mut raw = redis.raw().await;
    let _: i64 = redis::cmd("DEL").arg(DISCOVERED).query_async(&mut raw).await.unwrap();
    let _: () = redis::cmd("FUNCTION").arg("FLUSH").query_async(&mut raw).await.unwrap();
    assert_eq!(rig.bus.check().await.unwrap().len(), 1);
    assert_eq!(rig.bus.check().await.unwrap(), Vec::<String>::new());
    rig.expire();
    rig.bus.reap(8).await.unwrap();
    for entry in rig.take(Stage::Discover, 8).await {
        let (_, fence) = rig.run(&entry).await;
        rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    }
    assert_eq!(rig.backlog(Stage::Validate).await, (2, 0));
}

#[tokio::test]
async fn a_lost_command_is_published_again_without_a_restart() {
    let Some(redis) = Redis::start() else { return };
    let (rig, other) = two_hosts(&redis);
    rig.see(1).await;
    rig.see(2).await;
    let (running, _) = rig.run_one(Stage::Discover).await;
    assert_eq!(other.bus.sweep().await.unwrap(), 0, "begun or waiting: none is lost");
    let mut raw = redis.raw().await;
    let lost: i64 = redis::cmd("XTRIM").arg(&[DISCOVERED, "MAXLEN", "0"]).query_async(&mut raw).await.unwrap();
    assert_eq!(lost, 2);
    assert_eq!(other.bus.sweep().await.unwrap(), 2);
    assert_eq!(other.bus.sweep().await.unwrap(), 0, "once each");
    for entry in other.take(Stage::Discover, 8).await {
        match other.bus.begin(&entry).await.unwrap() {
            Begin::Run { fence, .. } => drop(other.outcome(&fence, Outcome::done("found")).await.unwrap()),
            begun => assert_eq!((begun, server_of(&entry)), (Begin::Parked, running.id.to_string())),
        }
    }
    // The attempt that it waits behind dies, and its entry is not there to be taken over.
    other.expire();
    assert_eq!(other.bus.reap(8).await.unwrap(), []);
    assert_eq!(other.bus.sweep().await.unwrap(), 1);
    let (server, fence) = other.run_one(Stage::Discover).await;
    assert_eq!(server.id, running.id);
    other.outcome(&fence, Outcome::done("found")).await.unwrap();
    assert_eq!(other.backlog(Stage::Validate).await, (2, 0));
}

#[tokio::test]
async fn sites_do_not_meet() {
    let Some(redis) = Redis::start() else { return };
    let clock = Stepped::default();
    let site = |name: &str| {
        let settings = Settings { site: Some(name.to_owned()), ..clock.settings() };
        Rig::new(Arc::new(redis.bus(&settings)), clock.clone())
    };
    let (ams, fra) = (site("ams"), site("fra"));
    ams.bus.check().await.unwrap();
    fra.bus.check().await.unwrap();
    ams.see(1).await;
    assert!(fra.bus.list().await.unwrap().is_empty());
    assert!(fra.take(Stage::Discover, 8).await.is_empty());
    assert_eq!(ams.bus.status().await.unwrap().streams[0].stream, "netbox:bmc:discovered:{ams}");
    assert_eq!(ams.take(Stage::Discover, 8).await.len(), 1);
    let mut raw = redis.raw().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut raw).await.unwrap();
    assert!(keys.iter().all(|key| key.ends_with(":{ams}") || key.ends_with(":{fra}")), "{keys:?}");
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_soon() {
    let Some(mut redis) = Redis::start() else { return };
    let (rig, _) = two_hosts(&redis);
    rig.see(1).await;
    redis.kill();
    let began = Instant::now();
    assert!(matches!(rig.bus.list().await, Err(BusError::Unreachable(_))));
    assert!(matches!(rig.bus.take(&Stage::WORKED, 1, LONG).await, Err(BusError::Unreachable(_))));
    assert!(began.elapsed() < LONG / 2);
}

#[tokio::test]
async fn a_password_and_a_user_are_needed_where_asked() {
    let Some(redis) = Redis::start() else { return };
    let mut raw = redis.raw().await;
    let _: () = redis::cmd("ACL")
        .arg(&["SETUSER", "farrier", "on", ">secret", "~netbox:*", "~farrier:*", "~bm:events:*", "+@all", "-@admin"])
        .query_async(&mut raw)
        .await
        .unwrap();
    let _: () = redis::cmd("ACL").arg(&["SETUSER", "default", "off"]).query_async(&mut raw).await.unwrap();
    let login = |password: &str| {
        let secret = farrier::fault::Secret::new(password);
        farrier::bus::RedisBus::new(&redis.url(), Some("farrier"), Some(&secret), &Settings::default()).unwrap()
    };
    let rig = Rig::new(Arc::new(login("secret")), Stepped::default());
    assert_eq!(rig.bus.check().await.unwrap(), Vec::<String>::new());
    rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    for wrong in [login("wrong"), redis.bus(&Settings::default())] {
        let error = wrong.check().await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
    }
}
