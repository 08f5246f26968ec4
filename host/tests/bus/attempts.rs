//! Cases of leases, commands, attempts and their fences; the list is in `bus_conformance.rs`.

use farrier::bus::{Applied, ApplyError, Begin, Commit, Committed, EntryBody, MAX_TAKEOVERS, Origin, apply_lease};
use farrier_lifecycle::{Event, JournalEntry, Outcome, Request, Server, Stage, Status, Step, step};

use crate::bus::{Rig, checkpoint, hold, server_of};

pub async fn a_lease_becomes_a_command_and_an_outcome_the_next(rig: Rig) {
    let seen = rig.see(1).await;
    assert_eq!((seen.version, seen.status.clone()), (1, Status::Running));
    let (server, fence) = rig.run_one(Stage::Discover).await;
    assert_eq!(server, seen);
    let applied = rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    assert_eq!(applied.server().unwrap().stage, Stage::Validate);
    assert_eq!(rig.backlog(Stage::Discover).await, (0, 0));
    assert_eq!(rig.backlog(Stage::Validate).await, (1, 0));
    assert_eq!(rig.read(&seen.id).await, *applied.server().unwrap());
    assert_eq!(rig.bus.list().await.unwrap(), vec![applied.server().unwrap().clone()]);
}

pub async fn a_renewal_costs_nothing_and_an_old_lease_means_nothing(rig: Rig) {
    let first = rig.lease(1, 1);
    rig.see(1).await;
    let before = rig.bus.status().await.unwrap();
    rig.clock.step(120_000);
    let renewed = rig.lease(1, 1);
    let mut old = rig.lease(1, 9);
    old.at = first.at.plus(60_000);
    for lease in [first, renewed, old] {
        let applied = apply_lease(rig.bus(), &lease, &rig.policy, rig.clock.now(), None).await.unwrap();
        assert!(matches!(applied, Applied::Ignored(_)), "{lease:?}");
    }
    assert_eq!(rig.bus.status().await.unwrap(), before);
    let moved = rig.lease(1, 2);
    let applied = apply_lease(rig.bus(), &moved, &rig.policy, rig.clock.now(), None).await.unwrap();
    assert_eq!(applied.server().unwrap().lease, moved);
}

