//! Server-sent events: everything once, in order, to those who may see it, over any number of breaks.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use farrier::access::Role;
use farrier_lifecycle::Stage;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::rig::{PATIENCE, Rig, active, commit, ready};

/// One event.
#[derive(Debug)]
struct Event {
    kind: String,
    id: Option<String>,
    data: Value,
}

/// A reader of the stream.
struct Reader {
    body: BodyDataStream,
    rest: String,
}

async fn read(rig: &Rig, token: Option<&str>, last: Option<&str>) -> Reader {
    let request =
        last.iter().fold(Request::get("/api/v1/events"), |request, last| request.header("last-event-id", *last));
    let response = rig.send(token, request, Body::empty()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Reader { body: response.into_body().into_data_stream(), rest: String::new() }
}

impl Reader {
    /// The next event; `None`: none comes within `wait`, or the stream ended.
    async fn within(&mut self, wait: Duration) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.rest.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.rest = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name}:")))?;
                    Some(line.trim_start().to_owned())
                };
                let Some(data) = field("data") else { continue };
                let data = serde_json::from_str(&data).unwrap();
                return Some(Event { kind: field("event").unwrap_or_default(), id: field("id"), data });
            }
            let bytes = tokio::time::timeout(wait, self.body.next()).await.ok()??.unwrap();
            self.rest.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn next(&mut self) -> Event {
        self.within(PATIENCE).await.expect("an event comes")
    }
}

fn transition(event: &Event) -> String {
    assert_eq!(event.kind, "transition", "{event:?}");
    event.data["entry"]["transition"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_transition_comes_with_its_place_and_its_server() {
    let rig = Rig::new().await;
    let mut reader = read(&rig, None, None).await;
    let server = rig.put(ready(1, "ams")).await;
    let event = reader.next().await;
    assert_eq!(transition(&event), format!("{}:1", server.id));
    assert_eq!(event.id.as_deref(), Some(rig.fleet.cursor().as_str()));
    assert_eq!(event.data["server"]["name"], "AMS-SRV-00001");
    assert_eq!(event.data["server"]["state"], "ready");
}

#[tokio::test]
async fn over_breaks_nothing_is_lost_and_nothing_comes_twice() {
    let rig = Rig::new().await;
    let mut servers = Vec::new();
    for n in 0..5 {
        servers.push(rig.put(ready(n, "ams")).await);
    }
    let begin = rig.fleet.cursor();
    let (mut last, mut seen, mut wanted) = (begin, Vec::new(), Vec::new());
    for round in 0..12_usize {
        // Some come while nobody reads, some while the reader is there.
        for step in 0..7 {
            let at = (round + step) % servers.len();
            servers[at] = commit(&*rig.bus, servers[at].clone()).await;
            wanted.push(format!("{}:{}", servers[at].id, servers[at].version));
        }
        let mut reader = read(&rig, None, Some(&last)).await;
        for step in 0..5 {
            let at = (round * 3 + step) % servers.len();
            servers[at] = commit(&*rig.bus, servers[at].clone()).await;
            wanted.push(format!("{}:{}", servers[at].id, servers[at].version));
        }
        // The connection breaks in the middle.
        for _ in 0..9 {
            let event = reader.next().await;
            seen.push(transition(&event));
            last = event.id.clone().unwrap();
        }
    }
    let mut reader = read(&rig, None, Some(&last)).await;
    while seen.len() < wanted.len() {
        seen.push(transition(&reader.next().await));
    }
    assert_eq!(seen, wanted);
    assert!(reader.within(Duration::from_millis(200)).await.is_none(), "nothing comes twice");
}

#[tokio::test]
async fn a_place_that_is_gone_is_a_reset() {
    let rig = Rig::new().await;
    rig.put(ready(1, "ams")).await;
    for last in ["999999", "not-a-place"] {
        let mut reader = read(&rig, None, Some(last)).await;
        let event = reader.next().await;
        assert_eq!(
            (event.kind.as_str(), event.data["cursor"].as_str()),
            ("reset", Some(rig.fleet.cursor().as_str())),
            "{last}"
        );
        assert_eq!(event.id.as_deref(), Some(rig.fleet.cursor().as_str()));
    }
}

#[tokio::test]
async fn a_reader_is_told_of_servers_it_sees_and_of_no_other() {
    let rig = Rig::new().await;
    let ams = rig.token(Role::Technician, Some("ams"), None).await;
    let acme = rig.token(Role::Tenant, None, Some("ACME")).await;
    let mut at_ams = read(&rig, Some(&ams), None).await;
    let mut of_acme = read(&rig, Some(&acme), None).await;
    rig.put(ready(1, "fra")).await;
    rig.put(active(2, "fra", "OTHER")).await;
    let mine = rig.put(active(3, "fra", "ACME")).await;
    let here = rig.put(ready(4, "ams")).await;
    assert_eq!(transition(&at_ams.next().await), format!("{}:1", here.id));
    assert_eq!(transition(&of_acme.next().await), format!("{}:1", mine.id));
    rig.parts.progress.say(&here.id, "reading");
    rig.parts.progress.say(&mine.id, "not for ams");
    assert_eq!(at_ams.next().await.data["line"], "reading");
    assert_eq!(of_acme.next().await.data["line"], "not for ams");
    // It leaves the tenant: they are told that, and no more.
    let mut left = mine.clone();
    left.tenant = None;
    left.stage = Stage::Assign;
    let left = rig.put(left).await;
    commit(&*rig.bus, left).await;
    let event = of_acme.next().await;
    assert_eq!((event.kind.as_str(), event.data["name"].as_str()), ("gone", Some("FRA-SRV-00003")));
    assert!(of_acme.within(Duration::from_millis(200)).await.is_none());
    assert!(at_ams.within(Duration::from_millis(200)).await.is_none());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_dropped_and_misses_nothing() {
    let rig = Rig::new().await;
    let mut server = rig.put(ready(1, "ams")).await;
    let mut last = rig.fleet.cursor();
    let mut reader = read(&rig, None, None).await;
    for _ in 0..1_500 {
        server = commit(&*rig.bus, server).await;
    }
    rig.until("the read model has them all", || {
        rig.fleet.get(&server.id).is_some_and(|row| row.server.version == server.version)
    })
    .await;
    let mut versions = Vec::new();
    while versions.last() != Some(&server.version) {
        match reader.within(Duration::from_secs(5)).await {
            Some(event) => {
                versions.push(event.data["entry"]["version"].as_u64().unwrap());
                last = event.id.unwrap();
            }
            None => reader = read(&rig, None, Some(&last)).await,
        }
    }
    assert_eq!(versions, (2..=server.version).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_principal_does_not_hold_every_stream() {
    let rig = Rig::new().await;
    let (ana, ben) = (rig.token(Role::Viewer, None, None).await, rig.token(Role::Viewer, None, None).await);
    let mut held = Vec::new();
    for _ in 0..128 {
        held.push(read(&rig, Some(&ana), None).await);
    }
    let refused = rig.get(Some(&ana), "/api/v1/events").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "too-many-streams"));
    read(&rig, Some(&ben), None).await;
    held.pop();
    read(&rig, Some(&ana), None).await;
}

#[tokio::test]
async fn a_stream_ends_with_the_host() {
    let rig = Rig::new().await;
    let mut reader = read(&rig, None, None).await;
    rig.stop.cancel();
    let ended = tokio::time::timeout(PATIENCE, reader.body.next()).await.expect("the stream ends");
    assert!(ended.is_none());
}
