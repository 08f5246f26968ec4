//! The projector over time: NetBox away, a process that dies, a server that is refused, another projector.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod netbox_rig;

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier::netbox::drift;
use farrier::netbox::projector::{CURSOR, Lag, Pace, run};
use farrier_lab::netbox::{Fault, Version};
use netbox_rig::{BOTH, Journal, README_MAC, Rig, Walker};
use serde_json::json;
use tokio::sync::watch;

const NAME: &str = "AMS-SRV-001";

struct Following {
    lag: watch::Receiver<Lag>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn follow(journal: &Arc<Journal>, rig: &Rig) -> Following {
    let pace = Pace {
        wait: Duration::from_millis(50),
        backoff: Duration::from_millis(20),
        backoff_cap: Duration::from_millis(100),
        drift_retry: Duration::from_millis(100),
        patience: 3,
        ..Pace::default()
    };
    let (lag_to, lag) = watch::channel(Lag::default());
    let (stop, stopped) = watch::channel(false);
    let (journal, inventory) = (Arc::clone(journal), Arc::clone(&rig.inventory));
    let task = tokio::spawn(run(journal, inventory, pace, lag_to, stopped));
    Following { lag, stop, task }
}

/// Until `holds`, at most ten seconds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn cursor(journal: &Journal) -> usize {
    journal.value(CURSOR).and_then(|value| String::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn netbox_away_and_back_loses_and_repeats_nothing() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        rig.lab.set_fault(Fault::Down);
        let journal = Arc::new(Journal::default());
        let mut following = follow(&journal, &rig);
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.ready(rig.device_id(NAME), NAME);
        journal.add(&walker);
        let waits = following.lag.wait_for(|lag| lag.blocked.is_some());
        let blocked = tokio::time::timeout(Duration::from_secs(10), waits).await.unwrap().unwrap().blocked.clone();
        assert_eq!(blocked.unwrap().code, "netbox-unreachable");
        assert!(following.lag.borrow().behind_ms > 0);
        assert_eq!(cursor(&journal), 0);
        rig.lab.set_fault(Fault::None);
        until("all is written", || cursor(&journal) == walker.entries.len()).await;
        assert_eq!(rig.journal(NAME).len(), walker.notes());
        assert_eq!(rig.device(NAME)["custom_fields"]["lifecycle_state"], "ready");
        until("no lag is left", || following.lag.borrow().behind_ms == 0 && following.lag.borrow().blocked.is_none())
            .await;
        following.stop.send(true).unwrap();
        following.task.await.unwrap();
        rig.assert_correct();
    }
}

#[tokio::test]
async fn what_is_known_of_a_warranty_is_on_the_device() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let journal = Arc::new(Journal::default());
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.ready(rig.device_id(NAME), NAME);
        journal.add(&walker);
        // Its key comes before the other's, and the last key is looked at first.
        let mut later = Walker::new("94:40:c9:00:01:02", "10.0.100.52");
        later.discovered(rig.device_id("AMS-SRV-002"), "AMS-SRV-002");
        journal.add(&later);
        let say = |answers: &[(&Walker, serde_json::Value)]| {
            let mut state = journal.state.lock().unwrap();
            for (walker, answer) in answers {
                state.values.insert(format!("warranty/{}", walker.server.id), answer.to_string().into_bytes());
            }
        };
        let known = |at: u64| json!({"at": at, "ends": 1_861_833_600_000_u64, "level": "ProSupport", "source": "warranty-dell"});
        let field = |name: &str| rig.device(NAME)["custom_fields"][name].as_str().unwrap_or_default().to_owned();
        say(&[(&walker, known(1))]);
        let following = follow(&journal, &rig);
        until("the day is there", || field("warranty_end") == "2028-12-31").await;
        assert_eq!(field("warranty_note"), "ProSupport, says warranty-dell");
        until("the journal is written too", || cursor(&journal) == walker.entries.len() + later.entries.len()).await;
        // Asked again, it says the same: nothing is written.
        let touched = rig.device(NAME)["last_updated"].clone();
        say(&[(&walker, known(2)), (&later, known(2))]);
        let other = || rig.device("AMS-SRV-002")["custom_fields"]["warranty_end"].clone();
        until("the other's is there", || other() == "2028-12-31").await;
        assert_eq!(rig.device(NAME)["last_updated"], touched);
        // Nobody knows any more: the reason is said, and the day stays.
        let unknown =
            json!({"at": 3, "source": "warranty-dell", "reason": "`warranty-dell` does not know the serial X"});
        say(&[(&walker, unknown)]);
        until("the reason is there", || field("warranty_note").contains("does not know the serial")).await;
        assert_eq!(field("warranty_end"), "2028-12-31");
        following.stop.send(true).unwrap();
        following.task.await.unwrap();
        rig.assert_correct();
    }
}

