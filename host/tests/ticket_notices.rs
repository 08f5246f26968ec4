//! Signed notices: in order, once each as far as the receiver says so, whatever it answers in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bus::Rig;
use farrier::config::Webhook;
use farrier::fault::{Blame, Fault, Retry};
use farrier::ticket::{Cases, Finding, Hook, Problem, Subject};
use farrier_lifecycle::{Outcome, Stage};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

const KEY: &str = "a key of the receiver";

/// Checks as the guide says, keeps what it took, and answers as told.
#[derive(Clone, Default)]
struct Receiver {
    taken: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicU32>,
    wrong: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    async fn start(&self) -> String {
        let this = self.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let this = this.clone();
            async move { this.take(&headers, &body) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(take))).await });
        url
    }

    fn take(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
        mac.update(header("x-farrier-timestamp").as_bytes());
        mac.update(b".");
        mac.update(body);
        let signature =
            mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        if header("x-farrier-signature") != format!("sha256={signature}") {
            self.wrong.lock().unwrap().push(header("x-farrier-signature").to_owned());
        }
        let mut answers = self.answers.lock().unwrap();
        let status = if answers.is_empty() { 204 } else { answers.remove(0) };
        if status < 300 {
            let notice: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(notice["id"], header("x-farrier-delivery"));
            self.taken.lock().unwrap().push(notice);
        }
        StatusCode::from_u16(status).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|notice| notice["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn hook(url: &str, folder: &std::path::Path, rig: &Rig) -> Hook {
    let file = folder.join("key");
    std::fs::write(&file, KEY).unwrap();
    let config = Webhook {
        name: "chat".to_owned(),
        url: url.parse().unwrap(),
        secret_file: Some(file),
        secret_env: None,
        ca_file: None,
    };
    Hook::new(&config, rig.bus.clone(), Duration::from_millis(1)).unwrap()
}

#[tokio::test]
async fn every_transition_once_and_in_order_whatever_is_answered() {
    let (rig, folder, receiver) = (Rig::sqlite_memory(), tempfile::tempdir().unwrap(), Receiver::default());
    let url = receiver.start().await;
    rig.see(1).await;
    let chat = hook(&url, folder.path(), &rig);
    // The first turn finds the end of the journal: what was before is not told.
    assert!(chat.turn().await.unwrap());
    receiver.answers.lock().unwrap().extend([503, 500, 204, 429, 401]);
    let (_, fence) = rig.run_one(Stage::Discover).await;
    for memo in ["1", "2", "3"] {
        rig.outcome(&fence, bus::checkpoint(memo)).await.unwrap();
    }
    rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    chat.turn().await.unwrap();
    // Another process goes on where this one stopped.
    rig.see(2).await;
    hook(&url, folder.path(), &rig).turn().await.unwrap();
    let journal = rig.bus.journal("", 100, Duration::ZERO).await.unwrap();
    let expected: Vec<String> = journal.iter().skip(1).map(|(_, entry)| entry.transition.clone()).collect();
    assert_eq!(receiver.ids(), expected);
    assert_eq!(receiver.asked.load(Ordering::SeqCst), u32::try_from(expected.len()).unwrap() + 4);
    assert!(receiver.wrong.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_notice_refused_for_good_is_left_out_and_those_behind_it_are_not() {
    let (rig, folder, receiver) = (Rig::sqlite_memory(), tempfile::tempdir().unwrap(), Receiver::default());
    let chat = hook(&receiver.start().await, folder.path(), &rig);
    chat.turn().await.unwrap();
    receiver.answers.lock().unwrap().extend([400; 10]);
    rig.see(1).await;
    let second = rig.see(2).await;
    chat.turn().await.unwrap();
    assert_eq!(receiver.ids(), [format!("{}:1", second.id)]);
}

/// A dead feed of a rack, found now.
fn dead_feed(rig: &Rig, text: &str) -> Finding {
    let about = Subject::Rack { site: "ams".to_owned(), rack: "A01".to_owned(), feed: Some("a".to_owned()) };
    let fault = Fault::new("rack-power-feed", Retry::Never, Blame::Hardware, text).hint("look at the PDU");
    let at = rig.clock.now();
    Finding { about, name: "rack A01".to_owned(), fault, since: at, at, warning: false, shown: None }
}

#[tokio::test]
async fn a_case_is_told_when_it_is_raised_when_it_changes_and_when_it_is_over() {
    let (rig, folder, receiver) = (Rig::sqlite_memory(), tempfile::tempdir().unwrap(), Receiver::default());
    let (url, cases) = (receiver.start().await, Cases(rig.bus.clone()));
    let server = rig.see(1).await;
    let chat = hook(&url, folder.path(), &rig);
    cases.find(&dead_feed(&rig, "before anybody was to be told")).await.unwrap();
    assert!(chat.turn().await.unwrap());
    let found = dead_feed(&rig, "feed a is dead for 3 servers");
    for text in ["feed a is dead for 3 servers", "feed a is dead for 3 servers", "feed a is dead for 6 servers"] {
        cases.find(&dead_feed(&rig, text)).await.unwrap();
    }
    let case = cases.get(&found.about, "rack-power-feed").await.unwrap().unwrap();
    rig.clock.step(1_000);
    // No ticket system is configured: the case is gone at once, and the notice is not.
    cases.end(case, false, rig.clock.now(), "the controller shows it as good again").await.unwrap();
    assert_eq!(cases.all().await.unwrap(), []);
    // What a transition told of is not told twice.
    let fault = Fault::new("cable-swapped", Retry::Never, Blame::Cabling, "ports 1 and 2");
    let (at, name) = (rig.clock.now(), "AMS-SRV-001".to_owned());
    let stage = Some(Stage::Validate);
    cases.raise(&Problem { server: server.id, name, stage, fault, at, version: 9, warning: false }).await.unwrap();
    receiver.answers.lock().unwrap().extend([503, 204, 500]);
    chat.turn().await.unwrap();
    cases.find(&dead_feed(&rig, "feed a is dead for 4 servers")).await.unwrap();
    // Another process goes on where this one stopped.
    hook(&url, folder.path(), &rig).turn().await.unwrap();
    let taken = receiver.taken.lock().unwrap().clone();
    let whats: Vec<&str> = taken.iter().map(|notice| notice["case"]["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["changed", "changed", "over", "raised"]);
    let at = found.at.0;
    assert_eq!(
        taken[1],
        json!({ "kind": "case", "id": format!("case:3:{at}"), "case": {
            "what": "changed", "about": "rack/ams/A01/feed-a", "name": "rack A01", "severity": "critical",
            "fault": { "code": "rack-power-feed", "retry": "never", "blame": "hardware",
                "text": "feed a is dead for 6 servers", "hint": "look at the PDU" },
            "since": at, "at": at, "note": null } })
    );
    assert_eq!(taken[2]["case"]["note"], "the controller shows it as good again");
    assert_eq!(receiver.asked.load(Ordering::SeqCst), 6);
    assert!(receiver.wrong.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_change_of_a_case_is_kept_for_seven_days() {
    const DAY: u64 = 86_400_000;
    let (rig, folder, receiver) = (Rig::sqlite_memory(), tempfile::tempdir().unwrap(), Receiver::default());
    let (chat, cases) = (hook(&receiver.start().await, folder.path(), &rig), Cases(rig.bus.clone()));
    chat.turn().await.unwrap();
    for text in ["too old", "almost too old", "new"] {
        cases.find(&dead_feed(&rig, text)).await.unwrap();
        rig.clock.step(4 * DAY);
    }
    rig.clock.step(DAY);
    chat.turn().await.unwrap();
    let taken = receiver.taken.lock().unwrap().clone();
    let texts: Vec<&str> = taken.iter().map(|notice| notice["case"]["fault"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["new"]);
}

#[test]
fn notices_do_not_leave_in_the_clear() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (rig, config) = (Rig::sqlite_memory(), |url: &str| Webhook {
            name: "x".to_owned(),
            url: url.parse().unwrap(),
            secret_file: None,
            secret_env: None,
            ca_file: None,
        });
        assert!(Hook::new(&config("http://hooks.example.test/"), rig.bus.clone(), Duration::ZERO).is_err());
        assert!(Hook::new(&config("https://hooks.example.test/"), rig.bus.clone(), Duration::ZERO).is_ok());
    });
}
