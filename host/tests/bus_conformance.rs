//! What every store promises, run against each of them: embedded in memory, embedded in a file, Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "bus/attempts.rs"]
mod attempts;
mod bus;

use std::sync::Arc;
use std::time::Duration;

use attempts::{
    a_checkpoint_keeps_the_command, a_command_that_kills_its_workers_is_poison,
    a_heartbeat_keeps_a_lease_and_says_when_it_is_lost, a_lease_becomes_a_command_and_an_outcome_the_next,
    a_published_lease_is_taken_in_once, a_renewal_costs_nothing_and_an_old_lease_means_nothing,
    a_repeated_commit_is_recognised, a_second_command_waits_for_the_first,
    an_outcome_of_a_superseded_attempt_gives_way, handing_back_is_no_penalty, suspects_come_one_at_a_time,
};
use bus::{LONG, NOW, Rig, hold, server_of};
use farrier::bus::{ALIAS, BusError, StandingOf, apply_lease};
use farrier::egress::Standing as _;
use farrier_lifecycle::{Blame, Event, Fault, Outcome, Request, Retry, Stage, Status, Timestamp, WaitFor};

/// Each case as a test of each store.
macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod sqlite_memory {
            $(#[tokio::test] async fn $case() { super::$case(super::Rig::sqlite_memory()).await; })+
        }
        mod sqlite_file {
            $(#[tokio::test] async fn $case() { super::$case(super::Rig::sqlite_file()).await; })+
        }
        mod redis {
            $(#[tokio::test] async fn $case() {
                if let Some(rig) = super::Rig::redis().await {
                    super::$case(rig).await;
                }
            })+
        }
    };
}

conformance!(
    a_lease_becomes_a_command_and_an_outcome_the_next,
    a_renewal_costs_nothing_and_an_old_lease_means_nothing,
    a_published_lease_is_taken_in_once,
    a_repeated_commit_is_recognised,
    a_checkpoint_keeps_the_command,
    an_outcome_of_a_superseded_attempt_gives_way,
    a_second_command_waits_for_the_first,
    a_heartbeat_keeps_a_lease_and_says_when_it_is_lost,
    suspects_come_one_at_a_time,
    a_command_that_kills_its_workers_is_poison,
    handing_back_is_no_penalty,
    a_timer_is_due_until_its_commit,
    a_foreign_entry_is_buried_and_redriven,
    a_foreign_entry_that_means_nothing_leaves_nothing,
    the_journal_is_read_in_order_and_waited_for,
    a_timeline_keeps_the_last_transitions,
    small_values_expire,
    a_value_is_swapped_only_from_what_it_was,
    one_of_many_swaps_succeeds,
    a_counter_swapped_by_many_counts_each,
    decisions_are_read_in_order,
    a_role_has_one_holder,
    an_alias_is_the_server,
    an_address_is_whosever_lease_was_last,
    permits_are_shared_between_streams,
    a_wait_ends_with_the_first_entry,
    a_dropped_take_loses_nothing,
    leaving_puts_back_what_was_not_begun,
    many_writers_lose_no_change,
);

async fn a_timer_is_due_until_its_commit(rig: Rig) {
    let seen = rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    let fault = Fault::new("unknown-mac", Retry::Slowly, Blame::Inventory, "not in the inventory");
    let waiting = rig.outcome(&fence, Outcome::Failed(fault)).await.unwrap().server().unwrap().clone();
    assert!(matches!(&waiting.status, Status::Waiting(wait) if matches!(wait.for_, WaitFor::Retry(_))));
    assert_eq!(rig.bus.status().await.unwrap().timers, 1);
    assert_eq!(rig.bus.due(8).await.unwrap(), []);
    rig.clock.step(rig.policy.slow_retry);
    for _ in 0..2 {
        let due = rig.bus.due(8).await.unwrap();
        assert_eq!(
            due.iter().map(|due| (due.server.clone(), Some(due.at))).collect::<Vec<_>>(),
            [(seen.id.clone(), waiting.timer())]
        );
    }
    rig.apply(&seen.id, Event::TimerFired { token: waiting.token() }, farrier::bus::Origin::Outside).await.unwrap();
    assert_eq!(rig.bus.due(8).await.unwrap(), []);
    assert_eq!(rig.run_one(Stage::Discover).await.1.token.number, 2);
}