#[tokio::test]
async fn dying_between_write_and_cursor_writes_nothing_twice() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let journal = Arc::new(Journal::default());
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.discovered(rig.device_id(NAME), NAME);
        journal.add(&walker);
        journal.state.lock().unwrap().lose_cursor = u32::MAX;
        let first = follow(&journal, &rig);
        until("the notes are written", || rig.journal(NAME).len() == walker.notes()).await;
        first.task.abort();
        assert!(first.task.await.unwrap_err().is_cancelled());
        assert_eq!(cursor(&journal), 0, "died before the cursor");
        let device = rig.device(NAME);
        journal.state.lock().unwrap().lose_cursor = 0;
        let second = follow(&journal, &rig);
        until("the cursor is there", || cursor(&journal) == walker.entries.len()).await;
        assert_eq!(rig.journal(NAME).len(), walker.notes());
        assert_eq!(rig.device(NAME)["last_updated"], device["last_updated"], "the device was not touched again");
        second.stop.send(true).unwrap();
        second.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_netbox_refuses_holds_up_nobody_and_comes_later() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let journal = Arc::new(Journal::default());
        let (sick, well) = ("AMS-SRV-002", NAME);
        let id = rig.device_id(sick);
        rig.lab.patch("dcim/devices", id, &json!({"oob_ip": null})).unwrap();
        let bmcs = rig.lab.find("dcim/interfaces", "name", &json!("bmc"));
        let theirs = bmcs.iter().find(|bmc| bmc["device"] == rig.device_id("AMS-SRV-003")).unwrap()["id"].clone();
        let body = json!({"address": "10.0.100.52/24", "assigned_object_type": "dcim.interface", "assigned_object_id": theirs});
        let static_address = rig.lab.create("ipam/ip-addresses", &body).unwrap();
        let mut walkers = [Walker::new("94:40:c9:00:01:02", "10.0.100.52"), Walker::new(README_MAC, "10.0.100.50")];
        walkers[0].discovered(id, sick);
        walkers[1].discovered(rig.device_id(well), well);
        journal.add(&walkers[0]);
        journal.add(&walkers[1]);
        let following = follow(&journal, &rig);
        until("the cursor is past both", || cursor(&journal) == 4).await;
        assert_eq!(rig.device(well)["custom_fields"]["lifecycle_state"], "discovered");
        assert_eq!(rig.journal(sick).len(), walkers[0].notes(), "what could be written is");
        let drifts = drift::list(journal.as_ref()).await.unwrap();
        assert_eq!((drifts.len(), drifts[0].fault.code.as_str(), drifts[0].name.as_str()), (1, "address-taken", sick));
        until("it is counted", || following.lag.borrow().drifts == 1).await;
        rig.lab.delete("ipam/ip-addresses", static_address).unwrap();
        until("the drift is gone", || following.lag.borrow().drifts == 0).await;
        assert_eq!(rig.device(sick)["oob_ip"]["address"], "10.0.100.52/24");
        assert_eq!(rig.journal(sick).len(), walkers[0].notes(), "and no note came twice");
        following.stop.send(true).unwrap();
        following.task.await.unwrap();
    }
}

