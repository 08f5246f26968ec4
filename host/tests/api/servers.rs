//! Lists, one server, and what input is refused.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use farrier_lifecycle::Blame;
use serde_json::{Value, json};

use crate::rig::{Rig, active, commit, failed, ready};

fn names(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_server_is_found_by_every_spelling_of_its_names() {
    let rig = Rig::new().await;
    let server = rig.put(ready(1, "ams")).await;
    for name in
        ["AMS-SRV-00001", "ams-srv-00001", "9440c9000001", "94:40:c9:00:00:01", "94-40-C9-00-00-01", "9440.c900.0001"]
    {
        let answer = rig.get(None, &format!("/api/v1/servers/{name}")).await;
        assert_eq!(answer.json()["id"], server.id.as_str(), "{name}");
    }
    let answer = rig.get(None, "/api/v1/servers/ams-srv-0000").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "no-server"));
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn one_server_shows_its_warranty_and_a_list_does_not() {
    let rig = Rig::new().await;
    let server = rig.put(ready(1, "ams")).await;
    let path = "/api/v1/servers/AMS-SRV-00001";
    assert_eq!(rig.get(None, path).await.json().get("warranty"), None, "nobody was asked yet");
    let key = format!("warranty/{}", server.id);
    let ends = farrier::egress::now().0 + 40 * 86_400_000 + 60_000;
    let known = json!({ "at": 1, "ends": ends, "level": "Tech Care", "source": "csv" });
    rig.bus.set(&key, Some(known.to_string().as_bytes()), None).await.unwrap();
    let warranty = rig.get(None, path).await.json()["warranty"].clone();
    assert_eq!((&warranty["days_left"], &warranty["level"]), (&json!(40), &json!("Tech Care")));
    assert_eq!((&warranty["source"], &warranty["reason"]), (&json!("csv"), &Value::Null));
    assert!(warranty["ends"].as_str().unwrap().ends_with('Z'), "{warranty}");
    let page = rig.get(None, "/api/v1/servers").await.json();
    assert_eq!(page["items"][0].get("warranty"), None);
    let unknown = json!({ "at": 1, "reason": "no serial is known yet" });
    rig.bus.set(&key, Some(unknown.to_string().as_bytes()), None).await.unwrap();
    let warranty = rig.get(None, path).await.json()["warranty"].clone();
    assert_eq!((&warranty["ends"], &warranty["reason"]), (&Value::Null, &json!("no serial is known yet")));
}