async fn a_foreign_entry_is_buried_and_redriven(rig: Rig) {
    rig.bus.publish_lease(&rig.lease(1, 1)).await.unwrap();
    let entry = rig.take(Stage::Discover, 1).await.pop().unwrap();
    for _ in 0..2 {
        rig.bus.bury(&entry, "malformed-lease", "for the test").await.unwrap();
    }
    assert_eq!(rig.backlog(Stage::Discover).await, (0, 0));
    let letters = rig.bus.dead(8).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].code.as_str(), letters[0].reason.as_str()), ("malformed-lease", "for the test"));
    assert_eq!((letters[0].stream.as_str(), letters[0].at), ("netbox:bmc:discovered", rig.clock.now()));
    rig.bus.redrive(&letters[0].id).await.unwrap();
    assert!(matches!(rig.bus.redrive(&letters[0].id).await, Err(BusError::NotFound(_))));
    assert!(matches!(rig.bus.redrive("nonsense").await, Err(BusError::NotFound(_))));
    assert_eq!(rig.bus.dead(8).await.unwrap(), []);
    assert_eq!(rig.take(Stage::Discover, 1).await.pop().unwrap().body, entry.body);
}

async fn a_foreign_entry_that_means_nothing_leaves_nothing(rig: Rig) {
    rig.bus.publish_lease(&rig.lease(1, 1)).await.unwrap();
    let entry = rig.take(Stage::Discover, 1).await.pop().unwrap();
    for _ in 0..2 {
        rig.bus.discard(&entry).await.unwrap();
    }
    assert_eq!(rig.backlog(Stage::Discover).await, (0, 0));
    assert_eq!(rig.bus.dead(8).await.unwrap(), []);
    rig.expire();
    assert_eq!(rig.bus.reap(8).await.unwrap(), []);
}

async fn the_journal_is_read_in_order_and_waited_for(rig: Rig) {
    let rig = Arc::new(rig);
    for n in 1..=3 {
        rig.see(n).await;
    }
    let first = rig.bus.journal("", 2, NOW).await.unwrap();
    assert_eq!(
        first.iter().map(|(_, entry)| entry.transition.as_str()).collect::<Vec<_>>(),
        ["9440c9000001:1", "9440c9000002:1"]
    );
    let rest = rig.bus.journal(&first[1].0, 8, LONG).await.unwrap();
    assert_eq!(rest.len(), 1);
    let last = rest[0].0.clone();
    assert_eq!(rig.bus.journal(&last, 8, NOW).await.unwrap(), []);
    let waiting = tokio::spawn({
        let rig = rig.clone();
        async move { rig.bus.journal(&last, 8, LONG).await.unwrap() }
    });
    tokio::task::yield_now().await;
    rig.see(4).await;
    assert_eq!(waiting.await.unwrap()[0].1.transition, "9440c9000004:1");
    assert!(matches!(rig.bus.journal("nonsense", 8, NOW).await, Err(BusError::NotFound(_))));
}

async fn a_timeline_keeps_the_last_transitions(rig: Rig) {
    let seen = rig.see(1).await;
    for _ in 0..20 {
        rig.request(&seen.id, hold()).await.unwrap();
        rig.request(&seen.id, Request::Unhold).await.unwrap();
    }
    let timeline = rig.bus.timeline(&seen.id).await.unwrap();
    assert_eq!(timeline.iter().map(|entry| entry.version).collect::<Vec<_>>(), (12..=41).collect::<Vec<_>>());
    assert_eq!(rig.bus.status().await.unwrap().journal, 41);
}