pub async fn a_published_lease_is_taken_in_once(rig: Rig) {
    let lease = rig.lease(1, 1);
    for round in 0..2 {
        rig.bus.publish_lease(&lease).await.unwrap();
        let entry = rig.take(Stage::Discover, 1).await.pop().unwrap();
        let EntryBody::Foreign(fields) = &entry.body else { panic!("a lease is foreign: {entry:?}") };
        assert_eq!(fields[0].0, "d");
        let data: serde_json::Value = serde_json::from_str(&fields[0].1).unwrap();
        assert_eq!(data["mac_address"], "94:40:c9:00:00:01");
        assert_eq!(
            data["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond(),
            1_700_000_000_000
        );
        let applied = apply_lease(rig.bus(), &lease, &rig.policy, rig.clock.now(), Some(&entry)).await.unwrap();
        assert_eq!(applied.server().is_some(), round == 0);
        let (_, fence) = if round == 0 { rig.run_one(Stage::Discover).await } else { break };
        rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    }
    assert_eq!(rig.backlog(Stage::Discover).await, (0, 0));
}

/// The commit of `event` on the record as it is now.
fn commit_of(rig: &Rig, before: &Server, event: &Event) -> Commit {
    let Step::Commit(transition) = step(before, event, &rig.policy, rig.clock.now()).unwrap() else {
        panic!("{event:?}")
    };
    Commit {
        expected: before.version,
        server: transition.server.clone(),
        publish: transition.publish.clone(),
        journal: JournalEntry::of(before, event, &transition, rig.clock.now()),
        fence: None,
        ack: false,
        ack_foreign: None,
    }
}

pub async fn a_repeated_commit_is_recognised(rig: Rig) {
    let seen = rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    let event = Event::Outcome { token: fence.token, outcome: Outcome::done("found") };
    let mut commit = commit_of(&rig, &seen, &event);
    commit.fence = Some(fence.clone());
    commit.ack = true;
    assert_eq!(rig.bus.commit(&commit).await.unwrap(), Committed::Done);
    assert_eq!(rig.bus.commit(&commit).await.unwrap(), Committed::Already);
    // Still recognised after others have gone on.
    let (_, next) = rig.run_one(Stage::Validate).await;
    rig.outcome(&next, checkpoint("{}")).await.unwrap();
    assert_eq!(rig.bus.commit(&commit).await.unwrap(), Committed::Already);
    assert_eq!(rig.bus.timeline(&seen.id).await.unwrap().len(), 3);
    // The same decision, made by someone who has no lease, or on an old record.
    commit.journal.at = commit.journal.at.plus(1);
    assert_eq!(rig.bus.commit(&commit).await.unwrap(), Committed::Fenced);
    commit.fence = None;
    commit.ack = false;
    assert_eq!(rig.bus.commit(&commit).await.unwrap(), Committed::Conflict);
}

pub async fn a_checkpoint_keeps_the_command(rig: Rig) {
    rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    let server = rig.outcome(&fence, checkpoint("{\"task\":1}")).await.unwrap().server().unwrap().clone();
    assert_eq!(server.memo.as_deref(), Some("{\"task\":1}"));
    assert_eq!(rig.bus.beat(std::slice::from_ref(&fence)).await.unwrap(), [true]);
    rig.expire();
    let taken = rig.bus.reap(8).await.unwrap();
    let (resumed, newer) = rig.run(&taken[0]).await;
    assert_eq!(resumed, server, "the checkpoint is found again");
    assert!(newer.epoch > fence.epoch);
    assert!(matches!(rig.outcome(&fence, checkpoint("{}")).await, Err(ApplyError::Fenced(_))), "the old worker stops");
    rig.outcome(&newer, Outcome::done("found")).await.unwrap();
}

pub async fn an_outcome_of_a_superseded_attempt_gives_way(rig: Rig) {
    let seen = rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    rig.request(&seen.id, hold()).await.unwrap();
    assert_eq!(
        rig.bus.beat(std::slice::from_ref(&fence)).await.unwrap(),
        [false],
        "the attempt is not wanted any more"
    );
    let applied = rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    assert!(matches!(applied, Applied::Ignored(_)));
    assert_eq!(rig.backlog(Stage::Discover).await, (0, 0), "its entry is gone");
    assert_eq!(rig.read(&seen.id).await.status, Status::Resting);
}

pub async fn a_second_command_waits_for_the_first(rig: Rig) {
    let seen = rig.see(1).await;
    let (_, fence) = rig.run_one(Stage::Discover).await;
    rig.request(&seen.id, hold()).await.unwrap();
    rig.request(&seen.id, Request::Unhold).await.unwrap();
    let second = rig.take(Stage::Discover, 1).await.pop().unwrap();
    assert_eq!(rig.bus.begin(&second).await.unwrap(), Begin::Parked);
    assert!(rig.take(Stage::Discover, 1).await.is_empty(), "parked is not waiting");
    rig.bus.hand_back(&fence).await.unwrap();
    let (server, newer) = rig.run_one(Stage::Discover).await;
    assert_eq!(newer.token, server.token());
    assert!(rig.take(Stage::Discover, 1).await.is_empty(), "the first is not wanted any more");
    // The same when the first worker is gone.
    rig.request(&seen.id, hold()).await.unwrap();
    rig.request(&seen.id, Request::Unhold).await.unwrap();
    let third = rig.take(Stage::Discover, 1).await.pop().unwrap();
    assert_eq!(rig.bus.begin(&third).await.unwrap(), Begin::Parked);
    rig.expire();
    assert_eq!(rig.bus.reap(8).await.unwrap(), [], "there is nothing to take over in a stale command");
    let (server, third) = rig.run_one(Stage::Discover).await;
    assert_eq!(third.token, server.token());
}

pub async fn a_heartbeat_keeps_a_lease_and_says_when_it_is_lost(rig: Rig) {
    rig.see(1).await;
    rig.see(2).await;
    let (_, kept) = rig.run_one(Stage::Discover).await;
    let (_, lost) = rig.run_one(Stage::Discover).await;
    for _ in 0..4 {
        rig.clock.step(20_000);
        assert_eq!(rig.bus.beat(std::slice::from_ref(&kept)).await.unwrap(), [true]);
    }
    let reaped = rig.bus.reap(8).await.unwrap();
    assert_eq!(reaped.iter().map(server_of).collect::<Vec<_>>(), [lost.server.to_string()]);
    assert_eq!(
        rig.bus.beat(&[kept.clone(), lost.clone()]).await.unwrap(),
        [true, false],
        "lost before it is begun again"
    );
    rig.run(&reaped[0]).await;
    assert_eq!(rig.bus.beat(&[lost, kept]).await.unwrap(), [false, true]);
}

pub async fn suspects_come_one_at_a_time(rig: Rig) {
    for n in 1..=4 {
        rig.see(n).await;
    }
    for entry in rig.take(Stage::Discover, 8).await {
        rig.run(&entry).await;
    }
    rig.expire();
    let first = rig.bus.reap(8).await.unwrap();
    assert_eq!(first.len(), 4, "taken over for the first time: all at once");
    for entry in &first {
        rig.run(entry).await;
    }
    rig.expire();
    for left in (0..4).rev() {
        let suspect = rig.bus.reap(8).await.unwrap();
        assert_eq!(suspect.len(), 1);
        let (_, fence) = rig.run(&suspect[0]).await;
        rig.outcome(&fence, Outcome::done("found")).await.unwrap();
        assert_eq!(rig.backlog(Stage::Discover).await, (left, left));
    }
    assert_eq!(rig.bus.reap(8).await.unwrap(), []);
}

pub async fn a_command_that_kills_its_workers_is_poison(rig: Rig) {
    let seen = rig.see(1).await;
    let mut entry = rig.take(Stage::Discover, 1).await.pop().unwrap();
    for _ in 0..=MAX_TAKEOVERS {
        rig.run(&entry).await;
        rig.expire();
        entry = rig.bus.reap(1).await.unwrap().pop().unwrap();
    }
    let Begin::Poison { fence, takeovers, .. } = rig.bus.begin(&entry).await.unwrap() else { panic!("poison") };
    assert_eq!(takeovers, MAX_TAKEOVERS + 1);
    rig.apply(&seen.id, Event::WorkerLost { token: fence.token, takeovers }, Origin::Attempt(&fence)).await.unwrap();
    let Status::Failed(fault) = rig.read(&seen.id).await.status else { panic!("failed") };
    assert_eq!(fault.code, "crash-loop");
    assert_eq!(rig.backlog(Stage::Discover).await, (0, 0));
    rig.request(&seen.id, Request::Retry).await.unwrap();
    rig.run_one(Stage::Discover).await;
}

pub async fn handing_back_is_no_penalty(rig: Rig) {
    rig.see(1).await;
    for _ in 0..10 {
        let (_, fence) = rig.run_one(Stage::Discover).await;
        rig.bus.hand_back(&fence).await.unwrap();
        rig.bus.hand_back(&fence).await.unwrap();
        assert_eq!(rig.backlog(Stage::Discover).await, (1, 0));
        assert_eq!(rig.bus.beat(std::slice::from_ref(&fence)).await.unwrap(), [false]);
    }
}