#[tokio::test]
async fn a_version_that_is_known_is_not_sent_again() {
    let rig = Rig::new().await;
    let server = rig.put(ready(1, "ams")).await;
    let path = "/api/v1/servers/AMS-SRV-00001";
    let tag = rig.get(None, path).await.header("etag").to_owned();
    assert_eq!(tag, "\"1\"");
    let known = || Request::get(path).header("if-none-match", &tag);
    let answer = rig.ask(None, known(), Body::empty()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    rig.put(server).await;
    assert_eq!(rig.ask(None, known(), Body::empty()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn filters_are_each_what_they_say() {
    let rig = Rig::new().await;
    for server in
        [ready(1, "ams"), ready(2, "fra"), active(3, "ams", "ACME"), failed(4, "ams", "cable-swapped", Blame::Cabling)]
    {
        rig.put(server).await;
    }
    for (query, wanted) in [
        ("", vec!["AMS-SRV-00001", "AMS-SRV-00003", "AMS-SRV-00004", "FRA-SRV-00002"]),
        ("?state=ready", vec!["AMS-SRV-00001", "FRA-SRV-00002"]),
        ("?stage=service", vec!["AMS-SRV-00003"]),
        ("?status=failed", vec!["AMS-SRV-00004"]),
        ("?site=fra", vec!["FRA-SRV-00002"]),
        ("?rack=A01&site=ams", vec!["AMS-SRV-00001", "AMS-SRV-00003", "AMS-SRV-00004"]),
        ("?tenant=ACME", vec!["AMS-SRV-00003"]),
        ("?problem=true", vec!["AMS-SRV-00004"]),
        ("?problem=false&site=fra", vec!["FRA-SRV-00002"]),
        ("?q=cable-swapped", vec!["AMS-SRV-00004"]),
        ("?q=mxq00002", vec!["FRA-SRV-00002"]),
        ("?q=ams%20dl360%2000001", vec!["AMS-SRV-00001"]),
        ("?q=94:40:c9:00:00:03", vec!["AMS-SRV-00003"]),
        ("?sort=site&state=ready", vec!["AMS-SRV-00001", "FRA-SRV-00002"]),
    ] {
        let page = rig.get(None, &format!("/api/v1/servers{query}")).await.json();
        assert_eq!(names(&page), wanted, "{query}");
        assert_eq!(page["total"], wanted.len(), "{query}");
    }
}

#[tokio::test]
async fn wrong_input_is_refused_by_name() {
    let rig = Rig::new().await;
    rig.put(ready(1, "ams")).await;
    let long = "x".repeat(200);
    for (query, says) in [
        ("?colour=red".to_owned(), "colour"),
        ("?state=redy".to_owned(), "state"),
        ("?limit=0".to_owned(), "limit"),
        ("?limit=1001".to_owned(), "limit"),
        ("?limit=many".to_owned(), "limit"),
        ("?sort=size".to_owned(), "sort"),
        ("?cursor=%21".to_owned(), "cursor"),
        ("?problem=maybe".to_owned(), "problem"),
        ("?q=".to_owned(), "q"),
        (format!("?site={long}"), "site"),
        ("?site=ams&site=fra".to_owned(), "site"),
    ] {
        let answer = rig.get(None, &format!("/api/v1/servers{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{query}: {answer:?}");
        assert_eq!(answer.json()["code"], "invalid-input");
    }
    let path = "/api/v1/servers/AMS-SRV-00001/requests";
    for (body, says) in [
        (json!({ "hold": { "reason": "" } }), "hold.reason"),
        (json!({ "hold": { "reason": "x", "until": 1 } }), "until"),
        (json!({ "hold": { "reason": "two\nlines" } }), "hold.reason"),
        (json!({ "explode": {} }), "explode"),
        (json!({ "assign": { "tenant": 7 } }), "tenant"),
        (
            json!({ "approve": { "action": "power", "reason": "x", "expires": 9_999_999_999_999_u64 } }),
            "approve.expires",
        ),
        (json!(null), ""),
    ] {
        let answer = rig.post(None, path, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer:?}");
        assert!(answer.text.contains(says), "{body}: {answer:?}");
    }
    let answer = rig.ask(None, Request::post(path), Body::from("\"retry\"")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let big = json!({ "hold": { "reason": "x".repeat(100_000) } });
    assert_eq!(rig.post(None, path, &big).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Every page of a list, with something done between them.
async fn walk(rig: &Rig, query: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let (mut all, mut cursor, mut page) = (Vec::new(), String::new(), 0);
    loop {
        let answer = rig.get(None, &format!("/api/v1/servers?limit=7{query}{cursor}")).await.json();
        all.extend(names(&answer));
        let Some(next) = answer["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
        between(page).await;
        page += 1;
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_servers_come_and_change() {
    let rig = Rig::new().await;
    let mut there = Vec::new();
    for n in (0..60).map(|n| n * 10) {
        there.push(rig.put(ready(n, "ams")).await);
    }
    let names: BTreeSet<String> = there.iter().map(|server| server.label().to_owned()).collect();
    let (mut late, mut changed) = (1_u32, there.clone());
    let seen = walk(&rig, "", async |page| {
        // One comes before what was read and one after; another changes its state.
        rig.put(ready(late, "ams")).await;
        rig.put(ready(595 - late, "ams")).await;
        late += 10;
        let mut server = changed[page].clone();
        server.since = farrier::egress::now();
        changed[page] = rig.put(server).await;
    })
    .await;
    let once: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "a server stands twice: {seen:?}");
    assert!(names.is_subset(&once), "missing: {:?}", names.difference(&once).collect::<Vec<_>>());
    for sort in ["site", "rack", "state", "stage", "since", "-since"] {
        let seen = walk(&rig, &format!("&sort={sort}"), async |_| {}).await;
        let once: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((once.len(), seen.len()), (late_total(&rig), late_total(&rig)), "{sort}");
    }
    let other = rig.get(None, "/api/v1/servers?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    let answer = rig.get(None, &format!("/api/v1/servers?sort=site&cursor={other}")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

fn late_total(rig: &Rig) -> usize {
    rig.fleet.rows(|_| true).len()
}

#[tokio::test]
async fn racks_and_the_technicians_list_say_where_and_what() {
    let rig = Rig::new().await;
    rig.put(ready(1, "ams")).await;
    let bad = rig.put(failed(2, "ams", "cable-swapped", Blame::Cabling)).await;
    rig.put(failed(3, "fra", "plugin-fault", Blame::Plugin)).await;
    let evidence = json!({ "at": 1_700_000_000_000_u64, "stage": "validate", "attempt": "1.1",
        "data": { "agrees": false, "ports": [], "steps": ["Swap the two cables: Ethernet12 and Ethernet14 of ams-a01-tor-a"] } });
    let key = format!("evidence/{}/cabling", bad.id);
    rig.bus.set(&key, Some(evidence.to_string().as_bytes()), None).await.unwrap();
    let racks = rig.get(None, "/api/v1/racks?site=ams").await.json();
    assert_eq!(racks["items"][0]["rack"], "A01");
    let units: Vec<_> =
        racks["items"][0]["servers"].as_array().unwrap().iter().map(|server| server["unit"].clone()).collect();
    assert_eq!(units, [json!(3), json!(2)], "from the top");
    let work = rig.get(None, "/api/v1/work").await.json();
    let items = work["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "a plugin's fault is no work at a rack: {work}");
    assert_eq!((&items[0]["kind"], &items[0]["check"]), (&json!("cabling"), &json!(true)));
    assert!(items[0]["steps"][0].as_str().unwrap().starts_with("Swap the two cables"), "{work}");
    let kept = rig.get(None, &format!("/api/v1/servers/{}/evidence", bad.id)).await.json();
    assert_eq!(kept["cabling"]["at"], "2023-11-14T22:13:20.000Z");
    assert_eq!(kept["cabling"]["data"]["agrees"], false);
}

#[tokio::test]
async fn racks_and_servers_are_as_high_as_the_inventory_says() {
    let rig = Rig::new().await;
    let placed = |n: u32, rack: &str, unit, units, rack_units| {
        let mut server = ready(n, "ams");
        (server.facts.rack, server.facts.unit) = (Some(rack.to_owned()), Some(unit));
        (server.facts.units, server.facts.rack_units) = (units, rack_units);
        server
    };
    for server in [
        placed(1, "A01", 10, Some(2), Some(24)),
        placed(2, "A01", 12, None, None),
        placed(3, "A02", 1, None, None),
        placed(4, "A03", 42, Some(2), None),
        // The inventory contradicts itself: drawn, not hidden.
        placed(5, "A04", 23, Some(4), Some(24)),
    ] {
        rig.put(server).await;
    }
    let racks = rig.get(None, "/api/v1/racks").await.json();
    let racks: Vec<(&str, u64)> = racks["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rack| (rack["rack"].as_str().unwrap(), rack["units"].as_u64().unwrap()))
        .collect();
    assert_eq!(racks, [("A01", 24), ("A02", 42), ("A03", 43), ("A04", 26)]);
    let racks = rig.get(None, "/api/v1/racks").await.json();
    let servers = racks["items"][0]["servers"].as_array().unwrap();
    let drawn: Vec<_> = servers.iter().map(|server| (server["unit"].clone(), server["units"].clone())).collect();
    assert_eq!(drawn, [(json!(12), json!(1)), (json!(10), json!(2))], "what is not known is one unit");
}

#[tokio::test]
async fn a_label_is_an_image_of_the_server_and_of_nothing_it_says() {
    let rig = Rig::new().await;
    let mut server = ready(1, "ams");
    server.facts.model = Some("<script>alert(1)</script>".to_owned());
    rig.put(server).await;
    let answer = rig.get(None, "/api/v1/servers/AMS-SRV-00001/label.svg").await;
    assert_eq!(answer.header("content-type"), "image/svg+xml");
    assert!(answer.text.contains("AMS-SRV-00001") && answer.text.contains("<path"), "{}", answer.text);
    assert!(!answer.text.contains("<script>"), "{}", answer.text);
}

#[tokio::test]
async fn the_journal_is_read_forward_and_from_its_end() {
    let rig = Rig::new().await;
    let mut server = rig.put(ready(1, "ams")).await;
    for _ in 0..9 {
        server = commit(&*rig.bus, server).await;
    }
    let mut versions = Vec::new();
    let mut after = String::new();
    loop {
        let page = rig.get(None, &format!("/api/v1/journal?limit=4&after={after}")).await;
        let page = page.json();
        versions.extend(page["items"].as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap()));
        let next = page["next"].as_str().unwrap().to_owned();
        if next == after {
            break;
        }
        after = next;
    }
    assert_eq!(versions, (1..=10).collect::<Vec<_>>());
    for path in ["/api/v1/journal?after=nowhere", "/api/v1/audit?after=nowhere"] {
        let answer = rig.get(None, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "invalid-input"), "{path}");
    }
    let last = rig.get(None, "/api/v1/journal?last=3").await.json();
    let versions: Vec<_> = last["items"].as_array().unwrap().iter().map(|item| item["version"].clone()).collect();
    assert_eq!(versions, [json!(8), json!(9), json!(10)]);
    let timeline = rig.get(None, "/api/v1/servers/AMS-SRV-00001/timeline").await.json();
    assert_eq!(timeline["items"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn the_poc_s_paths_answer_as_they_did() {
    let rig = Rig::new().await;
    rig.put(ready(7, "ams")).await;
    let devices = rig.get(None, "/api/devices").await.json();
    assert_eq!(
        devices,
        json!([{ "id": "7", "name": "AMS-SRV-00007", "site": "ams", "status": "ready", "primary_ip": "10.0.0.7" }])
    );
    let stats = rig.get(None, "/api/stats").await.json();
    assert_eq!((&stats["total_devices"], &stats["state_counts"]["ready"]), (&json!(1), &json!(1)));
    assert_eq!(rig.get(None, "/api/device/7/timeline").await.json(), json!([]));
    let queue = rig.get(None, "/api/queue").await.json();
    assert_eq!(queue["recent_events"].as_array().unwrap().len(), 1, "{queue}");
    assert_eq!(rig.get(None, "/api/device/8/timeline").await.status, StatusCode::NOT_FOUND);
}