async fn small_values_expire(rig: Rig) {
    let bus = rig.bus();
    bus.set("a/1", Some(b"one\0\xff"), None).await.unwrap();
    bus.set("a/2", Some(b"two"), Some(Duration::from_secs(10))).await.unwrap();
    bus.set("a*", Some(b""), None).await.unwrap();
    bus.set("b/1", Some(b"other"), None).await.unwrap();
    assert_eq!(bus.get("a/1").await.unwrap().unwrap(), b"one\0\xff");
    assert_eq!(bus.keys("a/").await.unwrap(), [("a/1".to_owned(), 5), ("a/2".to_owned(), 3)]);
    assert_eq!(bus.keys("a*").await.unwrap(), [("a*".to_owned(), 0)]);
    rig.clock.step(10_000);
    assert_eq!(bus.get("a/2").await.unwrap(), None);
    assert_eq!(bus.keys("a/").await.unwrap(), [("a/1".to_owned(), 5)]);
    bus.set("a/1", None, None).await.unwrap();
    assert_eq!(bus.get("a/1").await.unwrap(), None);
    bus.set("a/2", Some(b"again"), None).await.unwrap();
    rig.clock.step(100_000);
    assert_eq!(bus.get("a/2").await.unwrap().unwrap(), b"again", "an old expiry is forgotten");
}

async fn a_value_is_swapped_only_from_what_it_was(rig: Rig) {
    let bus = rig.bus();
    assert!(!bus.swap("k", Some(b"absent"), Some(b"x"), None).await.unwrap());
    assert!(bus.swap("k", None, Some(b"one\0\xff"), None).await.unwrap());
    assert!(!bus.swap("k", None, Some(b"two"), None).await.unwrap(), "it is there");
    assert!(!bus.swap("k", Some(b"one"), Some(b"two"), None).await.unwrap(), "a beginning is not the whole");
    assert_eq!(bus.get("k").await.unwrap().unwrap(), b"one\0\xff");
    assert!(bus.swap("k", Some(b"one\0\xff"), Some(b""), Some(Duration::from_secs(10))).await.unwrap());
    assert!(!bus.swap("k", None, Some(b"x"), None).await.unwrap(), "empty is not absent");
    assert!(bus.swap("k", Some(b""), Some(b"kept"), None).await.unwrap());
    rig.clock.step(20_000);
    assert_eq!(bus.get("k").await.unwrap().unwrap(), b"kept", "the value's own expiry counts");
    assert!(bus.swap("k", Some(b"kept"), Some(b"short"), Some(Duration::from_secs(10))).await.unwrap());
    rig.clock.step(10_000);
    assert!(!bus.swap("k", Some(b"short"), Some(b"x"), None).await.unwrap(), "expired is absent");
    assert!(bus.swap("k", None, Some(b"again"), None).await.unwrap());
    assert!(!bus.swap("k", Some(b"other"), None, None).await.unwrap());
    assert!(bus.swap("k", Some(b"again"), None, None).await.unwrap());
    assert_eq!(bus.get("k").await.unwrap(), None);
    assert!(bus.swap("k", None, None, None).await.unwrap(), "absent, and stays so");
    assert_eq!(bus.keys("").await.unwrap(), []);
}

async fn one_of_many_swaps_succeeds(rig: Rig) {
    let rig = Arc::new(rig);
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..50_u8 {
        let rig = rig.clone();
        tries.spawn(async move { rig.bus.swap("lock", None, Some(&[n]), None).await.unwrap().then_some(n) });
    }
    let won: Vec<_> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert_eq!(rig.bus.get("lock").await.unwrap().unwrap(), won);
}