#[tokio::test]
async fn many_transitions_of_one_server_are_one_change_and_all_the_notes() {
    let rig = Rig::populated(Version::V4_6).await;
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.ready(rig.device_id(NAME), NAME);
    let journal = Arc::new(Journal::default());
    journal.add(&walker);
    let before = rig.writes();
    let following = follow(&journal, &rig);
    until("all is written", || cursor(&journal) == walker.entries.len()).await;
    assert_eq!(rig.writes() - before, 3, "one address, one change, one request for {} notes", walker.notes());
    let notes = rig.journal(NAME);
    let order: Vec<_> =
        walker.entries.iter().filter(|entry| entry.note.is_some()).map(|e| e.transition.clone()).collect();
    for (note, transition) in notes.iter().zip(&order) {
        assert!(note.contains(&format!("[farrier:{transition}]")), "{note}");
    }
    following.stop.send(true).unwrap();
    following.task.await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_token_blocks_and_is_said() {
    let rig = Rig::populated(Version::V3_7).await;
    let journal = Arc::new(Journal::default());
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.discovered(rig.device_id(NAME), NAME);
    journal.add(&walker);
    rig.lab.set_fault(Fault::Forbidden);
    let mut following = follow(&journal, &rig);
    let waits = following.lag.wait_for(|lag| lag.blocked.is_some());
    let blocked = tokio::time::timeout(Duration::from_secs(10), waits).await.unwrap().unwrap().blocked.clone().unwrap();
    assert_eq!(blocked.code, "netbox-forbidden");
    assert!(drift::list(journal.as_ref()).await.unwrap().is_empty(), "it is no server's fault");
    rig.lab.set_fault(Fault::None);
    until("all is written", || cursor(&journal) == walker.entries.len()).await;
    following.stop.send(true).unwrap();
    following.task.await.unwrap();
}

#[tokio::test]
async fn who_is_not_elected_writes_nothing_until_it_is() {
    let rig = Rig::populated(Version::V4_6).await;
    let journal = Arc::new(Journal::default());
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.discovered(rig.device_id(NAME), NAME);
    journal.add(&walker);
    journal.state.lock().unwrap().elsewhere = true;
    let writes = rig.writes();
    let following = follow(&journal, &rig);
    until("it asked for the role some times", || journal.state.lock().unwrap().asked > 3).await;
    assert_eq!((rig.writes(), cursor(&journal), following.lag.borrow().elected), (writes, 0, false));
    journal.state.lock().unwrap().elsewhere = false;
    until("all is written", || cursor(&journal) == walker.entries.len()).await;
    assert!(following.lag.borrow().elected);
    following.stop.send(true).unwrap();
    following.task.await.unwrap();
}

#[tokio::test]
async fn a_device_that_is_gone_is_drift_and_its_successor_gets_it_all() {
    let rig = Rig::populated(Version::V3_7).await;
    let journal = Arc::new(Journal::default());
    let mut walker = Walker::new("94:40:c9:00:01:02", "10.0.100.52");
    walker.discovered(987_654, "AMS-SRV-002");
    journal.add(&walker);
    let bmcs = rig.lab.find("dcim/interfaces", "name", &json!("bmc"));
    let bmc = bmcs.iter().find(|bmc| bmc["device"] == rig.device_id("AMS-SRV-002")).unwrap()["id"].as_u64().unwrap();
    rig.lab.patch("dcim/interfaces", bmc, &json!({"mac_address": null})).unwrap();
    let following = follow(&journal, &rig);
    until("it is drift", || following.lag.borrow().drifts == 1).await;
    assert_eq!(drift::list(journal.as_ref()).await.unwrap()[0].fault.code, "device-gone");
    rig.lab.patch("dcim/interfaces", bmc, &json!({"mac_address": "94:40:C9:00:01:02"})).unwrap();
    until("the drift is gone", || following.lag.borrow().drifts == 0).await;
    assert_eq!(rig.journal("AMS-SRV-002").len(), walker.notes());
    following.stop.send(true).unwrap();
    following.task.await.unwrap();
}