async fn a_counter_swapped_by_many_counts_each(rig: Rig) {
    let rig = Arc::new(rig);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let rig = rig.clone();
        writers.spawn(async move {
            for _ in 0..10 {
                loop {
                    let is = rig.bus.get("count").await.unwrap();
                    let next = is.as_ref().map_or(0, |is| std::str::from_utf8(is).unwrap().parse::<u32>().unwrap()) + 1;
                    if rig.bus.swap("count", is.as_deref(), Some(next.to_string().as_bytes()), None).await.unwrap() {
                        break;
                    }
                }
            }
        });
    }
    writers.join_all().await;
    assert_eq!(rig.bus.get("count").await.unwrap().unwrap(), b"80");
}

async fn decisions_are_read_in_order(rig: Rig) {
    let bus = rig.bus();
    assert_eq!(bus.audits("", 8).await.unwrap(), []);
    for n in 1..=5 {
        bus.audit(&format!("{{\"n\":{n}}}")).await.unwrap();
    }
    let first = bus.audits("", 2).await.unwrap();
    let rest = bus.audits(&first[1].0, 8).await.unwrap();
    let said: Vec<_> = first.iter().chain(&rest).map(|(_, entry)| entry.as_str()).collect();
    assert_eq!(said, [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":4}"#, r#"{"n":5}"#]);
    assert_eq!(bus.audits(&rest[2].0, 8).await.unwrap(), []);
    assert!(matches!(bus.audits("nowhere", 8).await, Err(BusError::NotFound(_))));
    assert_eq!(bus.status().await.unwrap().journal, 0, "the journal is about servers");
}

async fn a_role_has_one_holder(rig: Rig) {
    assert!(rig.bus.elect("projector", Duration::from_secs(10)).await.unwrap());
    rig.clock.step(9_000);
    assert!(rig.bus.elect("projector", Duration::from_secs(10)).await.unwrap(), "the holder keeps it");
    rig.clock.step(60_000);
    assert!(rig.bus.elect("projector", Duration::from_secs(10)).await.unwrap(), "and has it again");
}

async fn an_alias_is_the_server(rig: Rig) {
    let seen = rig.see(1).await;
    rig.bus.set(&format!("{ALIAS}9440c9000002"), Some(seen.id.as_str().as_bytes()), None).await.unwrap();
    rig.clock.step(1_000);
    let lease = rig.lease(2, 7);
    let applied = apply_lease(rig.bus(), &lease, &rig.policy, rig.clock.now(), None).await.unwrap();
    assert_eq!((&applied.server().unwrap().id, &applied.server().unwrap().lease), (&seen.id, &lease));
    assert_eq!(rig.bus.read(&"9440c9000002".parse().unwrap()).await.unwrap().unwrap().id, seen.id);
    assert_eq!(rig.bus.status().await.unwrap().servers, 1);
    // An alias of nobody is no alias.
    rig.bus.set(&format!("{ALIAS}9440c9000003"), Some(b"9440c90000ff"), None).await.unwrap();
    assert_eq!(rig.see(3).await.id, rig.read(&"9440c9000003".parse().unwrap()).await.id);
}

/// A controller that went dark keeps its address in its record; nothing is written to whoever has it now.
async fn an_address_is_whosever_lease_was_last(rig: Rig) {
    let (dark, other) = (rig.see(1).await, rig.see(2).await);
    let standing = StandingOf(rig.bus.clone());
    assert_eq!(standing.standing(&dark.id).await.unwrap().unwrap().id, dark.id);
    rig.clock.step(1_000);
    let taken = farrier_lifecycle::Lease { ip: dark.lease.ip, ..rig.lease(2, 1) };
    apply_lease(rig.bus(), &taken, &rig.policy, rig.clock.now(), None).await.unwrap();
    let refused = standing.standing(&dark.id).await.unwrap_err();
    assert!(refused.contains(&other.lease.mac.to_string()) && refused.contains("given to another"), "{refused}");
    assert!(standing.standing(&other.id).await.is_ok());
    // A lease from before means nothing; one from after gives the address back.
    apply_lease(rig.bus(), &dark.lease, &rig.policy, rig.clock.now(), None).await.unwrap();
    assert!(standing.standing(&dark.id).await.is_err());
    rig.clock.step(1_000);
    apply_lease(rig.bus(), &rig.lease(1, 1), &rig.policy, rig.clock.now(), None).await.unwrap();
    assert!(standing.standing(&dark.id).await.is_ok() && standing.standing(&other.id).await.is_err());
}

async fn permits_are_shared_between_streams(rig: Rig) {
    for n in 1..=6 {
        rig.see(n).await;
    }
    for _ in 0..2 {
        let (_, fence) = rig.run_one(Stage::Discover).await;
        rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    }
    assert_eq!(rig.bus.take(&Stage::WORKED, 0, LONG).await.unwrap(), []);
    let taken = rig.bus.take(&[Stage::Discover, Stage::Validate], 4, NOW).await.unwrap();
    let stages: Vec<_> = taken.iter().map(|entry| entry.stage).collect();
    assert_eq!(stages, [Stage::Discover, Stage::Discover, Stage::Validate, Stage::Validate]);
    let rest = rig.bus.take(&[Stage::Validate, Stage::Discover], 8, NOW).await.unwrap();
    assert_eq!(rest.len(), 2, "what one stream does not need, the other gets");
}

async fn a_wait_ends_with_the_first_entry(rig: Rig) {
    let rig = Arc::new(rig);
    let began = std::time::Instant::now();
    let waiting = tokio::spawn({
        let rig = rig.clone();
        async move { rig.bus.take(&Stage::WORKED, 8, LONG).await.unwrap() }
    });
    tokio::task::yield_now().await;
    let seen = rig.see(1).await;
    assert_eq!(waiting.await.unwrap().iter().map(server_of).collect::<Vec<_>>(), [seen.id.to_string()]);
    assert!(began.elapsed() < LONG / 2);
    assert_eq!(rig.bus.take(&Stage::WORKED, 8, Duration::from_millis(20)).await.unwrap(), []);
}

async fn a_dropped_take_loses_nothing(rig: Rig) {
    let mut got = std::collections::BTreeSet::new();
    for n in 1..=40 {
        rig.see(n).await;
        // Dropped after a few polls: before, during or after the store has done it.
        let take = rig.bus.take(&Stage::WORKED, 1, LONG);
        tokio::pin!(take);
        for _ in 0..n % 5 {
            if let std::task::Poll::Ready(taken) = futures_util::poll!(take.as_mut()) {
                got.extend(taken.unwrap().iter().map(server_of));
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    loop {
        let taken = rig.bus.take(&Stage::WORKED, 8, NOW).await.unwrap();
        if taken.is_empty() {
            break;
        }
        for entry in &taken {
            assert!(got.insert(server_of(entry)), "given twice: {entry:?}");
        }
    }
    assert_eq!(got.len(), 40);
}

async fn leaving_puts_back_what_was_not_begun(rig: Rig) {
    rig.see(1).await;
    rig.see(2).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    rig.take(Stage::Discover, 1).await;
    rig.bus.publish_lease(&rig.lease(3, 1)).await.unwrap();
    rig.take(Stage::Discover, 1).await;
    rig.bus.leave().await.unwrap();
    assert_eq!(rig.backlog(Stage::Discover).await, (3, 1));
    assert_eq!(rig.bus.beat(&[fence]).await.unwrap(), [true], "what was begun is still leased");
}

async fn many_writers_lose_no_change(rig: Rig) {
    let rig = Arc::new(rig);
    let seen = rig.see(1).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let (rig, id) = (rig.clone(), seen.id.clone());
        writers.spawn(async move {
            for round in 0..5 {
                let request = Request::Hold { reason: format!("{writer}.{round}") };
                rig.request(&id, request).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(rig.read(&seen.id).await.version, 31);
    let timeline = rig.bus.timeline(&seen.id).await.unwrap();
    assert_eq!(timeline.iter().map(|entry| entry.version).collect::<Vec<_>>(), (2..=31).collect::<Vec<_>>());
    assert!(timeline.iter().all(|entry| entry.at >= Timestamp(1)));
}
